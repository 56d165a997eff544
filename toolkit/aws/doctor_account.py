"""The account: who asks, where, whether it is bootstrapped, how the stacks are, and how much room there is."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from toolkit.aws.bootstrap import PARAMETER
from toolkit.aws.doctor import Patient, fine, pages, wrong
from toolkit.aws.errors import answered, code, unanswered
from toolkit.aws.outputs import is_missing
from toolkit.aws.session import NO_CREDENTIALS, NO_REGION, known_regions
from toolkit.engine.advice import PROBLEM, WARNING, Finding
from toolkit.engine.errors import UserError
from toolkit.engine.stacks import ALARMS, CERTIFICATE, EDGE_REGION, stack_name

# What the CDK's own stacks ask for: its rule `CheckBootstrapVersion` refuses 1 to 5.
BOOTSTRAP_VERSION = 6
# AWS refuses a signature that is older or newer ("Signing AWS API requests", IAM user guide).
SKEW_SECONDS = 300
_SOON_SECONDS = 900
_ENABLED = ("ENABLED", "ENABLED_BY_DEFAULT")
# What a site takes, and what an account has unless Service Quotas says otherwise ("Amazon CloudFront endpoints and quotas", AWS
# General Reference, and "Quotas", CloudFront developer guide, 2026-11): operation, arguments, pattern of the quota's name.
QUOTAS: Mapping[str, tuple[int, int, str, Mapping[str, str], str]] = {
    "distributions": (1, 500, "list_distributions", {}, r"(web )?distributions per aws account"),
    "functions": (3, 100, "list_functions", {"Stage": "DEVELOPMENT"}, r"(cloudfront )?functions( per|:.*per) aws account"),
    "key value stores": (1, 50, "list_key_value_stores", {}, r".*key value stores per aws account"),
    "cache policies": (1, 20, "list_cache_policies", {"Type": "custom"}, r"(custom )?cache policies per aws account"),
    "origin request policies": (
        1,
        20,
        "list_origin_request_policies",
        {"Type": "custom"},
        r"(custom )?origin request policies per aws account",
    ),
    "origin access controls": (1, 100, "list_origin_access_controls", {}, r"origin access controls per aws account"),
}


def credentials(patient: Patient) -> Iterator[Finding]:
    """Who AWS takes us for, how long that lasts, and whether this machine's clock agrees with AWS's."""
    found = patient.session().get_credentials()
    if found is None:
        yield wrong(*NO_CREDENTIALS)
        return
    # A region that does not exist has no endpoint either: that is said of the region, not of the credentials.
    region = patient.region if patient.region in known_regions(patient.session()) else EDGE_REGION
    try:
        reply = patient.client("sts", region).get_caller_identity()
    except ClientError as error:
        yield from _skew(patient, error.response)
        yield _refused(answered(error, "sts", "sts:GetCallerIdentity") or UserError(str(error), "see what AWS says of it"))
        return
    except BotoCoreError as error:
        yield _refused(unanswered(error, "sts"))
        return
    yield from _skew(patient, reply)
    patient.notes["account"] = reply["Account"]
    yield fine(f"{reply['Arn']} in the account {reply['Account']}")
    if reply["Arn"].endswith(":root"):
        yield Finding("root user", WARNING, "these are the root user's keys: nothing limits them", "make a role or a user instead")
    yield from _expiry(patient, found)


def _refused(error: Exception) -> Finding:
    if isinstance(error, UserError):
        return wrong(error.what, error.fix)
    return wrong(f"AWS does not answer ({error})", "see that this machine reaches the Internet, and the settings of a proxy")


def _skew(patient: Patient, reply: Mapping[str, Any]) -> Iterator[Finding]:
    text = reply.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
    if not text:
        return
    off = patient.clock() - parsedate_to_datetime(text).timestamp()
    what = f"this machine's clock is {abs(off):.0f} seconds {'ahead of' if off > 0 else 'behind'} AWS's"
    if abs(off) > SKEW_SECONDS:
        yield Finding("clock", PROBLEM, f"{what}; more than {SKEW_SECONDS} are refused", "set it: `sudo timedatectl set-ntp true`")
    elif abs(off) > SKEW_SECONDS / 5:
        yield Finding("clock", WARNING, what, "set it: `sudo timedatectl set-ntp true`")


def _expiry(patient: Patient, found: Any) -> Iterator[Finding]:
    """Sessions of SSO and of roles say when they end to botocore, exported ones in a variable that the AWS CLI writes."""
    text = os.environ.get("AWS_CREDENTIAL_EXPIRATION", "")
    until = getattr(found, "_expiry_time", None) or (datetime.fromisoformat(text) if text and found.method == "env" else None)
    if until is None:
        return
    left = (until if until.tzinfo else until.replace(tzinfo=UTC)).timestamp() - patient.clock()
    if left < _SOON_SECONDS:
        yield Finding(
            "expiry", WARNING, f"the credentials end in {max(0, left) / 60:.0f} minutes", "sign in again before a long command"
        )


def region(patient: Patient) -> Iterator[Finding]:
    """Whether a region is set and exists, as far as can be told here."""
    if not patient.region:
        yield wrong(*NO_REGION)
        return
    known = known_regions(patient.session())
    if patient.region in known:
        yield fine(patient.region)
        return
    near = difflib.get_close_matches(patient.region, sorted(known), n=2)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    yield wrong(f"there is no region {patient.region}", f"{hint}A region newer than this boto3 needs `pip install -U boto3`")


def opted_in(patient: Patient) -> Iterator[Finding]:
    """Regions opened since 2019 are off until an account wants them."""
    status = patient.client("account", EDGE_REGION).get_region_opt_status(RegionName=patient.region)["RegionOptStatus"]
    if status in _ENABLED:
        yield fine(f"{patient.region} is enabled for this account")
    else:
        fix = f"aws account enable-region --region-name {patient.region}, and wait until it is ENABLED; or choose another region"
        yield wrong(f"the region {patient.region} is {status} for this account", fix)


def bootstrap(patient: Patient) -> Iterator[Finding]:
    """The CDK's bootstrap stack keeps what stacks are made from; without it nothing can be deployed."""
    # Certificate and alarms are stacks of their own in the one region; a stack of somebody's own has neither.
    for name in dict.fromkeys((patient.region,) if patient.facts.stack else (patient.region, EDGE_REGION)):
        fix = f"npx aws-cdk@2 bootstrap aws://{patient.account}/{name} (what that may do: toolkit permissions bootstrap)"
        try:
            reply = patient.client("ssm", name).get_parameter(Name=PARAMETER)
        except ClientError as error:
            if code(error) != "ParameterNotFound":
                raise
            yield wrong(f"{name} is not bootstrapped for the CDK (no parameter {PARAMETER})", fix)
            continue
        version = reply["Parameter"]["Value"]
        if version.isdigit() and int(version) >= BOOTSTRAP_VERSION:
            yield fine(f"{name} has version {version}")
        else:
            yield wrong(f"{name} has version {version} of the bootstrap stack, {BOOTSTRAP_VERSION} is needed", fix)


