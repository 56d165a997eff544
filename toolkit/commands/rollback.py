"""Serve an earlier version again, at once: nothing is built and nothing is copied, one pointer moves.

Without a version, the one that the channel served before the present one; while a canary runs, the stable one, so that all
visitors get it again. Builds that began before the rollback do not undo it.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

from toolkit.commands import common
from toolkit.engine import channels, release, rollback
from toolkit.engine.target import Target, netloc
from toolkit.errors import UserError
from toolkit.progress import timed
from toolkit.workspace import who

if TYPE_CHECKING:
    from toolkit.config import SiteConfig
    from toolkit.console import Console

HELP = "serve an earlier version again, at once"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("version", nargs="?", help="a version's id or a part of it (default: the one served before)")
    common.add_channel(parser)
    parser.add_argument("--message", default="", help="a note for the ledger")
    common.add_site(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    target, config, channel = common.target_of(args), common.config_of(args), channels.parse(args.channel)
    now = common.serving(target, config.name, channel)
    if args.version:
        version = common.version_of(target, config.name, args.version)
    else:
        version = now.version if now.canary else rollback.before(target.objects, target.routes, now).version
    if version == now.version and not now.canary:
        raise UserError(f"{channel} of {config.name} serves {version} already", "see `toolkit releases` for other versions")
    move(target, config, channel, version, rollback.REASON, args.message, console)
    return 0


def move(target: Target, config: SiteConfig, channel: str, version: str, reason: str, note: str, console: Console) -> None:
    """Release a version that exists, by a person's decision."""
    hosts = channels.hosts(config.name, channel, target.names, config.hosts)
    seconds: dict[str, float] = {}
    with timed(seconds, reason):
        done = release.release(
            target.objects,
            target.routes,
            release.Request(
                config.name,
                channel,
                version,
                hosts,
                time.time(),
                who(),
                reason,
                explicit=True,
                note=note,
                canonical=netloc(target, config.canonical),
            ),
        )
    told = target.released(done)
    urls = [target.url(host) for host in hosts]
    console.result({**asdict(done), "watch": told or None, "urls": urls, "seconds": seconds})
    console.say(f"{console.style(channel, 'bold')} serves {console.style(version, 'green')} (release {done.number}, {reason})")
    if done.ended:
        console.say(f"  {common.ended(done)}")
    if told:
        console.say(f"  {told}")
    for url in urls:
        console.say(f"  {console.style(url, 'cyan')}")
