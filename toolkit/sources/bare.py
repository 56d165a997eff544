"""The repository that users push to: bare, with one hook of ours that decides about each push before a branch moves."""

from __future__ import annotations

import os
import re
import shlex
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from toolkit.errors import UserError
from toolkit.sources import gitcmd

_UPDATE = re.compile(r"([0-9a-f]{40}|[0-9a-f]{64}) ([0-9a-f]{40}|[0-9a-f]{64}) (refs/\S+)")
# Old but harmless mistakes of early git clients, which the big hosts let pass as well.
_HARMLESS = ("zeroPaddedFilemode", "missingSpaceBeforeDate", "badTimezone")
_SETTINGS = {
    # Relative to the repository. Set here, or a user's global core.hooksPath would turn our hook off without a word.
    "core.hooksPath": "hooks",
    # Commits that a force-push left behind stay reachable for 90 days: their versions are still on the ledger.
    "core.logAllRefUpdates": "true",
    "gc.auto": "2000",
    "gc.autoDetach": "true",
    "receive.denyDeletes": "false",
    "receive.denyNonFastForwards": "false",
    "transfer.fsckObjects": "true",
    **{f"receive.fsck.{mistake}": "ignore" for mistake in _HARMLESS},
}
_HOOK = """#!/bin/sh
# Decides about each push; written by `toolkit up`, which replaces any change made here.
# When the push reached us, so that the answer can tell where the time went (date(1) does not know %N everywhere).
now=$(date +%s.%N)
case $now in *[!0-9.]*) now= ;; esac
export TOOLKIT_PUSHED_AT="$now"
exec {command}
"""


@dataclass(frozen=True)
class RefUpdate:
    """One line that git gives to a pre-receive hook: `ref` goes from commit `old` to `new`; all zeros stand for "none"."""

    old: str
    new: str
    ref: str

    @property
    def branch(self) -> str:
        """The branch's name, "" for a tag or any other ref."""
        return self.ref.removeprefix("refs/heads/") if self.ref.startswith("refs/heads/") else ""

    @property
    def tag(self) -> str:
        """The tag's name, "" for a branch or any other ref."""
        return self.ref.removeprefix("refs/tags/") if self.ref.startswith("refs/tags/") else ""

    @property
    def created(self) -> bool:
        return not self.old.strip("0")

    @property
    def deleted(self) -> bool:
        return not self.new.strip("0")


def parse_push(lines: Iterable[str]) -> list[RefUpdate]:
    """What a pre-receive hook reads from standard input (githooks(5)). UserError for a line that git would not write."""
    updates = []
    for line in lines:
        found = _UPDATE.fullmatch(line.rstrip("\n"))
        if not found:
            raise UserError(f"git does not give a pre-receive hook lines like {line!r}", "push to the repository: git runs this")
        updates.append(RefUpdate(*found.groups()))
    return updates


def unmoved(repository: Path, branch: str) -> RefUpdate:
    """A push that brings what the branch has already. UserError when nothing was pushed to it."""
    ref = f"refs/heads/{branch}"
    question = ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}"]
    found = gitcmd.run(["--git-dir", repository, *question], gitcmd.isolated()).stdout.decode().strip()
    if not found:
        raise UserError(f"nothing was pushed to {branch!r} of {repository}", f"push it: git push toolkit {branch}")
    return RefUpdate(found, found, ref)


def create_bare(path: Path, *, branch: str, hook: list[str]) -> None:
    """A bare repository at `path` with HEAD on `branch`, which runs `hook` before each push takes effect.

    Safe to repeat: commits stay, settings, HEAD and hook become those given now. UserError for a name that git allows no branch.
    """
    env = gitcmd.isolated()
    ref = f"refs/heads/{branch}"
    if branch.startswith("-") or gitcmd.run(["check-ref-format", ref], env).returncode != 0:
        raise UserError(f"{branch!r} cannot be the name of a branch", "give a name such as main")
    doing = f"the repository {path} cannot be set up"
    path.parent.mkdir(parents=True, exist_ok=True)
    gitcmd.output(["init", "--quiet", "--bare", "--template=", f"--initial-branch={branch}", path], env, doing)
    if (path / "HEAD").read_text().strip() != f"ref: {ref}":
        gitcmd.output(["--git-dir", path, "symbolic-ref", "HEAD", ref], env, doing)
    _configure(path, env, doing)
    _write_hook(path / "hooks", hook)


def _configure(path: Path, env: dict[str, str], doing: str) -> None:
    listing = gitcmd.output(["--git-dir", path, "config", "--local", "--list", "-z"], env, doing).decode()
    there = dict(record.partition("\n")[::2] for record in listing.split("\0") if record)
    for name, value in _SETTINGS.items():
        if there.get(name.lower()) != value:
            gitcmd.output(["--git-dir", path, "config", "--local", "--replace-all", name, value], env, doing)


def _write_hook(folder: Path, command: list[str]) -> None:
    """Written beside and renamed: a push that arrives now runs the old hook or the new one, never half of one."""
    folder.mkdir(exist_ok=True)
    handle, name = tempfile.mkstemp(dir=folder, prefix=".pre-receive.")
    with os.fdopen(handle, "w") as file:
        file.write(_HOOK.format(command=shlex.join(command)))
    Path(name).chmod(0o755)
    Path(name).replace(folder / "pre-receive")
