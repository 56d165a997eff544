"""Show what is serving where: the server, what is on its way, every channel with its URL, and how full the route store is."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

from toolkit.commands import common
from toolkit.engine import channels, gates, limits, release
from toolkit.engine.deliveries import DONE, FAILED, RUNNING, Delivery, Stage
from toolkit.engine.gates import Access
from toolkit.engine.model import Release
from toolkit.engine.target import Target
from toolkit.errors import Unavailable, UserError
from toolkit.workspace import Workspace

if TYPE_CHECKING:
    from toolkit.console import Console

HELP = "show what is serving where"
_DELIVERIES = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--all", action="store_true", help="every site of the target")
    common.add_site(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    target = common.target_of(args)
    return status(target, "" if args.all else _site(args), console)


def _deliveries(target: Target, site: str, console: Console) -> list[Delivery]:
    """What is under way and what came last. That it cannot be read keeps nobody from seeing what serves."""
    found = target.deliveries(site) if site else None
    try:
        return found.recent(_DELIVERIES) if found else []
    except (UserError, Unavailable) as error:
        console.warn(f"what was delivered cannot be read: {error}{f' ({error.fix})' if isinstance(error, UserError) else ''}")
        return []


def _show(found: list[Delivery], console: Console) -> None:
    rows = []
    for one in found:
        what = " ".join(part for part in (one.source, one.branch, one.commit[:7], one.message) if part)
        rows.append((common.age(one.started), what, one.channel, one.outcome or one.state))
    # What a delivery went through is wider than most terminals leave beside the rest, and is what is looked for.
    console.table(("delivered", "what", "channel", "state"), rows, [_stages(one) for one in found])
    for one in found:
        if one.state == DONE:
            break  # what failed before is mended
        if one.state == FAILED and (stage := one.failed):
            console.say(f"{one.id}: {stage.name} failed: {stage.says}".rstrip(": "))
            console.say(f"  {stage.link or one.link}")
    console.say()


def _stages(one: Delivery) -> str:
    """`source 3 s → build 42 s → publish running 2 s`."""

    def told(it: Stage) -> str:
        words = (it.name, "" if it.state == DONE else it.state, common.spell(it.seconds) if it.state in (DONE, RUNNING) else "")
        return " ".join(word for word in words if word)

    return " → ".join(map(told, one.stages))


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
    delivered = _deliveries(target, site, console)
    console.result(
        {
            "target": target.name,
            "server": asdict(server),
            "deliveries": [asdict(one) for one in delivered],
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
    if delivered:
        _show(delivered, console)
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
