"""What `cdk synth` runs (see cdk.json): the stacks of the site whose site.toml lies in the current folder.

Nothing is looked up, in AWS or elsewhere. Context goes before site.toml's [aws] (`cdk synth -c toolkit:stage=development`): its
keys are `toolkit:` and folder, or a field of [aws] from stage on in the spelling of CDK's own context (certificateArn ...).
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from toolkit.config import SiteConfig, load
from toolkit.config_aws import secret_places
from toolkit.errors import EXIT_OK, EXIT_USER, INSTALL_AWS, UserError

if TYPE_CHECKING:
    from toolkit.cdk.builds import SiteBuild
    from toolkit.cdk.stacks import Hosting

PREFIX = "toolkit:"
FOLDER = "folder"
TEXTS = (
    "stage", "certificateArn", "hostedZoneId", "hostedZoneName", "priceClass", "webAclArn", "permissionsBoundary",
    "webhookSecretArn", "alarmTopicArn",
)  # fmt: skip
NUMBERS = {"logDays": "[1-9][0-9]{0,4}", "watchMinutes": "[0-9]{1,4}"}
KEYS = (FOLDER, *TEXTS, "accessLogs", *NUMBERS)
# Fields of [aws] that say where the stacks are, not what they are made of.
_PLACE = ("region", "profile", "stack", "outputs")
# Its tables, which are handed on as they are or as what a build is.
_TABLES = ("github", "uploads", "build")


def main() -> int:
    try:
        _check_tools()
        from aws_cdk import App

        from toolkit.cdk import stacks

        app = App(analytics_reporting=False)
        context = app.node.get_all_context()
        said = {key.removeprefix(PREFIX): value for key, value in context.items() if key.startswith(PREFIX)}
        stacks.build(app, hosting(load(str(said.get(FOLDER, "."))), said))
        app.synth()
    except UserError as error:
        print(f"error: {error.what}", file=sys.stderr)
        print(f"  fix: {error.fix}", file=sys.stderr)
        return EXIT_USER
    return EXIT_OK


def hosting(config: SiteConfig, said: Mapping[str, Any]) -> Hosting:
    """What a site's stacks are made of: `said` is the context without its prefix. UserError for what does not fit."""
    from toolkit.cdk.stacks import Hosting

    unknown = sorted(set(said) - set(KEYS))
    if unknown:
        raise UserError(f"{PREFIX}{unknown[0]} is not part of this release of the toolkit", f"choose from: {', '.join(KEYS)}")
    aws = {item.name: getattr(config.aws, item.name) for item in fields(config.aws) if item.name not in (*_PLACE, *_TABLES)}
    given: dict[str, Any] = {key: value for key, value in aws.items() if value != ""}
    given |= {_snake(key): str(said[key]) for key in TEXTS if key in said}
    if "accessLogs" in said:
        given["access_logs"] = _switch("accessLogs", str(said["accessLogs"]))
    given |= {_snake(key): _number(key, str(said[key]), shape) for key, shape in NUMBERS.items() if key in said}
    return Hosting(
        site=config.name,
        hosts=config.hosts,
        canonical=config.canonical,
        settings=config.settings,
        keep=config.keep,
        grace_hours=config.grace_hours,
        preview_days=config.preview_days,
        strict=config.strict,
        branch=config.branch,
        previews=config.previews,
        github=config.aws.github,
        uploads=config.aws.uploads,
        build=_build(config) if config.aws.has_pipelines else None,
        **given,
    )


def _build(config: SiteConfig) -> SiteBuild:
    from toolkit.builds.cloud import cloud_spec, folder_in_repository
    from toolkit.cdk.builds import SiteBuild

    machine = config.aws.build
    return SiteBuild(
        spec=cloud_spec(config, folder_in_repository(config.folder)),
        zip_spec=cloud_spec(config),
        environment=config.env,
        secrets=secret_places(config.name, config.secrets, config.aws),
        compute=machine.compute,
        architecture=machine.architecture,
        timeout_minutes=machine.timeout_minutes,
    )


def _check_tools() -> None:
    if importlib.util.find_spec("aws_cdk") is None:
        raise UserError("the AWS stacks need the CDK, which is not installed", INSTALL_AWS)
    node = os.environ.get("JSII_NODE", "node")
    if shutil.which(node) is None:
        raise UserError(f"the CDK needs Node.js, and there is no {node} here", "install Node.js 22 or newer")


def _switch(key: str, text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise UserError(f"{PREFIX}{key} is {text!r}", "say true or false")
    return text.lower() == "true"


def _number(key: str, text: str, shape: str) -> int:
    if not re.fullmatch(shape, text):
        raise UserError(f"{PREFIX}{key} is {text!r}", "say how many, in digits")
    return int(text)


def _snake(key: str) -> str:
    return re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", key)


if __name__ == "__main__":
    raise SystemExit(main())
