"""The store with something missing or overwritten, as after a lost write or by a stranger's hand."""

from __future__ import annotations

import random
from collections.abc import Iterator

from tests.functions.sites import store

KINDS = ("removed", "empty", "cut short", "one character", "one field", "shuffled", "noise", "odd")
_ODD = (
    "-", "..", "a.b", "n0nce123100.0.", "n0nce123100.-1.", "n0nce123100.1e9.0", "n0nce123100.NaN.0123456789",
    "n1..", "x" * 1000, "../../secret", "|||",
    "\u0000", "é" * 30, "2||||||||", "2|shop|v|n0nce123100.1.|-|-|-|-", "\n\n", "[]", "{", "301 //evil.example", "301 https://evil.example",
)  # fmt: skip


def every_key(chance: random.Random) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Each key of the store, in each way in which one can be damaged: the key, the kind, and the store."""
    whole = store()
    for key in sorted(whole):
        for kind in KINDS:
            yield key, kind, _with(whole, key, kind, chance)


def several(seed: int) -> dict[str, str]:
    """A store in which a few values are damaged, perhaps all of a kind gone."""
    chance = random.Random(seed)
    kvs = store()
    for _ in range(chance.choice((1, 2, 5))):
        kind = chance.choice(("h:", "h:", "t:", "t:", "x:"))
        key = chance.choice([key for key in sorted(kvs) if key.startswith(kind)])
        kvs = _with(kvs, key, chance.choice(KINDS[1:]), chance)
    lost = chance.choice(("t:n0nce1231", "t:n0nce1232", "x:", "h:", "nothing", "nothing", "nothing"))
    return {key: value for key, value in kvs.items() if not key.startswith(lost)}


def _with(kvs: dict[str, str], key: str, kind: str, chance: random.Random) -> dict[str, str]:
    if kind == "removed":
        return {name: value for name, value in kvs.items() if name != key}
    return {**kvs, key: _spoilt(kvs[key], kind, chance)}


def _spoilt(value: str, kind: str, chance: random.Random) -> str:
    at = chance.randrange(len(value)) if value else 0
    fields = value.split("|")
    match kind:
        case "empty":
            return ""
        case "cut short":
            return value[:at]
        case "one character":
            return value[:at] + chance.choice("~-|FECRBfecrPWN0z\té/\n") + value[at + 1 :]
        case "one field":
            place = chance.randrange(len(fields))
            return "|".join([*fields[:place], chance.choice(_ODD), *fields[place + 1 :]])
        case "shuffled":
            return "".join(chance.sample(value, len(value)))
        case "noise":
            return "".join(chance.choice("0123456789abcdefFECRBPWNfecr.~-/\t\n{}") for _ in range(len(value)))
        case _:
            return chance.choice(_ODD)
