"""A disk that is really full: a small tmpfs where root may mount one; and, wherever this runs, a limit on the size of files."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance import world as worlds
from tests.acceptance.cases import write_project
from tests.acceptance.world import SITE, Outcome, World, assert_refusal, assert_serves, write_site
from tests.conftest import require_tool

MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def small_disk() -> Iterator[Path]:
    """A file system of 16 MB."""
    folder = Path(tempfile.mkdtemp(prefix="toolkit-acceptance-disk-"))
    options = ("-t", "tmpfs", "-o", "size=16m,nr_inodes=4k", "tmpfs", str(folder))
    mounted = shutil.which("mount") and subprocess.run(["mount", *options], capture_output=True, check=False).returncode == 0
    if not mounted:
        folder.rmdir()
        pytest.skip("only who may mount a file system can fill one")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=False)
        folder.rmdir()


@pytest.fixture(scope="module")
def tight(small_disk: Path) -> Iterator[World]:
    """Version one served from the small disk."""
    with worlds.world(small_disk / "state") as made:
        made.deploy(write_site(made.folder / "one", "one"))
        yield made


class _Filler:
    """Takes the disk's room and gives it back."""

    def __init__(self, disk: Path) -> None:
        self._disk = disk
        self._file = disk / "filler"

    def leave(self, free: int) -> None:
        self.remove()
        room = os.statvfs(self._disk)
        with self._file.open("wb") as out:
            os.posix_fallocate(out.fileno(), 0, max(1, room.f_bavail * room.f_frsize - free))

    def remove(self) -> None:
        self._file.unlink(missing_ok=True)


@pytest.fixture
def filler(small_disk: Path) -> Iterator[_Filler]:
    made = _Filler(small_disk)
    yield made
    made.remove()


def _big(folder: Path, word: str) -> Path:
    """A site of 4 MB in files that nothing compresses; half of it is one file."""
    write_site(folder, word)
    for name, size in {"film.mp4": 2 * MEGABYTE, "a.jpg": MEGABYTE, "b.jpg": MEGABYTE}.items():
        (folder / name).write_bytes(os.urandom(size))
    return folder


def _assert_no_half(world: World) -> None:
    """Every object is whole: of the size that its entry says; every manifest's blobs are there."""
    assert world.leftovers() == []
    for path in (world.state / "objects").rglob("*"):
        assert path.is_dir() or (world.state / "meta" / f"{path.relative_to(world.state / 'objects')}.json").is_file(), path


@pytest.mark.parametrize("free", [3 * MEGABYTE, MEGABYTE // 2, 64 * 1024, 4096, 0])
def test_a_deploy_that_does_not_fit(tight: World, filler: _Filler, tmp_path: Path, free: int) -> None:
    serves, numbers = tight.get().body, tight.ledger_numbers()
    folder = _big(tmp_path / "big", f"big {free}")
    filler.leave(free)
    assert_refusal(tight.cli("deploy", folder), str(tight.state), "no space left")
    assert tight.get().body == serves and tight.ledger_numbers() == numbers
    _assert_no_half(tight)
    filler.remove()
    tight.deploy(write_site(tmp_path / "small", f"fits {free}"))
    assert_serves(tight, f"fits {free}")


def test_nothing_crashes_on_a_full_disk(tight: World, filler: _Filler, tmp_path: Path) -> None:
    """Whatever needs the disk says so; whatever only reads works."""
    tight.deploy(write_site(tmp_path / "a", "a"))
    tight.deploy(write_site(tmp_path / "served", "served"))
    with zipfile.ZipFile(tmp_path / "site.zip", "w") as archive:
        archive.write(_big(tmp_path / "big", "big") / "index.html", "index.html")
        archive.write(tmp_path / "big" / "film.mp4", "film.mp4")
    project = write_project(tmp_path / "built", "mkdir -p out\necho built > out/index.html")
    filler.leave(0)
    for done in (
        tight.cli("deploy", tmp_path / "site.zip"),
        tight.cli("deploy", cwd=project),
        tight.cli("rollback"),
        tight.cli("deploy", tmp_path / "a", "--channel", "preview/x"),
    ):
        assert_refusal(done, "space")
    for words in (("status",), ("releases",), ("explain", f"http://{worlds.HOST}/"), ("preview", "list")):
        done = tight.cli(*words)
        assert done.code == 0, done
    assert_serves(tight, "served")
    filler.remove()
    assert tight.cli("rollback").code == 0
    assert_serves(tight, "a")


def test_a_push_on_a_full_disk(tight: World, filler: _Filler, tmp_path: Path) -> None:
    require_tool("git")
    serves = tight.get().body
    clone = _big(write_project(tmp_path / "clone", "cp -r . ../out && mv ../out out"), "pushed")
    remote = tight.state / "sites" / SITE / "repo.git"
    for words in (("init", "-q", "-b", "main"), ("add", "-A"), ("commit", "-q", "-m", "big")):
        assert tight.git(*words, cwd=clone).code == 0
    for free in (MEGABYTE, 5 * MEGABYTE):
        filler.leave(free)  # the objects do not fit; they do, what is built of them does not
        done = tight.git("push", remote, "main", cwd=clone)
        assert done.code != 0 and "Traceback" not in done.err and "a bug" not in done.err, done.err
        assert "pace" in done.err, done.err
        assert tight.get().body == serves and tight.git("ls-remote", remote).out == ""
    filler.remove()
    _assert_no_half(tight)


@pytest.mark.parametrize("words", [("status",), ("status", "--json"), ("releases",)])
def test_output_to_a_full_disk(world: World, words: tuple[str, ...]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            world.command(*words), cwd=world.project, env=world.env, stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert_refusal(Outcome(done.returncode, "", done.stderr.decode()), "no space left where the output goes")


def test_output_to_nowhere(world: World) -> None:
    """`>&-`, as some service managers start programs."""
    done = subprocess.run(["sh", "-c", '"$@" >&-', "sh", *world.command("status")], cwd=world.project, env=world.env, check=False)
    assert done.returncode == 0


@pytest.mark.parametrize("limit", [1000, 100_000])
def test_files_may_not_grow(world: World, tmp_path: Path, limit: int) -> None:
    """`ulimit -f`: what the system forbids to write is told, and nothing of it is visible."""

    def allow_little() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    folder = write_site(tmp_path / "big", "big")
    (folder / "film.mp4").write_bytes(os.urandom(MEGABYTE))
    assert_refusal(world.cli("deploy", folder, preexec=allow_little), str(world.state))
    assert_serves(world, "one")
    assert world.ledger_numbers() == [1] and world.leftovers() == []
