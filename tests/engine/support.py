"""What the engine's tests share: small sites, a clock of their own, and the edge as visitors meet it.

`Edge` runs functions/edge/viewer_request.js itself, so that what a test concludes is what a visitor gets; that the engine
which runs it here and CloudFront's agree is the business of tests/functions.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import parse_qsl, urldefrag, urljoin

from toolkit.engine import layout, uris
from toolkit.engine.dialects.common import Rules
from toolkit.engine.dialects.registry import parse
from toolkit.engine.model import Asset, HeaderRule, Manifest, Rule, Settings, Source
from toolkit.engine.pages import pages
from toolkit.engine.pointers import pointer
from toolkit.engine.ports import ObjectStore
from toolkit.engine.routes import FINGERPRINT, RECORD, Table, compile_table
from toolkit.engine.scan import ScannedFile
from toolkit.local.edge import Answer as FunctionAnswer
from toolkit.local.edge import Edge as Functions
from toolkit.local.edge import check_request
from toolkit.paths import resource

SITE = "shop"
HOST = f"{SITE}.localhost"
# A moment that is a whole number of seconds and far from the real time, so that no test depends on today's date.
START = 1_700_000_000.0
# As long as they are: the edge has a way of its own for those.
NONCE = "n0nce1234"
Get = Callable[[str], str | None]


class Clock:
    """Time that a test moves by hand; `sleep` moves it too, so that waiting ends at once."""

    def __init__(self, now: float = START, tick: float = 0.0) -> None:
        self.now, self.tick = now, tick

    def __call__(self) -> float:
        self.now += self.tick
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += max(seconds, 0.001)


def write_site(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    for name, body in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body.encode() if isinstance(body, str) else body)
    return folder


def scanned(path: str, body: str = "") -> ScannedFile:
    content = (body or path).encode()
    return ScannedFile(path, Path("unused"), len(content), hashlib.sha256(content).hexdigest())


def manifest_of(
    paths: Sequence[str],
    *,
    redirects: Sequence[Rule] = (),
    settings: Settings | None = None,
    rules: Sequence[HeaderRule] = (),
    carried: Mapping[str, Asset] | None = None,
    version: str = "20231114T221320Z-abcdef0",
    site: str = SITE,
) -> Manifest:
    """A manifest of files that hold their own path and site; every `404.html` among them is an error page too."""
    chosen = settings or Settings()
    made = pages([scanned(path, f"{path} of {site}") for path in paths], Rules(list(redirects), list(rules)), chosen)
    return Manifest(
        site=site,
        version=version,
        created=START,
        source=Source("folder", START),
        settings=chosen,
        assets=made.assets,
        error_pages=made.error_pages,
        variants=made.variants,
        redirects=made.redirects,
        header_rules=tuple(rules),
        fallback=made.fallback,
        fallbacks=made.fallbacks,
        carried=carried or {},
    )


def with_files(
    paths: Sequence[str], redirects: str = "", headers: str = "", settings: Settings | None = None, site: str = SITE
) -> Manifest:
    """A manifest of files and of rule files as people write them, every line of which must be good."""
    chosen = settings or Settings()
    rules = parse({"_redirects": redirects, "_headers": headers}, chosen.dialect)
    assert not rules.problems, rules.problems
    return manifest_of(paths, redirects=rules.redirects, rules=rules.headers, settings=chosen, site=site)


@dataclass(frozen=True)
class Answer:
    """What the edge decides: a status and either the blob's key or where it sends the visitor; `proxy` is a URL asked instead."""

    status: int
    blob: str = ""
    location: str = ""
    proxy: str = ""


class _Store:
    """The route store of the one instance of the functions: whatever edge asks next puts its own here."""

    get: Get = staticmethod(lambda key: None)


@lru_cache(maxsize=1)
def _functions() -> tuple[Functions, _Store]:
    store = _Store()
    return Functions(store, resource("functions") / "edge"), store


