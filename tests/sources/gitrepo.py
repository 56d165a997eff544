"""Git repositories for tests: on a machine of their own, with nothing of whoever runs the tests."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.conftest import require_tool


def isolate(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """From here on git has its configuration and its author in `home`, and knows of no repository."""
    require_tool("git")
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    (home / ".gitconfig").write_text('[init]\n\tdefaultBranch = main\n[protocol "file"]\n\tallow = always\n')
    for name, value in {
        "HOME": str(home), "XDG_CONFIG_HOME": str(home), "GIT_CONFIG_GLOBAL": str(home / ".gitconfig"), "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "Ada Lovelace", "GIT_AUTHOR_EMAIL": "ada@example.test",
        "GIT_COMMITTER_NAME": "Grace Hopper", "GIT_COMMITTER_EMAIL": "grace@example.test",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)


def git(where: Path, *args: str | Path, stdin: bytes | None = None) -> str:
    """Run git in `where`; it must succeed. What it printed, without the last newline."""
    done = subprocess.run(["git", "-C", where, *args], input=stdin, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


def push(where: Path, *args: str | Path) -> subprocess.CompletedProcess[str]:
    """`git push` as a user sees it."""
    command = ["git", "-C", str(where), "push", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def new_repo(path: Path) -> Path:
    """A repository whose only commit has an `index.html` that says `one`."""
    path.mkdir()
    git(path, "init", "-q")
    commit(path, {"index.html": "one"}, "First line\n\nand more")
    return path


def commit(repo: Path, files: dict[str, str], message: str = "change") -> str:
    """Write `files`, commit everything that changed; the commit's id."""
    for name, text in files.items():
        path = repo / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    git(repo, "add", "-A")
    git(repo, "commit", "-q", "--allow-empty", "-m", message)
    return git(repo, "rev-parse", "HEAD")


def tree(folder: Path) -> dict[str, str]:
    """Every file below `folder` with its text."""
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}
