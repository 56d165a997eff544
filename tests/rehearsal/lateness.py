"""Edges that learn of writes late, each key by itself."""

from __future__ import annotations

import random
import threading
import time

from tests.rehearsal.checks import check, go_live, mark, released, scenario, serves
from tests.rehearsal.content import files, page
from tests.rehearsal.stage import Stage


@scenario("edges that learn of writes up to 60 s late: every answer is whole, of a version of that minute, or a 503")
def lagging(stage: Stage) -> None:
    stage.store.clock = lambda: time.time() - 2 * stage.lag
    before, _ = go_live(stage)
    stage.age(days=2 * stage.lag / 86400)
    stage.store.clock, stage.is_late = time.time, True
    after = mark()
    visitors = Visitors(stage, (before, after))
    visitors.start()
    try:
        released(stage, stage.release(files(after)))
        _wait_for(stage, after)
    finally:
        visitors.ended.set()
        visitors.join()
    check(not visitors.wrong, f"{len(visitors.wrong)} answers were wrong", *visitors.wrong[:5])
    check(visitors.counted.get(200, 0) > 100, f"too few visitors: {visitors.counted}")
    for number in range(len(stage.edges)):
        serves(stage, after, edge=number)


class Visitors(threading.Thread):
    """Ask all edges until `ended`: every answer is a whole page of one of `versions`, or the 503 of an edge that lacks a part."""

    def __init__(self, stage: Stage, versions: tuple[str, ...]) -> None:
        super().__init__(daemon=True)
        self.ended, self.wrong, self.counted = threading.Event(), list[str](), dict[int, int]()
        self._stage, self._versions, self._chance = stage, versions, random.Random(7)

    def run(self) -> None:
        while not self.ended.wait(0.05):
            number = self._chance.randrange(len(self._stage.edges))
            for path, title, status in (("/", "home", 200), ("/about", "about", 200), ("/nowhere", "nothing here", 404)):
                self._look(number, path, title, status)

    def _look(self, number: int, path: str, title: str, status: int) -> None:
        answer = self._stage.get(path, edge=number)
        self.counted[answer.status] = self.counted.get(answer.status, 0) + 1
        is_whole = answer.status == status and answer.text in {page(title, one) for one in self._versions}
        is_unready = answer.status == 503 and answer.headers.get("retry-after") and answer.headers["cache-control"] == "no-store"
        if not is_whole and not is_unready:
            self.wrong.append(f"edge {number}, {path}: {answer.status} {answer.text!r}")


def _wait_for(stage: Stage, version: str) -> None:
    """Until every edge has heard of it: after as long as a write may take."""
    deadline = time.monotonic() + stage.lag + 5
    while time.monotonic() < deadline:
        if all(stage.get(path, edge=number).text == text for number in range(len(stage.edges)) for path, text in _pages(version)):
            return
        time.sleep(0.5)
    raise AssertionError(f"an edge had not heard of {version} after {stage.lag + 5:.0f} s")


def _pages(version: str) -> list[tuple[str, str]]:
    return [("/", page("home", version)), ("/docs/", page("docs", version)), ("/nowhere", page("nothing here", version))]