class Edge:
    """viewer_request.js over any `get(key)`; counts its reads. A fault of the function is an exception.

    The status of a page travels with its blob: `status_of` says it for the blob's key in the store of objects.
    """

    def __init__(self, get: Get, status_of: Callable[[str], int] = lambda key: 200) -> None:
        self._get, self._status_of, self.reads = get, status_of, 0

    def ask(
        self,
        host: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        cookies: Mapping[str, str] | None = None,
        ip: str = "127.0.0.1",
    ) -> Answer:
        """What a visitor gets for a GET of `url`: an encoded path, perhaps with a query."""
        path, _, query = url.partition("?")
        asked = {"host": host, "accept": "text/html", **(headers or {})}
        request = json.dumps(
            {
                "method": "GET",
                "uri": path,
                "querystring": {name: {"value": value} for name, value in parse_qsl(query, keep_blank_values=True)},
                "headers": {name: {"value": value} for name, value in asked.items()},
                "cookies": {name: {"value": value} for name, value in (cookies or {}).items()},
            }
        )
        functions, store = _functions()
        store.get = self._get
        result = functions.call_request(request, ip)
        self.reads = functions.reads
        found = check_request(result, request)
        if isinstance(found, FunctionAnswer):
            return Answer(found.status, location=dict(found.headers).get("location", ""))
        other = json.loads(result).get("origin")
        if other:
            origin = other["customOriginConfig"]
            return Answer(200, proxy=f"{origin['protocol']}://{other['domainName']}:{origin['port']}{found.uri}")
        return Answer(self._status_of(found.uri[1:]), blob=found.uri.rsplit("/", 1)[1])


def edge_of(manifest: Manifest, table: Table | None = None) -> Edge:
    """An edge that serves one version, and nothing else, at HOST."""
    done = table or compile_table(manifest, NONCE)
    held = {**done.puts, f"h:{HOST}": pointer(manifest, done.ref, "")}
    groups = (manifest.assets, manifest.variants, manifest.error_pages, manifest.carried)
    statuses = {layout.blob(manifest.site, asset.blob): status_of(asset) for group in groups for asset in group.values()}
    return Edge(held.get, statuses.__getitem__)


def status_of(asset: Asset) -> int:
    return int(str(edge_metadata(asset).get("s", 200)))


def statuses_in(objects: ObjectStore) -> Callable[[str], int]:
    """The status that a blob of a store answers with, by its key there."""
    return lambda key: int(json.loads(objects.get(key)[0].headers["x-amz-meta-edge"]).get("s", 200))


def find(manifest: Manifest, path: str) -> Answer:
    """How a version answers a decoded path."""
    return edge_of(manifest).ask(HOST, uris.canonical_of(path))


def follow(edge: Edge, path: str, limit: int = 10) -> list[str]:
    """The addresses on this host that a visitor of `path` (decoded) passes, down to the one that is no redirect.

    Locations are resolved as browsers do it (RFC 3986, section 5.2). More than `limit` is a loop.
    """
    passed = [uris.canonical_of(path)]
    while len(passed) <= limit:
        location = edge.ask(HOST, passed[-1]).location
        if not location.startswith("/") or location.startswith("//"):
            break
        passed.append(urldefrag(urljoin(passed[-1], location)).url)
    return passed


def lookup(get: Get, ref: str, path: str) -> str | None:
    """The record of a decoded path in a table, read as docs/routing-data.md describes it.

    "" when the table says that there is none, None when its shard is missing or damaged.
    """
    nonce, shards, _ = ref.split(".")
    digest = hashlib.md5((nonce + path).encode(), usedforsecurity=False).hexdigest()
    shard = get(f"t:{nonce}:{int(digest[:8], 16) % int(shards)}")
    if not shard or len(shard) != int(shard[-1], 36) * RECORD + 1:
        return None
    return records(shard).get(digest[8 : 8 + FINGERPRINT], "")


def records(shard: str) -> dict[str, str]:
    """The records of a shard by their fingerprints."""
    count = len(shard) // RECORD
    prints, rest = shard[: count * FINGERPRINT], shard[count * FINGERPRINT : -1]
    width = RECORD - FINGERPRINT
    return {prints[number * FINGERPRINT :][:FINGERPRINT]: rest[number * width :][:width].rstrip("~") for number in range(count)}


def blob_of(manifest: Manifest, path: str) -> str:
    return manifest.assets[path].blob


def body_of(objects: ObjectStore, blob: str, site: str = SITE) -> bytes:
    return objects.get(layout.blob(site, blob))[1]


def edge_metadata(asset: Asset) -> dict[str, object]:
    found: dict[str, object] = json.loads(asset.headers["x-amz-meta-edge"])
    return found
