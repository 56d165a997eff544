"""The pointers of a channel's hosts, made from its record, its versions and its gates."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from toolkit.engine import gates, layout, pointers, tables
from toolkit.engine.errors import UserError
from toolkit.engine.model import Manifest, Release
from toolkit.engine.ports import RouteStore

# After this long every edge is taken to have learned of a write ("propagation takes a few seconds", with a wide margin).
SPREAD_SECONDS = 60.0
# What a canary's share is counted in: 10,000 are all visitors, so that a percentage may have two decimals.
WHOLE = 10_000


@dataclass(frozen=True)
class Side:
    """A version and its table, which is in the store."""

    manifest: Manifest
    table: str


def values(
    routes: RouteStore, record: Release, before: Release | None, earlier: Iterable[Release], sides: Sequence[Side], now: float
) -> dict[str, str]:
    """Keys and values of all of a record's hosts; `sides` are its version and, if there is one, its canary.

    `earlier` are the releases before `before`, newest first, read as needed. UserError when a host belongs to another site.
    """
    spread, access = _spread_table(routes, before, earlier, now), gates.read(routes.get, record.site, record.channel)
    puts = {}
    for host in record.hosts:
        key = layout.host_key(host)
        _check_owner(routes.get(key), record.site, host)
        lines = []
        for side in sides:
            gate = gates.gate(access, record, host, partial(gates.maintenance_page, side.manifest))
            lines.append(pointers.pointer(side.manifest, side.table, spread if spread != side.table else "", gate))
        puts[key] = pointers.canaried(lines[0], _choice(record), lines[1]) if record.canary else lines[0]
    return puts


def _choice(record: Release) -> str:
    """Who gets the canary: threshold, seed and cookie.

    The seed is the same whatever the share: a visitor who was moved to this canary stays there while its share grows.
    """
    seed = hashlib.sha256(f"{record.site}/{record.channel}/{record.canary}".encode()).hexdigest()[:8]
    return f"{threshold(record.percent)}.{seed}.{record.cookie}"


def threshold(percent: float) -> int:
    """Of how many in WHOLE a canary's visitors are."""
    return round(percent * WHOLE / 100)


def left(routes: RouteStore, before: Release | None, record: Release) -> list[str]:
    """Keys of the hosts that the channel gives up; one that belongs to another site by now is not ours to remove."""
    keys = [layout.host_key(host) for host in (before.hosts if before else ()) if host not in record.hosts]
    return [key for key in keys if pointers.owner(routes.get(key)) == record.site]


def _spread_table(routes: RouteStore, before: Release | None, earlier: Iterable[Release], now: float) -> str:
    """The table that every edge has for certain: that of the version which served SPREAD_SECONDS ago.

    Where that is gone, or nothing served then, it is the one that the last release named as such. During a canary it is the stable
    side's: it served before the canary did.
    """
    if before is None or not before.version or not before.hosts:
        return ""
    found = pointers.read(routes.get(layout.host_key(before.hosts[0])))
    if not found:
        return ""
    if now - before.at > SPREAD_SECONDS or found[0].previous == pointers.NONE:
        return found[0].table
    settled = next((entry for entry in earlier if now - entry.at > SPREAD_SECONDS), None)
    record = tables.read_record(routes, settled.site, settled.version) if settled and settled.version else None
    return str(record["ref"]) if record and now - record["written"] > SPREAD_SECONDS else found[0].previous


def _check_owner(value: str | None, site: str, host: str) -> None:
    owner = pointers.owner(value)
    if owner not in ("", site):
        raise UserError(f"the host {host} belongs to the site {owner}", "use another name for this site, or another host")
