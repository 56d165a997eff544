"""The two engines give the same answer to whatever comes in, and the answer never leaves the table.

What the answers should be is the business of the tests beside this one; here thousands are compared, most of them wrong.
"""

from __future__ import annotations

import json
import re
from urllib.parse import quote

import pytest

from tests.engine.support import Edge
from tests.functions import corpus
from tests.functions.engines import ENGINES, THREW, Event, count_reads, event, response_event, run
from toolkit.engine.headers import clean_path

ORIGIN = re.compile(r"/[a-z0-9-]+/blobs/[\w-]{22}", re.ASCII)
STATUSES = {301, 302, 307, 308, 404, 405, 503}
FOREIGN = "https://example.com/there"


def both(kvs: dict[str, str], events: list[Event], function: str = "viewer_request") -> list[dict[str, object]]:
    """The answers, once the engines agree on each."""
    first, second = (run(engine, kvs, events, function) for engine in ENGINES)
    for asked, one, other in zip(events, first, second, strict=True):
        assert one == other, f"{ENGINES} differ on {json.dumps(asked['request'])[:400]}"
    return first


def outcome(answer: dict[str, object]) -> tuple[int, str]:
    """Status and place: a blob's path for a request that goes on to the origin (200), a Location for a redirect."""
    if "uri" in answer:
        return 200, str(answer["uri"])
    headers = answer["headers"]
    assert isinstance(headers, dict)
    return int(str(answer["statusCode"])), headers.get("location", {"value": ""})["value"]


def test_every_trick_on_every_host() -> None:
    hosts = dict.fromkeys(corpus.HOSTS)
    events = [event(path, host) for path in corpus.TRICKS for host in hosts]
    for answer in both(corpus.store(), events):
        status, place = outcome(answer)
        assert place in corpus.blobs() if status == 200 else status in STATUSES


@pytest.mark.parametrize("seed", range(3))
def test_thousands_of_requests_around_what_exists(seed: int) -> None:
    known, seen = corpus.blobs(), set()
    for answer in both(corpus.store(), list(corpus.fuzz(seed, 2000))):
        status, place = outcome(answer)
        seen.add(status)
        assert place in known if status == 200 else status in STATUSES
        assert not place or place.startswith(FOREIGN) or re.match(r"/(?![/\\])", place), f"leads elsewhere: {place}"
    assert {200, 301, 302, 307, 308, 404, 405} <= seen, "the corpus misses a kind of answer"


@pytest.mark.parametrize("seed", range(120))
def test_a_damaged_store_fails_closed(seed: int) -> None:
    for answer in both(corpus.damage(seed), list(corpus.fuzz(seed, 50))):
        assert answer != THREW
        status, place = outcome(answer)
        assert ORIGIN.fullmatch(place) if status == 200 else status in STATUSES


def test_an_unknown_host_gets_no_site() -> None:
    answers = both(
        corpus.store(), [event("/about", host) for host in ("other.localhost", "", None, "localhost", f"x.{corpus.HOST}")]
    )
    assert {outcome(answer) for answer in answers} == {(404, "")}


def test_a_store_without_a_table_is_unavailable_and_never_a_404() -> None:
    kvs = {key: value for key, value in corpus.store().items() if key.startswith("h:")}
    for answer in both(kvs, [event(path, corpus.HOST) for path in ("/", "/about", "/no/such")]):
        assert outcome(answer) == (503, "")


def test_until_a_table_has_spread_the_one_before_answers_but_cannot_say_what_is_missing() -> None:
    kvs = {key: value for key, value in corpus.store().items() if not key.startswith("t:n2:")}
    there, missing = both(kvs, [event("/about", corpus.SPA_HOST), event("/no/such", corpus.SPA_HOST)])
    assert outcome(there) == (200, f"/shop/blobs/{corpus.site().assets['/about.html'].blob}")
    assert outcome(missing) == (503, "")


def test_the_python_mirror_of_the_engine_tests_gives_the_same_answers() -> None:
    kvs = corpus.store()
    paths = [*corpus.PATHS, *map(clean_path, corpus.PATHS), *(rule.path for rule in corpus.REDIRECTS), "/no/such", "/no/such.png"]
    urls = [quote(path, safe="/") for path in dict.fromkeys(paths)]
    hosts = (corpus.HOST, corpus.SPA_HOST)
    answers = both(kvs, [event(url, host, accept="text/html") for url in urls for host in hosts])
    for (url, host), answer in zip([(url, host) for url in urls for host in hosts], answers, strict=True):
        status, place = outcome(answer)
        mirrored = Edge(kvs.get).ask(host, url)
        # Seen from outside, a missing page's blob is an origin path like any other: its 404 travels with the object.
        wanted = (200, f"/shop/blobs/{mirrored.blob}") if mirrored.blob else (mirrored.status, mirrored.location)
        assert (status, place) == wanted, url


@pytest.mark.parametrize(("url", "reads"), [("/about", 2), ("/no/such", 2), ("/about.html", 2), ("/old", 3)])
def test_two_reads_answer_an_exact_route_and_three_a_redirect(url: str, reads: int) -> None:
    assert count_reads(corpus.store(), event(url, corpus.HOST)) == reads


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
    hosts = (corpus.HOST, corpus.SPA_HOST, "xn--caf-dma.example", "")
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
        assert not [name for name in headers if name.startswith("x-amz-")] and "age" not in headers
        assert "s-maxage" not in headers["cache-control"]["value"]
        assert ("x-robots-tag" in headers) == (asked["request"]["headers"]["host"]["value"] == corpus.SPA_HOST)
