"""Bad input through the command line, as users give it: one clear error, exit code 1, and the old site serves as before."""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import zipfile
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.acceptance.cases import Case, every, write_project
from tests.acceptance.world import SITE, Outcome, World, assert_refusal, assert_serves, write_site
from tests.conftest import require_tool

CASES = {case.name: case for case in every()}
# linux/capability.h, linux/prctl.h
_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH, _PR_CAPBSET_DROP = 1, 2, 24


@pytest.fixture(scope="module")
def attempts(world: World, request: pytest.FixtureRequest) -> Iterator[dict[str, Future[Outcome]]]:
    """The chosen cases, two at a time: each is a process of a third of a second. After each of them the old site must serve."""

    def attempt(case: Case) -> Outcome:
        folder = world.folder / case.name
        folder.mkdir()
        case.prepare(folder)
        words = [word.format(folder=folder) for word in case.words]
        done = world.cli(*words, cwd=folder if case.inside else None)
        assert_serves(world, "one")
        return done

    chosen = {item.callspec.params.get("name") for item in request.session.items if hasattr(item, "callspec")}
    with ThreadPoolExecutor(2) as pool:
        yield {name: pool.submit(attempt, case) for name, case in CASES.items() if name in chosen}
        pool.shutdown(cancel_futures=True)


@pytest.fixture(scope="module", autouse=True)
def _nothing_stays_behind(world: World) -> Iterator[None]:
    """After all cases: one release in the ledger, one version, no build folder, no temporary file."""
    yield
    assert world.ledger_numbers() == [1]
    assert len(list((world.state / "objects" / SITE / "versions").iterdir())) == 1
    assert world.leftovers() == []


@pytest.mark.parametrize("name", CASES)
def test_bad_input(attempts: dict[str, Future[Outcome]], name: str) -> None:
    assert_refusal(attempts[name].result(), *CASES[name].says, code=CASES[name].code)


def test_no_zip_wrote_outside_its_folder(world: World, attempts: dict[str, Future[Outcome]]) -> None:
    assert attempts
    assert not list(world.folder.rglob("evil.html")) and not Path("/etc/evil.html").exists()


def _heed_modes() -> None:
    """In the child: root without the rights that let it read what modes forbid, as any other user is."""
    for capability in (_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH):
        if ctypes.CDLL(None, use_errno=True).prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl")


@pytest.mark.parametrize("kind", ["file", "folder", "zip", "settings"])
def test_what_may_not_be_read(world: World, tmp_path: Path, kind: str) -> None:
    site = write_site(tmp_path / "site", "bad")
    path = tmp_path / {"file": "site/secret.html", "folder": "site/sub", "zip": "a.zip", "settings": "site.toml"}[kind]
    path.mkdir() if kind == "folder" else path.write_text("x", encoding="utf-8")
    path.chmod(0)
    words = {"zip": [path], "settings": []}.get(kind, [site])
    preexec = _heed_modes if os.geteuid() == 0 else None
    try:
        done = world.cli("deploy", *words, cwd=tmp_path if kind == "settings" else None, preexec=preexec)
    except subprocess.SubprocessError:
        pytest.skip("nothing is unreadable to this root, and it may not give up rights")
    assert_refusal(done, path.name, "ermission denied")
    assert_serves(world, "one")
    path.chmod(0o700)


def test_pushes_that_fail(world: World, tmp_path: Path) -> None:
    """The push is refused with the same words and the branch does not move."""
    require_tool("git")
    folder = write_project(tmp_path / "clone", "echo said last; exit 7")
    world.git("init", "-q", "-b", "main", cwd=folder)
    world.git("remote", "add", "toolkit", world.state / "sites" / SITE / "repo.git", cwd=folder)
    for says, text in {
        "exit code 7": (folder / "site.toml").read_text(encoding="utf-8"),
        "line 1": "name = shop\n",
        "is for the site other": 'name = "other"\n',
        "toolkit init": "",
    }.items():
        (folder / "site.toml").write_text(text, encoding="utf-8") if text else (folder / "site.toml").unlink()
        world.git("add", "-A", cwd=folder)
        world.git("commit", "-q", "-m", says, cwd=folder)
        done = world.git("push", "toolkit", "main", cwd=folder)
        assert done.code == 1 and "Traceback" not in done.err, done.err
        assert "remote: error: " in done.err and "remote:   fix: " in done.err and says in done.err, done.err
        assert world.git("ls-remote", "toolkit", cwd=folder).out == ""
        assert_serves(world, "one")


def test_a_port_in_use_leaves_the_running_server_alone(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert_refusal(world.cli("up", "--port", port), f"port {port}", "in use")
        assert_serves(world, "one")
        assert_refusal(world.cli("serve", "--port", port), "runs already on port")


def test_a_zip_of_a_good_site_is_no_bad_input(world: World, tmp_path: Path) -> None:
    """The cases above fail for their faults and not for being zips."""
    with zipfile.ZipFile(tmp_path / "good.zip", "w") as archive:
        archive.write(world.folder / "one" / "index.html", "index.html")
    assert world.deploy(tmp_path / "good.zip", "--dry-run")["dry_run"] is True
