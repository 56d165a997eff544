"""SIGKILL at every step of a deploy on the folder target: the old site serves, and the next deploy works unaided."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.engine import crash_child
from tests.engine.crash_child import HOST, deploy, stores
from tests.engine.support import SITE, Edge, body_of, statuses_in, write_site
from tests.engine.world import check_invariants
from toolkit.engine import layout, leases, prune, release
from toolkit.engine.ports import ObjectStore, RouteStore

Kill = Callable[[str, str, int], None]
# A server of processes that has imported everything already: a fork of it takes milliseconds.
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.engine.crash_child"])


def files(name: str) -> dict[str, str]:
    return {
        "index.html": f"index of {name}",
        "about.html": f"about {name}",
        "same.txt": "the same in all",
        f"assets/app-{name[-1]}1a2b3c4.js": f"script of {name}",
        "404.html": f"no such page in {name}",
        "_redirects": f"/moved /to-{name}\n",
    }


def answers(objects: ObjectStore, routes: RouteStore) -> dict[str, object]:
    """What a visitor gets now."""
    edge = Edge(routes.get, statuses_in(objects))
    found: dict[str, object] = {}
    for path in ("/", "/about", "/same.txt", "/missing", "/moved"):
        answer = edge.ask(HOST, path)
        found[path] = (answer.status, body_of(objects, answer.blob) if answer.blob else answer.location)
    return found


def expected(name: str) -> dict[str, object]:
    return {
        "/": (200, f"index of {name}".encode()),
        "/about": (200, f"about {name}".encode()),
        "/same.txt": (200, b"the same in all"),
        "/missing": (404, f"no such page in {name}".encode()),
        "/moved": (301, f"/to-{name}"),
    }


def run(kill: Kill, root: Path, what: str, step: int) -> bool:
    """Whether the process came to its end; otherwise it was killed, and by nothing else."""
    process = CONTEXT.Process(target=kill, args=(str(root), what, step))
    process.start()
    process.join(60)
    assert process.exitcode in (0, -signal.SIGKILL), f"exit code {process.exitcode} at step {step}"
    return process.exitcode == 0


class Site:
    """A root in which `old` is served (and `older` was); `copy` gives each kill its own."""

    def __init__(self, root: Path, sources: Path) -> None:
        self.root, self.sources = root, sources

    def source(self, name: str) -> Path:
        return write_site(self.sources / name, files(name))

    def copy(self, name: str) -> Site:
        shutil.copytree(self.root, self.root.with_name(name))
        return Site(self.root.with_name(name), self.sources)

    def serves(self, *names: str) -> str:
        """Which of these sites is served, whole; one of them must be."""
        objects, routes = stores(self.root)
        check_invariants(objects, routes)
        (name,) = [name for name in names if answers(objects, routes) == expected(name)]
        return name

    def deploy(self, name: str) -> None:
        objects, routes = stores(self.root)
        deploy(objects, routes, self.source(name))
        self.serves(name)
        numbers = [entry.number for entry in release.history(objects, SITE, "live")]
        assert numbers == list(range(len(numbers), 0, -1)), "the ledger has a hole"


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    # In memory where there is such a place: a kill is no power cut, and the many fsyncs would take most of the time.
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        made = Site(Path(folder) / "root", Path(folder) / "sources")
        made.deploy("older")
        made.deploy("old")
        yield made


KILLS = pytest.mark.parametrize(("kill", "least"), [(crash_child.killed_at_call, 35), (crash_child.killed_at_file, 50)])


@KILLS
def test_a_deploy_killed_at_any_step_leaves_the_old_site_and_the_next_one_works(site: Site, kill: Kill, least: int) -> None:
    new = str(site.source("new"))
    served = []
    for step in itertools.count():
        mine = site.copy(f"deploy-{kill.__name__}-{step}")
        ended = run(kill, mine.root, new, step)
        served.append(mine.serves("old", "new"))
        if ended:
            break
        mine.deploy("next")
        shutil.rmtree(mine.root)
    assert served == sorted(served, reverse=True), "once it is switched it stays so"
    assert served[-1] == "new" and least < served.count("old") < 3 * least


@KILLS
def test_a_rollback_killed_at_any_step_is_done_or_not_done(site: Site, kill: Kill, least: int) -> None:
    older = release.history(stores(site.root)[0], SITE, "live")[1].version
    served = []
    for step in itertools.count():
        mine = site.copy(f"rollback-{kill.__name__}-{step}")
        ended = run(kill, mine.root, older, step)
        served.append(mine.serves("old", "older"))
        if ended:
            break
        mine.deploy("next")
        shutil.rmtree(mine.root)
    assert served == sorted(served) and served[-1] == "older" and served.count("old") > 5


@KILLS
def test_deploys_killed_one_after_the_other_do_not_add_up(site: Site, kill: Kill, least: int) -> None:
    """Each finds what those before it have left: leases, blobs without a version, half a table, a ledger without its last line."""
    mine = site.copy(f"series-{kill.__name__}")
    served = "old"
    for step in range(0, least + 30, 5):
        name = f"killed-{step}"
        run(kill, mine.root, str(mine.source(name)), step)
        served = mine.serves(served, name)
    mine.deploy("next")


def test_what_kills_leave_behind_is_bytes_that_prune_collects(site: Site) -> None:
    mine = site.copy("prune")
    for step in (5, 15, 20):
        run(crash_child.killed_at_call, mine.root, str(mine.source(f"killed-{step}")), step)
    mine.deploy("next")
    objects, routes = stores(mine.root)
    later = time.time() + 3 * leases.DEPLOY_SECONDS
    prune.prune(objects, routes, SITE, keep=1, grace_seconds=0, clock=lambda: later)
    needed = release.load_manifest(objects, SITE, release.history(objects, SITE, "live", 1)[0].version).blobs()
    assert {info.key for info in objects.list(f"{SITE}/blobs/")} == {layout.blob(SITE, blob) for blob in needed}
    assert not list(objects.list(layout.locks(SITE)))
    mine.serves("next")
