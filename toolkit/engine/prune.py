"""Remove versions that nobody needs any more, and the blobs that only they used.

Stages: mark (every version gets a verdict with its reason) → remove the records of their tables → remove manifests → sweep blobs
that no remaining manifest names → drop tables. Order matters: a blob goes only after every manifest that names it, a manifest only
when no flip to it can be under way. A deploy that begins meanwhile makes the sweep stop (see leases).

Cost: one listing and one read per retained manifest, one listing of the blobs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from toolkit.engine import layout, leases, release, tables
from toolkit.engine.errors import NotFound, UserError
from toolkit.engine.model import Manifest, Release, canonical
from toolkit.engine.ports import ObjectStore, RouteStore

_BATCH = 1000


@dataclass(frozen=True)
class Verdict:
    """Whether a version stays and why.

    "serving live", "canary of live", "pinned", "one of the last 10", "in its grace period" or "unneeded".
    """

    version: str
    keep: bool
    reason: str


@dataclass(frozen=True)
class Pruned:
    """What a prune did. `bytes` is the size of the removed blobs; `stopped` when a deploy came and the rest was left for later."""

    verdicts: tuple[Verdict, ...]
    blobs: int
    bytes: int
    tables: tuple[str, ...]
    stopped: bool


def prune(
    objects: ObjectStore,
    routes: RouteStore,
    site: str,
    *,
    keep: int = 10,
    grace_seconds: float = 86400.0,
    clock: Callable[[], float] = time.time,
) -> Pruned:
    """Remove what is unneeded. UserError when a deploy of the site is under way."""
    now = clock()
    verdicts: tuple[Verdict, ...] = ()
    dropped: list[str] = []
    swept = _Swept()
    try:
        with leases.Sweep(objects, site, clock) as sweep:
            verdicts = judge(objects, routes, site, keep=keep, grace_seconds=grace_seconds, now=now, alive=sweep.keep)
            gone = [verdict.version for verdict in verdicts if not verdict.keep]
            for some in tables.chunks(gone):
                sweep.renew()
                dropped += tables.forget(routes, site, some)
            for version in gone:
                sweep.renew()
                objects.delete([layout.manifest(site, version), layout.build_log(site, version)])
            _sweep(objects, site, now - grace_seconds, sweep, swept)
        # Under no lease: the route store's tag protects it, and in AWS it takes a request per 50 keys, longer than a lease.
        dropped += tables.drop_unneeded(routes, now)
    except leases.GaveWay:
        return Pruned(verdicts, swept.blobs, swept.bytes, tuple(dropped), True)
    return Pruned(verdicts, swept.blobs, swept.bytes, tuple(dropped), False)


def judge(
    objects: ObjectStore,
    routes: RouteStore,
    site: str,
    *,
    keep: int,
    grace_seconds: float,
    now: float,
    alive: Callable[[], None] = lambda: None,
) -> tuple[Verdict, ...]:
    """A verdict for every version, oldest first. `alive` is called between reads."""
    versions = versions_of(objects, site)
    serving, last_served = _served(objects, routes, site, now - grace_seconds, now, alive)
    pinned = pins(objects, site)
    newest = set(versions[-keep:]) if keep else set()
    verdicts = []
    for version in versions:
        alive()
        if version in serving:
            verdicts.append(Verdict(version, True, serving[version]))
        elif version in pinned:
            verdicts.append(Verdict(version, True, "pinned"))
        elif version in newest:
            verdicts.append(Verdict(version, True, f"one of the last {keep}"))
        elif max(last_served.get(version, 0.0), _created(objects, site, version)) > now - grace_seconds:
            verdicts.append(Verdict(version, True, "in its grace period"))
        else:
            verdicts.append(Verdict(version, False, "unneeded"))
    return tuple(verdicts)


def _served(
    objects: ObjectStore, routes: RouteStore, site: str, since: float, now: float, alive: Callable[[], None]
) -> tuple[dict[str, str], dict[str, float]]:
    """As what a version serves now, and until when each that was served after `since` was."""
    serving: dict[str, str] = {}
    last_served: dict[str, float] = {}
    found = records(routes, site)
    for record in found:
        if record.version:
            serving[record.version] = f"serving {record.channel}"
        until = now
        for entry in release.served(objects, routes, site, record.channel):
            alive()
            if until <= since:
                break
            for version in (entry.version, entry.canary):
                last_served[version] = max(last_served.get(version, 0.0), until)
            until = entry.at
    canaries = {record.canary: f"canary of {record.channel}" for record in found if record.canary}
    return {**canaries, **serving}, last_served


def versions_of(objects: ObjectStore, site: str) -> list[str]:
    """Ids of all sealed versions, oldest first."""
    prefix = f"{site}/versions/"
    return [info.key[len(prefix) : -len(".json")] for info in objects.list(prefix)]


def records(routes: RouteStore, site: str) -> list[Release]:
    """The newest record of every channel that ever served, also of removed ones."""
    prefix = f"c:{site}/"
    return [Release.from_json(value) for key, value in routes.items() if key.startswith(prefix)]


def pins(objects: ObjectStore, site: str) -> set[str]:
    prefix = f"{site}/pins/"
    return {info.key[len(prefix) : -len(".json")] for info in objects.list(prefix)}


def pin(
    objects: ObjectStore,
    site: str,
    version: str,
    who: str,
    now: float,
    *,
    clock: leases.Clock = time.time,
    sleep: leases.Sleep = time.sleep,
) -> None:
    """Keep a version whatever prune would say. UserError when there is no such version."""
    # A prune that has judged the version already must not take it after we have looked.
    with leases.deploying(objects, site, clock, sleep) as lease:
        release.load_manifest(objects, site, version)
        body = canonical({"version": version, "who": who, "at": now})
        objects.put(layout.pin(site, version), body, {"content-type": "application/json"})
        while not lease.unbroken():  # we were held up for so long that one may have come and gone
            try:
                release.load_manifest(objects, site, version)
            except UserError:
                unpin(objects, site, version)
                raise


def unpin(objects: ObjectStore, site: str, version: str) -> None:
    objects.delete([layout.pin(site, version)])


def _created(objects: ObjectStore, site: str, version: str) -> float:
    info = objects.head(layout.manifest(site, version))
    return info.modified if info else 0.0


@dataclass
class _Swept:
    blobs: int = 0
    bytes: int = 0


def _sweep(objects: ObjectStore, site: str, before: float, sweep: leases.Sweep, swept: _Swept) -> None:
    named: set[str] = set()
    for version in versions_of(objects, site):
        sweep.keep()
        with suppress(NotFound):  # another prune took it meanwhile
            named |= Manifest.from_json(objects.get(layout.manifest(site, version))[1]).blobs()
    prefix = f"{site}/blobs/"
    orphans = []
    for info in objects.list(prefix):
        sweep.keep()
        if info.key[len(prefix) :] not in named and info.modified < before:
            orphans.append(info)
    for start in range(0, len(orphans), _BATCH):
        batch = orphans[start : start + _BATCH]
        sweep.renew()
        objects.delete([info.key for info in batch])
        swept.blobs += len(batch)
        swept.bytes += sum(info.size for info in batch)
