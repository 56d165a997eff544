"""Previews end by themselves when nothing was released to them for some days.

What is removed is what was looked at: a preview that is released to meanwhile stays, and a build that is under way goes live after
the removal. Its password stays too, so that the next push to the branch shows nobody else what it had hidden; its versions stay
until they are pruned.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from math import inf

from toolkit.engine import channels, release, tables
from toolkit.engine.errors import Superseded
from toolkit.engine.model import Release
from toolkit.engine.ports import ObjectStore, RouteStore

DAY = 86400.0
# Longer than most reviews take; each preview has its routes in a store of 5 MB.
DEFAULT_DAYS = 30.0
REASON = "expire"


def ends(record: Release, max_age_seconds: float) -> float:
    """When a channel ends (seconds since the epoch) unless it is released to again. Infinity for live, and for an age of 0."""
    is_preview = record.channel.startswith(channels.PREVIEW)
    return record.at + max_age_seconds if is_preview and max_age_seconds > 0 else inf


def expired(routes: RouteStore, site: str, max_age_seconds: float, now: float) -> list[Release]:
    """What those previews of a site serve that have ended by `now`, oldest first. One from the future has not: clocks differ."""
    found = [record for record in release.channels(routes, site) if ends(record, max_age_seconds) < now]
    return sorted(found, key=lambda record: record.at)


def expire(
    objects: ObjectStore,
    routes: RouteStore,
    site: str,
    *,
    days: float,
    who: str,
    clock: Callable[[], float] = time.time,
    sleep: tables.Sleep = time.sleep,
) -> list[Release]:
    """Remove the previews whose days are over (0: none ever). What they served, oldest first; those that stay are not in it.

    Busy when the route store has no quiet moment: what was removed by then stays so.
    """
    gone = []
    for record in expired(routes, site, days * DAY, clock()):
        note = f"no release for {days:g} days"
        request = release.Request(site, record.channel, "", (), record.order, who, REASON, note=note, yields=True)
        try:
            release.remove(objects, routes, request, only_if=record.number, clock=clock, sleep=sleep)
        except Superseded:
            continue
        gone.append(record)
    return gone
