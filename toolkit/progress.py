"""How far a piece of work has come: a bar for people, a line now and then for logs, nothing for programs.

The bar is rich's; it is imported and drawn only when the work outlasts `BAR_AFTER` seconds, so quick work pays nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import ProgressColumn, TaskID

BAR_AFTER = 0.2
LINE_EVERY = 5.0
# Columns of a terminal for the bar, and for all but the title: the count is what people look for, so the title gives way.
_BAR, _BESIDE = 20, 44


class Progress:
    """A context manager that counts. Threads may call `advance` and `set` at once."""

    def __init__(self, title: str, total: int | None, unit: str, mode: str, stream: TextIO, line: Callable[[str], None]) -> None:
        self.title = title
        self.total = total
        self.unit = unit
        self.done = 0
        self._mode = mode  # "bar", "lines" or "none"
        self._stream = stream
        self._line = line
        self._bar: RichProgress | None = None
        self._task: TaskID | None = None
        self._lock = threading.RLock()
        self._started = self._spoke = time.monotonic()

    def advance(self, amount: int = 1) -> None:
        """`amount` more files or bytes are done."""
        with self._lock:
            self.done += amount
            line = self._show()
        self._tell(line)

    def set(self, text: str) -> None:
        """Say what is being done now, in place of the title."""
        with self._lock:
            self.title = text
            line = self._show()
        self._tell(line)

    def aside(self, write: Callable[[], None]) -> None:
        """Call `write` with the bar out of the way."""
        with self._lock:
            if self._bar is None:
                write()
                return
            self._bar.stop()
            try:
                write()
            finally:
                self._bar.start()

    def __enter__(self) -> Progress:
        self._started = self._spoke = time.monotonic()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._lock:
            if self._bar is not None:
                self._bar.stop()
                self._bar = None

    def _tell(self, line: str) -> None:
        # Outside our lock: the console takes its own lock and then ours (`aside`).
        if line:
            self._line(line)

    def _show(self) -> str:
        now = time.monotonic()
        if self._mode == "lines" and now - self._spoke >= LINE_EVERY:
            self._spoke = now
            return self._text()
        if self._mode == "bar" and now - self._started >= BAR_AFTER:
            if self._bar is None:
                self._draw()
            assert self._bar is not None and self._task is not None
            self._bar.update(self._task, completed=self.done, description=self.title)
        return ""

    def _text(self) -> str:
        scale = 1024 * 1024 if self.unit == "bytes" else 1
        unit = "MB" if self.unit == "bytes" else self.unit
        total = "" if self.total is None else f" of {self.total / scale:,.0f}"
        return f"{self.title}: {self.done / scale:,.0f}{total} {unit}"

    def _draw(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            MofNCompleteColumn,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )
        from rich.progress import Progress as RichProgress
        from rich.table import Column

        console = Console(file=self._stream)
        room = Column(no_wrap=True, overflow="ellipsis", max_width=max(_BAR, console.width - _BESIDE))
        title = TextColumn("{task.description}", markup=False, table_column=room)
        counts: list[ProgressColumn] = [DownloadColumn(), TransferSpeedColumn()] if self.unit == "bytes" else [MofNCompleteColumn()]
        columns = [title, BarColumn(_BAR), *counts, TimeRemainingColumn()]
        # Transient and without redirection: what is said meanwhile goes to its own stream, above the bar (`aside`).
        self._bar = RichProgress(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False)
        self._task = self._bar.add_task(self.title, total=self.total, completed=self.done)
        self._bar.start()


@contextmanager
def timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    """Add the seconds spent inside to `seconds[stage]`."""
    began = time.perf_counter()
    try:
        yield
    finally:
        seconds[stage] = seconds.get(stage, 0.0) + time.perf_counter() - began
