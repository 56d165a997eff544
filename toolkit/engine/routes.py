"""Compile a version's routes into the table that the edge reads: see docs/routing-data.md for the layout.

Stages: addresses (which file answers where, by the slash policy) → rules (each known path's answer is decided here if no condition
needs a request) → records of fixed width, dealt into shards of at most 1 KB by a hash of salt and path → a pool for texts: redirect
targets, and lists of rules for the edge to evaluate. Cost: one MD5 per path and attempt; 50,000 routes take about 1.6 MB of the
store and are found in 2 reads, however many there are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from toolkit.engine import budget, limits
from toolkit.engine.decide import Decided, decide
from toolkit.engine.errors import UserError
from toolkit.engine.model import BLOB_KEY_LENGTH, Manifest
from toolkit.engine.patterns import depth_of, text_of

FINGERPRINT = 7
REF = BLOB_KEY_LENGTH
RECORD = FINGERPRINT + 1 + REF
PER_SHARD = limits.VALUE_BYTES // RECORD
EMPTY = "-"
_MEAN_LOAD = 19


@dataclass(frozen=True)
class Table:
    """A compiled table: `puts` are its keys and values in the store; `ref` is how a pointer names it.

    `depths` are the depths of folders, as digits, at which the edge has to look for patterns; `cost` is what an answer takes.
    """

    nonce: str
    salt: str
    shards: int
    depths: str
    routes: int
    puts: Mapping[str, str] = field(repr=False)
    cost: budget.Cost

    @property
    def ref(self) -> str:
        return f"{self.nonce}.{self.salt}.{self.shards}.{self.depths}"

    @property
    def bytes(self) -> int:
        return sum(len(key) + len(value) for key, value in self.puts.items())


def compile_table(manifest: Manifest, nonce: str) -> Table:
    """Deal the routes into shards. `nonce` makes the keys unique: a late delete of an older table cannot hit this one.

    LimitExceeded, with figures, when a request could take more reads than the edge may spend.
    """
    decided = decide(manifest)
    pool = _Pool(nonce)
    records = {path: _record(answer, pool) for path, answer in decided.answers.items()}
    lists = {folder: text_of(entries) for folder, entries in decided.folders.items()}
    cost = budget.cost(decided, lists)
    budget.check(cost)
    # No path begins with a star: a folder's list of patterns cannot be mistaken for a route.
    records.update({f"*{folder}": f"B{pool.add(text)}" for folder, text in lists.items()})
    depths = "".join(str(depth) for depth in sorted({depth_of(folder) for folder in lists}))
    salt, dealt = _dealt(records, nonce)
    puts = {f"t:{nonce}:{number}": "".join(parts) or EMPTY for number, parts in enumerate(dealt)}
    return Table(nonce, salt, len(dealt), depths, len(decided.answers), {**puts, **pool.puts()}, cost)


def _record(answer: Decided, pool: _Pool) -> str:
    if answer.rules:
        return f"B{pool.add(text_of(answer.rules))}"
    kind = answer.record[0]
    record = f"R{pool.add(answer.record[1:])}" if kind == "R" else answer.record
    return record.lower()[0] + record[1:] if answer.after_patterns else record


def _dealt(records: Mapping[str, str], nonce: str) -> tuple[str, list[list[str]]]:
    shards = max(1, -(-len(records) // _MEAN_LOAD))
    for attempt in range(200):
        salt = f"{nonce}{attempt}"
        dealt = _deal(records, salt, shards)
        if dealt is not None:
            return salt, dealt
        # An overfull shard or two paths with one fingerprint: another salt, and now and then a little more room.
        if attempt % 4 == 3:
            shards += max(1, shards // 16)
    raise UserError(f"the {len(records)} routes do not fit into shards", "please report this")


def _deal(records: Mapping[str, str], salt: str, shards: int) -> list[list[str]] | None:
    dealt: list[list[str]] = [[] for _ in range(shards)]
    seen: set[tuple[int, str]] = set()
    for path, record in records.items():
        digest = hashlib.md5((salt + path).encode(), usedforsecurity=False).hexdigest()
        number = int(digest[:8], 16) % shards
        fingerprint = digest[8 : 8 + FINGERPRINT]
        if (number, fingerprint) in seen or len(dealt[number]) == PER_SHARD:
            return None
        seen.add((number, fingerprint))
        dealt[number].append(f"{fingerprint}{record:~<{REF + 1}}")
    return dealt


class _Pool:
    """Texts too long for a record, packed into values of at most 1 KB; equal ones are stored once."""

    def __init__(self, nonce: str) -> None:
        self._nonce = nonce
        self._chunks: list[str] = [""]
        self._refs: dict[str, str] = {}

    def add(self, text: str) -> str:
        """The reference of a text: chunk, offset, length. A long one begins its own chunk and goes on in the next ones."""
        if text not in self._refs:
            if len(self._chunks[-1]) + len(text) > limits.VALUE_BYTES and self._chunks[-1]:
                self._chunks.append("")
            self._refs[text] = f"{len(self._chunks) - 1}.{len(self._chunks[-1])}.{len(text)}."
            for piece in _pieces(text, limits.VALUE_BYTES - len(self._chunks[-1])):
                if len(self._chunks[-1]) + len(piece) > limits.VALUE_BYTES:
                    self._chunks.append("")
                self._chunks[-1] += piece
        return self._refs[text]

    def puts(self) -> dict[str, str]:
        return {f"x:{self._nonce}:{number}": chunk for number, chunk in enumerate(self._chunks) if chunk}


def _pieces(text: str, first: int) -> Iterable[str]:
    yield text[:first]
    for start in range(first, len(text), limits.VALUE_BYTES):
        yield text[start : start + limits.VALUE_BYTES]
