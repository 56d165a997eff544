"""Whatever a visitor types: the origin path comes from the table, and nobody is sent to a host that no rule names.

$WAY_OUT_URIS random URIs (default 200,000) in quickjs, a tenth of them in njs as well.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from tests.functions import corpus
from tests.functions.engines import THREW, Event, event, run
from tests.functions.judge import STATUSES, landing, leads_off, outcome
from tests.functions.sites import CLOUDFLARE_HOST, CONDITIONS_HOST, HOST, SITE_HOSTS, SPA_HOST, WWW_HOST, blobs, store
from toolkit.engine import limits

URIS = int(os.environ.get("WAY_OUT_URIS", "200000"))
PARTS = 8
IN_NJS = 10
# Bytes and encodings that routers have been led astray by: separators, dots, NULs, tabs, overlong UTF-8, half surrogates.
BITS = (
    "/", "//", "///", "\\", "/\\", "\\\\", "%2f", "%2F", "%2f%2f", "%5c", "%5C%5C", "%252f", "%255c", ".", "..", "/../", "/./",
    "%2e", "%2e%2e", "..%2f", "%00", "\x00", "%09", "\t", "%0a", "%0d%0a", "\n", "\r", "%20", " ",
    "%c0%af", "%e0%80%af", "%f0%80%80%af",
    "%c0%ae", "%ed%a0%80", "%ff", "%", "%u002f", "%zz", "@", ":", "%40", "?", "#", "%3f", "%23", ";", "*", "{1}", "%7B1%7D", "$1",
    "$&", "evil.example", "//evil.example", "/\\evil.example", "https:", "https://evil.example/", "javascript:", "é", "\u2028",
    "\u2215", "\uff0f", "%E2%88%95", "\U0001f980", "a", "x", ".html", "index.html", "shop", "blobs", "n0nce123100",
)  # fmt: skip
STARTS = (
    "/", "", "/old-blog/", "/old-blog", "/news/", "/news/2024/05/", "/shop-items/", "/inside/", "/api/", "/docs/", "/many/1/",
    "/u/", "/u/me/", "/go/", "/de/", "/find", "/about", "/blog/", "/about.html", "/index.html", "/r/1", "//", "/\\",
)  # fmt: skip


def uris(seed: int, count: int) -> Iterator[Event]:
    """Half around what exists, half beginnings with bits put after them."""
    chance = random.Random(seed)
    known: Sequence[str] = corpus.known()
    hosts = (*SITE_HOSTS, HOST, HOST, CLOUDFLARE_HOST, CONDITIONS_HOST)
    for number in range(count):
        if number % 2:
            path = corpus.some_path(chance, known)
        else:
            path = chance.choice(STARTS) + "".join(chance.choice(BITS) for _ in range(chance.choice((1, 2, 2, 3, 3, 4, 6, 9))))
        yield corpus.visit(path[: limits.URI_BYTES], chance.choice(hosts), chance)


def check(asked: Event, answer: dict[str, Any], known: dict[str, set[str]]) -> None:
    where = f"{asked['request']} is answered by {answer}"
    assert answer != THREW, where
    status, place = outcome(answer)
    if status == 200 and "origin" not in answer:
        assert place in known[asked["request"]["headers"]["host"]["value"]], where
    elif status == 200:
        assert answer["uri"].startswith("/") and "\\" not in place and not [one for one in place if one <= " "], where
    else:
        assert status in STATUSES, where
        assert all(" " < one <= "~" and one != "\\" for one in place), where
    assert not leads_off(asked, answer), where


@pytest.mark.parametrize("part", range(PARTS))
def test_no_uri_leads_out(part: int) -> None:
    known = {host: blobs(host) for host in SITE_HOSTS}
    events = list(uris(part, URIS // PARTS))
    for asked, answer in zip(events, run("quickjs", store(), events), strict=True):
        check(asked, answer, known)


@pytest.mark.parametrize("part", range(PARTS))
def test_nor_does_it_in_njs(part: int) -> None:
    known = {host: blobs(host) for host in SITE_HOSTS}
    events = list(uris(part, URIS // PARTS // IN_NJS))
    here = run("quickjs", store(), events)
    for asked, answer, other in zip(events, run("njs", store(), events), here, strict=True):
        assert answer == other, asked
        check(asked, answer, known)


EVIL = (
    "//evil.example", "/\\evil.example", "/%2f%2fevil.example", "/%5cevil.example", "/\t/evil.example", "/%09/evil.example",
    "\\\\evil.example",
    "@evil.example/", ".evil.example/",
)  # fmt: skip


@pytest.mark.parametrize("host", SITE_HOSTS)
def test_the_known_tricks_by_name(host: str) -> None:
    urls = [
        start + evil
        for start in ("", *STARTS)
        for evil in (*EVIL, *(f"{one}/" for one in EVIL), *(f"{one}/%2e%2e" for one in EVIL))
    ]
    events = [event(url, host) for url in urls]
    for asked, answer in zip(events, run("quickjs", store(), events), strict=True):
        assert not leads_off(asked, answer), asked
        status, place = outcome(answer)
        assert not (300 <= status < 400) or landing(asked, place)[0] != "evil.example"


@pytest.mark.parametrize("host", [HOST, SPA_HOST, CLOUDFLARE_HOST, WWW_HOST])
def test_following_redirects_comes_to_an_end(host: str) -> None:
    """Nothing in these sites' rules is circular by itself."""
    chance = random.Random(3)
    waiting = {path for path in (*corpus.known(), *corpus.TRICKS, *(corpus.some_path(chance, corpus.known()) for _ in range(2000)))}
    for _ in range(10):
        events = [event(path, host) for path in waiting]
        answers = zip(events, run("quickjs", store(), events), strict=True)
        landed = [landing(asked, outcome(answer)[1]) for asked, answer in answers if 300 <= outcome(answer)[0] < 400]
        waiting = {path for at, path in landed if at == host}
    assert not waiting
