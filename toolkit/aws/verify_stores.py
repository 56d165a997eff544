"""Trials of the stores and of what the account says: conditional writes, how writes spread, the bucket's policy, access logs."""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from toolkit.aws import verify_content as content
from toolkit.aws.errors import answered, unanswered
from toolkit.aws.verify import Differs, Probe, Trial, Unproven, expect
from toolkit.engine.errors import Conflict, Unavailable
from toolkit.engine.hosts import SPREAD_SECONDS
from toolkit.engine.stacks import EDGE_REGION

_PAUSE = 0.2
_FLIPS = 6


def spread(probe: Probe) -> str:
    """Go back and forth between two versions and look at the home page all the while.

    Every answer must be one whole page of one of them, or the 503 of an edge that cannot know; the older one must be gone after
    SPREAD_SECONDS. How late edges learn, and whether they go back, is measured and said.
    """
    if probe.seconds <= 0:
        raise Unproven("not watched (--seconds 0)")
    clock, pages = probe.hosting.clock, {content.home("one"): 0, content.home("two"): 1}
    late: list[float] = []
    back = asked = unready = 0
    for number in range(_FLIPS):
        wanted = (number + 1) % 2
        probe.flip(probe.versions[wanted].version)
        flipped = last_old = clock()
        has_new = False
        while clock() < flipped + probe.seconds / _FLIPS or (last_old > clock() - 1 and clock() < flipped + SPREAD_SECONDS + 5):
            reply, asked = probe.ask("/"), asked + 1
            if reply.status == 503 and "retry-after" in reply.headers:
                unready += 1
            else:
                seen = pages.get(reply.body) if reply.status == 200 else None
                if seen is None:
                    raise Differs(f"during a switch / answered {reply.status} with {len(reply.body)} bytes that no version has")
                if seen != wanted:
                    last_old, back = clock(), back + has_new
                has_new = has_new or seen == wanted
            probe.hosting.sleep(_PAUSE)
        late.append(last_old - flipped)
        expect(has_new and late[-1] <= SPREAD_SECONDS, f"an old version still answers {late[-1]:.0f} seconds after a switch")
    probe.flip(probe.versions[0].version)
    middle = sorted(late)[len(late) // 2]
    said = f"{asked} answers over {_FLIPS} switches: the old one for up to {max(late):.1f} s (median {middle:.1f} s)"
    return f"{said}, {back} times after the new one; {unready} times 503"


def stale_tag(probe: Probe) -> str:
    routes = probe.hosting.routes
    key = f"v:{probe.site}/tag"
    tag = routes.etag()
    newer = routes.update({key: "1"}, [], if_match=tag)
    try:
        routes.update({key: "2"}, [], if_match=tag)
    except Conflict:
        expect(routes.get(key) == "1", "an update with a stale tag was refused, and took effect")
        return "an update with a stale tag is refused"
    else:
        raise Differs("the store takes an update with a stale tag: two releases at once could undo each other")
    finally:
        _forget(probe, key, newer)


def _forget(probe: Probe, key: str, tag: str) -> None:
    """The probe's removal would choke on a record that is none."""
    routes = probe.hosting.routes
    for _ in range(5):
        try:
            routes.update({}, [key], if_match=tag)
            return
        except Conflict:
            tag = routes.etag()
    raise Unavailable(f"the store stays busy: {key} could not be deleted")


def written_once(probe: Probe) -> str:
    objects, key = probe.hosting.objects, f"{probe.site}/once"
    first = objects.put(key, b"1", if_absent=True)
    second = objects.put(key, b"2", if_absent=True)
    expect(first and not second and objects.get(key)[1] == b"1", "an object was overwritten under If-None-Match: *")
    return "the second writer is refused"


def bucket_policy(probe: Probe) -> str:
    bucket = probe.hosting.bucket
    said = json.loads(ask(probe, "s3", "s3:GetBucketPolicy", "get_bucket_policy", Bucket=bucket)["Policy"])
    service = [
        one for one in said["Statement"] if one["Effect"] == "Allow" and "cloudfront.amazonaws.com" in json.dumps(one["Principal"])
    ]
    resources = [resource for one in service for resource in _listed(one["Resource"])]
    expect(bool(resources), "the bucket's policy does not name CloudFront")
    too_far = [resource for resource in resources if not resource.endswith("/*/blobs/*")]
    expect(not too_far, f"CloudFront may read {', '.join(too_far)}")
    bound = all("StringEquals" in one.get("Condition", {}) and "aws:SourceArn" in json.dumps(one["Condition"]) for one in service)
    expect(bound, "CloudFront may read for any distribution: the policy names none")
    anyone = [
        one.get("Sid", "") for one in said["Statement"] if one["Effect"] == "Allow" and one["Principal"] in ("*", {"AWS": "*"})
    ]
    expect(not anyone, f"everybody is allowed something: {', '.join(anyone)}")
    blocks = ask(probe, "s3", "s3:GetBucketPublicAccessBlock", "get_public_access_block", Bucket=bucket)
    expect(all(blocks["PublicAccessBlockConfiguration"].values()), "public access to the bucket is not blocked altogether")
    return "CloudFront may read */blobs/* for this distribution, nobody else anything in public"


def access_logs(probe: Probe) -> str:
    identity = probe.hosting.distribution
    config = ask(probe, "cloudfront", "cloudfront:GetDistributionConfig", "get_distribution_config", Id=identity)[
        "DistributionConfig"
    ]
    logging = config.get("Logging", {})
    if not logging.get("Enabled"):
        raise Unproven("access logs are switched off ([aws] access_logs)")
    bucket = logging["Bucket"].partition(".")[0]
    found = ask(probe, "s3", "s3:ListBucket", "list_objects_v2", Bucket=bucket, Prefix=logging.get("Prefix", ""), MaxKeys=1)
    if not found.get("KeyCount"):
        raise Unproven(f"no log has arrived in {bucket} yet: they come within an hour of a request, look again then")
    return f"they arrive in {bucket}"


def ask(probe: Probe, service: str, action: str, operation: str, **arguments: object) -> dict[str, Any]:
    """What the account says, under the engine's errors."""
    if probe.hosting.session is None:
        raise Unproven("there is no account to ask")
    region = EDGE_REGION if service == "cloudfront" else probe.hosting.region
    try:
        return dict(getattr(probe.hosting.session.client(service, region_name=region), operation)(**arguments))
    except ClientError as error:
        raise answered(error, service, action) or Differs(f"{action}: {error}") from error
    except BotoCoreError as error:
        raise unanswered(error, service) from error


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def elsewhere(note: str, what: str, why: str) -> Trial:
    """Something that this command cannot try, said so that nobody takes it for proven."""

    def run(probe: Probe) -> str:
        raise Unproven(why)

    return Trial(note, what, run)


_RELEASES = (
    ("F32", "the functions' time and memory"),
    ("F35", "the rights of the release's roles"),
    ("F36", "waits and retries of the state machines"),
    ("F37", "a site that CodeBuild publishes"),
    ("F38", "messages about releases"),
)
TRIALS = (
    Trial("F2", "the store refuses a stale tag", stale_tag),
    Trial("F2", "writes spread, and nothing is mixed", spread),
    Trial("F13", "objects are written once", written_once),
    Trial("F24", "the bucket's policy", bucket_policy),
    Trial("F29", "access logs arrive", access_logs),
    elsewhere("F20", "rewrites to another origin", "needs an origin of yours: add such a rule to a preview and look"),
    elsewhere("F28", "functions change one after the other", "only an update of the stack shows it"),
    *(elsewhere(note, what, "start the state machine ReleaseArn with a zip, and look") for note, what in _RELEASES),
    elsewhere("F39", "what CloudFormation says", "only `toolkit up` and `toolkit destroy` show it"),
)