def stacks(patient: Patient) -> Iterator[Finding]:
    """How CloudFormation left the site's stacks."""
    if not patient.facts.site and not patient.facts.stack:
        return
    own = patient.facts.site_stack
    wanted = [(own, patient.region)]
    if not patient.facts.stack:
        wanted += [(stack_name(kind, patient.facts.site), EDGE_REGION) for kind in (CERTIFICATE, ALARMS)]
    for name, where in wanted:
        found = describe_stack(patient, name, where)
        if found is not None:
            yield _stack_state(name, found)
        elif name == own:
            yield fine(f"{name} is not there yet: `toolkit up --target aws` makes it")


def describe_stack(patient: Patient, name: str, where: str) -> dict[str, Any] | None:
    """A stack as CloudFormation describes it, None when it is not there."""
    try:
        return dict(patient.client("cloudformation", where).describe_stacks(StackName=name)["Stacks"][0])
    except ClientError as error:
        if is_missing(error):
            return None
        raise


def _stack_state(name: str, found: Mapping[str, Any]) -> Finding:
    status, reason = found["StackStatus"], found.get("StackStatusReason", "")
    said = f"{name} is {status}" + (f": {reason}" if reason else "")
    if status.endswith("_IN_PROGRESS"):
        return Finding("", WARNING, said, "wait until that is done (CloudFormation's console shows it)")
    if status in ("ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS", "ROLLBACK_FAILED"):
        return wrong(said, f"it never came up: run `toolkit up --target aws` again, or delete the stack {name}")
    if status.endswith("_FAILED"):
        return wrong(said, "see its events in CloudFormation's console, mend the cause, then continue its rollback there")
    return fine(f"{name} is {status}")


def quotas(patient: Patient) -> Iterator[Finding]:
    """Whether a new site still fits into what the account may have of CloudFront."""
    limits = _limits(patient)
    is_new = not patient.facts.site or describe_stack(patient, patient.facts.site_stack, patient.region) is None
    client = patient.client("cloudfront", EDGE_REGION)
    near = []
    for what, (needed, _, operation, arguments, _) in QUOTAS.items():
        used = sum(int(page.get("Quantity", len(page.get("Items") or ()))) for page in pages(client, operation, **arguments))
        limit = limits[what]
        near.append(f"{used} of {limit} {what}")
        fix = f"ask for more: Service Quotas, Amazon CloudFront, {what} per account; or remove what nobody uses"
        if is_new and used + needed > limit:
            yield wrong(f"{used} of {limit} {what} are in use, a site takes {needed}", fix)
        elif used > limit * 0.8:
            yield Finding("", WARNING, f"{used} of {limit} {what} are in use", fix)
    yield fine(", ".join(near))


def _limits(patient: Patient) -> dict[str, int]:
    """The account's own limits by Service Quotas, where it says them, else the documented ones."""
    limits = {what: quota[1] for what, quota in QUOTAS.items()}
    try:
        pager = patient.client("service-quotas", EDGE_REGION).get_paginator("list_service_quotas")
        listed = [item for page in pager.paginate(ServiceCode="cloudfront") for item in page["Quotas"]]
    except ClientError:
        return limits  # not allowed to see them: the documented ones will do
    for what, quota in QUOTAS.items():
        said = [item["Value"] for item in listed if re.fullmatch(quota[4], item["QuotaName"].lower())]
        limits[what] = int(said[0]) if said else limits[what]
    return limits
