"""What is left to take away when a site goes: stacks, and the buckets, stores and logs that outlive them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from toolkit.aws.cloudformation import StackOperations
from toolkit.aws.dns import Lookup
from toolkit.aws.errors import code, status
from toolkit.aws.session import STEADY, asking
from toolkit.engine import pipelines
from toolkit.engine.stacks import Holding
from toolkit.errors import Unavailable, UserError

BUCKET, STORE, LOGS = "AWS::S3::Bucket", "AWS::CloudFront::KeyValueStore", "AWS::Logs::LogGroup"
_RECORDS = "AWS::Route53::RecordSet"
_KEPT = "DELETE_SKIPPED"
SITE_TAG, REGION_TAG = "toolkit:site", "toolkit:region"
_PAGE = 1000


@dataclass(frozen=True)
class Found:
    """Stacks that are there, what they hold or left, and the hosts whose DNS records they own."""

    stacks: tuple[str, ...]
    holdings: tuple[Holding, ...]
    own_hosts: frozenset[str]


def possessions(operations: Sequence[StackOperations], session: Any, site: str) -> Found:
    """What the stacks of these names have, and what deleted ones left behind. UserError for a stack that is somebody else's."""
    stacks: list[str] = []
    holdings: dict[tuple[str, str], Holding] = {}
    hosts: set[str] = set()
    for one in operations:
        # A stack of that name may have been somebody else's before.
        ids = [id for id in one.deleted() if _tags(one.describe(id)).get(SITE_TAG) == site]
        if there := one.describe():
            check_owner(there, one, site, session.region_name)
            stacks.append(one.name)
            ids.append(there["StackId"])
        for id in ids:
            for it in one.resources(id):
                if it["ResourceType"] == _RECORDS and there and id == there["StackId"]:
                    # Route 53 writes * as \052.
                    hosts.add(str(it.get("PhysicalResourceId", "")).rstrip(".").replace("\\052", "*"))
                if holding := _holding(it, one.region, is_deleted=not there or id != there["StackId"]):
                    holdings[holding.kind, holding.name] = holding
    return Found(tuple(stacks), tuple(it for it in holdings.values() if exists(session, it)), frozenset(hosts))


def kept(outputs: Mapping[str, str], holdings: Sequence[Holding]) -> Iterator[str]:
    """What the site uses that is somebody's own, in words; `outputs` are those of its stack."""
    uploads = outputs.get(pipelines.UPLOAD_BUCKET, "")
    if uploads and uploads not in [it.name for it in holdings]:
        yield f"s3://{uploads}/{outputs.get(pipelines.UPLOAD_PREFIX, '')}: the bucket of uploads is your own"


def check_owner(stack: Mapping[str, Any], one: StackOperations, site: str, home: str) -> None:
    """UserError when the stack is not that of `site` in the region `home`: certificate and alarms of all sites are in one region.

    A stack that was never begun has no tags, and nothing in it.
    """
    if stack["StackStatus"] == "REVIEW_IN_PROGRESS":
        return
    tags = _tags(stack)
    whose, where = tags.get(SITE_TAG, "missing"), tags.get(REGION_TAG, home)
    if whose != site:
        raise UserError(
            f"the stack {one.name} in {one.region} was not made by this command: its tag {SITE_TAG} is {whose}",
            "change and delete it where it was made",
        )
    if where != home:
        raise UserError(
            f"the stack {one.name} in {one.region} belongs to the site {site} in {where}, not in {home}",
            f'say [aws] region = "{where}" in site.toml; a second site, in another region, needs another name',
        )


def _tags(stack: Mapping[str, Any] | None) -> dict[str, str]:
    return {item["Key"]: item["Value"] for item in (stack or {}).get("Tags", ())}


def _holding(resource: dict[str, Any], region: str, *, is_deleted: bool) -> Holding | None:
    """A resource that keeps data; of a deleted stack only what was left, log groups only then."""
    kind, state, name = resource["ResourceType"], resource["ResourceStatus"], resource.get("PhysicalResourceId", "")
    if kind not in (BUCKET, STORE, LOGS) or not name or state == "DELETE_COMPLETE":
        return None
    if state != _KEPT and (is_deleted or kind == LOGS):
        return None
    return Holding(kind, name, region)


