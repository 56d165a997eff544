"""Show what is serving where: the server, every channel with its URL, and how full the route store is."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

from toolkit.commands import common
from toolkit.engine import channels, gates, limits, release
from toolkit.engine.gates import Access
from toolkit.engine.model import Release
from toolkit.engine.target import Target
from toolkit.workspace import Workspace

if TYPE_CHECKING:
    from toolkit.console import Console

HELP = "show what is serving where"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--all", action="store_true", help="every site of the target")
    common.add_site(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    target = common.target_of(args)
    return status(target, "" if args.all else _site(args), console)


def _site(args: argparse.Namespace) -> str:
    """The site here, or none: outside a project the whole target is of interest."""
    from toolkit import config

    try:
        return common.site_of(args)
    except config.NoConfig:
        return ""


def status(target: Target, site: str, console: Console) -> int:
    server = target.server()
    found = sorted(release.channels(target.routes, site), key=lambda one: (one.site, one.channel != channels.LIVE, one.channel))
    rules = {(one.site, one.channel): gates.read(target.routes.get, one.site, one.channel) for one in found}
    usage = target.routes.usage()
    repository = Workspace(site).repository if site else None
    pushable = repository if repository and repository.exists() else None
    console.result(
        {
            "target": target.name,
            "server": asdict(server),
            "channels": [_as_data(target, one, rules[one.site, one.channel]) for one in found],
            "route_store": {"keys": usage.items, "bytes": usage.bytes, "limit": limits.STORE_BYTES},
            "push_to": str(pushable) if pushable else None,
        }
    )
    colour = "green" if server.state == "running" else "yellow"
    console.say(f"server   {console.style(server.state, colour)}  {server.where}")
    console.say(f"routes   {usage.bytes:,} of {limits.STORE_BYTES:,} bytes in {usage.items:,} keys")
    if pushable:
        console.say(f"push to  {pushable}")
    console.say()
    if not found:
        console.say(f"nothing is serving{f' for {site}' if site else ''}; start with `toolkit up`, then `toolkit deploy`")
        return 0
    rows = []
    for one in found:
        about = common.gates_in_words(rules[one.site, one.channel])
        rows.append((one.site, one.channel, _versions(one), one.reason, common.age(one.at), about, target.url(one.hosts[0])))
    console.table(("site", "channel", "version", "why", "since", "access", "url"), rows)
    if server.state != "running":
        console.warn("the server is not running, so nobody is answered; start it with `toolkit up` or `toolkit serve`")
    return 0


def _as_data(target: Target, record: Release, access: Access) -> dict[str, object]:
    doors = {"maintenance": access.maintenance, "protected": bool(access.password)}
    return {**asdict(record), **doors, "urls": [target.url(host) for host in record.hosts]}


def _versions(record: Release) -> str:
    return f"{record.version}, {record.percent:g} % {record.canary}" if record.canary else record.version
