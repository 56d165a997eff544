"""What AWS asks for things: one dated list (`data/prices.json`), and an amount of something as a line of a bill."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from toolkit.engine.advice import CostLine

DATA_FILE = Path(__file__).parent.parent / "data" / "prices.json"


@dataclass(frozen=True)
class Price:
    """Dollars for `per` units, after `free` ones a month. `tiers`: (how many units, dollars for one), one after the other."""

    unit: str
    usd: float
    per: float
    free: float
    page: str
    tiers: tuple[tuple[float | None, float], ...] = ()

    def dollars(self, amount: float) -> float:
        """What so many units cost, all of them paid for."""
        if not self.tiers:
            return amount / self.per * self.usd
        total = 0.0
        for size, usd in self.tiers:
            here = amount if size is None else min(amount, size)
            total, amount = total + here * usd, amount - here
        return total


@cache
def prices() -> tuple[dict[str, Any], Mapping[str, Price]]:
    """The price list as it is written, and its prices by name."""
    data: dict[str, Any] = json.loads(DATA_FILE.read_text(encoding="utf-8"))
    return data, {
        name: Price(**{**it, "tiers": tuple((size, usd) for size, usd in it.get("tiers", ()))})
        for name, it in data["prices"].items()
    }


def monthly(what: str, name: str, amount: float, why: str) -> CostLine:
    """A line of a month, of which what is free costs nothing; `name` is the price's."""
    price = prices()[1][name]
    free = min(amount, price.free)
    return CostLine(what, amount, price.unit, free, price.dollars(amount - free), price.dollars(amount), why, price.page)


def once(what: str, name: str, amount: float, why: str) -> CostLine:
    """A line of something that happens often: nothing of it is free, the month's free amount is used up by whatever comes first."""
    price = prices()[1][name]
    cost = price.dollars(amount)
    return CostLine(what, amount, price.unit, 0, cost, cost, why, price.page)
