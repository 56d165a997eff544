"""Keep a version whatever prune would remove, until it is unpinned."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

from toolkit.commands import common
from toolkit.engine import prune
from toolkit.workspace import who

if TYPE_CHECKING:
    from toolkit.console import Console

HELP = "keep a version whatever prune would remove"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("version", help="a version's id or a part of it")
    parser.add_argument("--remove", action="store_true", help="let prune decide again")
    common.add_site(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    target, site = common.target_of(args), common.site_of(args)
    version = common.version_of(target, site, args.version)
    if args.remove:
        prune.unpin(target.objects, site, version)
    else:
        prune.pin(target.objects, site, version, who(), time.time())
    console.result({"site": site, "version": version, "pinned": not args.remove})
    console.say(f"{version} is {'no longer pinned' if args.remove else 'pinned'}")
    return 0
