"""Keep prune away from whoever publishes or releases, on any store, without a lock server.

Both sides announce themselves first and look for the other second; on a store whose reads see finished writes (S3 since 2020, a
folder) at least one of the two sees the other. A deploy has priority: prune gives way at once; a deploy waits only for the few
seconds of one delete batch. What a crash leaves behind expires, and so does the lease of a machine that fell asleep: whoever finds
its own lease lapsed takes nothing for granted that it saw before.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from toolkit.engine import layout
from toolkit.engine.errors import Busy, NotFound
from toolkit.engine.ports import ObjectStore

DEPLOY_SECONDS = 3600.0
# Longer than it takes to list a full route store in AWS: some hundred requests, one after the other.
SWEEP_SECONDS = 30.0
# How often a prune that only reads looks for a deploy, which waits for it.
_LOOK_SECONDS = 5.0
_POLL_SECONDS = 0.1
Clock = Callable[[], float]
Sleep = Callable[[float], None]


class GaveWay(Exception):
    """A deploy has begun, or may have while our lease was lapsed: nothing more may be deleted."""


class _Lease:
    """An announcement under `<site>/locks/<kind>/` that counts until it expires."""

    def __init__(self, objects: ObjectStore, site: str, kind: str, seconds: float, clock: Clock) -> None:
        self._objects, self._clock, self._seconds = objects, clock, seconds
        self._locks = layout.locks(site)
        self._key = f"{self._locks}{kind}/{uuid.uuid4().hex}.json"
        self._until = 0.0

    def announce(self) -> bool:
        """Count from now on. True when the announcement before this one had not expired when this one was there."""
        before, until = self._until, self._clock() + self._seconds
        self._objects.put(self._key, json.dumps({"until": until}).encode(), {"content-type": "application/json"})
        self._until = until
        return self._clock() < before

    def withdraw(self) -> None:
        self._objects.delete([self._key])

    @property
    def lapsed(self) -> bool:
        return self._clock() >= self._until

    @property
    def age(self) -> float:
        """Seconds since it was announced."""
        return self._clock() - (self._until - self._seconds)

    def others(self, kind: str) -> bool:
        """Whether an announcement of the other kind is there that has not expired."""
        return any(until > self._clock() for _, until in self._announced(kind))

    def clear(self) -> None:
        """Take out what the dead have left; whoever only slept announces itself again."""
        now = self._clock()
        dead = [key for kind in ("deploy", "prune") for key, until in self._announced(kind) if until <= now]
        if dead:
            self._objects.delete(dead)

    def _announced(self, kind: str) -> Iterator[tuple[str, float]]:
        for info in self._objects.list(f"{self._locks}{kind}/"):
            with suppress(NotFound):
                yield info.key, json.loads(self._objects.get(info.key)[1])["until"]


class Deploying:
    """The right to rely on blobs that no sealed, retained manifest protects yet."""

    def __init__(self, objects: ObjectStore, site: str, clock: Clock, sleep: Sleep) -> None:
        self._lease = _Lease(objects, site, "deploy", DEPLOY_SECONDS, clock)
        self._sleep = sleep
        self._broken = False

    def keep(self) -> None:
        """Hold for at least half of DEPLOY_SECONDS from now."""
        if self._lease.age >= DEPLOY_SECONDS / 2 and not self.begin():
            self._broken = True

    def unbroken(self) -> bool:
        """Keep, and tell whether it never lapsed since this was asked last; if it did, what was seen before may be gone."""
        self.keep()
        broken, self._broken = self._broken, False
        return not broken

    def begin(self) -> bool:
        """Announce and wait for sweeps to end. True when this only prolonged what was held already."""
        unbroken = self._lease.announce()
        while self._lease.others("prune"):
            self._sleep(_POLL_SECONDS)
        return unbroken

    def end(self) -> None:
        self._lease.withdraw()


@contextmanager
def deploying(objects: ObjectStore, site: str, clock: Clock = time.time, sleep: Sleep = time.sleep) -> Iterator[Deploying]:
    """Hold while publishing or releasing: with `keep` now and then, and `unbroken` before the step that counts."""
    lease = Deploying(objects, site, clock, sleep)
    try:
        lease.begin()
        yield lease
    finally:
        lease.end()


class Sweep:
    """A prune's right to delete: `renew` before each batch, `keep` while reading. Both raise GaveWay."""

    def __init__(self, objects: ObjectStore, site: str, clock: Clock = time.time) -> None:
        self._lease = _Lease(objects, site, "prune", SWEEP_SECONDS, clock)
        self._site = site

    def __enter__(self) -> Sweep:
        self._lease.announce()
        if self._lease.others("deploy"):
            self._lease.withdraw()
            raise Busy(
                f"a deploy of {self._site} is under way",
                f"prune again when it has ended ({DEPLOY_SECONDS / 60:.0f} min at most)",
            )
        return self

    def renew(self) -> None:
        """Go on for SWEEP_SECONDS. A lease that lapsed cannot: a deploy may have come and gone unseen meanwhile.

        What is left to the clock: a deletion that takes effect more than SWEEP_SECONDS after this has returned.
        """
        if not self._lease.announce() or self._lease.others("deploy") or self._lease.lapsed:
            raise GaveWay

    def keep(self) -> None:
        if self._lease.age >= _LOOK_SECONDS:
            self.renew()

    def __exit__(self, *error: object) -> None:
        self._lease.withdraw()
        self._lease.clear()
