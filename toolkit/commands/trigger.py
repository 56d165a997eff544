"""Deliver again what was pushed last: build and release it without a new push, and follow it until it serves.

In AWS, a site that takes uploads and no pushes has its last upload to live delivered again.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from toolkit.commands import common

if TYPE_CHECKING:
    from toolkit.console import Console

HELP = "build and release again what was pushed last"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--branch", default="", help="the branch (default: what goes live)")
    parser.add_argument("--no-follow", action="store_true", help="end once the delivery has begun")
    common.add_site(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    site = common.site_of(args)
    target = common.target_of(args)
    id = common.deliveries_of(target, site).trigger(args.branch)
    console.say(f"delivery {id} has begun")
    if args.no_follow:
        console.result({"site": site, "delivery": {"id": id}})
        return 0
    common.follow(target, site, id, console)
    return 0
