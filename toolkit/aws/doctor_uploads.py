"""Whether a zip that is uploaded starts the pipeline: the bucket keeps versions and tells EventBridge, the rule is switched on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from toolkit.aws.doctor import Patient, fine, wrong
from toolkit.aws.doctor_pipeline import outputs
from toolkit.aws.errors import status
from toolkit.engine import pipelines
from toolkit.engine.advice import UNKNOWN, Finding


def bucket(patient: Patient) -> Iterator[Finding]:
    """One of somebody's own has to be there before the first `up`; that of the stack is looked at once it is."""
    if not patient.facts.pipelines.uploads:
        return
    own = patient.facts.pipelines.bucket
    name = own or outputs(patient).get(pipelines.UPLOAD_BUCKET, "")
    if not name:
        yield fine("`toolkit up --target aws` makes the bucket of uploads")
        return
    client = patient.client("s3")
    try:
        region = client.head_bucket(Bucket=name).get("BucketRegion", patient.region)
    except ClientError as error:
        if status(error) == 403:
            whose = f"the bucket {name} is somebody else's, or you may not look at it"
            yield Finding("", UNKNOWN, whose, "allow s3:ListBucket on it, or name another in [aws.uploads]")
            return
        if status(error) != 404:
            raise
        yield wrong(f"there is no bucket {name}", _new_bucket(name, patient.region) if own else "run `toolkit up --target aws`")
        return
    if region != patient.region:
        yield wrong(
            f"the bucket {name} is in {region}, the site in {patient.region}: a pipeline reads only buckets of its own region",
            "name a bucket of that region in [aws.uploads], or leave `bucket` out: then `toolkit up` makes one",
        )
        return
    faults = [*_versioning(client, name), *_events(client, name), *(_encryption(client, name) if own else ())]
    yield from faults or [fine(f"{name} keeps versions and tells EventBridge of new objects")]


def rule(patient: Patient) -> Iterator[Finding]:
    """A rule that is switched off, or gone, starts nothing, and nothing says so."""
    pipeline = outputs(patient).get(pipelines.output(pipelines.UPLOAD), "") if patient.facts.pipelines.uploads else ""
    if not pipeline:
        return
    client = patient.client("events")
    partition = patient.session().get_partition_for_region(patient.region)
    target = f"arn:{partition}:codepipeline:{patient.region}:{patient.account}:{pipeline}"
    names = client.list_rule_names_by_target(TargetArn=target)["RuleNames"]
    if not names:
        template = f"aws cloudformation get-template --stack-name {patient.facts.site_stack}"
        fix = f"somebody took it away, which CloudFormation does not notice: make it again as the template has it ({template})"
        yield wrong(f"no rule starts the pipeline {pipeline}", fix)
        return
    off = [name for name in names if client.describe_rule(Name=name)["State"] == "DISABLED"]
    for name in off:
        yield wrong(f"the rule {name} is switched off: an upload starts nothing", f"aws events enable-rule --name {name}")
    if not off:
        yield fine(f"{', '.join(names)} starts {pipeline}")


def _new_bucket(bucket: str, region: str) -> str:
    where = "" if region == "us-east-1" else f" --create-bucket-configuration LocationConstraint={region}"
    return f"aws s3api create-bucket --bucket {bucket} --region {region}{where}; or leave `bucket` out: then `toolkit up` makes one"


def _versioning(client: Any, bucket: str) -> Iterator[Finding]:
    """CodePipeline reads an object by its version ("Amazon S3 source action reference", user guide)."""
    if client.get_bucket_versioning(Bucket=bucket).get("Status") != "Enabled":
        fix = f"aws s3api put-bucket-versioning --bucket {bucket} --versioning-configuration Status=Enabled"
        yield wrong(f"the bucket {bucket} keeps no versions: of two uploads of one name the pipeline could take the wrong one", fix)


def _events(client: Any, bucket: str) -> Iterator[Finding]:
    """The command to mend it names what is there already: it replaces all of a bucket's notifications."""
    said = client.get_bucket_notification_configuration(Bucket=bucket)
    if "EventBridgeConfiguration" not in said:
        there = {name: value for name, value in said.items() if name != "ResponseMetadata"}
        wanted = json.dumps({**there, "EventBridgeConfiguration": {}})
        fix = f"aws s3api put-bucket-notification-configuration --bucket {bucket} --notification-configuration '{wanted}'"
        yield wrong(f"the bucket {bucket} does not tell EventBridge of new objects: an upload would start nothing", fix)


def _encryption(client: Any, bucket: str) -> Iterator[Finding]:
    """The roles have no right to a key: AWS's own lets in whoever may read the bucket, another one does not."""
    rules = client.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    for default in (rule.get("ApplyServerSideEncryptionByDefault", {}) for rule in rules):
        key = default.get("KMSMasterKeyID", "")
        if default.get("SSEAlgorithm", "").startswith("aws:kms") and key and not key.endswith("alias/aws/s3"):
            yield wrong(
                f"the bucket {bucket} encrypts with the key {key}, which the pipeline may not use",
                f"aws s3api delete-bucket-encryption --bucket {bucket} (S3 then uses keys of its own), or leave `bucket` out",
            )
