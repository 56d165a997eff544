"""Show what `toolkit up` would change in an AWS account. Nothing is changed, and nothing stays of having asked."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.commands import common
from toolkit.commands.up import show
from toolkit.engine.stacks import Account
from toolkit.errors import EXIT_OK, EXIT_USER, UsageError
from toolkit.targets import open_account

if TYPE_CHECKING:
    from toolkit.console import Console

HELP = "show what up would change in an AWS account"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--fail", action="store_true", help="exit with 1 when something would change")
    common.add_target(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    from toolkit import config

    found = config.load(Path.cwd())
    name = args.target or found.target
    account = open_account(name, found, ways=args.ways)
    if account is None:
        raise UsageError(f"there is nothing to compare on the target {name}: it has no stacks", "see `toolkit status`")
    return diff(account, found.name, args.fail, console)


def diff(account: Account, site: str, fail: bool, console: Console) -> int:
    account.check()
    plans = [account.compare(stack) for stack in account.synthesise()]
    console.result({"site": site, "stacks": [asdict(plan) for plan in plans]})
    for plan in plans:
        if plan.changes:
            show(plan, list(plan.changes), console)
            console.say()
    count = sum(len(plan.changes) for plan in plans)
    losses = [change for plan in plans for change in plan.changes if change.is_loss]
    console.say(f"{count} resources would change" if count else "nothing would change")
    if losses:
        console.warn(f"{len(losses)} of them hold data that goes with them: {', '.join(change.name for change in losses)}")
    return EXIT_USER if fail and count else EXIT_OK
