"""Runs a build spec on this machine as CodeBuild would, and hands over the folder to publish.

Stages: the environment (clean, so that a build does not lean on what happens to be set here), the cache, the phases, the
artifacts, the cache again. Failures are CodeBuild's: a command that fails ends its phase; a failed install or pre_build ends
the build; after a failed build, post_build still runs; `finally` always does. A spec without commands starts no shell at all.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets as secrets_module
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from toolkit.builds import artifacts
from toolkit.builds.cache import BuildCache
from toolkit.builds.environment import build_env, check_runtimes, fetch, find_shell, hidden_values
from toolkit.builds.log import BuildLog
from toolkit.builds.shell import Shell, TimedOut, interruptible
from toolkit.builds.spec import BuildSpec, Phase, load_spec
from toolkit.errors import UserError

__all__ = ["BuildFailed", "BuildResult", "load_spec", "run_build"]

# Exit codes that say more than the last lines do (POSIX shell, "Exit status for commands"; 128 + signal).
_HINTS = {
    126: "make the command executable",
    127: "install the command that was not found, or add it to the project's dependencies",
    137: "the command was killed, perhaps for want of memory: give it more, or let it do less at once",
    143: "something outside ended the command: start the build again",
}
DEFAULT_TIMEOUT = 3600.0  # seconds, as CodeBuild's


@dataclass(frozen=True)
class BuildResult:
    """`output` is the folder to publish, `phases` the seconds that each phase took."""

    output: Path
    log: Path
    seconds: float
    phases: list[tuple[str, float]]


class BuildFailed(UserError):
    """A command failed, or time ran out. `code` is the command's exit code (0 when none ended), `tail` the last lines."""

    def __init__(self, what: str, fix: str, *, phase: str, command: str, code: int, tail: list[str], log: Path) -> None:
        super().__init__(what, fix)
        self.phase = phase
        self.command = command
        self.code = code
        self.tail = tail
        self.log = log


@dataclass(frozen=True)
class _Failure:
    phase: str
    command: str
    code: int
    tail: tuple[str, ...]


def run_build(
    spec: BuildSpec,
    workdir: Path,
    *,
    env: Mapping[str, str],
    secrets: Mapping[str, str],
    cache: Path | None,
    log: Path,
    echo: Callable[[str], None],
    commit: str = "",
    branch: str = "",
    timeout: float = DEFAULT_TIMEOUT,
    output: str = "",
) -> BuildResult:
    """Build the project in `workdir`. `output` (a folder in it) takes the place of the spec's `base-directory`.

    Every line goes to `echo` and to the file `log`, secrets masked. `cache` serves build folders that lie beside it (below its
    parent). BuildFailed when a command fails or `timeout` (seconds) is over; UserError for a missing tool, variable or output
    folder. What commands left running is ended in any case.
    """
    started = time.monotonic()
    spec = spec.with_output(output) if output else spec
    if not workdir.is_dir():
        raise UserError(f"the project folder {workdir} does not exist", "check root in site.toml")
    if spec.artifacts is None:
        raise UserError(f"{spec.path} has no artifacts: nothing says what to publish", "add artifacts, or output in site.toml")
    fetched = fetch(spec, {**os.environ, **env, **secrets})
    values = build_env({**spec.variables, **env, **fetched, **secrets}, workdir, commit, branch)
    hidden = [*secrets.values(), *fetched.values(), *hidden_values(os.environ)]
    before = None if spec.idle else artifacts.top_level(workdir)
    with BuildLog(log, echo, hidden) as lines:
        run = _Run(spec, workdir, values, lines, started + timeout, cache)
        if not spec.idle:
            run.commands()
        staging = _staging(workdir, cache)
        folder = artifacts.collect(spec.artifacts, workdir, staging, before)
        run.keep(folder)
    return BuildResult(folder, log, time.monotonic() - started, run.seconds)


