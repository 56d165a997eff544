"""What a site would cost in AWS, per month, deploy and delivery, before anything is set up. Nothing is asked of AWS.

Amounts come from how the toolkit works, prices from a dated list; every assumption is printed and can be changed.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING

from toolkit.commands import common
from toolkit.engine.advice import Bill, CostLine, Traffic
from toolkit.targets import NAMES, REMOTE, open_advisor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from toolkit.console import Console

HELP = "say what a site would cost, and how that comes about"
# How many routes a page takes: its address and its other spellings.
_ROUTES_PER_FILE = 3
# What comes to less than this share of a sum is added up.
_LEAST = 0.01
_OPTIONS: dict[str, tuple[Callable[[str], float], str]] = {
    "visits": (int, "visits a month"),
    "pages_per_visit": (float, "pages that a visit sees"),
    "requests_per_page": (float, "requests that a page makes"),
    "page_kb": (float, "KB that a page takes with all that it loads, as sent"),
    "deploys": (int, "deploys a month"),
    "files": (int, "files of a version"),
    "site_mb": (float, "MB of a version"),
    "changed": (float, "share of the files that a deploy changes, 0 to 1"),
    "previews": (int, "previews a month that pipelines build, where there are such"),
    "build_minutes": (float, "minutes that such a build takes"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    for name, (kind, about) in _OPTIONS.items():
        usual = getattr(Traffic, name)
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=_positive(kind), default=usual, help=f"{about} (default: {usual:,})"
        )
    parser.add_argument("--all", action="store_true", help="also what comes to nothing, or to next to nothing")
    parser.add_argument("--routes", type=_positive(int), help=f"routes of a version (default: {_ROUTES_PER_FILE} a file)")
    parser.add_argument("--site", metavar="NAME", help="the site (default: the one whose site.toml is here, else an ordinary one)")
    parser.add_argument("--target", choices=NAMES, default=REMOTE, help=argparse.SUPPRESS)


def _positive(kind: Callable[[str], float]) -> Callable[[str], float]:
    def number(text: str) -> float:
        value = kind(text)
        if not 0 <= value < 1e15:
            raise argparse.ArgumentTypeError(f"{text} is not a number from 0 up")
        return value

    # What argparse says of a text that is none.
    number.__name__ = "number"
    return number


def run(args: argparse.Namespace, console: Console) -> int:
    said = {name: getattr(args, name) for name in _OPTIONS}
    routes = _ROUTES_PER_FILE * args.files if args.routes is None else args.routes
    traffic = replace(Traffic(), **said, routes=routes)
    bill = open_advisor(args.target, common.config_or_none(args), ways=args.ways).cost(traffic)
    return report(bill, console, least=0 if args.all else _LEAST)


def report(bill: Bill, console: Console, *, least: float = _LEAST) -> int:
    """`least`: the share of a sum from which on a line is shown."""
    console.result(bill.as_json())
    console.say(console.style("a month", "bold"))
    _table(bill.lines, console, least * bill.month, with_free=True)
    console.say(f"  ${bill.month:,.2f} a month; ${bill.month_without_free:,.2f} where the free amounts are used up already\n")
    console.say(console.style("a deploy", "bold"))
    _table(bill.deploy, console, least * bill.per_deploy)
    console.say(f"  ${bill.per_deploy:,.4f} a deploy, part of the month's sum\n")
    if bill.delivery:
        console.say(console.style("on top, where a pipeline makes the deploy", "bold"))
        _table(bill.delivery, console, least * bill.per_delivery)
        console.say(f"  ${bill.per_delivery:,.4f} a delivery with its deploy, part of the month's sum\n")
    console.say(console.style("assumptions", "bold"))
    for line in bill.assumptions:
        console.say(f"  {line}")
    return 0


def _table(lines: Sequence[CostLine], console: Console, least: float, *, with_free: bool = False) -> None:
    """What comes to `least` dollars, each with how it comes about; the rest is added up."""
    shown = [line for line in lines if line.dollars >= least]
    rest = [line for line in lines if line.dollars < least]
    rows = []
    for line in shown:
        free = (_amount(line.free),) if with_free else ()
        rows.append((line.what, f"{_amount(line.amount)} {line.unit}", *free, f"{line.dollars:,.4f}"))
    heads = ("what", "how much", *(("of it free",) if with_free else ()), "dollars")
    console.table(heads, rows, below=[f"{line.why} ({line.source})" for line in shown])
    if rest:
        console.say(f"{len(rest)} more, with what is free, come to ${sum(line.dollars for line in rest):,.4f} (--all shows them)")


def _amount(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:,.3g}"
