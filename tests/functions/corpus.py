"""Requests around what the sites have. Everything random comes from a seed: a failure repeats."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from tests.functions.engines import Event, event
from tests.functions.sites import COOKIE, CREDENTIALS, HOST, PATHS, SITE_HOSTS, sites
from toolkit.engine import limits, slashes, uris

# What people and scanners send: each must be answered, none may lead out of the table.
TRICKS = [
    "/",
    "//",
    "///about",
    "//evil.example/",
    "/\\evil.example",
    "/%5cevil.example",
    "/about%2f",
    "/about%2F..%2F",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/..%2f..%2fblobs",
    "/../versions/x.json",
    "/./about",
    "/about/.",
    "/about%00",
    "/%00",
    "/%",
    "/%zz",
    "/%e0%a4%a",
    "/%ff%fe",
    "/%c0%ae%c0%ae/",
    "/%ed%a0%80",
    "/%f4%90%80%80",
    "/%25",
    "/about%252ehtml",
    "/%61bout",
    "/%41bout",
    "/a+b.txt",
    "/a%2bb.txt",
    "/a%20b.txt",
    "/caf%C3%A9",
    "/caf%c3%a9",
    "/cafe%CC%81",
    "/caf%E9",
    "/price%20100%25",
    "/what%3F",
    "/c%23/sharp",
    "/index.html%3Fa",
    "/%E2%80%A8",
    "/%EF%BB%BFabout",
    "/about\t",
    "/" + "a" * 8000,
    "/" + "%C3%A9" * 1300,
    "/" + "é" * 600,
    "/shop/blobs/AAAAAAAAAAAAAAAAAAAAAA",
    "/%2f%2fevil.example/",
    "/%09/evil.example",
    "/\t/evil.example",
    "/old/%2f%2fevil.example",
    "/old-blog//evil.example",
    "/old-blog/%5Cevil.example/%0d%0aa:b",
    "/shop-items/%252f%252fevil.example/x",
    "/all/../..//evil.example",
    "/__proto__",
    "/constructor",
    "/toString",
    "",
    "*",
    "http://evil.example/about",
]
# Paths that patterns cover, and some that are nowhere.
_COVERED = """
/old-blog/a /old-blog/ /old-blog /news/2024/05/a/b /shop-items/a%2Fb/x /inside/7 /inside/7.html /inside/none /api/a/b
/docs/none /docs/deep/none /many/1/x /many/deep/deep/5/x/y /u/me/9 /go/there /go/ /de/x /none /none.png
"""
COVERED = _COVERED.split()
METHODS = (*["GET"] * 20, *["HEAD"] * 5, "POST", "PUT", "OPTIONS", "get", "")
HOSTS = (
    *[HOST] * 20,
    *SITE_HOSTS[1:4] * 5,
    *SITE_HOSTS[4:] * 2,
    HOST.upper(),
    "other.localhost",
    "",
    None,
    "h:x",
    f"{HOST}.",
    "__proto__",
    "a|b",
    "é",
)
# No names that look like numbers: njs keeps them in the order sent, ECMAScript sorts them (docs/fidelity.md).
QUERIES: tuple[Mapping[str, Any], ...] = (
    {},
    {},
    {"a": {"value": "1"}},
    {"a": {"value": ""}},
    {"a": {"value": "1", "multiValue": [{"value": "1"}, {"value": "2"}]}, "b": {"value": "%20"}},
    {"b": {"value": "x"}, "a": {"value": "y"}, "toString": {"value": "z"}},
    {"id": {"value": "3"}, "a": {"value": "1"}},
    {"id": {"value": "%2f%2fevil.example"}},
    {"id": {"value": "%zz"}},
    {"kind": {"value": "a%20b"}},
)
AUTHORIZED = f"Basic {CREDENTIALS}"
VISITORS: tuple[Mapping[str, str], ...] = (
    {},
    {"accept": "text/html,*/*"},
    {"accept": "*/*"},
    {"if_none_match": '"x"', "if_modified_since": "x", "if_range": '"x"', "range": "bytes=0-1"},
    {"cloudfront_viewer_country": "DE"},
    {"cloudfront_viewer_country": "FR", "accept_language": "fr-CA,en;q=0.5"},
    {"accept_language": "de"},
    {"accept_language": "en-GB", "user_agent": "x"},
    {"authorization": AUTHORIZED},
    {"authorization": AUTHORIZED, "accept": "text/html"},
    {"authorization": "Basic eDp5"},
    {"authorization": ""},
)
PREVIEW = "__Host-preview"
COOKIES: tuple[Mapping[str, str], ...] = (
    {}, {}, {}, {COOKIE: "1"}, {COOKIE: "2"}, {"beta": ""}, {"away": "x", "a": "b"}, {PREVIEW: "app--shop"}, {PREVIEW: "../"},
)  # fmt: skip


@lru_cache(maxsize=1)
def known() -> tuple[str, ...]:
    """URLs that have an answer somewhere: addresses, exact rules, and paths that patterns cover."""
    found = [*PATHS, *slashes.addresses("auto", PATHS)]
    found += [path for manifest in sites().values() for rule in manifest.redirects for path in rule.paths]
    return tuple(dict.fromkeys([*(uris.canonical_of(path) for path in found), *COVERED]))


def visit(path: str, host: str | None, chance: random.Random, method: str = "GET") -> Event:
    """A request by one of many visitors."""
    made = event(path, host, method, chance.choice(QUERIES), **chance.choice(VISITORS))
    made["request"]["cookies"] = {name: {"value": value} for name, value in chance.choice(COOKIES).items()}
    made["viewer"]["ip"] = f"192.0.2.{chance.randrange(256)}"
    return made


def fuzz(seed: int, count: int) -> Iterator[Event]:
    """Requests around what exists: real paths, misspelt, re-encoded, cut and glued."""
    chance = random.Random(seed)
    often = [
        "/forced",
        "/temp",
        "/away",
        "/api/x",
        "/find",
        "/pages/7",
        "/pages/8",
        "/inside/7",
        "/old-blog/x",
        "/shop-items/a/x",
    ] * 6
    urls = [*known(), *often]
    for _ in range(count):
        yield visit(some_path(chance, urls), chance.choice(HOSTS), chance, chance.choice(METHODS))


def some_path(chance: random.Random, urls: Sequence[str]) -> str:
    """One of `urls`, or a trick, as it is or spoilt."""
    found = chance.choice(TRICKS) if chance.random() < 0.2 else chance.choice(urls)
    for _ in range(chance.choice((0, 0, 1, 1, 2, 4))):
        found = _mutate(found, chance)
    return found[: limits.URI_BYTES]


def _mutate(path: str, chance: random.Random) -> str:
    at = chance.randrange(len(path) + 1)
    pieces = (
        "/",
        "//",
        ".",
        "..",
        "%2F",
        "%",
        "%4",
        "%00",
        "%ff",
        "+",
        "%20",
        "\\",
        ".html",
        "index.html",
        "é",
        "\u0301",
        "%F0%9F%A6%80",
        ";",
        ":",
    )
    match chance.randrange(7):
        case 0:
            return path[:at] + chance.choice(pieces) + path[at:]
        case 1:
            return path[:at] + path[at + 1 :]
        case 2:
            return "".join(f"%{ord(c):02x}" if c.isascii() and chance.random() < 0.3 else c for c in path)
        case 3:
            return quote(path, safe="/")
        case 4:
            return unicodedata.normalize(chance.choice(("NFC", "NFD")), path)
        case 5:
            return path.swapcase() if chance.random() < 0.5 else path + path
        case _:
            return path + chance.choice(pieces) * chance.choice((1, 1, 1, 200))
