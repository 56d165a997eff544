"""Runs a build's commands, one after the other, as CodeBuild does.

The user guide says that version 0.2 runs all commands "in the same instance of the default shell". What its builds show is a
script per command (`/codebuild/output/tmp/script.sh`) which restores the working folder and the exported variables that the
one before left (`env.sh`): `cd`, `export` and plain assignments carry over, shell functions, `set -e` and aliases do not, and
`exit` ends a command, not the build. This does the same; the cost is a shell start per command, about 2 ms.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType

_PIECE = 64 * 1024
_GRACE = 2.0
# How often a process is looked at, in seconds.
_LOOK = 0.05
# A process left in the background may keep the pipe open: its output is taken until the build ends, but not waited for.
_DRAIN = 0.5


class TimedOut(Exception):
    """The build's time is up; the command was killed."""


class Shell:
    """The state between commands, kept in the folder `state`. Close it: that ends what commands left in the background.

    `program` is the shell's full path, `deadline` a moment of `time.monotonic`.
    """

    def __init__(
        self, program: str, cwd: Path, env: Mapping[str, str], state: Path, output: Callable[[bytes], None], deadline: float
    ) -> None:
        self._program = program
        self._state = state
        self._first_env: dict[str, str] | None = dict(env)
        self._output = output
        self._deadline = deadline
        self._left: list[tuple[int, threading.Thread]] = []
        (state / "dir").write_text(str(cwd) + "\n")
        (state / "env").write_text("")

    def run(self, command: str, succeeding: bool) -> int:
        """The exit code of `command` (128 + n when signal n ended it). TimedOut; KeyboardInterrupt, after killing it."""
        script = self._state / "script.sh"
        script.write_text(self._script(command, succeeding), encoding="utf-8", errors="surrogateescape")
        with _held() as came:
            process, reader = self._started(script)
            self._left.append((process.pid, reader))
            try:
                code = self._ended(process, came)
            finally:
                if process.returncode is None:
                    _stop(process, came)
                reader.join(_DRAIN)
        self._first_env = None
        return code if code >= 0 else 128 - code

    def _ended(self, process: subprocess.Popen[bytes], came: list[int]) -> int:
        """Its exit code, 0 when a signal came first. TimedOut."""
        pause = 0.0005
        while (code := process.poll()) is None and not came:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise TimedOut
            pause = min(pause * 2, _LOOK, left)
            time.sleep(pause)
        return code or 0

    def _started(self, script: Path) -> tuple[subprocess.Popen[bytes], threading.Thread]:
        process = subprocess.Popen(
            [self._program, str(script)],
            cwd=self._state,
            env=self._first_env if self._first_env is not None else {},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        reader = threading.Thread(target=self._read, args=(process,), daemon=True)
        reader.start()
        return process, reader

    def close(self) -> None:
        """End what is still running."""
        for group, _ in self._left:
            _kill_leftovers(group)
        for _, reader in self._left:
            reader.join(_DRAIN)
        self._left.clear()

    def _script(self, command: str, succeeding: bool) -> str:
        env, place = (shlex.quote(str(self._state / name)) for name in ("env", "dir"))
        # The empty line keeps a trailing backslash from swallowing what follows; the braces hide it from `set -x`.
        return (
            f'. {env}\nIFS= read -r __dir < {place}\ncd "$__dir" || exit 1\nunset __dir\n'
            f"export CODEBUILD_BUILD_SUCCEEDING={int(succeeding)}\nset -a\n"
            f"{command}\n\n"
            f"{{ __code=$?; set +aex; (unset __code; export -p) > {env}; pwd > {place}; exit $__code; }} 2>/dev/null\n"
        )

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        with process.stdout as pipe:
            while piece := os.read(pipe.fileno(), _PIECE):
                self._output(piece)


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Let a lost connection or a polite kill end the build as Ctrl-C does, instead of leaving its commands behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ends = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is signal.SIG_DFL]
    for number in ends:
        signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number in ends:
            signal.signal(number, signal.SIG_DFL)


@contextlib.contextmanager
def _held() -> Iterator[list[int]]:
    """Let signals that raise wait for the end of the block; those that came are in the list.

    One that came while a process is being made would leave it running with nobody who knows of it: it may have begun before
    `Popen` returns. One that came inside `Popen.wait` could leave its lock taken, and then nobody can wait for the process any
    more. Blocking the signals would not do, since the process would inherit that.
    """
    came: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield came
        return
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    handlers = {number: handler for number, handler in kept.items() if callable(handler)}
    try:
        for number in handlers:
            signal.signal(number, lambda number, frame: came.append(number))
        yield came
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    for late in came:
        signal.raise_signal(late)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _stop(process: subprocess.Popen[bytes], came: list[int]) -> None:
    """End the group: politely, and after a moment (or a second Ctrl-C) not."""
    heard, until = len(came), time.monotonic() + _GRACE
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGTERM)
    while process.poll() is None and len(came) == heard and time.monotonic() < until:
        time.sleep(_LOOK)
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _kill_leftovers(group: int) -> None:
    """Kill what is left of a group whose leader has been reaped.

    While members are left the kernel gives the leader's number to nobody; if somebody has it, the group is not ours any more.
    """
    try:
        os.getpgid(group)
    except ProcessLookupError:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
    except PermissionError:
        return
