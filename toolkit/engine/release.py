"""Move a channel to a version: atomic, in order, and harmless to repeat.

One update of the route store, conditional on its ETag, sets the channel's record and the pointers of all its hosts: that is the
flip. The ledger in the object store follows; should a crash come between, whoever touches the channel next writes the missing entry
from the channel's record, so the ledger has no holes. The record's token lets a retry recognise that its own flip took effect.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice

from toolkit.engine import hosts, layout, leases, limits, tables
from toolkit.engine.errors import Busy, Conflict, LimitExceeded, NotFound, Superseded, Unavailable, UserError
from toolkit.engine.model import Manifest, Release
from toolkit.engine.ports import ObjectStore, RouteStore


@dataclass(frozen=True)
class Request:
    """What is asked for: `version` goes to `channel`. With `explicit` (rollback, promote) the order rule does not hold it back.

    `commit` is the version's own unless it is given. `canonical` is the one of `hosts` that the user's others redirect to, with its
    port, "" for none. `canary`, `percent` and `cookie` are `engine.canary`'s: any other release ends the canary that ran before it.
    With `yields` a removal decides nothing about builds that are under way, nor about who may look at what they release.
    """

    site: str
    channel: str
    version: str
    hosts: tuple[str, ...]
    order: float
    who: str
    reason: str
    explicit: bool = False
    commit: str = ""
    note: str = ""
    token: str = field(default_factory=lambda: uuid.uuid4().hex)
    canonical: str = ""
    canary: str = ""
    percent: float = 0.0
    cookie: str = ""
    yields: bool = False


Decide = Callable[[Release | None], Request]
# Of who acts so much is kept: a record has to fit a value of the route store.
_WHO = 64
# How many releases are looked through for the one that served a minute ago.
_EARLIER = 20


def load_manifest(objects: ObjectStore, site: str, version: str) -> Manifest:
    """The sealed manifest. UserError when there is none: then the version does not exist."""
    try:
        if not layout.is_version(version):
            raise NotFound(version)
        _, body = objects.get(layout.manifest(site, version))
    except NotFound:
        raise UserError(f"{site} has no version {version}", "see `toolkit releases` for those that it has") from None
    return Manifest.from_json(body)


def current(routes: RouteStore, site: str, channel: str) -> Release | None:
    """What the channel serves now; None when it never served, or was removed."""
    record = last(routes, site, channel)
    return record if record and record.version else None


def last(routes: RouteStore, site: str, channel: str) -> Release | None:
    """The channel's newest record, also that of its removal."""
    text = routes.get(layout.channel_key(site, channel))
    return Release.from_json(text) if text else None


def release(
    objects: ObjectStore,
    routes: RouteStore,
    request: Request,
    *,
    clock: Callable[[], float] = time.time,
    sleep: tables.Sleep = time.sleep,
) -> Release:
    """Flip the channel and return its new record. Superseded when it already serves something newer; nothing changed then.

    A canary that runs on the channel ends with it, and the record says which (`ended`): all visitors get the one version that was
    asked for. So does a rollback during a rolling release of Vercel's (vercel.com/docs/rolling-releases).
    """
    return change(objects, routes, request.site, request.channel, request.token, lambda before: request, clock=clock, sleep=sleep)


def change(
    objects: ObjectStore,
    routes: RouteStore,
    site: str,
    channel: str,
    token: str,
    decide: Decide,
    *,
    clock: Callable[[], float] = time.time,
    sleep: tables.Sleep = time.sleep,
) -> Release:
    """Flip the channel to what `decide` makes of its record, asked again at each attempt; it may raise UserError.

    Site, channel and token of what it returns are those given here.
    """
    with leases.deploying(objects, site, clock, sleep) as lease:
        known: dict[str, Manifest] = {}

        def manifest(version: str) -> Manifest:
            if version not in known:
                known[version] = load_manifest(objects, site, version)
            return known[version]

        def settle(before: Release | None) -> Request:
            wanted = decide(before)
            return replace(wanted, commit=wanted.commit or manifest(wanted.version).source.commit)

        def values(record: Release, before: Release | None) -> dict[str, str]:
            if not lease.unbroken():
                known.clear()  # a version may have been pruned while we were held up
            # Under the tag that the flip depends on: a table that goes later takes the tag with it, one that had to be written now
            # has changed it, so that the next attempt flips to it.
            shown = [manifest(version) for version in (record.version, record.canary) if version]
            sides = [hosts.Side(one, tables.ensure(routes, one, sleep, clock=clock)) for one in shown]
            return hosts.values(routes, record, before, _earlier(objects, before), sides, clock())

        return _flip(objects, routes, site, channel, token, settle, values, clock, sleep)


def remove(
    objects: ObjectStore,
    routes: RouteStore,
    request: Request,
    *,
    only_if: int | None = None,
    clock: Callable[[], float] = time.time,
    sleep: tables.Sleep = time.sleep,
) -> Release:
    """Take a channel's hosts and its access record away; its ledger stays, and says who did it.

    Superseded unless its release is number `only_if`, where that is given; nothing changed then.
    """
    gone = replace(request, version="", hosts=(), explicit=True)

    def decide(before: Release | None) -> Request:
        if only_if is not None and (before is None or before.number != only_if):
            what = f"{gone.channel} of {gone.site} has another release than {only_if} by now: it was not removed"
            raise Superseded(what, "see `toolkit releases`")
        return gone

    return _flip(objects, routes, gone.site, gone.channel, gone.token, decide, lambda record, before: {}, clock, sleep)


