"""Ask a version how it answers before any channel serves it: a host of its own for a minute, and what it must say there.

The host is no channel's: there is no record and no ledger entry, and no gate stands before it. Its label holds the moment, so that
what a crash leaves behind can be found by its age.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from toolkit.engine import layout, leases, pointers, release, tables, uris
from toolkit.engine.decide import Decisions, decide
from toolkit.engine.errors import Busy, Conflict, Unavailable, UserError
from toolkit.engine.model import Asset, Manifest
from toolkit.engine.ports import ObjectStore, RouteStore

# Nobody asks for longer: who finds an older host may take it away.
SECONDS = 3600.0
_LABEL = re.compile(r"h:check-([0-9a-z]+)-[0-9a-f]{10}--")
# What is larger than this is not fetched to be compared.
_BYTES = 5 << 20


@dataclass(frozen=True)
class Sample:
    """A path (as a URL has it) and what must answer: the `status`, 0 for any below 500, and the body's SHA-256, "" for any."""

    path: str
    status: int = 0
    sha256: str = ""


def samples(manifest: Manifest, new: Collection[str] = (), count: int = 5) -> list[Sample]:
    """The home page, a path that is missing, and at most `count` others; files whose blobs are in `new` come first.

    Only what needs no request to be decided says what must answer; of rules with conditions the answer is whatever they make it.
    """
    decided = decide(manifest)
    files = {asset.blob: asset for group in (manifest.error_pages, manifest.variants, manifest.assets) for asset in group.values()}
    exact = {}
    for path, answer in decided.answers.items():
        # What begins otherwise is a table's own, and no address.
        asset = files.get(answer.record[1:]) if answer.record[:1] == "F" and path[0] == "/" else None
        if asset and not answer.after_patterns and asset.size <= _BYTES:
            exact[path] = asset
    others = sorted((path for path in exact if path != "/"), key=lambda path: (exact[path].blob not in new, path))
    chosen = [_sample(path, exact[path]) for path in others[:count]]
    home = _sample("/", exact["/"]) if "/" in exact else Sample("/")
    return [home, *chosen, _missing(manifest, decided)]


def _sample(path: str, asset: Asset) -> Sample:
    return Sample(uris.canonical_of(path), 200, asset.sha256)


def _missing(manifest: Manifest, decided: Decisions) -> Sample:
    """A path that no file has, asked for as a page."""
    path = f"/check-{manifest.digest[:20]}"
    if path in decided.answers or "/" in decided.folders or manifest.fallbacks:
        return Sample(path)
    if manifest.fallback:
        return Sample(path, 200, manifest.assets[manifest.fallback.removeprefix("*")].sha256)
    page = manifest.error_pages.get(f"404{manifest.settings.not_found}")
    return Sample(path, 404, page.sha256 if page else "")


def label(site: str, run: str, now: float) -> str:
    """The first part of a probe's host; `run` says whose it is, and is not to be read from it."""
    digest = hashlib.sha256(f"{run} {now}".encode()).hexdigest()[:10]
    return f"check-{tables.base36(int(now))}-{digest}--{site}"


@contextmanager
def answering(
    objects: ObjectStore,
    routes: RouteStore,
    manifest: Manifest,
    host: str,
    *,
    clock: Callable[[], float] = time.time,
    sleep: tables.Sleep = time.sleep,
) -> Iterator[None]:
    """Let a version answer at `host` for as long as the block lasts, however it ends; prune waits meanwhile. Busy, UserError."""
    key = layout.host_key(host)
    if pointers.owner(routes.get(key)) not in ("", manifest.site):
        raise UserError(f"the host {host} belongs to another site", "use another name for this site")
    with leases.deploying(objects, manifest.site, clock, sleep):
        release.load_manifest(objects, manifest.site, manifest.version)  # a prune may have come since it was read
        try:
            _point(routes, manifest, key, clock, sleep)
            yield
        finally:
            tables.write(routes, {}, [key], sleep)


def _point(routes: RouteStore, manifest: Manifest, key: str, clock: Callable[[], float], sleep: tables.Sleep) -> None:
    """Write the pointer under the tag at which the table is there: without one that has spread, a late edge answers 503."""
    for attempt in range(tables.ATTEMPTS):
        try:
            etag = routes.etag()
            table = tables.ensure(routes, manifest, sleep, clock=clock)
            routes.update({key: pointers.pointer(manifest, table, "")}, [], if_match=etag)
            return
        except (Conflict, Unavailable):
            tables.backoff(attempt, sleep)
    raise Busy(f"the route store stayed busy: {manifest.version} could not be asked", "run the command again")


def clear(routes: RouteStore, site: str, now: float, sleep: tables.Sleep = time.sleep) -> list[str]:
    """Take out hosts of probes of a site that were left behind more than SECONDS ago; the hosts."""
    # A branch may have a name like a probe's.
    taken = {layout.host_key(host) for record in release.channels(routes, site) for host in record.hosts}
    left = []
    for key, value in routes.items():
        found = _LABEL.match(key)
        if found and key not in taken and int(found[1], 36) < now - SECONDS and pointers.owner(value) == site:
            left.append(key)
    tables.write(routes, {}, left, sleep)
    return [key[2:] for key in left]
