"""One thing that happens to an operation at one of its store calls: a crash, a lost reply, a storm of other writers, a long sleep,
or another whole operation in between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from tests.engine.stores import HookedObjects, HookedRoutes
from toolkit.engine.errors import Unavailable
from toolkit.engine.ports import ObjectStore, RouteStore

KINDS = (
    "crash before", "crash after", "crash after", "lost before", "lost after", "storm",
    "meanwhile", "meanwhile", "sleep", "sleep", "sleep",
)  # fmt: skip
# The calls between which order matters, as the name of the call and part of what it touches.
FLIP = (
    ("put", "/releases/"),
    ("etag", ""),
    ("get", "c:"),
    ("get", "h:"),
    ("get", "v:"),
    ("update", "t:"),
    ("update", "v:"),
    ("update", "h:"),
)
RELEASE = (*FLIP, ("get", "/versions/"), ("put", "/locks/"), ("list", "/locks/"))
DEPLOY = (*RELEASE, ("put", "/blobs/"), ("head", "/blobs/"), ("put", "/versions/"), ("list", "/releases/"))
PRUNE = (
    ("put", "/locks/"), ("list", "/locks/"), ("list", "/versions/"), ("list", "/pins/"), ("head", "/versions/"),
    ("get", "/versions/"), ("list", "/blobs/"), ("delete", "/versions/"), ("delete", "/blobs/"), ("etag", ""), ("update", ""),
)  # fmt: skip
DROP = (("etag", ""), ("items", ""), ("update", "v:"), ("update", "t:"))
PIN = (("put", "/locks/"), ("list", "/locks/"), ("get", "/versions/"), ("put", "/pins/"))
# Past the lease of a prune; past half a table's grace; past that, and a deploy's lease; past everything.
NAP, SLEEP = (11,), (1900, 4000, 200_000)


class Crash(BaseException):
    """The process is gone: whatever it calls from now on does not happen."""


@dataclass(frozen=True)
class Trouble:
    """What happens, before or after the `at`-th call (from 0) of the name `call` that touches `part`; no `call` is any call.

    `writers` are those of a storm, `seconds` how long a sleep is, `other` what another process does meanwhile.
    """

    kind: str = ""
    call: str = ""
    part: str = ""
    at: int = 0
    writers: int = 1
    seconds: int = 0
    other: tuple[str, str, int] = ("", "", 0)


def troubles(
    points: Sequence[tuple[str, str]], seconds: Sequence[int], others: st.SearchStrategy[tuple[str, str, int]]
) -> st.SearchStrategy[Trouble]:
    """A third of all operations go undisturbed; of the others, most are met at a point that matters to them."""
    rest = {"kind": st.sampled_from(KINDS), "writers": st.integers(1, 15), "seconds": st.sampled_from(seconds), "other": others}
    somewhere = st.builds(Trouble, at=st.integers(0, 60), **rest)
    there = st.sampled_from(points).flatmap(
        lambda point: st.builds(Trouble, call=st.just(point[0]), part=st.just(point[1]), at=st.integers(0, 2), **rest)
    )
    return st.one_of(st.just(Trouble()), somewhere, there, there, there)


class Interference:
    """A Trouble as it happens to one operation; `meanwhile` and `sleep` carry it out."""

    def __init__(self, trouble: Trouble, meanwhile: Callable[[], None], sleep: Callable[[float], None]) -> None:
        self.trouble, self.meanwhile, self.sleep = trouble, meanwhile, sleep
        self.calls = self.storms = 0
        self.happened = self.dead = False

    def around(self, objects: ObjectStore, routes: RouteStore) -> tuple[HookedObjects, HookedRoutes]:
        def storm() -> None:
            routes.update({"z:storm": str(self.storms)}, [], if_match=routes.etag())

        def before(call: str, what: object) -> None:
            self._before(call, what, storm)

        return HookedObjects(objects, before, self._after), HookedRoutes(routes, before, self._after)

    def _before(self, call: str, what: object, storm: Callable[[], None]) -> None:
        if self.dead:
            raise Crash
        trouble = self.trouble
        if trouble.kind == "storm":
            if call == "update" and self.storms < trouble.writers:
                self.storms, self.happened = self.storms + 1, True
                storm()
            return
        self.calls += self._is_meant(call, what)
        if trouble.kind.endswith("after") or not self._is_now(call, what):
            return
        self.happened = True
        if trouble.kind == "crash before":
            self._die()
        if trouble.kind == "lost before":
            raise Unavailable(call)
        if trouble.kind == "sleep":
            self.sleep(trouble.seconds)
        if trouble.kind in ("meanwhile", "sleep"):
            self.meanwhile()

    def _after(self, call: str, what: object) -> None:
        if self.trouble.kind.endswith("after") and self._is_now(call, what):
            self.happened = True
            if self.trouble.kind == "crash after":
                self._die()
            raise Unavailable(call)

    def _die(self) -> None:
        self.dead = True
        raise Crash

    def _is_meant(self, call: str, what: object) -> bool:
        if self.trouble.kind.startswith("lost"):  # replies that engine promises to cope with are those of updates
            return call == "update"
        return not self.trouble.call or (call == self.trouble.call and self.trouble.part in repr(what))

    def _is_now(self, call: str, what: object) -> bool:
        if self.trouble.kind in ("meanwhile", "sleep") and call == "delete" and "/locks/" not in repr(what):
            return False  # that a deletion takes effect within SWEEP_SECONDS of its renewal is what leases.py leaves to the clock
        return not self.happened and self.calls > self.trouble.at and self._is_meant(call, what)
