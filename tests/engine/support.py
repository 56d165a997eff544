"""What the engine's tests share: small sites, a clock of their own, and the route table as the edge reads it.

`Edge` mirrors functions/edge/viewer_request.js in Python, so that a test can ask thousands of paths; that the JavaScript itself
gives the same answers is the business of tests/functions.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from toolkit.engine import headers, layout
from toolkit.engine.model import Asset, HeaderRule, Manifest, Redirect, Settings, Source
from toolkit.engine.ports import ObjectStore
from toolkit.engine.routes import FINGERPRINT, RECORD, Table, compile_table
from toolkit.engine.scan import ScannedFile

SITE = "shop"
# A moment that is a whole number of seconds and far from the real time, so that no test depends on today's date.
START = 1_700_000_000.0


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
    paths: list[str],
    *,
    redirects: list[Redirect] | None = None,
    settings: Settings | None = None,
    rules: list[HeaderRule] | None = None,
    carried: Mapping[str, Asset] | None = None,
    version: str = "20231114T221320Z-abcdef0",
) -> Manifest:
    """A manifest of files that hold their own path; `/404.html` becomes the error page when it is among them."""
    chosen = settings or Settings()
    files = [scanned(path) for path in paths]
    errors = [headers.asset(file, rules or [], chosen, status=404) for file in files if file.path == chosen.not_found]
    return Manifest(
        site=SITE,
        version=version,
        created=START,
        source=Source("folder", START),
        settings=chosen,
        assets=headers.assets(files, rules or [], chosen),
        error_pages={"/": errors[0]} if errors else {},
        redirects=tuple(redirects or []),
        carried=carried or {},
    )


@dataclass(frozen=True)
class Answer:
    """What the edge decides: a status and either the blob's key or where it sends the visitor."""

    status: int
    blob: str = ""
    location: str = ""


class Edge:
    """viewer_request.js over any `get(key)`; counts its reads."""

    def __init__(self, get: Callable[[str], str | None]) -> None:
        self._get, self.reads = get, 0

    def ask(self, host: str, url: str, accept: str = "text/html") -> Answer:
        value = self.read(f"h:{host}")
        if not value:
            return Answer(404)
        fields = value.split("|")
        path = unquote(url, errors="strict")
        table, record = fields[3], self.lookup(fields[3], path)
        if record is None and fields[6] != "-":
            table, record = fields[6], self.lookup(fields[6], path)
            if not record:
                return Answer(503)
        if record is None:
            return Answer(503)
        return self._answer(record, table, path) if record else _missing(fields, path, accept)

    def read(self, key: str) -> str | None:
        self.reads += 1
        return self._get(key)

    def lookup(self, table: str, path: str) -> str | None:
        """The record, "" when the table says that there is none, None when its shard is missing or damaged."""
        nonce, salt, shards = table.split(".")
        digest = hashlib.md5((salt + path).encode(), usedforsecurity=False).hexdigest()
        shard = self.read(f"t:{nonce}:{int(digest[:8], 16) % int(shards)}")
        if shard == "-":
            return ""
        if not shard or len(shard) % RECORD:
            return None
        fingerprint = digest[8 : 8 + FINGERPRINT]
        for start in range(0, len(shard), RECORD):
            if shard[start : start + FINGERPRINT] == fingerprint:
                return shard[start + FINGERPRINT : start + RECORD]
        return ""

    def _answer(self, record: str, table: str, path: str) -> Answer:
        kind, ref = record[0], record[1:]
        if kind in "FE":
            return Answer(200 if kind == "F" else 404, blob=ref)
        if kind == "C":
            cut = path[: len(path) - int(ref[3:5])] + ("/" if ref[5] == "/" else "")
            return Answer(int(ref[:3]), location=quote(cut, safe="/;,:@&=+$-_.!~*'()"))
        chunk, offset, length, _ = ref.split(".")
        rule = (self.read(f"x:{table.split('.')[0]}:{chunk}") or "")[int(offset) :][: int(length)]
        return Answer(int(rule[:3]), location=rule[4:])


def _missing(fields: list[str], path: str, accept: str) -> Answer:
    if fields[4] != "-" and (path.rfind(".") < path.rfind("/") or "text/html" in accept):
        return Answer(200, blob=fields[4])
    return Answer(404, blob=fields[5] if fields[5] != "-" else "")


def table_edge(manifest: Manifest, table: Table | None = None) -> tuple[Edge, Table]:
    """An edge over one compiled table alone."""
    done = table or compile_table(manifest, "n0nce")
    return Edge(done.puts.get), done


def find(manifest: Manifest, path: str) -> Answer | None:
    """How a manifest's table answers a decoded path, None when it holds no record for it."""
    edge, table = table_edge(manifest)
    record = edge.lookup(table.ref, path)
    assert record is not None, "a shard is missing"
    return edge._answer(record, table.ref, path) if record else None


def follow(manifest: Manifest, path: str, limit: int = 10) -> list[str]:
    """The paths that a visitor passes through, ending at the one that is no redirect; longer than `limit` is a loop."""
    passed = [path]
    while len(passed) <= limit:
        answer = find(manifest, passed[-1])
        if answer is None or not answer.location.startswith("/"):
            break
        passed.append(unquote(answer.location.split("?")[0].split("#")[0]))
    return passed


def blob_of(manifest: Manifest, path: str) -> str:
    return manifest.assets[path].blob


def body_of(objects: ObjectStore, blob: str, site: str = SITE) -> bytes:
    return objects.get(layout.blob(site, blob))[1]


def edge_metadata(asset: Asset) -> dict[str, object]:
    found: dict[str, object] = json.loads(asset.headers["x-amz-meta-edge"])
    return found
