"""The two engines give the same answer to whatever comes in, and the answer never leaves the table.

What the answers should be is the business of the tests beside this one; here thousands are compared, most of them wrong.
"""

from __future__ import annotations

import json

import pytest

from tests.functions import corpus, damage
from tests.functions.engines import ENGINES, THREW, Event, count_reads, event, response_event, run
from tests.functions.judge import STATUSES, leads_off, outcome
from tests.functions.sites import (
    CANARY_HOST,
    CLOSED_HOST,
    CLOUDFLARE_HOST,
    CREDENTIALS,
    HOST,
    LOCKED_HOST,
    SIGN_HOST,
    SPA_HOST,
    WWW_HOST,
    blobs,
    sites,
    store,
)  # fmt: skip
from toolkit.paths import resource

REQUEST = resource("functions") / "edge" / "viewer_request.js"


def both(kvs: dict[str, str], events: list[Event], function: str = "viewer_request") -> list[dict[str, object]]:
    """The answers, once the engines agree on each."""
    first, second = (run(engine, kvs, events, function) for engine in ENGINES)
    for asked, one, other in zip(events, first, second, strict=True):
        assert one == other, f"{ENGINES} differ on {json.dumps(asked['request'])[:400]}"
    return first


def test_every_trick_on_every_host() -> None:
    events = [event(path, host) for path in corpus.TRICKS for host in dict.fromkeys(corpus.HOSTS)]
    for asked, answer in zip(events, both(store(), events), strict=True):
        status, place = outcome(answer)
        assert place in blobs() if status == 200 else status in STATUSES, asked
        assert not leads_off(asked, answer), asked


@pytest.mark.parametrize("seed", range(10))
def test_thousands_of_requests_around_what_exists(seed: int) -> None:
    seen = set()
    events = list(corpus.fuzz(seed, 2000))
    for asked, answer in zip(events, both(store(), events), strict=True):
        status, place = outcome(answer)
        seen.add(status)
        if status == 200 and "origin" not in answer:
            host = asked["request"]["headers"]["host"]["value"].lower()
            assert place in blobs(host), f"{place} is no blob of {host}"
        else:
            assert status in {200, *STATUSES}
        assert not leads_off(asked, answer), asked
    assert {200, 301, 302, 303, 307, 308, 401, 404, 405, 503} <= seen, "the corpus misses a kind of answer"


@pytest.mark.parametrize("seed", range(60))
def test_a_damaged_store_fails_closed(seed: int) -> None:
    for answer in both(damage.several(seed), list(corpus.fuzz(seed, 50))):
        assert answer != THREW
        status, place = outcome(answer)
        assert place.startswith("/") or "origin" in answer if status == 200 else status in STATUSES


def test_an_unknown_host_gets_no_site() -> None:
    hosts = ("other.localhost", "", None, "localhost", f"x.{HOST}", "h:x", "__proto__")
    answers = both(store(), [event("/about", host) for host in hosts])
    assert {outcome(answer) for answer in answers} == {(404, "")}


def test_a_store_without_a_table_is_unavailable_and_never_a_404() -> None:
    kvs = {key: value for key, value in store().items() if key.startswith("h:")}
    for answer in both(kvs, [event(path, HOST) for path in ("/", "/about", "/no/such")]):
        assert outcome(answer) == (503, "")


def test_until_a_table_has_spread_the_one_before_answers_but_cannot_say_what_is_missing() -> None:
    kvs = {key: value for key, value in store().items() if not key.startswith("t:n0nce1232")}
    # The one before is another site here, so that the answer shows which table it came from.
    there, missing = both(kvs, [event("/css/site.css", SPA_HOST), event("/no/such", SPA_HOST)])
    assert outcome(there) == (200, f"/app/blobs/{sites()['shop'].assets['/css/site.css'].blob}")
    assert outcome(missing) == (503, "")


@pytest.mark.parametrize(
    ("url", "host", "reads"),
    [
        ("/css/site.css", HOST, 2),
        ("/about.html", HOST, 2),
        ("/old", HOST, 3),
        ("/old", CLOUDFLARE_HOST, 3),
        ("/css/site.css", LOCKED_HOST, 1),
        ("/css/site.css", CLOSED_HOST, 1),
        ("/css/site.css", WWW_HOST, 1),
        ("/css/site.css", CANARY_HOST, 2),
        ("/no/such", SPA_HOST, 2),
    ],
)
def test_how_many_reads_an_answer_takes(url: str, host: str, reads: int) -> None:
    assert count_reads(store(), event(url, host)) == reads


def test_what_a_gate_answers() -> None:
    locked = [event("/about", LOCKED_HOST, authorization=text) for text in ("", "Basic", "Basic x", f"Basic {CREDENTIALS}x")]
    answers = both(store(), [*locked, event("/about", LOCKED_HOST, authorization=f"Basic {CREDENTIALS}")])
    assert [outcome(answer)[0] for answer in answers] == [401] * 4 + [200]
    assert "authorization" not in answers[-1]["headers"]  # type: ignore[operator]
    closed, sign, www = both(store(), [event("/%61bout", host) for host in (CLOSED_HOST, SIGN_HOST, WWW_HOST)])
    assert (outcome(closed), outcome(www)) == ((503, ""), (308, f"//{HOST}/about"))
    assert outcome(sign) == (200, f"/shop/blobs/{sites()['shop'].error_pages['503/503.html'].blob}")


METADATA = (
    "",
    "{}",
    '{"c":"public, max-age=31536000, immutable"}',
    '{"c":"x","s":404}',
    '{"c":"x","s":410,"h":{"x-a":"1","x-frame-options":""}}',
    '{"h":{"cache-control":"no-store","content-type":"text/plain"}}',
    '{"c":"\\u00e9"}',
    "{",
    "null",
    "[]",
    "1",
    '"text"',
)


@pytest.mark.parametrize("status", [200, 206, 304])
def test_responses_agree_and_show_nothing_of_the_store(status: int) -> None:
    given = {"content-type": "text/html", "cache-control": "public, max-age=0, s-maxage=31536000", "age": "7", "etag": '"x"'}
    hosts = (HOST, SPA_HOST, "xn--caf-dma.example", "")
    events = [
        response_event({**given, "x-amz-request-id": "1", **({"x-amz-meta-edge": text} if text else {})}, status, host)
        for text in METADATA
        for host in hosts
    ]
    for asked, answer in zip(events, both({}, events, "viewer_response"), strict=True):
        if answer == THREW:
            continue
        headers = answer["headers"]
        assert isinstance(headers, dict)
        assert not [name for name in headers if name.startswith("x-amz-")]
        # What another origin says of itself stays.
        is_ours = "x-amz-meta-edge" in asked["response"]["headers"]
        assert ("age" in headers) == ("s-maxage" in headers["cache-control"]["value"]) == (not is_ours)
        assert ("x-robots-tag" in headers) == (asked["request"]["headers"]["host"]["value"] == SPA_HOST)
