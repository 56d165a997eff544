"""Release a version to a channel without building it again: what a preview showed goes live, byte for byte."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from toolkit.commands import common
from toolkit.commands.rollback import move
from toolkit.engine import channels, layout, release
from toolkit.engine.target import Target
from toolkit.errors import UserError

if TYPE_CHECKING:
    from toolkit.console import Console

HELP = "release a version to a channel without building it again"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", help="a preview (preview/NAME or NAME), or a version's id or a part of it")
    parser.add_argument("--to", default=channels.LIVE, metavar="CHANNEL", help="where to (default: live)")
    parser.add_argument("--message", default="", help="a note for the ledger")
    common.add_site(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    target, config, channel = common.target_of(args), common.config_of(args), channels.parse(args.to)
    version = _version(target, config.name, args.what)
    now = release.current(target.routes, config.name, channel)
    if now and now.version == version and not now.canary:
        raise UserError(f"{channel} of {config.name} serves {version} already", "there is nothing to do")
    move(target, config, channel, version, "promote", args.message, console)
    return 0


def _version(target: Target, site: str, what: str) -> str:
    if not layout.is_version(what):
        preview = release.current(target.routes, site, channels.parse(what))
        if preview:
            return preview.version
        if what.startswith(channels.PREVIEW):
            raise UserError(f"{what} of {site} serves nothing", "see `toolkit preview list`")
    return common.version_of(target, site, what)
