"""Print the build log of a version, of what a channel serves, or of the last build (also one that failed)."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from toolkit.commands import common
from toolkit.engine import channels, layout
from toolkit.engine.errors import NotFound
from toolkit.errors import UserError
from toolkit.workspace import Workspace

if TYPE_CHECKING:
    from toolkit.console import Console

HELP = "print the build log of a version or of the last build"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("version", nargs="?", help="a version's id or a part of it (default: the last build on this machine)")
    parser.add_argument("--channel", help="the version that this channel serves")
    common.add_site(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    target, site = common.target_of(args), common.site_of(args)
    version = ""
    if args.channel:
        version = common.serving(target, site, channels.parse(args.channel)).version
    elif args.version:
        version = common.version_of(target, site, args.version)
    if version:
        try:
            text = target.objects.get(layout.build_log(site, version))[1].decode("utf-8", "replace")
        except NotFound:
            raise UserError(f"{version} was not built here: it came as finished files", "see `toolkit releases`") from None
    else:
        log = Workspace(site).last_log()
        if log is None:
            raise UserError(f"{site} was never built on this machine", "build it with `toolkit deploy`")
        text = log.read_text(encoding="utf-8", errors="replace")
    console.result({"site": site, "version": version or None, "log": text})
    console.say(text.rstrip("\n"))
    return 0
