"""What a delivery costs that AWS makes by itself, beside what any deploy costs: pipeline, build, the release's steps and functions.

Actions are paid for by the begun minute, builds too. How long things take is assumed, and said; which steps a release takes is
counted (a test walks through the state machine).
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

from toolkit.aws.prices import monthly, once, prices
from toolkit.engine import pipelines as names
from toolkit.engine.advice import CostLine, PipelineFacts, SiteFacts, Traffic

# Minutes that actions take, begun ones: fetching, looking into a zip, and a release with its check at the edge.
SOURCE_MINUTES, INSPECT_MINUTES, RELEASE_MINUTES = 1, 1, 2
# States of a release to live whose watch is started; one to a preview has one less.
RELEASE_TRANSITIONS = 9
# How often CodePipeline calls the function that waits for a release: once, and every 30 s or so after that.
LOOK_SECONDS = 30
# GB of memory times seconds: publish and flip, and the check, which waits for edges to learn.
_STEPS_GB_SECONDS = 1.769 * (20 + 30 + 10)
_WAIT_GB_SECONDS = 0.25 * 20
_INSPECT_GB_SECONDS = 1.769 * 10
_LOG_KB, _BUILD_LOG_KB = 20.0, 200.0
# What stays in the artifact bucket for 30 days, the cache of builds as long as it is used.
_CACHE_GB = 0.2
_GB = 1e9


def delivery(facts: SiteFacts, traffic: Traffic) -> Iterator[tuple[str, CostLine]]:
    """One delivery to live by a push, or by an upload where nothing is pushed: lines by their price's name."""
    pipelines = facts.pipelines
    for what, name, amount, why in _amounts(pipelines, traffic):
        yield name, once(what, name, amount, why)


def kept(facts: SiteFacts) -> Iterator[CostLine]:
    """What pipelines cost in a month beside deliveries."""
    pipelines = facts.pipelines
    if pipelines.builds:
        caches = sum(key != names.CLOSED for key in pipelines.keys)
        yield monthly("caches of builds", "s3-storage", caches * _CACHE_GB, f"{_CACHE_GB:g} GB for each of {caches} pipelines")
    secrets = {":".join(place.split(":")[:7]) for place in pipelines.secrets.values() if ":secretsmanager:" in place}
    if secrets:
        yield monthly("secrets of builds", "secrets", len(secrets), "in Secrets Manager; standard parameters are free")


def builds(pipelines: PipelineFacts) -> str:
    """The price's name of a minute on the site's machine."""
    return f"build-{pipelines.architecture}-{pipelines.compute}"


def assumptions(facts: SiteFacts, traffic: Traffic) -> Iterator[str]:
    pipelines = facts.pipelines
    previews = f" and {traffic.previews} previews" if has_previews(pipelines) else ""
    yield f"{traffic.deploys} releases{previews} a month by pipelines (--deploys, --previews)"
    if pipelines.builds:
        yield (
            f"a build takes {ceil(traffic.build_minutes)} minutes on {pipelines.architecture} {pipelines.compute} with its cache "
            "(--build-minutes); what it fetches comes from outside, which costs nothing"
        )
    yield (
        f"of a release's action {RELEASE_MINUTES} minutes are paid for; publish, check and flip take "
        f"{_STEPS_GB_SECONDS:.0f} GB-seconds; a source is as large as the site, and artifacts are kept for 30 days"
    )
    data, listed = prices()
    used = {name for name, _ in delivery(facts, traffic)}
    if unsure := [listed[name].unit for name in data["unchecked"] if name in used]:
        yield f"from memory, not from its page: the price of {' and of '.join(unsure)}"


def has_previews(pipelines: PipelineFacts) -> bool:
    return names.PREVIEW in pipelines.keys or names.PULL in pipelines.keys


def _amounts(pipelines: PipelineFacts, traffic: Traffic) -> Iterator[tuple[str, str, float, str]]:
    is_upload = not pipelines.connection_arn
    build = ceil(traffic.build_minutes) if pipelines.builds else 0
    looked = INSPECT_MINUTES if is_upload else 0
    minutes = SOURCE_MINUTES + looked + build + RELEASE_MINUTES
    parts = ["source", *(["look into it"] if looked else []), *(["build"] if build else []), "release"]
    yield "pipeline", "pipeline-minutes", minutes, f"begun minutes of {', '.join(parts)}"
    if build:
        yield "build", builds(pipelines), build, f"{pipelines.architecture}, {pipelines.compute}"
        yield "build, logs", "logs", _BUILD_LOG_KB * 1000 / _GB, f"{_BUILD_LOG_KB:g} KB"
    looks = 1 + RELEASE_MINUTES * 60 // LOOK_SECONDS
    calls = looks + 4 + (1 if looked else 0)
    seconds = _STEPS_GB_SECONDS + looks * _WAIT_GB_SECONDS + (_INSPECT_GB_SECONDS if looked else 0)
    yield "release, steps", "states", RELEASE_TRANSITIONS, "publish, verify, flip, start the watch, tell"
    yield "release, functions", "lambda-requests", calls, f"each step once, and a look every {LOOK_SECONDS} s"
    yield "release, functions' time", "lambda-arm", seconds, "publish, verify and flip; waiting takes little"
    yield "release, logs", "logs", _LOG_KB * 1000 / _GB, f"{_LOG_KB:g} KB"
    yield "release, traces", "traces", calls, "one a call"
    artifacts = 1 + bool(looked) + bool(build)
    cached = 1 if build else 0
    yield "artifacts, written", "s3-put", artifacts + cached + (1 if is_upload else 0), "one for each step, the cache, the zip"
    yield "artifacts, read", "s3-get", artifacts + cached + 1, "by the step after, and the release"
    copies = artifacts + (3 if is_upload else 0)  # a zip stays for 90 days
    yield "artifacts, kept", "s3-storage", copies * traffic.site_mb * 1e6 / _GB, "30 days each" + (", zips 90" if is_upload else "")
    if is_upload:
        yield "events", "events", 1, "S3 tells EventBridge of the zip"
