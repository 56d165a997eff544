"""The trials of `toolkit verify` on the local edge in CloudFront's place: all hold, and for each there are faults that it finds."""

from __future__ import annotations

import gzip
import itertools
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.aws.account import BUCKET as ACCOUNT_BUCKET
from tests.aws.account import FakeAccount
from tests.aws.answers import Answers, refused
from tests.aws.conftest import Cli
from tests.aws.distribution import BUCKET, Distribution, Spoil, as_it_is, running
from toolkit.aws import verify, verify_answers, verify_content, verify_pipeline, verify_stores
from toolkit.aws.verify import Probe, Trial
from toolkit.aws.web import Asked, Reply
from toolkit.engine.advice import OK, PROBLEM, UNKNOWN
from toolkit.engine.errors import Unavailable

FIDELITY = Path(__file__).parent.parent.parent / "docs" / "fidelity.md"
ANSWERS = {trial.run.__name__: trial for trial in verify_answers.TRIALS}
STORES = {trial.run.__name__: trial for trial in verify_stores.TRIALS}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Probe, Distribution]]:
    root: Path = tmp_path_factory.mktemp("verify")
    with running(root) as (hosting, distribution), verify.probing(hosting, seconds=1.2) as probe:
        yield probe, distribution


@pytest.fixture
def probe(stage: tuple[Probe, Distribution]) -> Iterator[Probe]:
    yield stage[0]
    stage[1].spoil, stage[1].hosts = as_it_is, ()


@pytest.fixture
def distribution(stage: tuple[Probe, Distribution]) -> Distribution:
    return stage[1]


def outcome(probe: Probe, trial: Trial) -> tuple[str, str]:
    check = verify.outcome(trial, probe)
    return check.state, check.found


@pytest.mark.parametrize("name", [name for name in ANSWERS if name not in ("own_hosts", "gone")])
def test_each_trial_holds_on_the_local_edge(probe: Probe, name: str) -> None:
    assert outcome(probe, ANSWERS[name])[0] == OK, outcome(probe, ANSWERS[name])


# --- faults
def answers(change: Callable[[Reply], Reply], path: str = "", header: str = "") -> Spoil:
    """Every answer changed, or that for a path or for requests with a header."""

    def spoil(asked: Asked, ask: Callable[[Asked], Reply]) -> Reply:
        reply = ask(asked)
        return change(reply) if path in asked.url and (not header or header in asked.headers) else reply

    return spoil


def asks(change: Callable[[Asked], Asked]) -> Spoil:
    return lambda asked, ask: ask(change(asked))


def with_headers(**more: str) -> Callable[[Reply], Reply]:
    added = {name.replace("_", "-"): value for name, value in more.items()}
    return lambda reply: replace(reply, headers={**reply.headers, **added})


def without(name: str) -> Callable[[Reply], Reply]:
    return lambda reply: replace(reply, headers={key: value for key, value in reply.headers.items() if key != name})


def status(code: int, body: bytes | None = None) -> Callable[[Reply], Reply]:
    return lambda reply: replace(reply, status=code, body=reply.body if body is None else body)


def deaf(name: str) -> Spoil:
    """A request header that gets lost on the way."""
    return asks(lambda asked: replace(asked, headers={key: value for key, value in asked.headers.items() if key != name}))


def no_country(asked: Asked, ask: Callable[[Asked], Reply]) -> Reply:
    return replace(ask(asked), status=404) if "/country" in asked.url else ask(asked)


def obeys_the_query(asked: Asked, ask: Callable[[Asked], Reply]) -> Reply:
    reply = ask(asked)
    return with_headers(content_type="text/evil")(reply) if "response-content-type" in asked.url else reply


def preview_alone(asked: Asked, ask: Callable[[Asked], Reply]) -> Reply:
    """Cookies but the preview's get lost."""
    return ask(replace(asked, headers={**asked.headers, "cookie": asked.headers["cookie"].split(";")[0]}))


