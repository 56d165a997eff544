"""Close a channel for a while: every request is answered 503, until it is opened again.

Visitors see the page /503.html or /maintenance.html of the version that is served, if it brings one. The channel stays closed
through deploys and rollbacks, and each version shows its own page.

toolkit maintenance on
toolkit maintenance off
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from toolkit.commands import common
from toolkit.engine import access, channels, gates, release
from toolkit.engine.pointers import NONE
from toolkit.engine.target import Target

if TYPE_CHECKING:
    from toolkit.console import Console

HELP = "close a channel for a while, or open it again"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("switch", choices=("on", "off"))
    common.add_channel(parser)
    common.add_site(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    return switch(common.target_of(args), common.site_of(args), channels.parse(args.channel), args.switch == "on", console)


def switch(target: Target, site: str, channel: str, on: bool, console: Console) -> int:
    if on:
        common.serving(target, site, channel)
    access.maintenance(target.objects, target.routes, site, channel, on)
    record = release.current(target.routes, site, channel)
    page = gates.maintenance_page(release.load_manifest(target.objects, site, record.version)) if record else NONE
    urls = [target.url(host) for host in record.hosts] if record else []
    console.result({"site": site, "channel": channel, "maintenance": on, "page": page != NONE, "urls": urls})
    console.say(f"{console.style(channel, 'bold')} of {site} is {'closed for maintenance' if on else 'open'}")
    if on and page == NONE:
        console.note("visitors get a plain line of text; for a page of your own, publish a 503.html")
    for url in urls:
        console.say(f"  {console.style(url, 'cyan')}")
    return 0
