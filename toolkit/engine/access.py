"""Protect previews with a password, and put a channel into maintenance.

An access record and the pointers that it changes are written in one conditional update, so that no host shows for a moment what its
record forbids. Of more than a store takes at once the records come first; what a crash leaves undone, the same command finishes.
Each operation returns the channels that it concerned and that serve something now.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial

from toolkit.engine import channels, gates, layout, limits, pointers, release, tables
from toolkit.engine.errors import Busy, Conflict, Unavailable, UserError
from toolkit.engine.gates import Access
from toolkit.engine.model import Release
from toolkit.engine.ports import ObjectStore, RouteStore

# Means all previews where a channel is asked for, those to come among them.
ALL = channels.PREVIEW
DEFAULT_USER = "preview"
_SHORT = 8
# Without letters and digits that are easily taken for each other.
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
_Edit = Callable[[Access], Access]


def new_password() -> str:
    """Four groups of five letters and digits: 99 bits, more than can be tried by whoever reads the salted hash."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(5)) for _ in range(4))


def protect(
    objects: ObjectStore,
    routes: RouteStore,
    site: str,
    channel: str,
    user: str,
    password: str,
    *,
    sleep: tables.Sleep = time.sleep,
) -> list[str]:
    """Ask visitors of a preview for this user and password. For ALL it replaces what single previews had.

    A preview that is not there yet is protected from its first release on. UserError for what browsers cannot send.
    """
    _check_login(user, password)
    sealed = gates.sealed(user, password)
    return _write(objects, routes, site, channel, lambda mine: replace(mine, password=sealed, user=user, open=False), sleep)


def unprotect(objects: ObjectStore, routes: RouteStore, site: str, channel: str, *, sleep: tables.Sleep = time.sleep) -> list[str]:
    """Ask nobody any more. A single preview is open then even if all are protected; ALL takes back every password."""

    def opened(mine: Access) -> Access:
        others = channel != ALL and bool(gates.own(routes.get, site, ALL).password)
        return replace(mine, password="", user="", open=others)

    return _write(objects, routes, site, channel, opened, sleep)


def maintenance(
    objects: ObjectStore, routes: RouteStore, site: str, channel: str, on: bool, *, sleep: tables.Sleep = time.sleep
) -> list[str]:
    """Answer 503 on all of a channel's hosts, with the version's own page if it has one, or end that."""
    return _write(objects, routes, site, channel, lambda mine: replace(mine, maintenance=on), sleep)


def _check_login(user: str, password: str) -> None:
    """RFC 7617, section 2: no colon in the user, no control characters; browsers differ in how they send what is not ASCII."""
    for what, text in (("user", user), ("password", password)):
        if not text or not text.isascii() or not text.isprintable():
            raise UserError(
                f"this {what} cannot be asked for", "use ASCII letters, digits, signs and spaces, and at least one of them"
            )
    if ":" in user:
        raise UserError("the user holds a colon", "leave it out: it separates user and password")
    if len(password) < _SHORT:
        raise UserError(f"the password has fewer than {_SHORT} characters", "take a longer one, or leave it out to get a good one")


def _write(objects: ObjectStore, routes: RouteStore, site: str, channel: str, edit: _Edit, sleep: tables.Sleep) -> list[str]:
    misses = 0
    while misses < tables.ATTEMPTS:
        try:
            etag = routes.etag()
            found = _concerned(routes, site, channel)
            puts = _records(routes, site, channel, edit)
            puts |= _gated(objects, routes, found, puts)
            changed = [(key, value) for key, value in puts.items() if (routes.get(key) or "") != value]
            if not changed:
                return [record.channel for record in found]
            some = dict(changed[: limits.BATCH_KEYS])
            gone = [key for key, value in some.items() if not value]
            routes.update({key: value for key, value in some.items() if value}, gone, if_match=etag)
        except (Conflict, Unavailable):
            tables.backoff(misses, sleep)
            misses += 1
    raise Busy(f"the route store stayed busy: {site} was changed in part or not at all", "run the command again")


def _concerned(routes: RouteStore, site: str, channel: str) -> list[Release]:
    if channel == ALL:
        return [record for record in release.channels(routes, site) if record.channel.startswith(channels.PREVIEW)]
    record = release.current(routes, site, channel)
    return [record] if record else []


def _records(routes: RouteStore, site: str, channel: str, edit: _Edit) -> dict[str, str]:
    """The access records as they are to be, "" for one that says nothing any more."""
    key = layout.access_key(site, channel)
    puts = {key: edit(_mine(routes.get(key))).to_json()}
    if channel == ALL:
        there = {other: text for other, text in routes.items() if other.startswith(f"{key}/")}
        puts |= {other: replace(_mine(text), password="", user="", open=False).to_json() for other, text in there.items()}
    return {key: "" if text == Access().to_json() else text for key, text in puts.items()}


def _mine(text: str | None) -> Access:
    """What a record says; a damaged one says nothing, as it is about to be written anew."""
    with suppress(UserError):
        return gates.parse(text)
    return Access()


def _gated(objects: ObjectStore, routes: RouteStore, found: list[Release], coming: Mapping[str, str]) -> dict[str, str]:
    """The hosts' values with the gates that follow from the records to come."""

    def get(key: str) -> str | None:
        return coming[key] if key in coming else routes.get(key)

    puts = {}
    for record in found:
        access = gates.read(get, record.site, record.channel)
        for host in record.hosts:
            key = layout.host_key(host)
            value = routes.get(key) or ""
            if pointers.owner(value) == record.site:
                puts[key] = pointers.regated(value, partial(_gate, objects, access, record, host))
    return puts


def _gate(objects: ObjectStore, access: Access, record: Release, host: str, line: pointers.Pointer) -> str:
    def page() -> str:
        return gates.maintenance_page(release.load_manifest(objects, line.site, line.version))

    return gates.gate(access, record, host, page)