class _Run:
    """One run of a spec's phases."""

    def __init__(
        self, spec: BuildSpec, workdir: Path, env: Mapping[str, str], log: BuildLog, deadline: float, cache: Path | None
    ) -> None:
        self.spec = spec
        self.seconds: list[tuple[str, float]] = []
        self._workdir = workdir
        self._env = env
        self._log = log
        self._deadline = deadline
        self._cache = BuildCache(None if spec.idle else cache, workdir, spec.cache_paths, log.line)
        self._failure: _Failure | None = None

    def commands(self) -> None:
        """Run all phases. BuildFailed for the first failure; the cache is kept unless installing failed."""
        check_runtimes(self.spec, self._env, self._log.line)
        if self.spec.cache_action != "save":
            self._cache.restore()
        with tempfile.TemporaryDirectory(prefix="build-") as state:
            program = find_shell(self.spec, self._env)
            shell = Shell(program, self._workdir, self._env, Path(state), self._log.piece, self._deadline)
            with interruptible(), contextlib.closing(shell):
                self._phases(shell)
        if self._failure is not None:
            if self._failure.phase in ("build", "post_build"):
                self.keep(None)
            raise _failed(self._failure, self._log.path)

    def keep(self, output: Path | None) -> None:
        """Save the cache. That it cannot be kept (disk full) makes the next build slower, not this one fail."""
        if self.spec.cache_action == "restore":
            return
        try:
            self._cache.save(output)
        except OSError as error:
            self._log.line(f"warning: the cache could not be kept: {error}")

    def _phases(self, shell: Shell) -> None:
        for phase in self.spec.phases:
            began = time.monotonic()
            fine = self._phase(shell, phase)
            self.seconds.append((phase.name, time.monotonic() - began))
            if not fine and phase.on_failure != "CONTINUE" and (phase.name != "build" or phase.on_failure == "ABORT"):
                return

    def _phase(self, shell: Shell, phase: Phase) -> bool:
        for attempt in range(phase.retries + 1):
            fine = self._failure is None
            failure = self._commands(shell, phase, phase.commands, fine)
            last = self._commands(shell, phase, phase.finally_, fine and failure is None)
            failure = failure or last
            if failure is None:
                return True
            again = phase.on_failure == "RETRY" and attempt < phase.retries and _matches(phase.retry_if, failure)
            if not again:
                break
            self._log.line(f"[{phase.name}] failed, trying again ({attempt + 1} of {phase.retries})")
        self._failure = self._failure or failure
        return False

    def _commands(self, shell: Shell, phase: Phase, commands: tuple[str, ...], succeeding: bool) -> _Failure | None:
        for command in commands:
            self._log.line(f"[{phase.name}] {_shown(command)}")
            self._log.tail.clear()
            try:
                code = shell.run(command, succeeding)
            except TimedOut:
                raise self._timed_out(phase, command) from None
            self._log.end_piece()
            if code:
                failure = _Failure(phase.name, command, code, tuple(self._log.tail))
                self._log.line(f"[{phase.name}] exit code {code}")
                return failure
        return None

    def _timed_out(self, phase: Phase, command: str) -> BuildFailed:
        self._log.end_piece()
        self._log.line(f"[{phase.name}] stopped: the build's time is up")
        what = f"the build took too long; it was stopped in phase {phase.name} at: {_shown(command)}"
        fix = f"see {self._log.path}; a command that waits for input or serves for ever never ends"
        tail = list(self._log.tail)
        return BuildFailed(what, fix, phase=phase.name, command=command, code=0, tail=tail, log=self._log.path)


def _failed(failure: _Failure, log: Path) -> BuildFailed:
    what = f"the build failed in phase {failure.phase} with exit code {failure.code}: {_shown(failure.command)}"
    last = "".join(f"\n| {line}" for line in failure.tail)
    return BuildFailed(
        what + last,
        f"{_HINTS.get(failure.code, 'mend what the last lines say')}; the whole log is {log}",
        phase=failure.phase,
        command=failure.command,
        code=failure.code,
        tail=list(failure.tail),
        log=log,
    )


def _matches(pattern: str, failure: _Failure) -> bool:
    """Whether a failure is one that `RETRY-regex` names; a pattern that Python cannot read matches as text."""
    text = "\n".join(failure.tail)
    try:
        return re.search(pattern, text) is not None
    except re.error:
        return pattern in text


def _shown(command: str) -> str:
    """A command in one line. A longer one by its first line; when that is a comment, it says what the command does."""
    first, *rest = command.strip().splitlines() or [""]
    if rest and first.startswith("#"):
        return first
    return f"$ {first} (and {len(rest)} more lines)" if rest else f"$ {first}"


def _staging(workdir: Path, cache: Path | None) -> Path:
    """A folder that is not there yet, where nobody minds it: among the site's build folders, which are emptied now and then."""
    name = f"output-{secrets_module.token_hex(6)}"
    if cache is None:
        return Path(tempfile.gettempdir()) / name
    beside = workdir.resolve().is_relative_to(cache.resolve().parent)
    return workdir.parent / name if beside else cache.parent / "work" / name
