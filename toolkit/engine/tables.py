"""Put tables into the route store before a pointer needs them, and take them out when none does.

A version's record (`v:<site>/<version>`) is written after its last shard: where it stands, the table is whole.
"""

from __future__ import annotations

import json
import random
import secrets
import string
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from toolkit.engine import layout, limits, pointers
from toolkit.engine.errors import Busy, Conflict, LimitExceeded, Unavailable, UserError
from toolkit.engine.model import Manifest, canonical
from toolkit.engine.ports import RouteStore

if TYPE_CHECKING:
    from toolkit.engine.routes import Table

ATTEMPTS = 12
# A table this old that no pointer names is not one that is about to be released.
GRACE_SECONDS = 3600.0
# Room that pointers, channel and table records of a release may take on top of its table.
_POINTER_BYTES = 4096
_ALPHABET = string.digits + string.ascii_lowercase
# Of a nonce's characters those that are not its time: three here, two more that the compiler counts its attempts with.
_RANDOM, _ATTEMPT = 3, 2
_TRIES = 3
_T = TypeVar("_T")
Sleep = Callable[[float], None]
Clock = Callable[[], float]


def backoff(attempt: int, sleep: Sleep = time.sleep) -> None:
    """Full jitter, at most a second ("Timeouts, retries and backoff with jitter", Amazon Builders' Library)."""
    sleep(random.uniform(0, min(1.0, 0.01 * 2**attempt)))


def compiled(manifest: Manifest, clock: Clock = time.time) -> Table:
    """A table under a fresh nonce."""
    # Loaded late: a rollback finds its table in the store and compiles nothing.
    from toolkit.engine.routes import compile_table

    return compile_table(manifest, new_nonce(clock()))


def ensure(
    routes: RouteStore, manifest: Manifest, sleep: Sleep = time.sleep, table: Table | None = None, clock: Clock = time.time
) -> str:
    """The reference of the version's table, which is in the store when this returns. LimitExceeded when it does not fit."""
    for _ in range(_TRIES):
        record = read_record(routes, manifest.site, manifest.version)
        if record:
            return str(record["ref"])
        if table is None or not _is_young(table.nonce, clock()):
            table = compiled(manifest, clock)
        make_room(routes, table, clock(), sleep)
        write(routes, table.puts, (), sleep)
        if _write_record(routes, manifest, table, sleep, clock):
            return table.ref
    raise UserError(f"the table of {manifest.version} could not be written within half an hour", "run the command again")


def _write_record(routes: RouteStore, manifest: Manifest, table: Table, sleep: Sleep, clock: Clock) -> bool:
    """Say that the table is whole. False when it has become so old meanwhile that its shards may be gone.

    `drop_unneeded` takes shards only of tables older than GRACE_SECONDS: it cannot have done so before this tag was read, as the
    table is younger even now, and if it did so after, the tag no longer fits. A machine may sleep for a day between any two lines.
    """
    facts = {"ref": table.ref, "shards": table.shards, "written": clock()}
    puts = {layout.table_key(manifest.site, manifest.version): canonical(facts).decode()}
    for attempt in range(ATTEMPTS):
        etag = routes.etag()
        if not _is_young(table.nonce, clock()):
            return False
        try:
            routes.update(puts, [], if_match=etag)
            return True
        except (Conflict, Unavailable):
            backoff(attempt, sleep)
    raise _busy()


def _busy() -> Busy:
    return Busy("the route store stayed busy", "run the command again")


def read_record(routes: RouteStore, site: str, version: str) -> dict[str, Any] | None:
    text = routes.get(layout.table_key(site, version))
    return json.loads(text) if text else None


def make_room(routes: RouteStore, table: Table, now: float, sleep: Sleep = time.sleep) -> None:
    """Refuse, with figures, what does not fit beside what the store must hold; tables that nobody needs give way first."""
    if table.bytes <= _free(routes):
        return
    drop_unneeded(routes, now, sleep=sleep)
    free = _free(routes)
    if table.bytes > free:
        raise LimitExceeded(
            f"the {table.routes:,} routes take {table.bytes:,} bytes, the route store has {free:,} of {limits.STORE_BYTES:,} left",
            "remove previews with `toolkit preview rm`, or publish fewer paths",
        )


