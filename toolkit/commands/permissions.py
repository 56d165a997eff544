"""Print the smallest IAM policies for a step, with a reason for each statement. Nothing is asked of AWS.

toolkit permissions up                                        all policies of the step
toolkit permissions up --policy toolkit-up > toolkit-up.json  one of them alone, as IAM takes it
toolkit permissions up --boundary ours                        roles only with that boundary, and the boundary's own policy
"""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from toolkit.commands import common
from toolkit.engine.advice import POLICY_CHARACTERS, STEPS, Policy
from toolkit.errors import UsageError
from toolkit.targets import NAMES, REMOTE, open_advisor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.console import Console

HELP = "print the smallest policies for each step"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("step", choices=STEPS, nargs="?", default="up", help="what the policies are for (default: up)")
    parser.add_argument("--boundary", default="", metavar="NAME", help="a managed policy that every role of a site must carry")
    parser.add_argument("--account", default="*", metavar="NUMBER", help="the account, to name its resources alone (default: any)")
    parser.add_argument("--policy", metavar="NAME", help="print this policy's document alone")
    parser.add_argument("--site", metavar="NAME", help="the site (default: the one whose site.toml is here, else any)")
    parser.add_argument("--target", choices=NAMES, default=REMOTE, help=argparse.SUPPRESS)


def run(args: argparse.Namespace, console: Console) -> int:
    advisor = open_advisor(args.target, common.config_or_none(args), ways=args.ways)
    found = advisor.permissions(args.step, boundary=args.boundary, account=args.account)
    if args.policy:
        found = [policy for policy in found if policy.name == args.policy] or _no_such(args.policy, found)
    return report(args.step, found, console, alone=bool(args.policy))


def _no_such(name: str, found: Sequence[Policy]) -> list[Policy]:
    raise UsageError(f"this step has no policy {name}", f"choose one of: {', '.join(policy.name for policy in found)}")


def report(step: str, policies: Sequence[Policy], console: Console, *, alone: bool) -> int:
    console.result({"step": step, "policies": [_as_data(policy) for policy in policies]})
    for policy in policies:
        if not alone:
            console.say(f"{console.style(policy.name, 'bold')}, {policy.size:,} of {POLICY_CHARACTERS:,} characters")
            console.say(f"  for {policy.holder}")
        console.say(json.dumps(policy.document(), indent=2))
        if not alone:
            console.table(("statement", "why"), [(one.sid, one.reason) for one in policy.statements])
            console.say()
    return 0


def _as_data(policy: Policy) -> dict[str, object]:
    reasons = {one.sid: one.reason for one in policy.statements}
    return {
        "name": policy.name,
        "for": policy.holder,
        "characters": policy.size,
        "document": policy.document(),
        "reasons": reasons,
    }
