"""A build's log: every line goes to the person who waits and to a file, and neither ever shows a secret.

Output comes in pieces that may cut a secret in two, so the end of a piece that could be the beginning of a secret is held back
until the next one. What is held back is never more than the longest secret, and never anything that could not be one.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import re
import threading
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO
from urllib.parse import quote

MASK = b"***"
# Shorter values (`1`, `yes`) would blot out the whole log; they are no secrets.
SHORTEST = 4
_LONGEST_LINE = 64 * 1024


class Masker:
    """Replaces secret values in a stream of bytes; `feed` what comes, then `flush` once."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for value in secrets for form in _forms(value)}
        self._needles = sorted(forms, key=len, reverse=True)
        self._pattern = re.compile(b"|".join(map(re.escape, self._needles))) if forms else None
        self._held = b""

    def feed(self, piece: bytes) -> bytes:
        """What can be shown by now."""
        if self._pattern is None:
            return piece
        data = self._held + piece
        start = len(data) - self._possible_start(data)
        shown, position = [], 0
        for match in self._pattern.finditer(data):
            if match.start() >= start:
                break
            shown += [data[position : match.start()], MASK]
            position = match.end()
        end = max(position, start)
        self._held = data[end:]
        return b"".join([*shown, data[position:end]])

    def flush(self) -> bytes:
        """The rest."""
        data, self._held = self._held, b""
        return self._pattern.sub(MASK, data) if self._pattern else data

    def _possible_start(self, data: bytes) -> int:
        """The length of the longest end of `data` with which a secret may begin."""
        longest = 0
        for needle in self._needles:
            size = min(len(needle) - 1, len(data))
            while size > longest and not data.endswith(needle[:size]):
                size -= 1
            longest = max(longest, size)
        return longest


def _forms(value: str) -> set[bytes]:
    """How a secret may show up: whole, line by line, and as programs like to write values."""
    parts = {value, value.strip(), *(line.strip() for line in value.splitlines())}
    texts = {form for part in parts for form in (part, json.dumps(part)[1:-1], quote(part, safe=""))}
    texts |= {base64.b64encode(part.encode(errors="surrogateescape")).decode() for part in parts if len(part) >= SHORTEST}
    return {text.encode(errors="surrogateescape") for text in texts if len(text) >= SHORTEST}


class BuildLog:
    """A context manager over the log file. `line` writes a line of our own, `piece` what a command printed.

    `tail` holds the last lines. Threads may write at once (a process in the background prints late). A file that cannot be
    written (disk full) is reported once to `echo`; the build goes on.
    """

    def __init__(self, path: Path, echo: Callable[[str], None], secrets: Iterable[str] = (), tail: int = 20) -> None:
        self.path = path
        self.tail: deque[str] = deque(maxlen=tail)
        self._echo: Callable[[str], None] | None = echo
        self._masker = Masker(secrets)
        self._partial = b""
        self._file: BinaryIO | None = None
        self._lock = threading.RLock()

    def __enter__(self) -> BuildLog:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("wb")
        with contextlib.suppress(OSError):
            # Held as long as it is written: whoever reads along sees by that whether the build goes on, however it ends.
            fcntl.flock(self._file, fcntl.LOCK_EX)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.end_piece()
        with self._lock:
            self._echo = None
            if self._file is not None:
                self._file.close()
                self._file = None

    def line(self, text: str) -> None:
        """A line that starts and ends here."""
        with self._lock:
            self.end_piece()
            self.piece(text.encode(errors="surrogateescape") + b"\n")
            self.end_piece()

    def piece(self, data: bytes) -> None:
        """Some bytes of output, cut anywhere."""
        with self._lock:
            self._split(self._masker.feed(data))

    def end_piece(self) -> None:
        """The command has ended: an unfinished line is one after all."""
        with self._lock:
            self._split(self._masker.flush())
            if self._partial:
                self._write(self._partial)
                self._partial = b""

    def _split(self, data: bytes) -> None:
        # A lone carriage return redraws a progress bar: in a log each drawing is a line.
        *lines, self._partial = re.split(rb"\r\n|\n|\r(?!\Z)", self._partial + data)
        for line in lines:
            self._write(line)
        if len(self._partial) > _LONGEST_LINE:
            self._write(self._partial)
            self._partial = b""

    def _write(self, line: bytes) -> None:
        text = line.removesuffix(b"\r").decode(errors="replace")
        self.tail.append(text)
        if self._file is not None:
            try:
                self._file.write(text.encode() + b"\n")
                self._file.flush()
            except OSError as error:
                self._file = None
                self._say(f"the log {self.path} cannot be written: {error.strerror}")
        self._say(text)

    def _say(self, text: str) -> None:
        if self._echo is None:
            return
        try:
            self._echo(text)
        except (OSError, ValueError):
            # Whoever watched has gone (a closed pipe, a lost connection); the build and its log go on.
            self._echo = None
