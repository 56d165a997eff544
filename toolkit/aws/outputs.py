"""What a site's stack says of itself: its outputs, by the names that its constructs (`StaticSite`, …) give them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from toolkit.aws.errors import code
from toolkit.aws.session import FIRST, asking_first
from toolkit.engine import pipelines as names
from toolkit.errors import UserError

REQUIRED = ("Bucket", "KeyValueStoreArn", "DistributionId", "DomainName")
# Those of pipelines, by their keys.
_PIPELINES = {key: names.output(key) for key in (*names.PUSHED, names.CLOSED, names.UPLOAD)}
_OF_UPLOADS = (names.UPLOAD_BUCKET, names.UPLOAD_PREFIX, names.ARTIFACT_BUCKET)
OPTIONAL = ("ReleaseArn", "WatchArn", "TopicArn", *_PIPELINES.values(), *_OF_UPLOADS)
# The CDK ends a logical id with this many digits of a hash, unless it was chosen.
_HASH = "([0-9A-F]{8})?"


def stack_outputs(session: Any, stack: str) -> dict[str, str]:
    """The outputs of a stack in the session's region. UserError when it is not there or was never finished."""
    region = session.region_name
    where = f"the stack {stack} in {region}"
    with asking_first(session, where, "cloudformation:DescribeStacks"):
        client = session.client("cloudformation", config=FIRST)
        try:
            found = client.describe_stacks(StackName=stack)["Stacks"][0]
        except ClientError as error:
            if not is_missing(error):
                raise
            raise UserError(
                f"there is no stack {stack} in {region}",
                "set the site up (toolkit up --target aws), or say in site.toml's [aws] in which region and profile it is",
            ) from error
    outputs = {item["OutputKey"]: item["OutputValue"] for item in found.get("Outputs", ())}
    if not outputs:
        raise UserError(f"{where} is {found['StackStatus']} and has no outputs", "finish it: toolkit up --target aws")
    return outputs


def find(session: Any, stack: str, prefix: str = "") -> dict[str, str]:
    """One site's outputs by their plain names: `site_outputs` of what a stack says. UserError."""
    return site_outputs(stack_outputs(session, stack), prefix, stack)


def pipelines(outputs: Mapping[str, str]) -> dict[str, str]:
    """The names of the pipelines that a site has, by their keys."""
    return {key: outputs[name] for key, name in _PIPELINES.items() if name in outputs}


def is_missing(error: ClientError) -> bool:
    """Whether CloudFormation says that a stack is not there: it has no code of its own for that."""
    return code(error) == "ValidationError" and "does not exist" in str(error)


def site_outputs(outputs: Mapping[str, str], prefix: str, stack: str) -> dict[str, str]:
    """One site's outputs by their plain names, of a stack that may hold several sites. UserError for one that is missing."""
    found = {name: _find(outputs, prefix + name, stack) for name in (*REQUIRED, *OPTIONAL)}
    missing = [name for name in REQUIRED if not found[name]]
    if missing:
        raise UserError(
            f"the stack {stack} has no output {prefix}{missing[0]}",
            "set the site up again (toolkit up --target aws); for a stack of your own, say [aws] outputs in site.toml",
        )
    return {name: value for name, value in found.items() if value}


def _find(outputs: Mapping[str, str], name: str, stack: str) -> str:
    if name in outputs:
        return outputs[name]
    near = [key for key in outputs if re.fullmatch(re.escape(name) + _HASH, key)]
    if len(near) > 1:
        raise UserError(f"the stack {stack} has several outputs {name}: {', '.join(near)}", "say [aws] outputs in site.toml")
    return outputs[near[0]] if near else ""