def first_a_miss(change: Callable[[Reply], Reply]) -> Spoil:
    """The first answer is one of the origin's, the others are hits, and changed."""
    count = itertools.count()
    miss = with_headers(x_cache="Miss from cloudfront")
    return lambda asked, ask: change(ask(asked)) if next(count) else miss(ask(asked))


def keeps_the_cookie(asked: Asked, ask: Callable[[Asked], Reply]) -> Reply:
    reply = ask(asked)
    return without("set-cookie")(reply) if asked.url.endswith("/_preview/") else reply


FAULTS: dict[str, list[Spoil]] = {
    "page": [answers(status(200, b"another page")), answers(status(503))],
    "redirect": [answers(status(301), "/away"), answers(with_headers(x_frame_options="DENY"), "/away")],
    "not_found": [answers(status(200), "/there-is"), answers(status(404, b"<html>CloudFront's own</html>"), "/there-is")],
    "metadata": [answers(without("x-probe")), answers(with_headers(x_amz_meta_edge="{}"))],
    "not_modified": [
        deaf("if-none-match"),
        answers(without("etag")),
        answers(with_headers(x_amz_meta_edge="{}"), header="if-none-match"),
        answers(with_headers(cache_control="s-maxage=31536000"), header="if-none-match"),
    ],
    "partial": [deaf("range"), answers(without("x-frame-options"), header="range"), answers(status(206, b"other"), header="range")],
    "whole_404": [
        answers(status(304, b""), "/there-is", "if-none-match"),
        answers(lambda reply: replace(reply, status=206, body=reply.body[:10]), "/there-is", "range"),
    ],
    "cached": [
        answers(with_headers(x_cache="Miss from cloudfront")),
        first_a_miss(without("x-probe")),
        first_a_miss(status(200, b"")),
    ],
    "lifetimes": [
        answers(with_headers(age="12")),
        answers(with_headers(cache_control="public, max-age=0, s-maxage=31536000")),
        answers(with_headers(cache_control="public, max-age=0")),
    ],
    "compression": [
        deaf("accept-encoding"),
        answers(with_headers(etag='"strong"')),
        answers(lambda reply: replace(reply, body=gzip.compress(b"another text"))),
        answers(lambda reply: replace(reply, body=reply.body[:-9])),
    ],
    "https": [
        asks(lambda asked: replace(asked, url=asked.url.replace("http://", "https://"))),
        answers(without("strict-transport-security")),
    ],
    "http3": [answers(without("alt-svc")), answers(with_headers(alt_svc="clear"))],
    "methods": [asks(lambda asked: replace(asked, method="GET"))],
    "country": [answers(status(404), "/country"), answers(status(403), "/country")],
    "scheme": [answers(status(404), "/scheme")],
    "query_and_cookies": [
        asks(lambda asked: replace(asked, url=asked.url.partition("?")[0])),
        preview_alone,
        answers(status(302), "/query"),
    ],
    "origin_query": [obeys_the_query],
    "instructions": [answers(status(503), "/heavy")],
    "password": [
        deaf("authorization"),
        answers(status(200, verify_content.home("one")), header="authorization"),
        answers(lambda reply: replace(reply, status=200)),
        answers(status(200, b"another page"), header="authorization"),
    ],
    "preview_link": [
        answers(status(404), "/_preview/verify-"),
        answers(without("set-cookie"), "/_preview/verify-"),
        answers(with_headers(set_cookie="__Host-preview=other; Path=/; Secure; HttpOnly"), "/_preview/verify-"),
        answers(status(302), "/_preview/no-preview"),
        keeps_the_cookie,
    ],
    "unsigned": [answers(status(200), "/blobs/"), answers(status(200), "/versions/"), answers(status(200), "list-type")],
    "gone": [
        answers(status(200), "/gone"),
        answers(with_headers(x_frame_options="DENY"), "/gone"),
        answers(status(403, b"<Contents>"), "/gone"),
    ],
}  # fmt: skip


