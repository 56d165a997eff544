"""Serve an earlier version again: one pointer moves, nothing is built and nothing is copied.

Back is to the version that the channel served before the present one; while a canary runs, to the stable one, for all visitors. It
is decided under the tag that the flip depends on: what comes between is seen, not overwritten.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable

from toolkit.engine import prune, release, tables
from toolkit.engine.errors import UserError
from toolkit.engine.model import Release
from toolkit.engine.ports import ObjectStore, RouteStore

REASON = "rollback"


class Overtaken(UserError):
    """The channel has another release by now than the one to go back from: nothing was changed."""


class NothingBefore(UserError):
    """The channel never served another version that is still there: nothing was changed."""


def before(objects: ObjectStore, routes: RouteStore, now: Release) -> Release:
    """The release before `now` of another version that is still there. NothingBefore."""
    there = set(prune.versions_of(objects, now.site))
    for entry in release.served(objects, routes, now.site, now.channel):
        if entry.number < now.number and entry.version != now.version and entry.version in there:
            return entry
    raise NothingBefore(f"{now.channel} of {now.site} served nothing else before", "see `toolkit releases`, or deploy again")


def roll_back(
    objects: ObjectStore,
    routes: RouteStore,
    site: str,
    channel: str,
    *,
    only_if: int | None,
    who: str,
    reason: str = REASON,
    note: str = "",
    token: str = "",
    clock: Callable[[], float] = time.time,
    sleep: tables.Sleep = time.sleep,
) -> Release:
    """Go back on the hosts that the channel has. Overtaken unless its release is number `only_if`, where that is given.

    `token` identifies the attempt: a retry with the same one is harmless. NothingBefore; UserError when the channel serves nothing.
    """
    token = token or uuid.uuid4().hex

    def decide(now: Release | None) -> release.Request:
        if only_if is not None and (now is None or now.number != only_if):
            has = f"release {now.number}, {now.reason}" if now else "none"
            raise Overtaken(f"{channel} of {site} has another release than {only_if} by now ({has})", "see `toolkit releases`")
        if now is None or not now.version:
            raise UserError(f"{channel} of {site} serves nothing", "release something first: toolkit deploy")
        return release.Request(
            site=site,
            channel=channel,
            version=now.version if now.canary else before(objects, routes, now).version,
            hosts=now.hosts,
            order=now.order,
            who=who,
            reason=reason,
            explicit=True,
            note=note,
            token=token,
            canonical=now.canonical,
        )

    return release.change(objects, routes, site, channel, token, decide, clock=clock, sleep=sleep)