def _flip(
    objects: ObjectStore,
    routes: RouteStore,
    site: str,
    channel: str,
    token: str,
    decide: Decide,
    values: Callable[[Release, Release | None], dict[str, str]],
    clock: Callable[[], float],
    sleep: tables.Sleep,
) -> Release:
    for attempt in range(tables.ATTEMPTS):
        try:
            etag = routes.etag()
            there = last(routes, site, channel)
            done = _already_done(objects, there, token)
            if done:
                return done
            before = there or next(entries(objects, site, channel), None)
            request = decide(before)
            if there and _is_same(there, request):
                return there
            _check_order(request, before)
            record = _record(request, before, clock())
            puts = {layout.channel_key(site, channel): record.to_json(), **values(record, before)}
            gone = [*hosts.left(routes, before, record), *_forgotten(routes, request)]
            routes.update(puts, gone, if_match=etag)
        except (Conflict, Unavailable):
            tables.backoff(attempt, sleep)
            continue
        _write_ledger(objects, record)
        return record
    # The last reply may have been lost on its way as well.
    done = _already_done(objects, last(routes, site, channel), token)
    if done:
        return done
    raise Busy(f"the route store stayed busy: {channel} of {site} was not switched", "run the command again")


def _already_done(objects: ObjectStore, there: Release | None, token: str) -> Release | None:
    """Our own flip, if an earlier attempt took effect although its reply was lost; also closes a hole in the ledger."""
    if there is None:
        return None
    _write_ledger(objects, there)
    if there.token == token:
        return there
    return next((entry for entry in history(objects, there.site, there.channel, 5) if entry.token == token), None)


def _is_same(before: Release, request: Request) -> bool:
    """A repeated deploy of what is served already is no new release."""
    return not request.explicit and before.version == request.version and before.order >= request.order


def _check_order(request: Request, before: Release | None) -> None:
    if before is None or request.explicit or request.order > before.order:
        return
    what = f"{before.version} (release {before.number}, {before.reason})" if before.version else "its removal"
    raise Superseded(
        f"{request.version} was published but not released: {request.channel} of {request.site} already has {what}, which is newer",
        f"to serve it all the same: toolkit promote {request.version} --to {request.channel}",
    )


def _record(request: Request, before: Release | None, now: float) -> Release:
    was = before.canary if before else ""
    record = Release(
        site=request.site,
        channel=request.channel,
        number=before.number + 1 if before else 1,
        version=request.version,
        order=_order(request, before, now),
        at=now,
        who=request.who[:_WHO],
        reason=request.reason,
        token=request.token,
        hosts=request.hosts,
        commit=request.commit,
        note=request.note.strip().partition("\n")[0],
        canonical=request.canonical if request.canonical.partition(":")[0] in request.hosts else "",
        canary=request.canary,
        percent=request.percent,
        cookie=request.cookie,
        ended=was if was not in (request.version, request.canary) else "",
    )
    # The note gives way until the record fits a value of the route store: a commit's message may be of any length.
    while record.note and len(record.to_json()) > limits.VALUE_BYTES:
        record = replace(record, note=record.note[: len(record.note) * 3 // 4])
    if len(record.to_json()) > limits.VALUE_BYTES:
        raise LimitExceeded(
            f"the {len(record.hosts)} hosts of {record.channel} of {record.site} do not fit its record in the route store",
            "name fewer hosts, or shorter ones; redirect the others at their DNS provider",
        )
    return record


def _order(request: Request, before: Release | None, now: float) -> float:
    if not request.explicit:
        return request.order
    if before and (request.yields or (request.canary and request.canary == before.canary)):
        return before.order  # another share of the same canary, too, decides nothing about builds that are under way
    return max(now, before.order if before else 0.0)


def _forgotten(routes: RouteStore, request: Request) -> list[str]:
    """A removed channel takes its access record along: who makes one of that name later begins anew."""
    key = layout.access_key(request.site, request.channel)
    return [key] if not request.version and not request.yields and routes.get(key) else []


def _write_ledger(objects: ObjectStore, record: Release) -> None:
    key = layout.ledger(record.site, record.channel, record.number)
    objects.put(key, record.to_json().encode(), {"content-type": "application/json"}, if_absent=True)


def _earlier(objects: ObjectStore, record: Release | None) -> Iterator[Release]:
    """The few releases before this one, newest first, read as they are asked for and without a listing."""
    if record is None:
        return
    for number in range(record.number - 1, max(0, record.number - 1 - _EARLIER), -1):
        with suppress(NotFound):
            yield Release.from_json(objects.get(layout.ledger(record.site, record.channel, number))[1])


def entries(objects: ObjectStore, site: str, channel: str) -> Iterator[Release]:
    """The channel's ledger, newest first, read as it is asked for."""
    prefix = layout.ledger_prefix(site, channel)
    keys = [info.key for info in objects.list(prefix) if "/" not in info.key[len(prefix) :]]
    for key in reversed(keys):
        yield Release.from_json(objects.get(key)[1])


def history(objects: ObjectStore, site: str, channel: str, limit: int = 0) -> list[Release]:
    """The channel's ledger, newest first; at most `limit` entries unless that is 0."""
    return list(islice(entries(objects, site, channel), limit or None))


def served(objects: ObjectStore, routes: RouteStore, site: str, channel: str) -> Iterator[Release]:
    """The ledger, newest first, beginning with the present record: after a crash the ledger may lack that one still."""
    record = last(routes, site, channel)
    if record:
        yield record
    for entry in entries(objects, site, channel):
        if record is None or entry.number < record.number:
            yield entry


def channels(routes: RouteStore, site: str = "") -> Iterator[Release]:
    """What every channel serves now (of one site, or of all)."""
    prefix = f"c:{site}/" if site else "c:"
    for key, value in routes.items():
        if key.startswith(prefix):
            record = Release.from_json(value)
            if record.version:
                yield record
