"""Try on the running site what only a real account can prove, one trial per note of docs/fidelity.md.

A small probe is published into the site's bucket and store, asked for through the distribution with a preview's cookie, and removed
again; visitors notice nothing. It takes about three minutes and costs less than a cent.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

from toolkit.commands import common
from toolkit.engine.advice import OK, PROBLEM, UNKNOWN, Check
from toolkit.errors import EXIT_OK, EXIT_USER
from toolkit.targets import open_advisor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolkit.console import Console

HELP = "try on the account what only it can prove"
_SHOWN = {OK: ("holds", "green"), PROBLEM: ("differs", "red"), UNKNOWN: ("not tried", "magenta")}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="how long to watch writes of the store spread (default: 60; 0: not at all)"
    )
    common.add_site(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    advisor = open_advisor(common.target_name(args), common.config_or_none(args), ways=args.ways)
    return verify(advisor.verify(seconds=args.seconds), console)


def verify(checks: Iterator[Check], console: Console) -> int:
    """Print each outcome as it comes; the exit code is 1 when one differs."""
    done = []
    for check in checks:
        done.append(check)
        word, colour = _SHOWN[check.state]
        console.say(f"{console.style(f'{word:<9}', colour)}  {check.note:<4} {check.what:<52} {check.found}")
    wrong = [check for check in done if check.state == PROBLEM]
    console.result({"holds": not wrong, "checks": [asdict(check) for check in done]})
    open_ = sum(check.state == UNKNOWN for check in done)
    console.say(f"\n{len(done) - len(wrong) - open_} of {len(done)} hold, {len(wrong)} differ, {open_} were not tried")
    if wrong:
        console.say("what to do: docs/fidelity.md says at each number what relies on it; please report what differs")
    return EXIT_USER if wrong else EXIT_OK
