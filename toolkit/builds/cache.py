"""What one build leaves for the next: `cache.paths` of the build spec, kept beside the site's build folders.

A path that names a whole folder (`node_modules/**/*`) is moved into the build and moved back afterwards: two renames, however
many files it holds, and nothing is shared, so a build may change what it likes. The price: a second build at the same time
starts without, and a build that is killed takes the cache with it. Other globs are copied.

A project that is built where it lies (no build folder beside the cache) keeps its own files and needs no cache.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from toolkit.builds.artifacts import glob_pattern, inside

_WHOLE = ("/**/*", "/**")


class BuildCache:
    """`restore` before the build, `save` after it. `note` is told what is not kept, and why."""

    def __init__(self, folder: Path | None, workdir: Path, patterns: Sequence[str], note: Callable[[str], None]) -> None:
        self._folder = folder
        self._workdir = workdir
        self._note = note
        usable = folder is not None and workdir.resolve().is_relative_to(folder.resolve().parent)
        self._patterns = [text for text in map(self._relative, patterns) if text] if usable else []

    def restore(self) -> None:
        """Move or copy what is there into the build, unless the project brings it itself."""
        self._sweep()
        for pattern in self._patterns:
            try:
                self._restore(pattern)
            except OSError as error:
                self._note(f"warning: {pattern} could not be restored from the cache: {error}")

    def _restore(self, pattern: str) -> None:
        slot, unit = self._slot(pattern), _unit(pattern)
        target = self._workdir / unit
        if unit and (os.path.lexists(target) or not inside(target.parent, self._workdir)):
            return
        taken = self._take(slot)
        if taken is None:
            return
        if unit:
            target.parent.mkdir(parents=True, exist_ok=True)
            taken.rename(target)
        else:
            shutil.copytree(taken, target, symlinks=True, dirs_exist_ok=True)
            self._put(taken, slot)

    def _sweep(self) -> None:
        """Remove what builds that were killed left here a day ago."""
        if self._patterns and self._folder is not None and self._folder.is_dir():
            for path in self._folder.glob("aside-*"):
                if int(path.name.split("-")[1]) < time.time() - 86400:
                    shutil.rmtree(path, ignore_errors=True)

    def save(self, output: Path | None = None) -> None:
        """Keep what the build leaves; what holds the `output` is copied, since it is still needed."""
        for pattern in self._patterns:
            unit = _unit(pattern)
            aside = self._aside()
            if not unit:
                if not _copy_matches(self._workdir, pattern, aside):
                    continue
            elif not (self._workdir / unit).is_dir() or (self._workdir / unit).is_symlink():
                continue
            elif output is not None and output.is_relative_to(self._workdir / unit):
                shutil.copytree(self._workdir / unit, aside, symlinks=True)
            else:
                (self._workdir / unit).rename(aside)
            self._put(aside, self._slot(pattern))

    def _relative(self, pattern: str) -> str:
        text = pattern.strip().removeprefix("./")
        if text.startswith(("/", "~", "$")):
            return ""  # CodeBuild's container forgets its home folder; this machine does not.
        if ".." in text.split("/"):
            self._note(f"cache path {pattern} is outside the project: not kept")
            return ""
        return text

    def _slot(self, pattern: str) -> Path:
        assert self._folder is not None
        return self._folder / hashlib.sha256(pattern.encode()).hexdigest()[:16]

    def _aside(self) -> Path:
        assert self._folder is not None
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._folder / f"aside-{int(time.time())}-{secrets.token_hex(8)}"

    def _take(self, slot: Path) -> Path | None:
        """Rename a slot out of everybody's reach."""
        aside = self._aside()
        with self._locked():
            if not slot.is_dir():
                return None
            slot.rename(aside)
        return aside

    def _put(self, aside: Path, slot: Path) -> None:
        """Make `aside` the slot's content. The last build to finish wins, whole."""
        old = self._aside()
        with self._locked():
            if slot.exists():
                slot.rename(old)
            aside.rename(slot)
        shutil.rmtree(old, ignore_errors=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        assert self._folder is not None
        with (self._folder / "lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield


def _unit(pattern: str) -> str:
    """The folder that a pattern stands for as a whole, or nothing."""
    for ending in _WHOLE:
        if pattern.endswith(ending) and not set(pattern.removesuffix(ending)) & set("*?[{"):
            return pattern.removesuffix(ending)
    return ""


def _copy_matches(workdir: Path, pattern: str, target: Path) -> int:
    """Copy the files that match; a folder that is named without a glob is taken whole. Returns how many there were."""
    wanted = glob_pattern(pattern)
    plain = pattern.rstrip("/")
    if (workdir / plain).is_dir() and inside(workdir / plain, workdir):
        shutil.copytree(workdir / plain, target / plain, symlinks=True)
        return 1
    count = 0
    for folder, folders, files in os.walk(workdir):
        folders[:] = [name for name in folders if name != ".git"]
        for name in files:
            path = Path(folder, name)
            relative = path.relative_to(workdir)
            if wanted.match(relative.as_posix()) and not path.is_symlink():
                (target / relative).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, target / relative)
                count += 1
    return count