def _free(routes: RouteStore) -> int:
    return max(0, limits.STORE_BYTES - routes.usage().bytes - _POINTER_BYTES)


def drop_unneeded(routes: RouteStore, now: float, sleep: Sleep = time.sleep) -> list[str]:
    """Remove tables, whole or half-written, that no pointer names and that are older than GRACE_SECONDS; returns `site/version`s.

    A table's record goes first, under the ETag that the decision was made at: a release that was about to point at the table meets
    a Conflict, finds no record and compiles a new one. Its shards can then no longer be needed by anybody.
    """
    dropped: list[str] = []
    for attempt in range(ATTEMPTS):
        etag = routes.etag()
        held = dict(routes.items())
        stale = _stale_nonces(held, now)
        records = [key for key, value in held.items() if key[:2] == "v:" and _nonce(json.loads(value)["ref"]) in stale]
        try:
            for some in chunks(records):
                etag = routes.update({}, some, if_match=etag)
                dropped += [key[2:] for key in some]
        except (Conflict, Unavailable):
            backoff(attempt, sleep)
            continue
        write(routes, {}, [key for key in held if key[:2] in ("t:", "x:") and key.split(":")[1] in stale], sleep)
        return dropped
    return dropped  # too busy now: what stays is only room, the next prune takes it


def forget(routes: RouteStore, site: str, versions: Sequence[str], sleep: Sleep = time.sleep) -> list[str]:
    """Take out the records of at most 50 versions' tables; returns the `site/version`s of those that had one.

    Whether or not there are any, the store's tag changes: a flip to one of the versions that is under way fails and looks again.
    """
    keys = [layout.table_key(site, version) for version in versions]
    there = [key[2:] for key in keys if routes.get(key)]
    write(routes, {}, keys, sleep)
    return there


def _stale_nonces(held: Mapping[str, str], now: float) -> set[str]:
    named = {_nonce(ref) for key, value in held.items() if key[:2] == "h:" for ref in pointers.tables(value)}
    there = {key.split(":")[1] for key in held if key[:2] in ("t:", "x:")}
    return {nonce for nonce in there - named if _born(nonce) < now - GRACE_SECONDS}


def _born(nonce: str) -> float:
    return float(int(nonce[: -_RANDOM - _ATTEMPT], 36))


def _is_young(nonce: str, now: float) -> bool:
    """Too young to be dropped by anybody, also by a machine whose clock is half of GRACE_SECONDS ahead of ours."""
    return now - _born(nonce) < GRACE_SECONDS / 2


def _nonce(ref: str) -> str:
    return ref.split(".")[0]


def new_nonce(now: float) -> str:
    """Unique, and tells its age: seconds in base 36, then three random characters."""
    return base36(int(now)) + "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM))


def base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _ALPHABET[digit] + digits
    return digits


def write(routes: RouteStore, puts: Mapping[str, str], deletes: Sequence[str], sleep: Sleep = time.sleep) -> None:
    """Write keys that no pointer reads yet, in batches that the store takes; others may write between them."""
    for some, gone in batches(puts, deletes):
        for attempt in range(ATTEMPTS):
            try:
                routes.update(some, gone, if_match=routes.etag())
                break
            except (Conflict, Unavailable):
                # Nothing here depends on what the others wrote, and writing the same again is harmless.
                backoff(attempt, sleep)
        else:
            raise _busy()


def batches(puts: Mapping[str, str], deletes: Sequence[str]) -> Iterator[tuple[dict[str, str], list[str]]]:
    """Split into updates of at most 50 keys; 50 values of 1 KB stay far below the 3 MB."""
    work: list[tuple[str, str | None]] = [*puts.items(), *((key, None) for key in deletes)]
    for part in chunks(work):
        yield {key: value for key, value in part if value is not None}, [key for key, value in part if value is None]


def chunks(work: Sequence[_T]) -> Iterator[Sequence[_T]]:
    """At most as many at a time as one update of a route store takes."""
    return (work[start : start + limits.BATCH_KEYS] for start in range(0, len(work), limits.BATCH_KEYS))
