"""The sites that `make bench-edge` asks our function about, published by the engine itself, and the requests for them.

A route is an address that the site answers, and N routes are N addresses: a page has three (`/a`, `/a.html`, `/a/`), an asset one.
N redirects are N lines of `_redirects`. Both kinds of sites go through plan, publish and release into stores in memory: what the
function reads is what a deploy would have written.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.callgrind import Accepts, Cell, Event
from tests.contracts.fakes import MemoryObjects, MemoryRoutes
from tests.engine.support import START, Clock, write_site
from toolkit.engine import release
from toolkit.engine.model import Asset, Manifest, Settings, Source
from toolkit.engine.publish import plan, publish

HOST = "www.example.com"
SITE = "bench"
PATTERNS = 20
_CYCLE = 100
_HOME_AND_ERROR = 4


def request(uri: str) -> Event:
    """A viewer-request event of a browser, as CloudFront builds it."""
    headers = {
        "host": HOST,
        "user-agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
        "accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
        "accept-encoding": "gzip, deflate, br",
        "accept-language": "en-GB,en;q=0.9",
    }
    context = {
        "distributionDomainName": "d111111abcdef8.cloudfront.net",
        "distributionId": "EDFDVBD6EXAMPLE",
        "eventType": "viewer-request",
        "requestId": "EXAMPLEntjQpEXAMPLE_SG5Z-EXAMPLEPmPfEXAMPLEu3EqEXAMPLE==",
    }
    asked = {
        "method": "GET",
        "uri": uri,
        "querystring": {},
        "headers": {k: {"value": v} for k, v in headers.items()},
        "cookies": {},
    }
    return {"version": "1.0", "context": context, "viewer": {"ip": "198.51.100.11"}, "request": asked}


def spread(paths: Sequence[str]) -> list[Event]:
    """Requests for up to 100 of them, evenly over the list: no single shard or line decides the figure."""
    step = max(1, len(paths) // _CYCLE)
    return [request(path) for path in paths[::step][:_CYCLE]]


def redirect_lines(number: int) -> list[tuple[str, str]]:
    """(source, target) of `number` redirects; ours and the peer's are the same."""
    return [(f"/old-blog/2019/article-{i}", f"/articles/archive/article-{i}") for i in range(number)]


def is_redirect(event: Event, answer: Any) -> bool:
    """To the target that `redirect_lines` has for the source."""
    wanted = event["request"]["uri"].replace("/old-blog/2019/", "/articles/archive/")
    return bool(answer.get("statusCode") == 301 and answer["headers"]["location"]["value"] == wanted)


@dataclass(frozen=True)
class Deployed:
    """The manifest of a release, what the route store holds after it, and the store's size in bytes of keys and values."""

    manifest: Manifest
    pairs: Mapping[str, str]
    bytes: int


class PageSite:
    """A site of `routes` addresses, half of them pages' and half assets', with `rules` in its `_redirects`."""

    def __init__(self, routes: int, rules: str = "") -> None:
        self.routes = routes
        pages = [_page(number) for number in range(max(1, (routes - _HOME_AND_ERROR) // 6))]
        self.files = {page: page + ("index.html" if page.endswith("/") else ".html") for page in pages}
        assets = [f"/assets/chunk-{i}.{i * 2654435761 % 2**32:08x}.js" for i in range(routes - _HOME_AND_ERROR - 3 * len(pages))]
        bodies = {path[1:]: path for path in ("/404.html", *self.files.values(), *assets)}
        self.deployed = deployed({**bodies, "_redirects": rules})

    def cells(self, code: str) -> dict[str, Cell]:
        """Cells for an ordinary page and for one that is not there."""
        manifest, pages = self.deployed.manifest, list(self.files)
        blobs = {page: _origin(manifest.assets[path]) for page, path in self.files.items()}
        errors = {_origin(page) for page in manifest.error_pages.values()}
        missing = [page.replace("page", "gone") for page in pages]
        return {
            "page": self._cell("page", code, pages, lambda event, answer: answer.get("uri") == blobs[event["request"]["uri"]]),
            "missing": self._cell("missing page", code, missing, lambda event, answer: answer.get("uri") in errors),
        }

    def _cell(self, case: str, code: str, paths: Sequence[str], accepts: Accepts) -> Cell:
        return Cell(f"{self.routes:,} routes: {case}", code, self.deployed.pairs, spread(paths), accepts)


def pattern_site(routes: int, code: str) -> tuple[dict[str, Cell], Deployed]:
    """A site with patterns besides: half of them are of one folder each, the other half have to be tried for any missing path."""
    half = range(PATTERNS // 2)
    rules = "".join(f"/:section/legacy-{i} /archive/:section/{i} 301\n/news-{i}/* /articles/{i}/:splat 301\n" for i in half)
    site = PageSite(routes, rules)
    events = [request(f"/news-{i}/2019/article-{i}") for i in half]

    def accepts(event: Event, answer: Any) -> bool:
        folder, rest = event["request"]["uri"].removeprefix("/news-").split("/", 1)
        return bool(answer.get("statusCode") == 301 and answer["headers"]["location"]["value"] == f"/articles/{folder}/{rest}")

    moved = Cell(f"{PATTERNS} patterns: redirect", code, site.deployed.pairs, events, accepts)
    return {**site.cells(code), "redirect": moved}, site.deployed


def _page(number: int) -> str:
    """Every other page is an index.html in a folder."""
    return f"/docs/part-{number % 37}/page-{number}" + ("/" if number % 2 else "")


def _origin(asset: Asset) -> str:
    return f"/{SITE}/blobs/{asset.blob}"


def redirects(number: int, code: str) -> tuple[Cell, Deployed]:
    """The cell of a site that has nothing but a home page and this many redirects."""
    lines = redirect_lines(number)
    site = deployed({"_redirects": "".join(f"{source} {target} 301\n" for source, target in lines)})
    events = spread([source for source, _ in lines])
    return Cell(f"{number:,} redirects", code, site.pairs, events, is_redirect), site


def deployed(files: Mapping[str, str]) -> Deployed:
    """Publish and release a site of these files (and a home page) as the host's first version."""
    objects, routes, clock = MemoryObjects(), MemoryRoutes(), Clock()
    with tempfile.TemporaryDirectory() as folder:
        planned = plan(
            objects,
            routes,
            site=SITE,
            folder=write_site(Path(folder), {"index.html": "home", **files}),
            source=Source("folder", START),
            settings=Settings(),
            strict=True,
            now=START,
        )
        manifest = publish(objects, routes, planned, workers=1, clock=clock, sleep=clock.sleep)
    asked = release.Request(SITE, "live", manifest.version, (HOST,), START, "bench", "deploy")
    release.release(objects, routes, asked, clock=clock, sleep=clock.sleep)
    return Deployed(manifest, dict(routes.pairs), routes.usage().bytes)
