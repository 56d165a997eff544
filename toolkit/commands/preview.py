"""List or remove previews.

toolkit preview list          every preview with its URL
toolkit preview rm pr-12      take one away (its versions stay until they are pruned)
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

from toolkit.commands import common
from toolkit.engine import channels, release
from toolkit.engine.target import Target
from toolkit.errors import UserError
from toolkit.workspace import who

if TYPE_CHECKING:
    from toolkit.console import Console

HELP = "list or remove previews"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("list", "rm"))
    parser.add_argument("names", nargs="*", help="previews to remove")
    common.add_site(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    target, site = common.target_of(args), common.site_of(args)
    if args.action == "list":
        return show(target, site, console)
    if not args.names:
        raise UserError("no preview was named", "see `toolkit preview list`")
    return remove(target, site, [channels.parse(name) for name in args.names], console)


def show(target: Target, site: str, console: Console) -> int:
    found = [record for record in release.channels(target.routes, site) if record.channel != channels.LIVE]
    console.result(
        {
            "site": site,
            "previews": [
                {"channel": one.channel, "version": one.version, "at": one.at, "urls": [target.url(host) for host in one.hosts]}
                for one in found
            ],
        }
    )
    if not found:
        console.say(f"{site} has no preview; push a branch, or `toolkit deploy --channel preview/NAME`")
        return 0
    rows = [(one.channel, one.version, common.age(one.at), target.url(one.hosts[0])) for one in found]
    console.table(("preview", "version", "since", "url"), rows)
    return 0


def remove(target: Target, site: str, wanted: list[str], console: Console) -> int:
    for channel in wanted:
        if channel == channels.LIVE:
            raise UserError("live is not a preview", "to take a site down: toolkit destroy")
        if release.current(target.routes, site, channel) is None:
            raise UserError(f"{site} has no {channel}", "see `toolkit preview list`")
    for channel in wanted:
        request = release.Request(site, channel, "", (), time.time(), who(), "remove", explicit=True)
        release.remove(target.objects, target.routes, request)
        console.say(f"{channel} of {site} was removed")
    console.result({"site": site, "removed": wanted})
    return 0
