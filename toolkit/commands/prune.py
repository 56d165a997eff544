"""End previews that nothing was released to for long, and remove versions and files that nobody needs.

Never what serves, is pinned, is recent, or is one of the last few.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

from toolkit import pipeline
from toolkit.commands import common
from toolkit.engine import expiry
from toolkit.engine import prune as engine
from toolkit.engine.target import Target
from toolkit.workspace import who

if TYPE_CHECKING:
    from toolkit.console import Console

HELP = "end old previews, remove versions and files that nobody needs"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--keep", type=int, metavar="N", help="keep the last N versions (default: site.toml's, or 10)")
    parser.add_argument(
        "--grace-hours", type=float, metavar="H", help="keep what served within H hours (default: site.toml's, or 24)"
    )
    parser.add_argument(
        "--preview-days",
        type=float,
        metavar="D",
        help="end previews without a release for D days, 0: none (default: site.toml's, or 30)",
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would go, remove nothing")
    common.add_site(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    config, target = common.config_of(args), common.target_of(args)
    keep = config.keep if args.keep is None else args.keep
    hours = config.grace_hours if args.grace_hours is None else args.grace_hours
    days = config.preview_days if args.preview_days is None else args.preview_days
    if args.dry_run:
        target = pipeline.dry(target)
    return prune(target, config.name, keep, hours, days, args.dry_run, console)


def prune(target: Target, site: str, keep: int, grace_hours: float, days: float, dry_run: bool, console: Console) -> int:
    ended = expiry.expire(target.objects, target.routes, site, days=days, who=who())
    for record in ended:
        verb = "would end" if dry_run else "ended"
        console.say(f"{record.channel} {verb}: nothing was released to it since {common.age(record.at)}")
    done = engine.prune(target.objects, target.routes, site, keep=max(0, keep), grace_seconds=grace_hours * 3600)
    console.result({"site": site, "dry_run": dry_run, "ended": [record.channel for record in ended], **asdict(done)})
    rows = [(verdict.version, "keep" if verdict.keep else "remove", verdict.reason) for verdict in done.verdicts]
    if rows:
        console.table(("version", "", "why"), rows)
    verb = "would remove" if dry_run else "removed"
    gone = sum(1 for verdict in done.verdicts if not verdict.keep)
    console.say(f"{verb} {gone} versions, {done.blobs} files ({done.bytes:,} bytes), {len(done.tables)} route tables")
    if done.stopped:
        console.warn("a deploy began meanwhile; run prune again for the rest")
    return 0