@pytest.mark.parametrize(("name", "number"), [(name, number) for name, them in FAULTS.items() for number in range(len(them))])
def test_each_trial_finds_its_faults(probe: Probe, distribution: Distribution, name: str, number: int) -> None:
    distribution.spoil = FAULTS[name][number]
    state, found = outcome(probe, ANSWERS[name])
    assert state == PROBLEM and found, f"{name} took {found!r} for right"


def test_every_trial_has_a_fault_that_it_must_find() -> None:
    assert set(FAULTS) | {"own_hosts"} == set(ANSWERS)


def test_hosts_of_ones_own(probe: Probe, distribution: Distribution) -> None:
    assert outcome(probe, ANSWERS["own_hosts"]) == (UNKNOWN, "the site has no host of its own (site.toml: hosts)")
    own = replace(probe, hosting=replace(probe.hosting, hosts=("www.example.com", "*.example.com")))
    distribution.hosts = ("www.example.com",)
    assert outcome(own, ANSWERS["own_hosts"])[0] == OK
    distribution.spoil = answers(without("via"))
    assert outcome(own, ANSWERS["own_hosts"])[0] == PROBLEM
    distribution.spoil = answers(status(421))
    assert outcome(own, ANSWERS["own_hosts"])[0] == PROBLEM

    def bad_certificate(asked: Asked, ask: Callable[[Asked], Reply]) -> Reply:
        raise Unavailable("https://www.example.com does not answer: CERTIFICATE_VERIFY_FAILED")

    distribution.spoil = bad_certificate
    assert outcome(own, ANSWERS["own_hosts"])[0] == PROBLEM


def test_a_blob_that_is_gone(probe: Probe) -> None:
    assert outcome(probe, ANSWERS["gone"]) == (OK, "403, without viewer-response")


# --- stores
def test_writes_that_spread_at_once(probe: Probe) -> None:
    state, found = outcome(replace(probe, seconds=12), STORES["spread"])
    assert state == OK and "over 6 switches: the old one for up to 0.0 s" in found, found
    assert outcome(replace(probe, seconds=0), STORES["spread"])[0] == UNKNOWN


def lagging(probe: Probe, seconds: float) -> Spoil:
    """An edge that learns of everything so many seconds late."""
    seen: list[tuple[float, Reply]] = []

    def spoil(asked: Asked, ask: Callable[[Asked], Reply]) -> Reply:
        now = probe.hosting.clock()
        seen.append((now, ask(asked)))
        return next((reply for moment, reply in reversed(seen) if moment <= now - seconds), seen[0][1])

    return spoil


def test_writes_that_spread_late_are_measured(probe: Probe, distribution: Distribution) -> None:
    distribution.spoil = lagging(probe, 5)
    state, found = outcome(replace(probe, seconds=60), STORES["spread"])
    assert state == OK and re.search(r"for up to (4\.[5-9]|5\.[0-5]) s", found), found


def test_edges_that_go_back_and_forth_are_counted(probe: Probe, distribution: Distribution) -> None:
    late, number = lagging(probe, 3), itertools.count()

    def spoil(asked: Asked, ask: Callable[[Asked], Reply]) -> Reply:
        old = late(asked, ask)
        return ask(asked) if next(number) % 3 == 0 else old

    distribution.spoil = spoil
    state, found = outcome(replace(probe, seconds=60), STORES["spread"])
    assert state == OK and ", 0 times after the new one" not in found, found


@pytest.mark.parametrize(
    "spoil", [answers(status(200, b"half of one, half of the other")), answers(status(404)), answers(status(503))]
)
def test_what_no_version_has_is_found_during_switches(probe: Probe, distribution: Distribution, spoil: Spoil) -> None:
    distribution.spoil = spoil
    assert outcome(replace(probe, seconds=12), STORES["spread"])[0] == PROBLEM


def test_a_switch_that_never_arrives_is_found(probe: Probe, distribution: Distribution) -> None:
    distribution.spoil = answers(status(200, verify_content.home("two")))
    state, found = outcome(replace(probe, seconds=60), STORES["spread"])
    assert state == PROBLEM and "still answers" in found