def pointing(lookup: Lookup, hosts: Sequence[str], domain: str) -> tuple[list[str], list[str]]:
    """Those of `hosts` whose DNS leads to `domain`, and those for which DNS did not answer.

    A CNAME says so itself; behind an alias record the addresses are the same.
    """
    if not domain:
        return [], []
    found: list[str] = []
    unsure: list[str] = []
    for host in hosts:
        # Any name below a wildcard is answered by it.
        asked = host.replace("*", "toolkit", 1)
        try:
            addresses = set(lookup(asked, "A"))
            if domain in lookup(asked, "CNAME") or (addresses and addresses & set(lookup(domain, "A"))):
                found.append(host)
        except Unavailable:
            unsure.append(host)
    return found, unsure


def exists(session: Any, holding: Holding) -> bool:
    """Whether a bucket, store or log group is still there."""
    client = _client(session, holding)
    with asking(holding.name, _READS[holding.kind]):
        try:
            if holding.kind == BUCKET:
                client.head_bucket(Bucket=holding.name)
            elif holding.kind == STORE:
                client.describe_key_value_store(Name=holding.name)
            else:
                groups = client.describe_log_groups(logGroupNamePrefix=holding.name)["logGroups"]
                return holding.name in [group["logGroupName"] for group in groups]
            return True
        except ClientError as error:
            if status(error) == 404 or code(error) in ("EntityNotFound", "NoSuchBucket"):
                return False
            raise


def empty(session: Any, holding: Holding) -> Iterator[int]:
    """Delete a bucket's objects with all their versions; the number of each batch. Nothing for what is no bucket."""
    if holding.kind != BUCKET:
        return
    client = _client(session, holding)
    with asking(f"s3://{holding.name}", "s3:ListBucketVersions"):
        try:
            for page in client.get_paginator("list_object_versions").paginate(Bucket=holding.name):
                there = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
                for start in range(0, len(there), _PAGE):
                    batch = [{"Key": it["Key"], "VersionId": it["VersionId"]} for it in there[start : start + _PAGE]]
                    reply = client.delete_objects(Bucket=holding.name, Delete={"Objects": batch, "Quiet": True})
                    for failed in reply.get("Errors", ())[:1]:
                        what = f"s3://{holding.name}/{failed['Key']} was not deleted: {failed.get('Message', failed['Code'])}"
                        raise UserError(what, "allow s3:DeleteObject and s3:DeleteObjectVersion there")
                    yield len(batch)
        except ClientError as error:
            if code(error) != "NoSuchBucket":
                raise


def discard(session: Any, holding: Holding) -> bool:
    """Delete what outlived its stack; False when it was gone. Unavailable for a bucket that something was written to meanwhile."""
    client = _client(session, holding)
    with asking(holding.name, _DELETES[holding.kind]):
        try:
            if holding.kind == BUCKET:
                client.delete_bucket(Bucket=holding.name)
            elif holding.kind == STORE:
                tag = client.describe_key_value_store(Name=holding.name)["ETag"]
                client.delete_key_value_store(Name=holding.name, IfMatch=tag)
            else:
                client.delete_log_group(logGroupName=holding.name)
            return True
        except ClientError as error:
            if code(error) in ("EntityNotFound", "NoSuchBucket", "ResourceNotFoundException"):
                return False
            if code(error) == "BucketNotEmpty":
                raise Unavailable(f"s3://{holding.name} was written to while it was emptied") from error
            raise


_SERVICES = {BUCKET: "s3", STORE: "cloudfront", LOGS: "logs"}
_READS = {BUCKET: "s3:ListBucket", STORE: "cloudfront:DescribeKeyValueStore", LOGS: "logs:DescribeLogGroups"}
_DELETES = {BUCKET: "s3:DeleteBucket", STORE: "cloudfront:DeleteKeyValueStore", LOGS: "logs:DeleteLogGroup"}


def _client(session: Any, holding: Holding) -> Any:
    return session.client(_SERVICES[holding.kind], region_name=holding.region, config=STEADY)
