"""Several deploys at once: each ends well or says what is newer; the newest source is live, whole, and the ledger has no hole."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.acceptance.cases import write_project
from tests.acceptance.world import SITE, Outcome, World, assert_refusal, assert_serves, wait_until, write_site
from tests.conftest import require_tool

AT_ONCE = 6
PAGES = 30


@contextmanager
def _visitor(world: World, words: set[str]) -> Iterator[None]:
    """Reads one page again and again; every body must be one of the versions' whole page."""
    bodies = {f"<title>{word}</title>".encode() for word in words}
    stop, wrong = threading.Event(), list[object]()

    def read() -> None:
        while not stop.is_set():
            reply = world.get()
            if reply.status != 200 or reply.body not in bodies:
                wrong.append(reply)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    assert not wrong, wrong[:3]


def _ended(process: object) -> Outcome:
    out, err = process.communicate(timeout=60)  # type: ignore[attr-defined]
    return Outcome(process.returncode, out.decode(), err.decode())  # type: ignore[attr-defined]


def _newest(world: World) -> str:
    """The id of the version with the latest source time."""
    manifests = [json.loads(path.read_bytes()) for path in (world.state / "objects" / SITE / "versions").iterdir()]
    return str(max(manifests, key=lambda one: one["source"]["time"])["version"])


def _live(world: World) -> str:
    done = world.cli("status", "--json")
    return str(next(one["version"] for one in done.data["channels"] if one["channel"] == "live"))


def test_many_deploys_of_different_content(world: World) -> None:
    words = [f"racer {number}" for number in range(AT_ONCE)]
    before = len(world.ledger_numbers())
    folders = [write_site(world.folder / word, word, PAGES) for word in words]
    with _visitor(world, {*words, "one"}):
        running = [world.spawn("deploy", folder, "--json") for folder in folders]
        outcomes = [_ended(process) for process in running]
    for done in outcomes:
        assert done.code == 0 or (done.code == 1 and "newer" in done.data["error"]["what"]), done
    won = [word for word, done in zip(words, outcomes, strict=True) if done.code == 0 and done.data["version"] == _newest(world)]
    assert len(won) == 1 and _live(world) == _newest(world)
    assert_serves(world, won[0])
    for number in range(PAGES):
        assert world.get(f"/page-{number}").body.decode() == f"page {number} of {won[0]}"
    entries = world.ledger()
    assert [entry["number"] for entry in entries] == list(range(before + sum(done.code == 0 for done in outcomes), 0, -1))
    assert [entry["order"] for entry in entries] == sorted((entry["order"] for entry in entries), reverse=True)
    assert world.leftovers() == []


def test_many_deploys_of_the_same_content(world: World) -> None:
    folder = write_site(world.folder / "same", "same", PAGES)
    outcomes = [_ended(process) for process in [world.spawn("deploy", folder) for _ in range(4)]]
    assert [done.code for done in outcomes if "newer" not in done.err] == [0] * sum("newer" not in done.err for done in outcomes)
    assert any(done.code == 0 for done in outcomes)
    assert_serves(world, "same")


def test_an_older_build_that_ends_later_does_not_go_live(world: World, tmp_path: Path) -> None:
    gate, began = tmp_path / "gate", tmp_path / "began"
    commands = f"touch {began}; while [ ! -e {gate} ]; do sleep 0.02; done\nmkdir -p out; echo old > out/index.html"
    slow = world.spawn("deploy", cwd=write_project(tmp_path / "slow", commands))
    wait_until(began.exists, "the build began")
    world.deploy(write_site(tmp_path / "new", "new"))
    gate.touch()
    assert_refusal(_ended(slow), "was published but not released", "newer")
    assert_serves(world, "new")


def test_two_builds_of_one_working_tree_publish_no_mix(world: World, tmp_path: Path) -> None:
    """Both write the same output folder: what is published is what one build wrote."""
    names = ("index", "about", "a", "b", "c", "d")
    writes = "".join(f"echo $W > out/{name}.html; sleep 0.15; " for name in names)
    project = write_project(tmp_path / "tree", f"W=$(date +%s%N); rm -rf out; mkdir out; {writes}")
    first = world.spawn("deploy", "--json", cwd=project)
    wait_until((project / "out" / "about.html").exists, "the first build writes")
    second = world.spawn("deploy", "--json", cwd=project)
    outcomes = [_ended(first), _ended(second)]
    assert [done.code for done in outcomes] == [0, 0], outcomes
    for done in outcomes:
        manifest = json.loads((world.state / "objects" / SITE / "versions" / f"{done.data['version']}.json").read_bytes())
        assert len({asset["sha256"] for asset in manifest["assets"].values()}) == 1, manifest
        assert len(manifest["assets"]) == len(names)


def test_three_ups_at_once_start_one_server(world: World) -> None:
    assert world.cli("serve", "--stop").code == 0
    outcomes = [_ended(process) for process in [world.spawn("up", "--json") for _ in range(3)]]
    assert [done.code for done in outcomes] == [0, 0, 0], outcomes
    assert len({done.data["server"]["pid"] for done in outcomes}) == 1
    assert world.get().status == 200


@pytest.mark.parametrize("first", ["older", "newer"])
def test_two_pushes_at_once(world: World, tmp_path: Path, first: str) -> None:
    """Two clones push the live branch; whichever build ends first, the branch shows what is live and the other pusher is told."""
    require_tool("git")
    remote = world.state / "sites" / SITE / "repo.git"
    pushes = {}
    for name in ("older", "newer"):
        gate, began = tmp_path / f"{name}-gate", tmp_path / f"{name}-began"
        commands = f"touch {began}; while [ ! -e {gate} ]; do sleep 0.02; done\nmkdir -p out; echo {name} > out/index.html"
        clone = write_project(tmp_path / name, commands)
        for words in (("init", "-q", "-b", f"both-{first}"), ("add", "-A"), ("commit", "-q", "-m", name)):
            assert world.git(*words, cwd=clone).code == 0
        pushes[name] = _Push(world, clone, remote)
        wait_until(began.exists, f"the {name} build began")
    for name in (first, "newer" if first == "older" else "older"):
        (tmp_path / f"{name}-gate").touch()
        pushes[name].thread.join()
    codes = {name: push.outcome.code for name, push in pushes.items()}
    assert sorted(codes.values()) == [0, 1], pushes
    winner = min(codes, key=lambda name: codes[name])
    loser = pushes[max(codes, key=lambda name: codes[name])].outcome
    assert "Traceback" not in loser.err and "remote: error: " in loser.err, loser.err
    head = world.git("rev-parse", "HEAD", cwd=tmp_path / winner).out.strip()
    assert world.git("ls-remote", remote, f"both-{first}").out.split()[:1] == [head]
    channel = world.cli("status", "--json").data["channels"]
    serving = next(one for one in channel if one["channel"] == f"preview/both-{first}")
    assert serving["commit"] == head


class _Push:
    def __init__(self, world: World, clone: Path, remote: Path) -> None:
        self.outcome = Outcome(-1, "", "")
        self.thread = threading.Thread(target=self._run, args=(world, clone, remote))
        self.thread.start()

    def _run(self, world: World, clone: Path, remote: Path) -> None:
        self.outcome = world.git("push", str(remote), "HEAD", cwd=clone)
