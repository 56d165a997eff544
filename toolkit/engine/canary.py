"""Show a version to some of a channel's visitors before all of them get it.

The channel keeps serving its version, the stable one; its hosts' values also name the canary, its share, and how visitors are
picked (docs/routing-data.md). Start, another share, stop and finish are releases of the channel like any other: one conditional
update, an entry in the ledger, harmless to repeat. Both versions and both tables are in use while it runs.

A deploy of a newer build, a rollback and a promotion end the canary: afterwards all visitors get the version that was asked for.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from toolkit.engine import hosts, release, tables
from toolkit.engine.errors import UserError
from toolkit.engine.model import Release
from toolkit.engine.ports import ObjectStore, RouteStore

REASON = "canary"
# Of RFC 6265's names those that need no care inside a pointer; the length leaves room for the longest host in a value of 1 KB.
_COOKIE = re.compile(r"[A-Za-z0-9_-]{1,64}")
# What every object of JavaScript has: the function would find it among the cookies of a visitor who sends none.
_INHERITED = re.compile(r"__\w+__|constructor|hasOwnProperty|isPrototypeOf|propertyIsEnumerable|to(Locale)?String|valueOf")
_Clock = Callable[[], float]


@dataclass(frozen=True)
class Step:
    """Who does something about a channel's canary. `token` identifies the attempt: a retry with the same one is harmless."""

    site: str
    channel: str
    who: str
    note: str = ""
    token: str = field(default_factory=lambda: uuid.uuid4().hex)


def check_percent(percent: float) -> float:
    """UserError unless it lies between 0 and 100 (neither of them) and has at most two decimals."""
    if not 0 < percent < 100 or abs(percent * 100 - hosts.threshold(percent)) > 1e-6:
        raise UserError(
            f"a canary cannot get {percent:g} % of the visitors",
            "give more than 0 and less than 100, with at most two decimals; to end it: toolkit canary stop, or finish",
        )
    return percent


def check_cookie(name: str) -> str:
    """UserError unless a canary can go by a cookie of that name; "" is none."""
    if name and (not _COOKIE.fullmatch(name) or _INHERITED.fullmatch(name)):
        raise UserError(
            f"a canary cannot go by the cookie {name!r}",
            "use at most 64 letters, digits, hyphens and underscores, and no word of JavaScript's",
        )
    return name


def start(
    objects: ObjectStore,
    routes: RouteStore,
    step: Step,
    version: str,
    percent: float,
    cookie: str | None = None,
    *,
    clock: _Clock = time.time,
    sleep: tables.Sleep = time.sleep,
) -> Release:
    """Give `percent` of the visitors `version`; the others keep the stable one. Also changes the share of the one that runs.

    Visitors are told apart by address and browser, or by the value of the cookie `cookie` if they send it (None: as before). While
    the same canary runs, a larger share only moves visitors to it and a smaller one only away. Another one that runs is replaced.
    UserError when the channel serves nothing, or serves `version` already.
    """
    check_percent(percent)
    check_cookie(cookie or "")

    def decide(before: Release | None) -> release.Request:
        now = _serving(before, step)
        if now.version == version:
            raise UserError(f"{step.channel} of {step.site} serves {version} to everybody", "a canary is another version")
        kept = now.cookie if now.canary == version else ""
        chosen = kept if cookie is None else cookie
        return _request(step, now, now.version, step.note or f"{percent:g} % get {version}", version, percent, chosen)

    return _change(objects, routes, step, decide, clock, sleep)


def set_percent(
    objects: ObjectStore,
    routes: RouteStore,
    step: Step,
    percent: float,
    cookie: str | None = None,
    *,
    clock: _Clock = time.time,
    sleep: tables.Sleep = time.sleep,
) -> Release:
    """Another share for the canary that runs. UserError when there is none."""
    check_percent(percent)
    check_cookie(cookie or "")

    def decide(before: Release | None) -> release.Request:
        now = _running(before, step)
        chosen = now.cookie if cookie is None else cookie
        return _request(step, now, now.version, step.note or f"{percent:g} % get {now.canary}", now.canary, percent, chosen)

    return _change(objects, routes, step, decide, clock, sleep)


def stop(
    objects: ObjectStore, routes: RouteStore, step: Step, *, clock: _Clock = time.time, sleep: tables.Sleep = time.sleep
) -> Release:
    """Everybody gets the stable version again; like a rollback, it holds against builds that started before.

    UserError when no canary runs.
    """

    def decide(before: Release | None) -> release.Request:
        now = _running(before, step)
        return _request(step, now, now.version, step.note or f"stopped at {now.percent:g} %")

    return _change(objects, routes, step, decide, clock, sleep)


def finish(
    objects: ObjectStore, routes: RouteStore, step: Step, *, clock: _Clock = time.time, sleep: tables.Sleep = time.sleep
) -> Release:
    """Everybody gets the canary: it becomes the stable version. UserError when no canary runs."""

    def decide(before: Release | None) -> release.Request:
        now = _running(before, step)
        return _request(step, now, now.canary, step.note or f"finished from {now.percent:g} %")

    return _change(objects, routes, step, decide, clock, sleep)


def _serving(before: Release | None, step: Step) -> Release:
    if before is None or not before.version:
        raise UserError(f"{step.channel} of {step.site} serves nothing yet", "release something first: toolkit deploy")
    return before


def _running(before: Release | None, step: Step) -> Release:
    if before is None or not before.canary:
        raise UserError(f"no canary runs on {step.channel} of {step.site}", "start one: toolkit canary VERSION --percent 10")
    return before


def _request(
    step: Step, now: Release, version: str, note: str, canary: str = "", percent: float = 0.0, cookie: str = ""
) -> release.Request:
    return release.Request(
        site=step.site,
        channel=step.channel,
        version=version,
        hosts=now.hosts,
        order=now.order,
        who=step.who,
        reason=REASON,
        explicit=True,
        note=note,
        token=step.token,
        canonical=now.canonical,
        canary=canary,
        percent=percent,
        cookie=cookie,
    )


def _change(
    objects: ObjectStore, routes: RouteStore, step: Step, decide: release.Decide, clock: _Clock, sleep: tables.Sleep
) -> Release:
    return release.change(objects, routes, step.site, step.channel, step.token, decide, clock=clock, sleep=sleep)
