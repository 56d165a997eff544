"""Sites, paths and broken stores to ask both engines about. Everything random comes from a seed: a failure repeats."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Iterator
from urllib.parse import quote

from tests.engine.support import SITE, manifest_of
from tests.functions.engines import Event, event
from toolkit.engine.model import Manifest, Redirect, Settings
from toolkit.engine.pointers import pointer
from toolkit.engine.routes import compile_table

HOST = f"{SITE}.localhost"
SPA_HOST = f"app--{SITE}.localhost"
PATHS = [
    "/index.html",
    "/about.html",
    "/blog/index.html",
    "/blog/first post.html",
    "/docs/deep/er/page.html",
    "/404.html",
    "/css/site.css",
    "/assets/app-3f9a1cB2.js",
    "/price 100%.html",
    "/what?.html",
    "/c#/sharp.html",
    "/a+b.txt",
    "/café.html",
    "/cafe\u0301.txt",
    "/日本語/頁.html",
    "/emoji-🦀.svg",
    f"/{'long-' * 120}.html",
    "/semi;colon,comma.txt",
    "/quote'\"back\\slash.txt",
    "/.well-known/security.txt",
    *[f"/pages/{number}.html" for number in range(60)],
]
REDIRECTS = [
    Redirect("/old", "/about", 301),
    Redirect("/temp", "/blog/?from=temp", 302),
    Redirect("/away", "https://example.com/there#top", 301),
    Redirect("/café-alt", "/caf%C3%A9", 308),
    Redirect("/about", "/never", 301),
    Redirect("/forced", "/index.html", 307, force=True),
    *[Redirect(f"/r/{number}", f"/pages/{number}", 301) for number in range(60)],
]
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
    "/__proto__",
    "/constructor",
    "/toString",
    "",
    "*",
    "http://evil.example/about",
]
METHODS = (*["GET"] * 20, *["HEAD"] * 5, "POST", "PUT", "OPTIONS", "get", "")
HOSTS = (*[HOST] * 20, *[SPA_HOST] * 10, HOST.upper(), "other.localhost", "", None, "h:x", f"{HOST}.", "__proto__", "a|b", "é")
# No names that look like numbers: njs keeps them in the order sent, ECMAScript sorts them (docs/fidelity.md).
QUERIES = (
    {},
    {},
    {"a": {"value": "1"}},
    {"a": {"value": ""}},
    {"a": {"value": "1", "multiValue": [{"value": "1"}, {"value": "2"}]}, "b": {"value": "%20"}},
    {"b": {"value": "x"}, "a": {"value": "y"}, "toString": {"value": "z"}},
)
HEADERS = (
    {},
    {"accept": "text/html,*/*"},
    {"accept": "*/*"},
    {"if_none_match": '"x"', "if_modified_since": "x", "if_range": '"x"', "range": "bytes=0-1"},
)


def site() -> Manifest:
    return manifest_of(PATHS, redirects=REDIRECTS)


def store() -> dict[str, str]:
    """The KeyValueStore with one site on two hosts: as pages with a 404, and as a single-page app."""
    pages, app = site(), manifest_of(PATHS, settings=Settings(mode="spa"))
    first, second = compile_table(pages, "n1"), compile_table(app, "n2")
    return {
        **first.puts,
        **second.puts,
        f"h:{HOST}": pointer(pages, first.ref, ""),
        f"h:{SPA_HOST}": pointer(app, second.ref, first.ref),
    }


def blobs() -> set[str]:
    """Every origin path that any answer may name."""
    manifests = (site(), manifest_of(PATHS, settings=Settings(mode="spa")))
    return {f"/{SITE}/blobs/{blob}" for manifest in manifests for blob in manifest.blobs()}


def fuzz(seed: int, count: int) -> Iterator[Event]:
    """Requests around what exists: real paths, misspelt, re-encoded, cut and glued."""
    chance = random.Random(seed)
    known = [
        *PATHS,
        *(rule.path for rule in REDIRECTS),
        "/about",
        "/blog",
        "/blog/",
        "/pages/7/",
        "/café",
        *["/forced", "/temp", "/away"] * 6,
    ]
    for _ in range(count):
        path = chance.choice(TRICKS) if chance.random() < 0.2 else quote(chance.choice(known), safe="/;,+'")
        for _ in range(chance.choice((0, 0, 1, 1, 2, 4))):
            path = _mutate(path, chance)
        yield event(path, chance.choice(HOSTS), chance.choice(METHODS), chance.choice(QUERIES), **chance.choice(HEADERS))


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


def damage(seed: int) -> dict[str, str]:
    """A store of which something is missing or overwritten, as after a lost write or by a stranger's hand."""
    chance = random.Random(seed)
    kvs = store()
    for _ in range(chance.choice((1, 2, 5))):
        kind = chance.choice(("h:", "h:", "t:", "t:", "x:"))
        key = chance.choice([key for key in sorted(store()) if key.startswith(kind)])
        kvs[key] = _garbage(kvs.get(key, ""), chance)
        if chance.random() < 0.3:
            del kvs[key]
    lost = chance.choice(("t:n1", "t:n2", "x:", "h:", "nothing", "nothing", "nothing"))
    return {key: value for key, value in kvs.items() if not key.startswith(lost)}


def _garbage(value: str, chance: random.Random) -> str:
    at = chance.randrange(len(value)) if value else 0
    fields = value.split("|")
    place = chance.randrange(len(fields))
    odd = (
        "",
        "-",
        "..",
        "a.b",
        "n1.s.0",
        "n1.s.-1",
        "n1.s.1e9",
        "n1.s.NaN",
        "n1..",
        "x" * 1000,
        "../../secret",
        "|||",
        "\u0000",
        "é" * 30,
    )
    match chance.randrange(6):
        case 0:
            return chance.choice(odd)
        case 1:
            return value[:at]
        case 2:
            return value[:at] + chance.choice("~-|FECR0zé") + value[at + 1 :]
        case 3:
            return "|".join([*fields[:place], chance.choice(odd), *fields[place + 1 :]])
        case 4:
            return "".join(chance.sample(value, len(value)))
        case _:
            return "".join(chance.choice("0123456789abcdefFECR.~-/") for _ in range(len(value)))
