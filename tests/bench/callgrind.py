"""Instructions per call of an edge function, counted by callgrind on the njs command line tool.

(instructions of 300 calls - those of 100) / 200, minus the same for a handler that does nothing with the same store and events:
the start of njs, the load of the store and the parsing of events cancel out. Runs differ by a few instructions: one will do.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from tests.bench.common import BenchError

NJS = Path(__file__).parent / "njs"
FEW, MANY = 100, 300
_COLLECTED = re.compile(r"Collected : (\d+)")
Event = dict[str, Any]
Accepts = Callable[[Event, Any], bool]


@dataclass(frozen=True)
class Cell:
    """One figure to measure: a function's text, what the store holds, and the events that are its calls, in turn.

    `accepts(event, answer)` says whether the function did the work that the figure is said to be for.
    """

    name: str
    code: str
    store: Mapping[str, str]
    events: Sequence[Event]
    accepts: Accepts


@dataclass(frozen=True)
class Figure:
    """Instructions per call, net of a handler that does nothing; the fewest and the most reads that a call took."""

    instructions: int
    fewest: int
    reads: int


class Bench:
    """Measures cells with files in `folder`; what several cells have in common is written and counted once."""

    def __init__(self, folder: Path, njs: str, valgrind: str, said: Callable[[str], None], workers: int = 2) -> None:
        self.folder, self.njs, self.valgrind = folder, njs, valgrind
        self._said, self._workers = said, workers
        self._files: dict[str, Path] = {}
        self._numbers = count()

    def measure(self, cells: Sequence[Cell]) -> list[Figure]:
        """BenchError when a function does not give the answers that its cell is about."""
        with ThreadPoolExecutor(self._workers) as pool:
            reads = list(pool.map(self._check, cells))
            gross = list(pool.map(lambda cell: self._per_call(cell, cell.code), cells))
            idle = list(pool.map(lambda cell: self._per_call(cell, (NJS / "noop.js").read_text()), cells))
        return [Figure(round(full - empty), min(taken), max(taken)) for full, empty, taken in zip(gross, idle, reads, strict=True)]

    def _check(self, cell: Cell) -> list[int]:
        """Every event once, without callgrind; how many reads each took."""
        command = [*self._command(cell, cell.code), str(len(cell.events)), "print"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        lines = done.stdout.splitlines()
        if done.returncode or len(lines) != len(cell.events):
            raise BenchError(f"{cell.name}: njs fails: {(done.stdout + done.stderr)[-1000:]}")
        replies = [json.loads(line) for line in lines]
        for event, reply in zip(cell.events, replies, strict=True):
            if not cell.accepts(event, reply.get("answer")):
                raise BenchError(f"{cell.name}: {event['request']['uri']} is answered with {json.dumps(reply)[:500]}")
        return [int(reply["reads"]) for reply in replies]

    def _per_call(self, cell: Cell, code: str) -> float:
        few, many = (self._instructions(self._command(cell, code), calls) for calls in (FEW, MANY))
        self._said(cell.name)
        return (many - few) / (MANY - FEW)

    def _instructions(self, command: Sequence[str], calls: int) -> int:
        callgrind = [self.valgrind, "--tool=callgrind", "--callgrind-out-file=/dev/null", *command, str(calls)]
        done = subprocess.run(callgrind, capture_output=True, text=True, check=False)
        found = _COLLECTED.search(done.stderr)
        if done.returncode or done.stdout or not found:
            raise BenchError(f"callgrind fails: {(done.stdout + done.stderr)[-1000:]}")
        return int(found.group(1))

    def _command(self, cell: Cell, code: str) -> list[str]:
        main = self._file(f"{code}\n{(NJS / 'drive.js').read_text()}", ".js")
        store = self._file(json.dumps(cell.store), ".json")
        events = self._file("\n".join(json.dumps(event) for event in cell.events), ".jsonl")
        return [self.njs, "-p", str(NJS), str(main), str(store), str(events)]

    def _file(self, text: str, suffix: str) -> Path:
        if text not in self._files:
            path = self.folder / f"{next(self._numbers):06d}{suffix}"
            path.write_text(text, encoding="utf-8")
            self._files[text] = path
        return self._files[text]
