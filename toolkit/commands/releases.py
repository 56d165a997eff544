"""List what a channel served, newest first: version, commit, who, when and why."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

from toolkit.commands import common
from toolkit.engine import channels, prune, release
from toolkit.engine.target import Target

if TYPE_CHECKING:
    from toolkit.console import Console

HELP = "list what a channel served, newest first"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    common.add_channel(parser)
    parser.add_argument("-n", "--limit", type=int, default=20, metavar="N", help="at most N entries (default 20, 0: all)")
    common.add_site(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    return releases(common.target_of(args), common.site_of(args), channels.parse(args.channel), args.limit, console)


def releases(target: Target, site: str, channel: str, limit: int, console: Console) -> int:
    entries = release.history(target.objects, site, channel, max(limit, 0))
    current = release.current(target.routes, site, channel)
    pinned = prune.pins(target.objects, site)
    there = set(prune.versions_of(target.objects, site))
    console.result(
        {
            "site": site,
            "channel": channel,
            "current": current.number if current else None,
            "releases": [
                {**asdict(entry), "pinned": entry.version in pinned, "available": entry.version in there} for entry in entries
            ],
        }
    )
    if not entries:
        console.say(f"{channel} of {site} has no release yet; make one with `toolkit deploy`")
        return 0
    rows = []
    for entry in entries:
        marks = [mark for mark, applies in (("pinned", entry.version in pinned), ("pruned", entry.version not in there)) if applies]
        serving = "→" if current and entry.number == current.number else " "
        what = entry.version or "(removed)"
        about = "; ".join([entry.note, *(marks if entry.version else [])]).strip("; ")
        rows.append((f"{serving}{entry.number}", what, entry.reason, entry.commit[:7], entry.who, common.age(entry.at), about))
    console.table(("#", "version", "why", "commit", "who", "when", "note"), rows)
    return 0
