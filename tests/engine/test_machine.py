"""Any sequence of operations with anything in between, and the design's invariants after every single write.

$MACHINE_EXAMPLES runs (default 70) of at most 40 operations each. Each operation is a rule, and one thing may happen to it at any
of its store calls. What must hold is checked inside the stores, after each update and deletion, not only between operations.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.engine import interference
from tests.engine.interference import Crash, Interference, Trouble, troubles
from tests.engine.stores import ClockedObjects, HookedObjects, HookedRoutes, MemoryRoutes
from tests.engine.support import SITE, Clock
from tests.engine.world import SETTINGS, World, check_invariants
from toolkit.engine import access, layout, prune, release, tables
from toolkit.engine.errors import Superseded, UserError
from toolkit.engine.model import Release
from toolkit.engine.ports import ObjectStore, RouteStore
from toolkit.engine.release import Request

EXAMPLES = int(os.environ.get("MACHINE_EXAMPLES", "70"))
DAY = 86400.0
GRACE = DAY
LIVE, PREVIEW = "live", "preview/feature/a"
CHANNELS = st.sampled_from([LIVE, LIVE, PREVIEW])
CONTENT = st.integers(0, 4)
SECONDS = st.sampled_from([1, 70, 4000, 4000, 2 * int(DAY), 2 * int(DAY), 8 * int(DAY)])


def others(*names: str) -> st.SearchStrategy[tuple[str, str, int]]:
    return st.tuples(st.sampled_from(names), CHANNELS, CONTENT)


DEPLOY = troubles(interference.DEPLOY, interference.SLEEP, others("prune", "prune", "drop", "deploy", "rollback"))
RELEASE = troubles(
    interference.RELEASE, interference.SLEEP, others("prune", "prune", "drop", "drop", "deploy", "rollback", "remove")
)
CANARY = troubles(
    interference.RELEASE, interference.SLEEP, others("prune", "drop", "drop", "deploy", "rollback", "remove", "canary", "gate")
)
GATE = troubles(interference.FLIP, interference.SLEEP, others("deploy", "rollback", "remove", "canary", "gate"))
PRUNE = troubles(
    interference.PRUNE, interference.NAP, others("deploy", "deploy", "rollback", "rollback", "canary", "canary", "pin", "prune")
)
DROP = troubles(interference.DROP, interference.NAP, others("deploy", "rollback", "rollback", "canary", "canary", "prune"))
PIN = troubles(interference.PIN, interference.SLEEP, others("prune"))
# After these another process may have had the last word.
ALONE = ("meanwhile", "sleep")
PICK = st.integers(0, 99)
PERCENT = st.sampled_from([0.5, 10.0, 33.33, 99.99])
GATES = ("protect", "unprotect", "maintenance", "end of maintenance", "protect all", "unprotect all")


def files(content: int) -> dict[str, str]:
    """Sites that share much: a file in all of them, a page in some, and a hashed asset of their own."""
    return {
        "index.html": f"<script src=/assets/app-{content}{content}1a2b3c.js>",
        "404.html": "nothing here",
        "shared.txt": "shared",
        f"page-{content % 2}.html": f"page {content % 2}",
        f"assets/app-{content}{content}1a2b3c.js": f"script {content}",
        "_redirects": f"/old-{content} /shared.txt\n",
    }


class Machine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock(tick=0.001)
        self.bare_objects, self.bare_routes = ClockedObjects(self.clock), MemoryRoutes()
        objects = HookedObjects(self.bare_objects, before=self._about_to_delete, after=self._deleted)
        routes = HookedRoutes(self.bare_routes, before=self._about_to_update, after=self._updated)
        self.world = World(clock=self.clock, objects=objects, routes=routes)
        self.folder = Path(tempfile.mkdtemp())
        self.tried: list[Request] = []
        self.flips: dict[str, list[Release]] = {}
        self.retained: list[set[str]] = []

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    # --- what must hold between any two store calls ---

    def _about_to_update(self, call: str, what: object) -> None:
        if call == "update":
            self.before = dict(self.bare_routes.pairs)

    def _updated(self, call: str, what: object) -> None:
        if call != "update":
            return
        puts, _ = what  # type: ignore[misc]
        self._check_flips(puts)
        check_invariants(self.bare_objects, self.bare_routes)

    def _check_flips(self, puts: Mapping[str, str]) -> None:
        for key, value in puts.items():
            if not key.startswith("c:"):
                continue
            after, before = Release.from_json(value), self.flips.setdefault(key, [])
            assert after.number == len(before) + 1, "release numbers count on"
            if before and after.reason == "deploy":
                assert after.order > before[-1].order, "an older build went live"
            assert not before or after.order >= before[-1].order
            assert after.reason == "canary" or not after.canary, "a release that is for everybody leaves a canary running"
            assert after.token not in [entry.token for entry in before], "one request was carried out twice"
            before.append(after)

    def _deleted(self, call: str, what: object) -> None:
        if call == "delete" and "/locks/" not in repr(what):
            check_invariants(self.bare_objects, self.bare_routes)
            self._check_versions()

    def _check_versions(self) -> None:
        """A manifest is there if and only if its version is whole, whether anybody points at it or not."""
        held = self.bare_objects.stored
        for version in prune.versions_of(self.bare_objects, SITE):
            for blob in release.load_manifest(self.bare_objects, SITE, version).blobs():
                assert layout.blob(SITE, blob) in held, f"{version} lost {blob}"

    # --- operations ---

    def _deploy(self, objects: ObjectStore, routes: RouteStore, channel: str, content: int, age: float) -> Release:
        folder = self.folder / str(content)
        moment = self.clock() - age
        planned = self.world.plan(files(content), channel=channel, moment=moment, folder=folder, objects=objects, routes=routes)
        manifest = self.world.publish(planned, objects=objects, routes=routes)
        return self._release(objects, routes, self.world.request(manifest.version, channel, order=moment))

    def _release(self, objects: ObjectStore, routes: RouteStore, request: Request) -> Release:
        self.tried.append(request)
        return self.world.release(request, objects=objects, routes=routes)

    def _remove(self, objects: ObjectStore, routes: RouteStore, channel: str) -> Release:
        return self.world.remove(channel, objects=objects, routes=routes)

    def _prune(self, objects: ObjectStore, routes: RouteStore, keep: int) -> prune.Pruned:
        self.retained.append(self._retained(keep))
        try:
            return prune.prune(objects, routes, SITE, keep=keep, grace_seconds=GRACE, clock=self.clock)
        finally:
            self.retained.pop()

    def _about_to_delete(self, call: str, what: object) -> None:
        """It is the prune begun last that deletes: another one may run between two of its calls, with other wishes."""
        if call == "delete":
            wanted = self.retained[-1] if self.retained else set()
            assert not [version for version in wanted if version in repr(what)], "prune takes what is retained"

    def _retained(self, keep: int) -> set[str]:
        """By the rules of the design and by what this test saw, without asking the code under test."""
        versions, since = prune.versions_of(self.bare_objects, SITE), self.clock.now - GRACE + 1
        kept = set(versions[len(versions) - keep :]) | {
            version for version in versions if f"{SITE}/pins/{version}.json" in self.bare_objects.stored
        }
        kept |= {version for version in versions if self.bare_objects.stored[layout.manifest(SITE, version)][0].modified > since}
        for flips in self.flips.values():
            kept |= {version for entry, until in self._spans(flips) if until > since for version in (entry.version, entry.canary)}
        return kept & set(versions)

    def _spans(self, flips: list[Release]) -> Iterator[tuple[Release, float]]:
        """Each release with the moment until which it was served."""
        ends = [entry.at for entry in flips[1:]]
        return zip(flips, [*ends, self.clock.now], strict=False)

    def _versions(self) -> Sequence[str]:
        return prune.versions_of(self.bare_objects, SITE)

    def _meanwhile(self, what: tuple[str, str, int]) -> None:
        """What another process does between two store calls, undisturbed itself."""
        name, channel, number = what
        objects, routes, versions = self.world.objects, self.world.routes, self._versions()
        version = versions[number % len(versions)] if versions else ""
        with suppress(UserError):  # a deploy is under way, a version is gone: what the person at that terminal is told
            if name == "deploy":
                self._deploy(objects, routes, channel, number, 0.0)
            elif name == "remove":
                self._remove(objects, routes, PREVIEW)
            elif name == "prune":
                self._prune(objects, routes, number % 2)
            elif name == "drop":
                tables.drop_unneeded(routes, self.clock(), self.clock.sleep)
            elif name == "pin" and version:
                self._pin(objects, version)
            elif name == "canary" and version:
                self._canary(objects, routes, ("start", "set_percent", "stop", "finish")[number % 4], channel, version, 20.0)
            elif name == "gate":
                self._gate(objects, routes, GATES[number % len(GATES)], channel)
            elif name == "rollback" and version:
                self._release(objects, routes, self.world.request(version, channel, explicit=True))

    def _pin(self, objects: ObjectStore, version: str) -> None:
        prune.pin(objects, SITE, version, "me", self.clock(), clock=self.clock, sleep=self.clock.sleep)

    def _canary(
        self, objects: ObjectStore, routes: RouteStore, action: str, channel: str, version: str, percent: float, token: str = ""
    ) -> Release:
        what = {"start": (version, percent), "set_percent": (percent,)}.get(action, ())
        return self.world.canary(action, channel, *what, token=token, objects=objects, routes=routes)

    def _gate(self, objects: ObjectStore, routes: RouteStore, action: str, channel: str) -> list[str]:
        where = access.ALL if action.endswith(" all") else PREVIEW if "protect" in action else channel
        if "maintenance" in action:
            return access.maintenance(objects, routes, SITE, channel, not action.startswith("end"), sleep=self.clock.sleep)
        if action.startswith("un"):
            return access.unprotect(objects, routes, SITE, where, sleep=self.clock.sleep)
        return access.protect(objects, routes, SITE, where, "preview", "correct horse", sleep=self.clock.sleep)

    def _try(self, trouble: Trouble, operation: Callable[[ObjectStore, RouteStore], object]) -> object:
        """The operation's result; None when it did not come to its end, which only something that happened to it may cause."""

        def sleep(seconds: float) -> None:
            self.clock.now += seconds

        happens = Interference(trouble, lambda: self._meanwhile(trouble.other), sleep)
        try:
            return operation(*happens.around(self.world.objects, self.world.routes))
        except Crash:
            assert happens.dead
        except UserError as error:
            # A prune meets the lease of a deploy that crashed less than an hour ago.
            refused = ("is under way", "no canary runs", "to everybody", "serves nothing yet")
            known = isinstance(error, Superseded) or any(what in error.what for what in refused)
            assert known or happens.happened, f"undisturbed, but: {error} {error.fix}"
        return None

    @initialize(past=st.lists(st.tuples(CHANNELS, CONTENT, SECONDS), max_size=4))
    def some_history(self, past: list[tuple[str, int, int]]) -> None:
        for channel, content, seconds in past:
            self._deploy(self.world.objects, self.world.routes, channel, content, 0.0)
            self.clock.now += seconds

    @rule(channel=CHANNELS, content=CONTENT, age=st.sampled_from([0.0, 0.0, 0.0, 50.0]), trouble=DEPLOY)
    def deploy(self, channel: str, content: int, age: float, trouble: Trouble) -> None:
        self.clock.now += 1  # within one second equal content has one version id, and so the first one's carried assets
        served = self._lately(channel) if not age else set()
        done = self._try(trouble, lambda objects, routes: self._deploy(objects, routes, channel, content, age))
        if isinstance(done, Release) and trouble.kind not in ALONE:
            assert self.world.body("/", channel) == files(content)["index.html"].encode()
            assert self.world.ask("/nothing", channel).status == 404 and self.world.body("/nothing", channel) == b"nothing here"
            assert self.world.ask(f"/old-{content}", channel).location == "/shared.txt"
            for path in served:
                assert self.world.ask(path, channel).status == 200, f"a page that is open still needs {path}"
            self._ledger_is_closed(channel)

    def _lately(self, channel: str) -> set[str]:
        """Hashed assets of what the channel served in the last days: pages that are open may ask for them."""
        found: set[str] = set()
        for entry, until in self._spans(self.flips.get(layout.channel_key(SITE, channel), [])):
            if entry.version in self._versions() and until > self.clock.now - SETTINGS.carry_days * DAY + 10:
                assets = release.load_manifest(self.bare_objects, SITE, entry.version).assets
                found |= {path for path, asset in assets.items() if asset.immutable}
        return found

    @rule(channel=CHANNELS, pick=PICK, trouble=RELEASE)
    def rollback_or_promote(self, channel: str, pick: int, trouble: Trouble) -> None:
        versions = self._versions()
        if not versions:
            return
        request = self.world.request(versions[pick % len(versions)], channel, explicit=True)
        done = self._try(trouble, lambda objects, routes: self._release(objects, routes, request))
        if isinstance(done, Release) and trouble.kind not in ALONE:
            assert self.world.serving(channel) == request.version
            self._ledger_is_closed(channel)

    @rule(pick=PICK, trouble=RELEASE)
    def retry(self, pick: int, trouble: Trouble) -> None:
        """The same request again, as after a reply that was lost: `_check_flips` sees to it that nothing is done twice."""
        recent = [request for request in self.tried[-3:] if request.version in self._versions() and self._is_recent(request)]
        if recent:
            request = recent[pick % len(recent)]
            self._try(trouble, lambda objects, routes: self.world.release(request, objects=objects, routes=routes))

    def _is_recent(self, request: Request) -> bool:
        """A token is looked for among the last releases only."""
        tokens = [entry.token for entry in self.flips.get(layout.channel_key(SITE, request.channel), [])]
        return request.token in tokens[-3:] or request.token not in tokens

    @rule(channel=CHANNELS, pick=PICK, percent=PERCENT, trouble=CANARY)
    def start_a_canary(self, channel: str, pick: int, percent: float, trouble: Trouble) -> None:
        versions = self._versions()
        if not versions:
            return
        version = versions[pick % len(versions)]
        done = self._try(trouble, lambda objects, routes: self._canary(objects, routes, "start", channel, version, percent))
        if isinstance(done, Release):
            assert (done.canary, done.percent) == (version, percent) and done.version != version

    @rule(channel=CHANNELS, action=st.sampled_from(["set_percent", "stop", "finish"]), percent=PERCENT, trouble=CANARY)
    def go_on_with_a_canary(self, channel: str, action: str, percent: float, trouble: Trouble) -> None:
        before = release.current(self.bare_routes, SITE, channel)
        done = self._try(trouble, lambda objects, routes: self._canary(objects, routes, action, channel, "", percent))
        if isinstance(done, Release) and trouble.kind not in ALONE and before and before.canary:
            stable = before.canary if action == "finish" else before.version
            assert (done.version, done.canary) == (stable, before.canary if action == "set_percent" else "")
            self._ledger_is_closed(channel)

    @rule(pick=PICK, percent=PERCENT, trouble=CANARY)
    def start_a_canary_twice(self, pick: int, percent: float, trouble: Trouble) -> None:
        """With one token, as after a reply that was lost: `_check_flips` sees to it that nothing is done twice."""
        versions, token = self._versions(), f"canary-{self.clock.now}"
        for _ in range(2 if versions else 0):
            version = versions[pick % len(versions)]
            self._try(trouble, lambda objects, routes, v=version: self._canary(objects, routes, "start", LIVE, v, percent, token))

    @rule(action=st.sampled_from(GATES), channel=CHANNELS, trouble=GATE)
    def gate(self, action: str, channel: str, trouble: Trouble) -> None:
        self._try(trouble, lambda objects, routes: self._gate(objects, routes, action, channel))

    @rule(trouble=RELEASE)
    def remove_preview(self, trouble: Trouble) -> None:
        done = self._try(trouble, lambda objects, routes: self._remove(objects, routes, PREVIEW))
        if isinstance(done, Release) and trouble.kind not in ALONE:
            assert self.world.ask("/", PREVIEW).status == 404
            self._ledger_is_closed(PREVIEW)

    @rule(keep=st.integers(0, 1), trouble=PRUNE)
    def prune(self, keep: int, trouble: Trouble) -> None:
        self._try(trouble, lambda objects, routes: self._prune(objects, routes, keep))

    @rule(trouble=DROP)
    def drop_tables(self, trouble: Trouble) -> None:
        self._try(trouble, lambda objects, routes: tables.drop_unneeded(routes, self.clock(), self.clock.sleep))

    @rule(pick=PICK, trouble=PIN)
    def pin(self, pick: int, trouble: Trouble) -> None:
        versions = self._versions()
        if versions:
            self._try(trouble, lambda objects, routes: self._pin(objects, versions[pick % len(versions)]))

    @rule()
    def unpin(self) -> None:
        for version in prune.pins(self.bare_objects, SITE):
            prune.unpin(self.bare_objects, SITE, version)

    @rule(seconds=SECONDS)
    def time_passes(self, seconds: int) -> None:
        self.clock.now += seconds

    def _ledger_is_closed(self, channel: str) -> None:
        numbers = [entry.number for entry in self.world.ledger(channel)]
        assert numbers == list(range(len(numbers), 0, -1)) and len(numbers) == len(self.flips[layout.channel_key(SITE, channel)])

    @invariant()
    def ledgers_tell_what_happened(self) -> None:
        for flips in self.flips.values():
            entries = self.world.ledger(flips[0].channel)
            assert list(reversed(entries)) in (flips, flips[:-1]), "the ledger has a hole, or tells something else"

    @invariant()
    def everything_that_is_sealed_is_whole(self) -> None:
        check_invariants(self.bare_objects, self.bare_routes)
        self._check_versions()

    @invariant()
    def pinned_versions_are_there(self) -> None:
        assert prune.pins(self.bare_objects, SITE) <= set(self._versions())


TestMachine = Machine.TestCase
# What is found is reported as it was found: making it shorter takes minutes.
TestMachine.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.reuse, Phase.generate, Phase.shrink) if os.environ.get("MACHINE_SHRINK") else (Phase.reuse, Phase.generate),
)
