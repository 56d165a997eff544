"""One store with sites of every kind of route on hosts of every kind."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from functools import lru_cache

from tests.engine.support import SITE, with_files
from toolkit.engine.model import Manifest, Settings
from toolkit.engine.pointers import canaried, pointer
from toolkit.engine.routes import compile_table

HOST = f"{SITE}.localhost"
SPA_HOST = f"app--{SITE}.localhost"
CLOUDFLARE_HOST = "cloud.localhost"
# Every path is up to a condition here: all records are of the kind that the patterns come before.
CONDITIONS_HOST = "conditions.localhost"
LOCKED_HOST, CLOSED_HOST, SIGN_HOST, WWW_HOST = (f"{name}--{SITE}.localhost" for name in ("locked", "closed", "sign", "www"))
CANARY_HOST = f"canary--{SITE}.localhost"
COOKIE = "side"
# As a browser sends a name and a password (RFC 7617).
CREDENTIALS = b64encode(b"preview:correct horse").decode()
# The only hosts that any rule names.
NAMED = {"example.com", "api.example.net", HOST}
SITE_HOSTS = (HOST, SPA_HOST, CLOUDFLARE_HOST, CONDITIONS_HOST, LOCKED_HOST, CLOSED_HOST, SIGN_HOST, WWW_HOST, CANARY_HOST)
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
REDIRECTS = "\n".join(
    [
        "/old /about",
        "/temp /blog/?from=temp 302",
        "/away https://example.com/there#top",
        "/café-alt /caf%C3%A9 308",
        "/about /never",
        "/forced /index.html 307!",
        "/gone /410 410",
        "/secret /410 451!",
        *[f"/r/{number} /pages/{number}" for number in range(60)],
        "/old-blog/* /blog/:splat",
        "/news/:year/:month/* /blog/:month-:year/:splat?from=news 302",
        "/shop-items/:name/x https://example.com/:name/:splat 303",
        "/find id=:id /pages/:id 302",
        "/find kind=a%20b /blog/ 307",
        "/pages/7 /blog/ 302! Country=de,at",
        "/pages/8 /docs/deep/er/page 200! Language=fr",
        "/pages/9 /about 404! Cookie=beta",
        "/inside/* /pages/:splat 200",
        "/inside-one /about 200",
        "/api/* https://api.example.net/v1/:splat 200",
        "/fixed-api http://api.example.net:8080/fixed 200!",
        "/docs/* /docs/:splat.html 302 Language=de",
        *[f"/many/{'deep/' * (number % 3)}{number}/* /pages/{number}/:splat" for number in range(40)],
    ]
)
HEADERS = """/*
  X-Frame-Options: DENY
/blog/*
  X-Blog: 1
/about
  Cache-Control: max-age=60
/docs/none/*
  X-None: :splat
/pages/:number
  X-Page: a
"""
CLOUDFLARE_REDIRECTS = """
/old /about 301
/café-alt /caf%C3%A9
/about /about-us 307
/old-blog/* /blog/:splat 301
/u/:name/:thing /pages/:thing?by=:name
/go/* https://example.com/:splat
/inside/* /pages/:splat 200
/docs/* /pages/1 200
"""
CLOUDFLARE_HEADERS = """/*
  X-All: yes
  Link: <https://example.com/>; rel=x
/blog/*
  X-All: blog
  ! Link
"""
CONDITIONS = """
/* /de/:splat 302! Country=de
/r /about
/* https://example.com/:splat 302! Cookie=away
/about /blog/ 307! Language=en
/inside/* /pages/:splat 200
/pages/3 /gone 301
"""


@lru_cache(maxsize=1)
def sites() -> dict[str, Manifest]:
    """The versions that there are, by site. No two have a blob in common."""
    everything = [*PATHS, "/docs/404.html", "/docs/deep/404.html", "/503.html", "/410.html"]
    cloudflare = Settings(dialect="cloudflare", slashes="cloudflare-auto")
    return {
        SITE: with_files(everything, REDIRECTS, HEADERS),
        "app": with_files([path for path in PATHS if path != "/404.html"], settings=Settings(mode="spa"), site="app"),
        "cloud": with_files([*PATHS, "/docs/404.html"], CLOUDFLARE_REDIRECTS, CLOUDFLARE_HEADERS, cloudflare, "cloud"),
        "conditions": with_files(PATHS, CONDITIONS, HEADERS, Settings(slashes="netlify"), "conditions"),
    }


@lru_cache(maxsize=1)
def _store() -> dict[str, str]:
    tables = {name: compile_table(manifest, f"n0nce123{number}") for number, (name, manifest) in enumerate(sites().items(), 1)}

    def value(name: str, gate: str = "-", previous: str = "") -> str:
        return pointer(sites()[name], tables[name].ref, previous, gate)

    salted = hashlib.sha256(f"5a1t:{CREDENTIALS}".encode()).hexdigest()
    sign = sites()[SITE].error_pages["503/503.html"].blob
    hosts = {
        HOST: value(SITE),
        SPA_HOST: value("app", previous=tables[SITE].ref),
        CLOUDFLARE_HOST: value("cloud"),
        CONDITIONS_HOST: value("conditions"),
        LOCKED_HOST: value(SITE, f"p5a1t.{salted}"),
        CLOSED_HOST: value(SITE, "m-"),
        SIGN_HOST: value(SITE, f"m{sign}"),
        WWW_HOST: value(SITE, f"r{HOST}"),
        CANARY_HOST: canaried(value(SITE), f"5000.s33d.{COOKIE}", value("cloud")),
    }
    puts = {key: text for table in tables.values() for key, text in table.puts.items()}
    return {**puts, **{f"h:{host}": text for host, text in hosts.items()}}


def store() -> dict[str, str]:
    """The KeyValueStore with all of these sites on their hosts; the canary's next side is another site, so that they differ."""
    return dict(_store())


def blobs(host: str | None = None) -> set[str]:
    """Every origin path that any answer may name, or any answer of one host."""
    own = {SPA_HOST: ["app"], CLOUDFLARE_HOST: ["cloud"], CONDITIONS_HOST: ["conditions"], CANARY_HOST: [SITE, "cloud"]}
    names = list(sites()) if host is None else own.get(host, [SITE])
    return {f"/{name}/blobs/{blob}" for name in names for blob in sites()[name].blobs()}
