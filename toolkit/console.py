"""What the person at the terminal, or the program that started us, gets to read.

Human text goes to stdout, remarks and progress to stderr; in JSON mode stdout carries exactly one document. Colours and
bars need a terminal: everything else gets plain lines. rich is imported only when a bar is drawn (its import takes
longer than most verbs do).
"""

from __future__ import annotations

import json as json_format
import os
import re
import shutil
import sys
import threading
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import PurePath
from typing import TextIO

from toolkit.errors import EXIT_USAGE, EXIT_USER, UsageError, UserError
from toolkit.progress import Progress

_STYLES = {
    "bold": "1", "dim": "2", "italic": "3", "underline": "4",
    "red": "31", "green": "32", "yellow": "33", "blue": "34", "magenta": "35", "cyan": "36",
}  # fmt: skip
_SGR = re.compile(r"\x1b\[[0-9;]*m")
# Anything else that moves the cursor or rings the bell is dropped: cells hold file names and commit messages.
_CONTROL = re.compile(r"\x1b(?!\[[0-9;]*m)|[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f]")


class Console:
    """Two streams and one decision: for a person or for a program (`json`). `out` and `err` default to our own."""

    def __init__(self, json: bool = False, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self.json = json
        self._out = out
        self._err = err
        self._progress: Progress | None = None
        self._lock = threading.RLock()

    @property
    def out(self) -> TextIO:
        return self._out or sys.stdout

    @property
    def err(self) -> TextIO:
        return self._err or sys.stderr

    @property
    def interactive(self) -> bool:
        """Whether questions can be asked: someone types, and sees what is asked."""
        return not self.json and is_terminal(sys.stdin) and is_terminal(self.err)

    def say(self, text: str = "") -> None:
        """One or more lines for people, on stdout. Silent in JSON mode."""
        if not self.json:
            self._write(self.out, text)

    def note(self, text: str) -> None:
        """A remark beside the result, on stderr (also in JSON mode)."""
        self._write(self.err, text)

    def warn(self, text: str) -> None:
        """Something that may surprise later, on stderr."""
        self._write(self.err, f"{_styled(self.err, 'warning:', 'yellow')} {text}")

    def style(self, text: str, *names: str) -> str:
        """`text` in the named styles (bold, dim, red, green ...) if stdout shows them, else unchanged."""
        return text if self.json else _styled(self.out, text, *names)

    def table(self, headers: Sequence[str], rows: Sequence[Sequence[object]], below: Sequence[str] = ()) -> None:
        """Columns for people. On a terminal the widest column gives way, unless it holds addresses; in a pipe nothing is cut.

        `below` has a line for each row that is to be read whole: it stands under its row, and "" is none.
        """
        if self.json:
            return
        cells = [[_clean(str(cell)) for cell in row] for row in rows]
        widths = [max([_width(text) for text in column]) for column in zip(headers, *cells, strict=True)]
        if is_terminal(self.out):
            # An address is there to be copied: the terminal breaks it.
            cut = [number for number, column in enumerate(zip(*cells, strict=True)) if not any("://" in cell for cell in column)]
            _shrink(widths, cut or [*range(len(widths))], shutil.get_terminal_size((80, 24)).columns)
        head = [self.style(text, "bold") for text in headers]
        more = "…" if _can_encode(self.out, "…") else "~"
        for row, line in zip_longest([head, *cells], ["", *below], fillvalue=""):
            padded = [_fit(cell, width, more) for cell, width in zip(row, widths, strict=True)]
            self.say("  ".join(padded).rstrip())
            if line:
                self.say(f"  {_clean(line)}")

    @contextmanager
    def progress(self, title: str, total: int | None, unit: str = "files") -> Iterator[Progress]:
        """How far work has come; `unit` is "files" or "bytes", `total` None when unknown.

        A bar on a terminal once the work lasts longer than 0.2 s, a line now and then in a log, nothing in JSON mode.
        """
        mode = "none" if self.json else "bar" if is_terminal(self.err) and os.environ.get("TERM") != "dumb" else "lines"
        progress = Progress(title, total, unit, mode, self.err, self.note)
        outer, self._progress = self._progress, progress
        try:
            with progress:
                yield progress
        finally:
            self._progress = outer

    def result(self, data: Mapping[str, object]) -> None:
        """The verb's outcome as one JSON document on stdout; nothing outside JSON mode."""
        if self.json:
            self._write(self.out, json_format.dumps(data, indent=2, default=_plain))

    def error(self, error: UserError) -> None:
        """What went wrong and what mends it. `code` in JSON is the exit code."""
        if self.json:
            code = EXIT_USAGE if isinstance(error, UsageError) else EXIT_USER
            self.result({"error": {"what": error.what, "fix": error.fix, "code": code}})
            return
        self._write(self.err, f"{_styled(self.err, 'error:', 'red', 'bold')} {_indented(error.what, 7)}")
        if error.fix:
            self._write(self.err, f"  {_styled(self.err, 'fix:', 'green')} {_indented(error.fix, 7)}")

    def _write(self, stream: TextIO, text: str) -> None:
        with self._lock:
            if self._progress is not None:
                self._progress.aside(lambda: _emit(stream, text))
            else:
                _emit(stream, text)


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person sees this stream (a closed or missing one is none)."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False


def _emit(stream: TextIO | None, text: str) -> None:
    """Write a line that cannot fail on characters the stream does not know (LC_ALL=C, undecodable file names).

    A stream that was closed before we started (`>&-`) is None: then nobody wants to read it.
    """
    if stream is None:
        return
    encoding = getattr(stream, "encoding", None) or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
    stream.flush()


def _can_encode(stream: TextIO, text: str) -> bool:
    try:
        text.encode(getattr(stream, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _styled(stream: TextIO, text: str, *names: str) -> str:
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not is_terminal(stream):
        return text
    codes = ";".join(_STYLES[name] for name in names)
    return f"\x1b[{codes}m{text}\x1b[0m" if codes else text


def _plain(value: object) -> object:
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no place in JSON output")


def _clean(cell: str) -> str:
    return _CONTROL.sub("", cell.replace("\n", " ").replace("\t", " "))


def _indented(text: str, columns: int) -> str:
    return text.replace("\n", "\n" + " " * columns)


def _width(text: str) -> int:
    """Columns on a terminal: East Asian wide characters take two, combining ones none."""
    plain = _SGR.sub("", text)
    if plain.isascii():
        return len(plain)
    return sum(0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in "WF") for char in plain)


def _shrink(widths: list[int], cut: Sequence[int], columns: int) -> None:
    """Make room among the columns `cut`; the others do not count."""
    while sum(widths[it] for it in cut) + 2 * (len(widths) - 1) > columns and max(widths[it] for it in cut) > 8:
        widths[max(cut, key=lambda it: widths[it])] -= 1


def _fit(cell: str, width: int, more: str) -> str:
    if _width(cell) <= width:
        return cell + " " * (width - _width(cell))
    plain = _SGR.sub("", cell)
    while _width(plain) > width - 1:
        plain = plain[:-1]
    return plain + more