def test_an_edge_that_cannot_know_says_so(probe: Probe, distribution: Distribution) -> None:
    number = itertools.count()
    unready = Reply(503, {"retry-after": "1"}, b"")
    distribution.spoil = lambda asked, ask: unready if next(number) % 20 == 5 else ask(asked)
    state, found = outcome(replace(probe, seconds=12), STORES["spread"])
    assert state == OK and "; 0 times 503" not in found


class Lax:
    """A route store or an object store that takes what it must refuse."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def update(self, puts: Any, deletes: Any, *, if_match: str) -> str:
        return str(self._store.update(puts, deletes, if_match=self._store.etag()))

    def put(self, key: str, body: bytes, headers: Any = None, *, if_absent: bool = False) -> bool:
        return bool(self._store.put(key, body, headers))


def test_conditional_writes(probe: Probe) -> None:
    assert [outcome(probe, STORES[name])[0] for name in ("stale_tag", "written_once")] == [OK, OK]
    assert probe.hosting.routes.get(f"v:{probe.site}/tag") is None
    lax = replace(probe, hosting=replace(probe.hosting, routes=Lax(probe.hosting.routes), objects=Lax(probe.hosting.objects)))
    probe.hosting.objects.delete([f"{probe.site}/once"])
    assert [outcome(lax, STORES[name])[0] for name in ("stale_tag", "written_once")] == [PROBLEM, PROBLEM]


# --- what the account says
ALLOW = {
    "Sid": "EdgeReadsBlobs",
    "Effect": "Allow",
    "Principal": {"Service": "cloudfront.amazonaws.com"},
    "Action": "s3:GetObject",
    "Resource": f"arn:aws:s3:::{BUCKET}/*/blobs/*",
    "Condition": {"StringEquals": {"aws:SourceArn": "arn:aws:cloudfront::123456789012:distribution/E1"}},
}
DENY = {"Effect": "Deny", "Principal": {"AWS": "*"}, "Action": "s3:*", "Resource": "*"}
BLOCKED = dict.fromkeys(("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"), True)
LOGGING = {"Enabled": True, "IncludeCookies": False, "Bucket": "logs.s3.amazonaws.com", "Prefix": "edge/"}


def account(policy: list[dict[str, Any]] | None = None, blocked: dict[str, bool] | None = None, **said: Any) -> Answers:
    return Answers(
        {
            "s3.GetBucketPolicy": {"Policy": json.dumps({"Statement": [DENY, ALLOW] if policy is None else policy})},
            "s3.GetPublicAccessBlock": {"PublicAccessBlockConfiguration": blocked or BLOCKED},
            "cloudfront.GetDistributionConfig": {"DistributionConfig": {"Logging": {**LOGGING, **said.get("logging", {})}}},
            "s3.ListObjectsV2": {"KeyCount": said.get("logs", 1)},
        }
    )


def asked(probe: Probe, answers: Answers, name: str) -> tuple[str, str]:
    session = answers.connect("eu-west-1", "")
    return outcome(replace(probe, hosting=replace(probe.hosting, session=session, distribution="E1")), STORES[name])


def test_the_buckets_policy(probe: Probe) -> None:
    assert asked(probe, account(), "bucket_policy")[0] == OK
    everything = {**ALLOW, "Resource": [f"arn:aws:s3:::{BUCKET}/*/blobs/*", f"arn:aws:s3:::{BUCKET}/*"]}
    any_distribution = {**ALLOW, "Condition": {}}
    public = {"Sid": "Open", "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{BUCKET}/x"}
    for policy in ([DENY], [everything], [any_distribution], [ALLOW, public]):
        assert asked(probe, account(policy), "bucket_policy")[0] == PROBLEM, policy
    assert asked(probe, account(blocked={**BLOCKED, "BlockPublicPolicy": False}), "bucket_policy")[0] == PROBLEM
    closed = account()
    closed.said["s3.GetBucketPolicy"] = refused("AccessDenied", "", 403)
    state, found = asked(probe, closed, "bucket_policy")
    assert state == UNKNOWN and "may not" in found


def test_access_logs(probe: Probe) -> None:
    assert asked(probe, account(), "access_logs") == (OK, "they arrive in logs")
    assert asked(probe, account(logs=0), "access_logs")[0] == UNKNOWN
    assert asked(probe, account(logging={"Enabled": False}), "access_logs")[0] == UNKNOWN


# --- all of it
def test_a_verification_leaves_nothing(tmp_path: Path) -> None:
    with running(tmp_path) as (hosting, _):
        before = dict(hosting.routes.items())
        checks = list(verify.verify(hosting, (*verify_answers.TRIALS, *verify_stores.TRIALS), seconds=6))
        wrong = [check for check in checks if check.state == PROBLEM]
        assert not wrong and len(checks) == len(ANSWERS) + len(verify_stores.TRIALS)
        assert dict(hosting.routes.items()) == before and list(hosting.objects.list("verify-")) == []


def test_a_probe_that_never_answers_is_the_only_verdict(tmp_path: Path) -> None:
    with running(tmp_path) as (hosting, distribution):
        before = dict(hosting.routes.items())
        distribution.spoil = answers(status(404))
        checks = list(verify.verify(hosting, verify_answers.TRIALS, seconds=6))
        assert checks[0].state == PROBLEM and {check.state for check in checks[1:]} == {UNKNOWN}
        assert dict(hosting.routes.items()) == before and list(hosting.objects.list("verify-")) == []


def test_what_a_killed_run_left_goes_after_an_hour(tmp_path: Path) -> None:
    with running(tmp_path) as (hosting, _):
        old = replace(hosting, clock=lambda: hosting.clock() - 4000)
        left = verify.probing(old)
        left.__enter__()  # and never left
        young = verify.probing(hosting)
        young.__enter__()
        gone = verify.clear(hosting)
        assert len(gone) == 1 and gone[0].startswith("verify-")
        assert not list(hosting.objects.list(f"{gone[0]}/"))
        assert len([key for key, _ in hosting.routes.items() if key.startswith("h:verify-")]) == 1


def test_every_note_that_says_unproven_is_tried_or_named() -> None:
    lines = FIDELITY.read_text(encoding="utf-8").splitlines()
    rows = {found[1]: line for line in lines if (found := re.match(r"\| (F\d+) \|", line))}
    notes = {trial.note for trial in (*verify_answers.TRIALS, *verify_stores.TRIALS, *verify_pipeline.TRIALS)}
    assert notes <= set(rows), "a trial of a note that is not there"
    unproven = {note for note, row in rows.items() if re.search("unproven here|not run here", row, re.IGNORECASE)}
    assert unproven - notes == set(), "say in toolkit/aws/verify_*.py how these are tried, or why not"


def test_the_command_prints_each_outcome(cli: Cli, account: FakeAccount) -> None:
    """On an account whose distribution does not answer: one verdict, and nothing is left."""
    account.set_up()

    def nobody(asked: Asked) -> Reply:
        raise Unavailable("the distribution does not answer")

    outcome = cli("verify", "--json", ways=replace(account.ways, fetch=nobody))
    assert outcome.code == 1, outcome.err
    assert outcome.data["holds"] is False and outcome.data["checks"][0]["state"] == PROBLEM
    assert {check["state"] for check in outcome.data["checks"][1:]} == {UNKNOWN}
    assert account.store.pairs == {}
    held = account.connect("", "").client("s3").list_objects_v2(Bucket=ACCOUNT_BUCKET)
    assert held["KeyCount"] == 0
    shown = cli("verify", ways=replace(account.ways, fetch=nobody))
    assert "differs    F2" in shown.out and "were not tried" in shown.out
    assert cli("verify", "--target", "local").code == 1
