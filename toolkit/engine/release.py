"""Move a channel to a version: atomic, in order, and harmless to repeat.

One update of the route store, conditional on its ETag, sets the channel's record and the pointers of all its hosts: that is the
flip. The ledger in the object store follows; should a crash come between, whoever touches the channel next writes the missing entry
from the channel's record, so the ledger has no holes. The record's token lets a retry recognise that its own flip took effect.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice

from toolkit.engine import layout, leases, limits, tables
from toolkit.engine.errors import Conflict, NotFound, Superseded, Unavailable, UserError
from toolkit.engine.model import Manifest, Release
from toolkit.engine.pointers import pointer
from toolkit.engine.ports import ObjectStore, RouteStore

# After this long every edge is taken to have learned of a write ("propagation takes a few seconds", with a wide margin).
SPREAD_SECONDS = 60.0


@dataclass(frozen=True)
class Request:
    """What is asked for: `version` goes to `channel`. With `explicit` (rollback, promote) the order rule does not hold it back.

    `commit` is the version's own unless it is given.
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
    """Flip the channel and return its new record. Superseded when it already serves something newer; nothing changed then."""
    with leases.deploying(objects, request.site, clock, sleep) as lease:
        manifest = load_manifest(objects, request.site, request.version)
        request = replace(request, commit=request.commit or manifest.source.commit)

        def pointers(before: Release | None) -> dict[str, str]:
            if not lease.unbroken():
                load_manifest(objects, request.site, request.version)  # it may have been pruned while we were held up
            # Under the tag that the flip depends on: a table that goes later takes the tag with it, one that had to be written now
            # has changed it, so that the next attempt flips to it.
            table = tables.ensure(routes, manifest, sleep, clock=clock)
            return _pointers(routes, manifest, table, request, before, clock)

        return _flip(objects, routes, request, pointers, clock, sleep)


def remove(
    objects: ObjectStore,
    routes: RouteStore,
    request: Request,
    *,
    clock: Callable[[], float] = time.time,
    sleep: tables.Sleep = time.sleep,
) -> Release:
    """Take a channel's hosts away; its ledger stays, and says who did it."""
    gone = replace(request, version="", hosts=(), explicit=True)
    return _flip(objects, routes, gone, lambda before: {}, clock, sleep)


def _flip(
    objects: ObjectStore,
    routes: RouteStore,
    request: Request,
    pointers: Callable[[Release | None], dict[str, str]],
    clock: Callable[[], float],
    sleep: tables.Sleep,
) -> Release:
    for attempt in range(tables.ATTEMPTS):
        try:
            etag = routes.etag()
            before = last(routes, request.site, request.channel)
            done = _already_done(objects, request, before)
            if done:
                return done
            before = before or next(entries(objects, request.site, request.channel), None)
            _check_order(request, before)
            record = _record(request, before, clock())
            puts = {layout.channel_key(request.site, request.channel): record.to_json(), **pointers(before)}
            gone = _left(routes, before, record)
            routes.update(puts, gone, if_match=etag)
        except (Conflict, Unavailable):
            tables.backoff(attempt, sleep)
            continue
        _write_ledger(objects, record)
        return record
    # The last reply may have been lost on its way as well.
    done = _already_done(objects, request, last(routes, request.site, request.channel))
    if done:
        return done
    raise UserError(f"the route store stayed busy: {request.channel} of {request.site} was not switched", "run the command again")


def _already_done(objects: ObjectStore, request: Request, before: Release | None) -> Release | None:
    """Our own flip, if an earlier attempt took effect although its reply was lost; also closes a hole in the ledger."""
    if before is None:
        return None
    _write_ledger(objects, before)
    if before.token == request.token or _is_same(before, request):
        return before
    return next((entry for entry in history(objects, request.site, request.channel, 5) if entry.token == request.token), None)


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
    order = max(now, before.order if before else 0.0) if request.explicit else request.order
    record = Release(
        site=request.site,
        channel=request.channel,
        number=before.number + 1 if before else 1,
        version=request.version,
        order=order,
        at=now,
        who=request.who,
        reason=request.reason,
        token=request.token,
        hosts=request.hosts,
        commit=request.commit,
        note=request.note.strip().partition("\n")[0],
    )
    # The note gives way until the record fits a value of the route store: a commit's message may be of any length.
    while record.note and len(record.to_json()) > limits.VALUE_BYTES:
        record = replace(record, note=record.note[: len(record.note) * 3 // 4])
    return record


def _pointers(
    routes: RouteStore,
    manifest: Manifest,
    table: str,
    request: Request,
    before: Release | None,
    clock: Callable[[], float],
) -> dict[str, str]:
    spread = _spread_table(routes, request, before, clock())
    puts = {}
    for host in request.hosts:
        key = layout.host_key(host)
        _check_owner(routes.get(key), request.site, host)
        puts[key] = pointer(manifest, table, spread if spread != table else "")
    return puts


def _left(routes: RouteStore, before: Release | None, record: Release) -> list[str]:
    """Keys of the hosts that the channel gives up; one that belongs to another site by now is not ours to remove."""
    keys = [layout.host_key(host) for host in (before.hosts if before else ()) if host not in record.hosts]
    return [key for key in keys if _owner(routes.get(key)) == record.site]


def _spread_table(routes: RouteStore, request: Request, before: Release | None, now: float) -> str:
    """The table that every edge has for certain: the one that served before, unless that too is only seconds old."""
    if before is None or not before.version or not before.hosts:
        return ""
    value = routes.get(layout.host_key(before.hosts[0]))
    fields = value.split("|") if value else []
    if len(fields) < 7:
        return ""
    settled = now - before.at > SPREAD_SECONDS or fields[6] == "-"
    return fields[3] if settled else fields[6]


def _owner(pointer_value: str | None) -> str:
    return pointer_value.split("|")[1] if pointer_value and "|" in pointer_value else ""


def _check_owner(value: str | None, site: str, host: str) -> None:
    owner = _owner(value)
    if owner not in ("", site):
        raise UserError(f"the host {host} belongs to the site {owner}", "use another name for this site, or another host")


def _write_ledger(objects: ObjectStore, record: Release) -> None:
    key = layout.ledger(record.site, record.channel, record.number)
    objects.put(key, record.to_json().encode(), {"content-type": "application/json"}, if_absent=True)


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
