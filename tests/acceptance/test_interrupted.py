"""Ctrl-C, SIGKILL, a dead server: at whatever moment, the old site serves, and the next deploy works without any repair."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.client import HTTPException
from pathlib import Path

import pytest

from tests.acceptance.cases import write_project
from tests.acceptance.world import SITE, Outcome, World, assert_serves, end_group, wait_until, write_site
from tests.conftest import require_tool

KILLS = 30
SEED = 20261121


def _is_dead(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def _endless(folder: Path) -> tuple[Path, Path]:
    """A project whose build tells its own and its starter's process id, and never ends."""
    pids = folder.parent / f"{folder.name}.pids"
    return write_project(folder, f"echo $$ $PPID > {pids}.new; mv {pids}.new {pids}; sleep 600"), pids


def _assert_interrupted(done: Outcome) -> None:
    assert done.code == 130, done
    assert "Traceback" not in done.out + done.err and "interrupted" in done.err


def test_ctrl_c_during_a_build(world: World, tmp_path: Path) -> None:
    project, pids = _endless(tmp_path / "endless")
    running = world.spawn("deploy", cwd=project)
    wait_until(pids.exists, "the build began")
    _assert_interrupted(end_group(running, signal.SIGINT))
    # A killed process ends a moment after whoever killed it.
    wait_until(partial(_is_dead, int(pids.read_text(encoding="utf-8").split()[0])), "the build died", 2.0)
    assert world.leftovers() == []
    assert_serves(world, "one")


def test_ctrl_c_during_a_publish(world: World) -> None:
    blobs = world.state / "objects" / SITE / "blobs"
    before = len(list(blobs.iterdir()))
    folder = write_site(world.folder / "many", "many", 1500)
    running = world.spawn("deploy", folder)
    wait_until(lambda: len(list(blobs.iterdir())) > before + 20, "the publish began")
    began = time.monotonic()
    _assert_interrupted(end_group(running, signal.SIGINT))
    assert time.monotonic() - began < 3.0, "Ctrl-C was heard late"
    assert world.leftovers() == []
    assert_serves(world, "one")
    world.deploy(write_site(world.folder / "after", "after Ctrl-C", 3))
    assert_serves(world, "after Ctrl-C")


def test_ctrl_c_while_waiting_for_another_build(world: World, tmp_path: Path) -> None:
    project, pids = _endless(tmp_path / "busy")
    first = world.spawn("deploy", cwd=project)
    wait_until(pids.exists, "the build began")
    second = world.spawn("deploy", cwd=project)
    assert second.stderr is not None
    assert b"waiting" in second.stderr.readline()
    _assert_interrupted(end_group(second, signal.SIGINT))
    _assert_interrupted(end_group(first, signal.SIGINT))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "sigkill"])
def test_the_hook_of_a_push_is_ended(world: World, tmp_path: Path, number: signal.Signals) -> None:
    """The push fails, the branch does not move, the old site serves; the next push works."""
    require_tool("git")
    serves = world.get().body
    clone, pids = _endless(tmp_path / "clone")
    remote = world.state / "sites" / SITE / "repo.git"
    outcome: list[Outcome] = []
    for words in (("init", "-q", "-b", "main"), ("add", "-A"), ("commit", "-q", "-m", "endless")):
        assert world.git(*words, cwd=clone).code == 0
    refs = world.git("ls-remote", remote).out
    pushing = threading.Thread(target=lambda: outcome.append(world.git("push", remote, "+main", cwd=clone)))
    pushing.start()
    wait_until(pids.exists, "the build began")
    build, hook = map(int, pids.read_text(encoding="utf-8").split())
    os.kill(hook, number)
    pushing.join()
    assert outcome[0].code == 1 and "Traceback" not in outcome[0].err, outcome
    assert world.git("ls-remote", remote).out == refs and world.get().body == serves
    with suppress(ProcessLookupError):
        os.killpg(build, signal.SIGKILL)  # who is killed cannot end its build
    word = f"pushed after {number.name}"
    write_project(clone, f"mkdir out; echo '<title>{word}</title>' > out/index.html; echo 'about {word}' > out/about.html")
    for words in (("add", "-A"), ("commit", "-q", "-m", "mended"), ("push", str(remote), "+main")):
        done = world.git(*words, cwd=clone)
        assert done.code == 0, done.err
    assert world.get("/about").body.decode() == f"about {word}\n"


