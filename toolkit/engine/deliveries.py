"""What is on its way to a site: a push or an upload that a target takes through its stages by itself.

A delivery is seen, not steered: it goes on when nobody looks. `follow` is the one loop that waits for one.
"""

from __future__ import annotations

import time
from calendar import timegm
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from toolkit.engine.errors import Unavailable

WAITING, RUNNING, DONE, FAILED, SKIPPED, STOPPED = "waiting", "running", "done", "failed", "skipped", "stopped"
ENDED = (DONE, FAILED, SKIPPED, STOPPED)
# What a delivery may have come to that is no release of it.
SUPERSEDED = "superseded"
_TRIES = 5
_T = TypeVar("_T")


@dataclass(frozen=True)
class Stage:
    """One step: source, inspect, build, publish, verify, flip, release or retire; a target has those that it can tell apart.

    `started` is in seconds since 1970 (0: not yet), `seconds` how long it took or has taken so far.
    `says` is why it failed, in words; `link` where there is more of it.
    """

    name: str
    state: str
    started: float = 0.0
    seconds: float = 0.0
    says: str = ""
    link: str = ""


@dataclass(frozen=True)
class Delivery:
    """`id` is the target's own. `source` is "push", "pull request", "upload" or "trigger"; `channel` is empty until it is known.

    `outcome` is what the release came to, where the target says so: "released", `SKIPPED`, or `SUPERSEDED` by a newer one.
    """

    id: str
    source: str
    state: str
    started: float
    channel: str = ""
    version: str = ""
    commit: str = ""
    branch: str = ""
    message: str = ""
    outcome: str = ""
    link: str = ""
    stages: tuple[Stage, ...] = ()

    @property
    def failed(self) -> Stage | None:
        """The stage that it ended in, if it failed."""
        return next((stage for stage in self.stages if stage.state in (FAILED, STOPPED)), None)


@dataclass(frozen=True)
class Upload:
    """A zip to deliver and what is known of it; empty texts are unknown."""

    file: Path
    channel: str
    who: str = ""
    message: str = ""
    commit: str = ""
    branch: str = ""

    @property
    def facts(self) -> Mapping[str, str]:
        """What goes with the zip."""
        found = {"who": self.who, "message": self.message, "commit": self.commit, "branch": self.branch}
        return {name: value for name, value in found.items() if value}


class Deliveries(Protocol):
    """The deliveries of one site on one target."""

    def recent(self, count: int) -> list[Delivery]:
        """Those under way and the last that ended, newest first, at most `count`."""

    def one(self, id: str) -> Delivery:
        """UserError when there is none of that id."""

    def last_build(self) -> Delivery | None:
        """The build that runs (of several the one that began last), else the last that ended; None when nothing was built."""

    def log(self, id: str, *, follow: bool) -> Iterator[str]:
        """The lines of a delivery's build; with `follow` until the build has ended. UserError when it builds nothing."""

    def upload(self, upload: Upload, progress: Callable[[int], None]) -> str:
        """Send a zip and wait until its delivery begins; the id. `progress` is told of the bytes that are sent. UserError."""

    def trigger(self, branch: str) -> str:
        """Deliver once more what was delivered of a branch ("" for what goes live); the id. UserError where that cannot be."""

    def wait(self) -> None:
        """The pause between two looks at a delivery."""


def moment(name: str) -> float:
    """The seconds since 1970 that a name begins with, as in `20261120T231500Z-…`; 0 for another name."""
    try:
        return float(timegm(time.strptime(name[:16], "%Y%m%dT%H%M%SZ")))
    except ValueError:
        return 0.0


def patiently(ask: Callable[[], _T], wait: Callable[[], None]) -> _T:
    """Ask until there is an answer: what is followed for half an hour is not given up for one fault. Unavailable after five."""
    for _ in range(_TRIES - 1):
        try:
            return ask()
        except Unavailable:
            wait()
    return ask()


def follow(deliveries: Deliveries, id: str, changed: Callable[[Stage], None]) -> Delivery:
    """Look at a delivery until it has ended. `changed` is told of each stage that began or ended since the last look."""
    known: dict[str, str] = {}
    while True:
        found = patiently(lambda: deliveries.one(id), deliveries.wait)
        for stage in found.stages:
            if known.get(stage.name) != stage.state:
                known[stage.name] = stage.state
                changed(stage)
        if found.state in ENDED:
            return found
        deliveries.wait()
