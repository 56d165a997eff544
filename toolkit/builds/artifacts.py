"""From what a build left behind to the folder that is published, by CodeBuild's rules for `artifacts`.

Usually the spec hands over all of one folder: then that folder is the output and nothing is copied. Otherwise the chosen files
are hard-linked into a folder of their own (copied where the file system cannot), which costs a link per file.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from toolkit.builds.spec import Artifacts
from toolkit.errors import UserError

_EVERYTHING = {"**/*", "**", "./**/*"}
_NEVER_OUTPUT = {"node_modules", "__pycache__", "venv"}


def collect(artifacts: Artifacts, workdir: Path, staging: Path, before: frozenset[str] | None = None) -> Path:
    """The folder to publish: a folder of the project, or `staging`, which is made when a choice or several folders ask for it.

    `before` names the project's top-level entries as they were before the build (None: nothing ran), to say what it wrote.
    UserError when the base directory is missing, empty or outside the project, or when two files would become one.
    """
    bases = _bases(artifacts.base, workdir)
    if not bases:
        raise _missing(artifacts.base, workdir, before)
    if takes_all(artifacts) and len(bases) == 1:
        if not any(_files(bases[0])):
            raise _empty(artifacts.base or ".", workdir, before)
        return bases[0]
    count = _stage(artifacts, bases, staging)
    if not count:
        raise _empty(f"{artifacts.base or '.'} ({', '.join(artifacts.files)})", workdir, before)
    return staging


def takes_all(artifacts: Artifacts) -> bool:
    """Whether it is whole folders that are handed over, as they are."""
    every = any(pattern in _EVERYTHING for pattern in artifacts.files)
    return every and not artifacts.exclude and not artifacts.discard_paths


def top_level(workdir: Path) -> frozenset[str]:
    """Names of the project's entries, to compare with later."""
    return frozenset(entry.name for entry in os.scandir(workdir))


@cache
def glob_pattern(glob: str) -> re.Pattern[str]:
    """A glob of the build spec as a pattern for slash-separated paths: `*` and `?` stay inside a folder, `**/` is any folders."""
    text = glob.strip().removeprefix("./").rstrip("/")
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[[^\]/]+\]|\{[^{}/]*\})", text)
    return re.compile("".join(_token(part) for part in parts) + r"\Z", re.DOTALL)


def _token(part: str) -> str:
    known = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    if part in known:
        return known[part]
    if part.startswith("[") and part.endswith("]") and len(part) > 2:
        inner = part[1:-1].replace("\\", r"\\").replace("[", r"\[")
        return f"[^/{inner[1:]}]" if inner[0] in "!^" else f"[{inner}]"
    if part.startswith("{") and part.endswith("}"):
        return "(?:" + "|".join(re.escape(choice) for choice in part[1:-1].split(",")) + ")"
    return re.escape(part)


def inside(path: Path, workdir: Path) -> bool:
    """Whether `path`, links followed, lies in the project."""
    return path.resolve().is_relative_to(workdir.resolve())


def _bases(base: str, workdir: Path) -> list[Path]:
    text = base.strip().removeprefix("./").strip("/") if not base.startswith("/") else base
    if text in ("", "."):
        return [workdir]
    if text.startswith("/") or ".." in text.split("/"):
        raise UserError(f"the output folder {base} is outside the project", "build into a folder of the project")
    found = [workdir]
    for part in text.split("/"):
        if re.search(r"[*?\[{]", part):
            pattern = glob_pattern(part)
            found = [entry for folder in found for entry in sorted(folder.iterdir()) if pattern.match(entry.name)]
        else:
            found = [folder / part for folder in found]
        found = [folder for folder in found if folder.is_dir()]
    for folder in found:
        if not inside(folder, workdir):
            raise UserError(f"the output folder {base} is a link that leads out of the project", "build into a real folder")
    return found


def _files(folder: Path, prefix: str = "") -> Iterator[str]:
    """Paths of all files below `folder`; links to folders are not followed."""
    for entry in sorted(os.scandir(folder), key=lambda item: item.name):
        if entry.is_dir(follow_symlinks=False):
            yield from _files(Path(entry.path), f"{prefix}{entry.name}/")
        else:
            yield prefix + entry.name


def _stage(artifacts: Artifacts, bases: Sequence[Path], staging: Path) -> int:
    wanted = [glob_pattern(glob) for glob in artifacts.files]
    unwanted = [glob_pattern(glob) for glob in artifacts.exclude]
    placed: dict[str, Path] = {}
    for base in bases:
        for path in list(_files(base)):
            if not any(item.match(path) for item in wanted) or any(item.match(path) for item in unwanted):
                continue
            name = path.rpartition("/")[2] if artifacts.discard_paths else path
            if name in placed:
                raise UserError(f"{placed[name]} and {base / path} would both become /{name}", "rename one of them")
            placed[name] = base / path
    for name, file in placed.items():
        _place(file, staging / name, bases)
    return len(placed)


def _place(file: Path, target: Path, bases: Sequence[Path]) -> None:
    real = file.resolve()
    if not any(inside(real, base) for base in bases) or not real.is_file():
        raise UserError(f"{file} is a link that leads out of the output folder", "copy the file in, or remove the link")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(real, target)
    except OSError:
        shutil.copy2(real, target)


def _missing(base: str, workdir: Path, before: frozenset[str] | None) -> UserError:
    wrote = _written(workdir, before)
    instead = (
        f"; the build wrote {', '.join(wrote)}" if wrote else "; the build wrote no other folder" if before is not None else ""
    )
    fix = (
        f'set output = "{wrote[0].rstrip("/")}" in site.toml'
        if wrote
        else "check the build's output folder, or set output in site.toml"
    )
    return UserError(f"the output folder {base.rstrip('/')}/ was not found{instead}", fix)


def _empty(what: str, workdir: Path, before: frozenset[str] | None) -> UserError:
    wrote = [name for name in _written(workdir, before) if name != f"{what}/"]
    instead = f"; the build also wrote {', '.join(wrote)}" if wrote else ""
    return UserError(f"the output folder {what} holds no file{instead}", "check what the build writes, or set output in site.toml")


def _written(workdir: Path, before: frozenset[str] | None) -> list[str]:
    """Folders that were not there before, those with an index.html first."""
    new = [
        entry
        for entry in sorted(workdir.iterdir())
        if before is not None and entry.is_dir() and entry.name not in before | _NEVER_OUTPUT and not entry.name.startswith(".")
    ]
    new.sort(key=lambda folder: not (folder / "index.html").is_file())
    return [f"{folder.name}/" for folder in new]
