"""How this program starts git: with which environment, and what its failures look like.

Two environments. `users` is the user's own (configuration, credentials, safe directories) without what says which repository is
meant. `isolated` reads no configuration but what we write ourselves, so no hook, filter or line-ending setting takes part.
What a push brings is read by git as a process, not through GitPython: that can add variables but not take away those that git
sets in hooks, and its import alone (130 ms) costs more than a whole export (30 ms).
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from toolkit.errors import UserError

# Which configuration, credentials and transport the user chose; everything else named GIT_* says which repository is meant.
_CHOICES = frozenset(
    {
        "GIT_ASKPASS", "GIT_CEILING_DIRECTORIES", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM", "GIT_CONFIG_SYSTEM",
        "GIT_DISCOVERY_ACROSS_FILESYSTEM", "GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSH_VARIANT", "GIT_SSL_CAINFO", "GIT_SSL_NO_VERIFY",
        "GIT_TERMINAL_PROMPT",
    }
)  # fmt: skip
_QUARANTINE = ("GIT_QUARANTINE_PATH", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES")


def clean_env(env: Mapping[str, str]) -> dict[str, str]:
    """`env` without GIT_*: for builds, whose own git commands must not work on the repository that was pushed to.

    In a hook git sets GIT_DIR, GIT_QUARANTINE_PATH and more; a build that runs `git log` or `npm install` from git would obey them.
    """
    return {name: value for name, value in env.items() if not name.startswith("GIT_")}


def users() -> dict[str, str]:
    """The user's git environment, on no particular repository. Messages are in English, for we read some of them."""
    choices = {name: value for name, value in os.environ.items() if name in _CHOICES}
    return {**clean_env(os.environ), **choices, "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"}


def isolated() -> dict[str, str]:
    """An environment in which git reads neither the user's nor the system's configuration or attributes."""
    return {
        **clean_env(os.environ),
        "LC_ALL": "C",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
    }


def quarantine(repo: Path) -> dict[str, str]:
    """While a push into `repo` waits for its hook, its objects are in a folder of their own: the variables that lead there."""
    held = os.environ.get("GIT_QUARANTINE_PATH")
    if not held or not Path(held).resolve().is_relative_to(repo.resolve()):
        return {}
    return {name: os.environ[name] for name in _QUARANTINE if name in os.environ}


def run(args: Sequence[str | Path], env: Mapping[str, str], stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run git to its end, whatever its exit code. UserError when git is not installed."""
    command = ["git", *(os.fspath(arg) for arg in args)]
    try:
        return subprocess.run(command, env=dict(env), input=stdin, capture_output=True, check=False)
    except FileNotFoundError as error:
        raise UserError("git is not installed", "install git 2.32 or newer") from error


def output(args: Sequence[str | Path], env: Mapping[str, str], doing: str, stdin: bytes = b"") -> bytes:
    """What git printed. UserError `<doing>: <git's last words>` when it failed."""
    done = run(args, env, stdin)
    if done.returncode != 0:
        raise UserError(f"{doing}: {last_words(done)}", "see what git says about it: git status, git fsck")
    return done.stdout


def last_words(done: subprocess.CompletedProcess[bytes]) -> str:
    """The line in which git says why it failed."""
    lines = [line.strip() for line in done.stderr.decode(errors="replace").splitlines() if line.strip()]
    told = [line for line in lines if line.startswith(("fatal:", "error:"))] or lines
    return told[0].partition(": ")[2] or told[0] if told else f"git ended with code {done.returncode}"
