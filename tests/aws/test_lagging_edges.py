"""Deploys, rollbacks, canaries and prunes on a KeyValueStore whose edges learn of writes late and in any order.

$LAGGING_STEPS steps (default 300) in runs of 40. After each step, and before each write, visitors ask the edges' real functions.
Every answer must be one whole file of one version that was live on that host in the last minute; where an edge lacks a part of its
table, that of the version which the pointer names for this, live a minute before the pointer was written. Faults of AWS come at any
call, and another whole operation before any write.
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.aws.lagging import CONTENTS, LIVE, PATHS, PREVIEW, SITES, UNREADY, Stage
from tests.engine.world import check_invariants
from toolkit.engine import layout, prune, release, tables
from toolkit.engine.errors import Superseded, Unavailable, UserError
from toolkit.engine.hosts import SPREAD_SECONDS
from toolkit.engine.model import Release
from toolkit.engine.release import Request

STEPS = int(os.environ.get("LAGGING_STEPS", "300"))
RUN = 40
GRACE = 3600.0
# Most happens on one host, so that much happens to it within a minute.
WHERE = st.sampled_from([("shop", LIVE)] * 5 + [("shop", PREVIEW), ("blog", LIVE)])
PICK = st.integers(0, 99)
GAP = st.sampled_from([0, 0, 1, 20, 35, 45, 45, 59, 61, 61])
LONG = st.sampled_from([61, 130, 4000, 4000, 100_000])
FAULTS = st.lists(
    st.tuples(
        st.sampled_from(["UpdateKeys", "UpdateKeys", "UpdateKeys", "GetKey", "DescribeKeyValueStore", "ListKeys"]),
        st.sampled_from(
            [
                "lost",
                "lost",
                "done, then InternalServerException",
                "InternalServerException",
                "ThrottlingException",
                "timeout",
                "unsent",
            ]
        ),
    ),
    max_size=3,
)
# Before which of an operation's writes another one comes, and what.
OPERATION = st.sampled_from(
    ["rollback", "rollback", "rollback", "canary", "percent", "finish", "stop", "remove", "prune", "prune", "drop", "retry"]
)
OTHER = st.none() | st.tuples(
    st.integers(0, 2), st.sampled_from(["deploy", "rollback", "canary", "finish", "stop", "remove", "prune", "drop"]), WHERE, PICK
)
Other = tuple[int, str, tuple[str, str], int]
REFUSALS = ("no canary runs", "to everybody", "serves nothing yet", "is under way", "has no version")
# A minute until a pointer is everywhere, and one before it was written, in which its fallback may have been replaced. The third is
# for a fallback that was dropped meanwhile: then it is the one before.
FALLBACK_SECONDS = 3 * SPREAD_SECONDS
ASKED: Counter[str] = Counter()


class Machine(RuleBasedStateMachine):
    @initialize(
        mismatch=st.sampled_from(["ConflictException", "PreconditionFailed", "ValidationException"]),
        is_quiet=st.booleans(),
        needs_keys=st.booleans(),
        seed=st.integers(0, 2**16),
    )
    def begin(self, mismatch: str, is_quiet: bool, needs_keys: bool, seed: int) -> None:
        self.stage = Stage(mismatch=mismatch, is_quiet=is_quiet, needs_keys=needs_keys)
        self.folder = Path(tempfile.mkdtemp())
        self.chance = random.Random(seed)
        self.tried: list[Request] = []
        self.writes = 0
        self.other: Other | None = None
        self.stage.store.before = self._before

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            shutil.rmtree(self.folder)

    # --- what happens to an operation ---

    def _before(self, operation: str) -> None:
        if operation != "UpdateKeys":
            return
        self.stage.remember_tables()
        self._visitors(4)
        self.writes += 1
        if self.other and self.other[0] == self.writes - 1:
            (_, name, where, pick), self.other = self.other, None
            with suppress(UserError, Unavailable):
                self._operate(name, *where, pick)

    def _try(self, faults: list[tuple[str, str]], other: Other | None, action: Callable[[], object]) -> object:
        """The action's result, None when it did not come to its end: which only a trouble, or a known refusal, may cause."""
        self.writes, self.other = 0, other
        for fault in faults:
            self.stage.store.fail(*fault)
        try:
            return action()
        except Superseded:
            return None
        except UserError as error:
            assert faults or other or any(text in error.what for text in REFUSALS), f"undisturbed, but: {error} {error.fix}"
            return None
        except Unavailable:
            assert len(faults) > 2, "reads are repeated"
            return None
        finally:
            self.stage.store.heal()
            self.other = None

    def _operate(self, name: str, site: str, channel: str, pick: int) -> object:
        stage, world = self.stage, self.stage.worlds[site]
        versions = prune.versions_of(stage.objects, site)
        version = versions[pick % len(versions)] if versions else ""
        if name == "deploy":
            return stage.deploy(site, channel, pick % len(CONTENTS), 30.0 * (pick % 7 == 0), self.folder)
        if name == "prune":
            return prune.prune(stage.objects, stage.routes, site, keep=pick % 2, grace_seconds=GRACE, clock=stage.clock)
        if name == "drop":
            return tables.drop_unneeded(stage.routes, stage.clock(), stage.clock.sleep)
        if name == "remove":
            return world.remove(PREVIEW)
        if name in ("finish", "stop"):
            return world.canary(name, channel)
        if name == "percent":
            return world.canary("set_percent", channel, float(pick + 0.5))
        if name == "canary":
            return world.canary("start", channel, version, float(pick + 0.5)) if version else None
        if name == "retry":
            recent = [request for request in self.tried[-3:] if self._is_recent(request)]
            return stage.worlds[recent[-1].site].release(recent[-1]) if recent else None
        request = world.request(version, channel, explicit=True)
        self.tried.append(request)
        return world.release(request) if version else None

    def _is_recent(self, request: Request) -> bool:
        """A token is looked for among a channel's last releases only."""
        tokens = [entry.token for entry in self._flips(request.site, request.channel)]
        return request.token in tokens[-3:] or request.token not in tokens

    def _flips(self, site: str, channel: str) -> list[Release]:
        held = self.stage.store.values(layout.channel_key(site, channel), float("-inf"))
        return [Release.from_json(value) for _, value in held if value]

    # --- steps ---

    @rule(where=WHERE, pick=PICK, gap=GAP, faults=FAULTS, other=OTHER, more=st.sampled_from([0] * 14 + [9]))
    def deploy(
        self, where: tuple[str, str], pick: int, gap: int, faults: list[tuple[str, str]], other: Other | None, more: int
    ) -> None:
        self._pass(gap)
        done = self._try(faults, other, lambda: self._operate("deploy", *where, pick))
        if isinstance(done, Release) and not other:
            assert self.stage.contents[where[0], done.version] == pick % len(CONTENTS)
            for path in ("/", "/old", "/fill/7"):
                self._is(self.stage.exact(*where, path), *where, path, 0.0)
        for number in range(more):  # for longer than a minute, and without a minute's rest
            self._pass(38)
            self._try([], None, lambda number=number: self._operate("deploy", *where, pick + number))  # type: ignore[misc]

    @rule(name=OPERATION, where=WHERE, pick=PICK, gap=GAP, faults=FAULTS, other=OTHER)
    def operate(
        self, name: str, where: tuple[str, str], pick: int, gap: int, faults: list[tuple[str, str]], other: Other | None
    ) -> None:
        self._pass(gap)
        self._try(faults, other, lambda: self._operate(self._sensible(name, *where), *where, pick))

    @rule(seconds=LONG)
    def time_passes(self, seconds: int) -> None:
        self._pass(seconds)

    def _pass(self, seconds: int) -> None:
        for _ in range(3 if seconds else 0):  # visitors come all the time
            self.stage.clock.now += seconds / 3
            self._visitors(4)

    def _sensible(self, name: str, site: str, channel: str) -> str:
        """The operation, or one that has something to do where that one has not."""
        record = release.last(self.stage.routes, site, channel)
        if name in ("percent", "finish", "stop") and not (record and record.canary):
            name = "canary"
        return "deploy" if record is None or (name == "canary" and not record.version) else name

    # --- what must hold ---

    @invariant()
    def visitors_get_one_version_of_the_last_minute(self) -> None:
        if hasattr(self, "stage"):
            ASKED["steps"] += 1
            self.stage.remember_tables()
            self._visitors(10)

    @invariant()
    def flips_are_in_order_and_happen_once(self) -> None:
        for site in SITES if hasattr(self, "stage") else ():
            for channel in (LIVE, PREVIEW):
                flips = self._flips(site, channel)
                assert [entry.number for entry in flips] == list(range(1, len(flips) + 1))
                assert len({entry.token for entry in flips}) == len(flips), "one request was carried out twice"
                for before, after in pairwise(flips):
                    assert after.order > before.order or (after.reason != "deploy" and after.order == before.order)
                ledger = [entry.number for entry in self.stage.worlds[site].ledger(channel)]
                assert ledger in (list(range(len(flips), 0, -1)), list(range(len(flips) - 1, 0, -1))), "the ledger has a hole"

    @invariant()
    def all_that_is_needed_is_there(self) -> None:
        if hasattr(self, "stage") and self.chance.random() < 0.2:
            check_invariants(self.stage.objects, _Held(self.stage.store.pairs))  # type: ignore[arg-type]

    def _visitors(self, count: int) -> None:
        for _ in range(count):
            number, site, channel = (
                self.chance.randrange(3),
                self.chance.choice(("shop", "shop", *SITES)),
                self.chance.choice((LIVE, LIVE, LIVE, PREVIEW)),
            )
            path, ip = self.chance.choice(PATHS), f"10.0.0.{self.chance.randrange(40)}"
            self._is(self.stage.look(number, site, channel, path, ip), site, channel, path, SPREAD_SECONDS)

    def _is(self, seen: tuple[int, str], site: str, channel: str, path: str, seconds: float) -> None:
        """Seconds ago may be the version that answers."""
        ASKED["asked"] += 1
        if seen == UNREADY:
            ASKED["503"] += 1
            assert self.stage.store.changed > self.stage.clock.now - SPREAD_SECONDS, f"{site} {channel} {path}: 503 in quiet times"
            had = list(self.stage.lived(site, channel, 2 * SPREAD_SECONDS))
            assert path != "/" or None in had, f"{site} {channel}: 503 for the home page of a host that has been there for long"
            return
        allowed = self.stage.allowed(site, channel, path, seconds)
        if seconds and seen not in allowed and seen in self.stage.fallbacks(site, channel, path):
            ASKED["older"] += 1
            allowed = self.stage.allowed(site, channel, path, FALLBACK_SECONDS)
        assert seen in allowed, f"{site} {channel} {path}: {seen}, not one of {allowed}"


class _Held:
    """Pairs as a store that nobody writes to."""

    def __init__(self, pairs: dict[str, str]) -> None:
        self._pairs = pairs

    def items(self) -> object:
        return self._pairs.items()


def test_every_answer_is_of_one_version_of_the_last_minute() -> None:
    ASKED.clear()
    while ASKED["steps"] < STEPS:
        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=max(1, (STEPS - ASKED["steps"]) // RUN),
                stateful_step_count=RUN,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
                # What is found is reported as it was found: making it shorter takes minutes.
                phases=(Phase.generate, Phase.shrink) if os.environ.get("MACHINE_SHRINK") else (Phase.generate,),
            ),
        )
    print(dict(ASKED))
