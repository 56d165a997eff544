"""Visitors, and which side of a canary they are on by the rule of docs/routing-data.md, written down a second time."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator

AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/604.1",
    "curl/8.5.0",
    "",
)


def visitors(count: int, seed: int = 1) -> Iterator[tuple[str, str]]:
    """Addresses and agents as they come: neighbours in one network, a few common browsers, some IPv6."""
    chance = random.Random(seed)
    for number in range(count):
        address = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}" if number % 4 else f"2001:db8::{number:x}"
        yield address, chance.choice(AGENTS)


def identity(address: str, agent: str) -> str:
    return f"{address}|{agent}"


def is_next(value: str, who: str) -> bool:
    """Whether a visitor gets the canary that a host's value names; `who` is a cookie's value or an `identity`."""
    lines = value.split("\n")
    if len(lines) == 1:
        return False
    threshold, seed, _ = lines[1].split(".")
    return int(hashlib.md5(f"{seed}|{who}".encode(), usedforsecurity=False).hexdigest()[:8], 16) % 10_000 < int(threshold)


def share(value: str, everyone: list[str]) -> float:
    """How many per cent get the canary."""
    return 100 * sum(is_next(value, who) for who in everyone) / len(everyone)