def _timed_deploy(world: World, folder: Path) -> float:
    began = time.monotonic()
    world.deploy(folder)
    return time.monotonic() - began


def test_sigkill_of_a_deploy_at_any_moment(world: World) -> None:
    """Whatever it had done: what serves is the old or the new site, whole; the next deploy works and its content is served."""
    chance = random.Random(SEED)
    usual = _timed_deploy(world, write_site(world.folder / "usual", "usual", 12))
    serving, killed = "usual", 0
    for number in range(KILLS):
        word, again = f"killed {number}", f"next {number}"
        folders = [write_site(world.folder / name, name, 12) for name in (word, again)]
        running = world.spawn("deploy", folders[0])
        # Half of a deploy's time is the start of Python, where there is nothing to break.
        time.sleep(usual * chance.uniform(0.3, 1.05))
        killed += end_group(running, signal.SIGKILL).code == -signal.SIGKILL
        body = world.get().body.decode()
        assert body in (f"<title>{serving}</title>", f"<title>{word}</title>")
        assert_serves(world, body.removeprefix("<title>").removesuffix("</title>"))
        # The shortest so far: a busy machine's one slow deploy must not make all the kills come too late.
        usual = min(usual, _timed_deploy(world, folders[1]))
        assert_serves(world, again)
        assert world.get("/page-11").body.decode() == f"page 11 of {again}"
        serving = again
    assert killed > KILLS // 2
    numbers = world.ledger_numbers()
    assert numbers == list(range(1, len(numbers) + 1))


def test_sigkill_of_the_server_during_requests(world: World) -> None:
    """`toolkit up` starts it again, on the same port, and all that was released is there."""
    world.deploy(write_site(world.folder / "before", "before"))
    port, pid = world.port, world.up()["server"]["pid"]
    with _visitors(world, b"<title>before</title>"):
        time.sleep(0.1)
        os.kill(pid, signal.SIGKILL)
        wait_until(partial(_is_dead, pid), "the server died")
        status = world.cli("status", "--json")
        assert status.code == 0 and status.data["server"]["state"] == "stopped"
        assert world.cli("up", "--json").data["server"]["port"] == port
        assert_serves(world, "before")


@contextmanager
def _visitors(world: World, body: bytes) -> Iterator[None]:
    """A connection that is refused or cut off is what a dead server gives; every answer must be right."""
    stop, wrong = threading.Event(), list[object]()

    def visit() -> None:
        while not stop.is_set():
            with suppress(OSError, HTTPException):
                reply = world.get()
                if reply.body != body:
                    wrong.append(reply)

    threads = [threading.Thread(target=visit) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not wrong, wrong[:3]


def test_a_deploy_while_the_server_is_stopped(world: World) -> None:
    assert world.cli("serve", "--stop").code == 0
    world.deploy(write_site(world.folder / "unseen", "unseen"))
    with pytest.raises(OSError):
        world.get()
    world.up()
    assert_serves(world, "unseen")


def test_the_server_is_told_to_stop_in_any_way(world: World) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        pid = world.up()["server"]["pid"]
        with _visitors(world, world.get().body):
            began = time.monotonic()
            os.kill(pid, number)
            wait_until(partial(_is_dead, pid), "the server ended")
            assert time.monotonic() - began < 5.0, "the server ended late"
    world.up()


def test_sigkill_of_up(world: World) -> None:
    """The next one sets everything up, whatever its git or its server were about to do."""
    chance = random.Random(SEED)
    for _ in range(3):
        assert world.cli("serve", "--stop").code == 0
        running = world.spawn("up")
        time.sleep(chance.uniform(0.15, 0.6))
        end_group(running, signal.SIGKILL)
        (world.state / "sites" / SITE / "repo.git" / "config.lock").touch()
        serves = world.up()["server"]["state"]
        assert serves == "running" and world.get().status == 200
