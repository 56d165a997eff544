"""Take a site away: first what leads visitors to it, then what it stored. Running it again finishes what a crash left."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from toolkit.engine import layout, leases, pointers, tables
from toolkit.engine.errors import UserError
from toolkit.engine.ports import ObjectStore, RouteStore

_BATCH = 1000


@dataclass(frozen=True)
class Destroyed:
    """How much went: host names, route keys and objects, and the objects' bytes."""

    hosts: tuple[str, ...]
    keys: int
    objects: int
    bytes: int


def destroy(objects: ObjectStore, routes: RouteStore, site: str, *, clock: Callable[[], float] = time.time) -> Destroyed:
    """Remove everything of `site` from both stores. UserError while a deploy of it is under way."""
    layout.check_site(site)
    try:
        with leases.Sweep(objects, site, clock) as sweep:
            hosts, others = _keys(dict(routes.items()), site)
            for some in tables.chunks([*hosts, *others]):
                sweep.renew()
                tables.write(routes, {}, some)
            there = [info for info in objects.list(f"{site}/") if not info.key.startswith(layout.locks(site))]
            for start in range(0, len(there), _BATCH):
                sweep.renew()
                objects.delete([info.key for info in there[start : start + _BATCH]])
    except leases.GaveWay:
        raise UserError(f"a deploy of {site} began meanwhile", "end what deploys it, then run the command again") from None
    objects.delete([info.key for info in objects.list(f"{site}/")])
    return Destroyed(tuple(key[2:] for key in hosts), len(hosts) + len(others), len(there), sum(info.size for info in there))


def _keys(held: Mapping[str, str], site: str) -> tuple[list[str], list[str]]:
    """The site's keys in the route store: what leads visitors to it, and the rest."""
    hosts = [key for key, value in held.items() if key[:2] == "h:" and pointers.owner(value) == site]
    records = [key for key in held if key.startswith((f"c:{site}/", f"s:{site}/", f"v:{site}/"))]
    refs = [json.loads(held[key])["ref"] for key in records if key[:2] == "v:"]
    refs += [ref for key in hosts for ref in pointers.tables(held[key])]
    nonces = {ref.split(".")[0] for ref in refs}
    shards = [key for key in held if key[:2] in ("t:", "x:") and key.split(":")[1] in nonces]
    return hosts, [*records, *shards]
