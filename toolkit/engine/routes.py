"""Compile a version's routes into the table that the edge reads: see docs/routing-data.md for the layout.

Stages: addresses (which file answers where, by the slash policy) → rules (each known path's answer is decided here if no condition
needs a request) → records of fixed width, dealt into shards of at most 1 KB by a hash of salt and path → a pool for texts: redirect
targets, and lists of rules for the edge to evaluate. Cost: one MD5 per path and attempt; 50,000 routes take about 1.6 MB of the
store and are found in 2 reads, however many there are.
"""

from __future__ import annotations

import hashlib
import string
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
# A shard ends with the number of its records, in one digit of base 36.
PER_SHARD = min(35, (limits.VALUE_BYTES - 1) // RECORD)
_DIGITS = string.digits + string.ascii_lowercase
_MEAN_LOAD = 19


@dataclass(frozen=True)
class Table:
    """A compiled table: `puts` are its keys and values in the store; `ref` is how a pointer names it. `nonce` is also the salt.

    `depths` are the depths of folders, as digits, at which the edge has to look for patterns; `cost` is what an answer takes.
    """

    nonce: str
    shards: int
    depths: str
    routes: int
    puts: Mapping[str, str] = field(repr=False)
    cost: budget.Cost

    @property
    def ref(self) -> str:
        return f"{self.nonce}.{self.shards}.{self.depths}"

    @property
    def bytes(self) -> int:
        return sum(len(key) + len(value) for key, value in self.puts.items())


def compile_table(manifest: Manifest, nonce: str) -> Table:
    """Deal the routes into shards. `nonce` makes the keys unique, with the two characters that are added to it for the attempt: a
    late delete of an older table cannot hit this one.

    LimitExceeded, with figures, when a request could take more reads than the edge may spend.
    """
    decided = decide(manifest)
    pool = _Pool()
    records = {path: _record(answer, pool) for path, answer in decided.answers.items()}
    lists = {folder: text_of(entries) for folder, entries in decided.folders.items()}
    cost = budget.cost(decided, lists)
    budget.check(cost)
    # No path begins with a star: a folder's list of patterns cannot be mistaken for a route.
    records.update({f"*{folder}": f"B{pool.add(text)}" for folder, text in lists.items()})
    depths = "".join(str(depth) for depth in sorted({depth_of(folder) for folder in lists}))
    nonce, dealt = _dealt(records, nonce)
    puts = {f"t:{nonce}:{number}": value for number, value in enumerate(dealt)}
    return Table(nonce, len(dealt), depths, len(decided.answers), {**puts, **pool.puts(nonce)}, cost)


def _record(answer: Decided, pool: _Pool) -> str:
    if answer.rules:
        return f"B{pool.add(text_of(answer.rules))}"
    kind = answer.record[0]
    record = f"R{pool.add(answer.record[1:])}" if kind == "R" else answer.record
    return record.lower()[0] + record[1:] if answer.after_patterns else record


def _dealt(records: Mapping[str, str], nonce: str) -> tuple[str, list[str]]:
    shards = max(1, -(-len(records) // _MEAN_LOAD))
    for attempt in range(100):
        salt = f"{nonce}{attempt:02d}"
        dealt = _deal(records, salt, shards)
        if dealt is not None:
            return salt, dealt
        # Another salt, and now and then a little more room.
        if attempt % 4 == 3:
            shards += max(1, shards // 16)
    raise UserError(f"the {len(records)} routes do not fit into shards", "please report this")


def _deal(records: Mapping[str, str], salt: str, shards: int) -> list[str] | None:
    """The shards' values, None when one is overfull or has two paths with one fingerprint."""
    dealt: list[dict[str, str]] = [{} for _ in range(shards)]
    for path, record in records.items():
        digest = hashlib.md5((salt + path).encode(), usedforsecurity=False).hexdigest()
        shard = dealt[int(digest[:8], 16) % shards]
        fingerprint = digest[8 : 8 + FINGERPRINT]
        if fingerprint in shard or len(shard) == PER_SHARD:
            return None
        shard[fingerprint] = f"{record:~<{REF + 1}}"
    # All fingerprints, then all records: the edge finds one sooner in a shorter text.
    return ["".join([*shard, *shard.values(), _DIGITS[len(shard)]]) for shard in dealt]


class _Pool:
    """Texts too long for a record, packed into values of at most 1 KB; equal ones are stored once."""

    def __init__(self) -> None:
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

    def puts(self, nonce: str) -> dict[str, str]:
        return {f"x:{nonce}:{number}": chunk for number, chunk in enumerate(self._chunks) if chunk}


def _pieces(text: str, first: int) -> Iterable[str]:
    yield text[:first]
    for start in range(first, len(text), limits.VALUE_BYTES):
        yield text[start : start + limits.VALUE_BYTES]
