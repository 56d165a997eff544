"""What a CloudFront KeyValueStore takes in one update, and in all: every route store refuses the rest before it writes anything.

Sources: "Quotas on key value stores" (CloudFront developer guide) for the sizes, `UpdateKeys` (CloudFront API reference).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from toolkit.engine import limits
from toolkit.engine.errors import LimitExceeded


def pair_bytes(key: str, value: str) -> int:
    """What a pair counts for in a store's size."""
    return len(key.encode()) + len(value.encode())


def check_batch(puts: Mapping[str, str], deletes: Sequence[str]) -> None:
    """LimitExceeded when CloudFront would refuse this `UpdateKeys` whatever the store holds."""
    if len(puts) + len(deletes) > limits.BATCH_KEYS:
        raise LimitExceeded(
            f"an update of {len(puts) + len(deletes)} keys, one may change {limits.BATCH_KEYS}", "send several updates"
        )
    total = 0
    for key, value in [*puts.items(), *((key, "") for key in deletes)]:
        key_size, value_size = len(key.encode()), len(value.encode())
        total += key_size + value_size
        if not 0 < key_size <= limits.KEY_BYTES:
            raise LimitExceeded(f"route key {key[:60]!r} takes {key_size} bytes, 1 to {limits.KEY_BYTES} fit", "shorten it")
        if value_size > limits.VALUE_BYTES:
            raise LimitExceeded(
                f"the value of route key {key[:60]!r} takes {value_size} bytes, {limits.VALUE_BYTES} fit", "split it"
            )
    if total > limits.BATCH_BYTES:
        raise LimitExceeded(f"an update of {total} bytes, one may send {limits.BATCH_BYTES}", "send several updates")
    if len({*puts, *deletes}) != len(puts) + len(deletes):
        raise ValueError("an update names a key twice")


def check_store(size: int) -> None:
    """LimitExceeded when the store would pass its size."""
    if size > limits.STORE_BYTES:
        raise LimitExceeded(
            f"the route store would take {size} bytes, {limits.STORE_BYTES} fit",
            "remove previews or old versions (toolkit prune), or publish fewer routes",
        )
