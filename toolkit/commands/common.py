"""Arguments and look-ups that several verbs share."""

from __future__ import annotations

import argparse
import re
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.engine import channels, deliveries, prune, release
from toolkit.engine.deliveries import DONE, ENDED, FAILED, RUNNING, STOPPED, SUPERSEDED, Deliveries, Delivery, Stage
from toolkit.engine.gates import Access
from toolkit.engine.model import Release
from toolkit.engine.target import Target
from toolkit.errors import Unavailable, UserError
from toolkit.targets import DEFAULT, NAMES, open_target

if TYPE_CHECKING:
    from toolkit.config import SiteConfig
    from toolkit.console import Console

_COLOURS = {DONE: "green", RUNNING: "yellow", FAILED: "red", STOPPED: "red"}


def add_site(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--site", metavar="NAME", help="the site (default: the one whose site.toml is here)")
    add_target(parser)


def add_target(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--target", choices=NAMES, help=f"where the site runs (default: what site.toml says, else {DEFAULT})")


def add_channel(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--channel", default=channels.LIVE, metavar="CHANNEL", help="live (default), or a preview: preview/NAME or NAME"
    )


def add_origin(parser: argparse.ArgumentParser) -> None:
    """For what comes without its repository."""
    parser.add_argument("--commit", type=_commit, default="", metavar="HASH", help="the commit that it was made of, for the ledger")
    parser.add_argument("--branch", default="", help="and its branch")


def _commit(text: str) -> str:
    """A commit's hash, or the beginning of one, as `aws.uploaded` takes it."""
    if text and not re.fullmatch("[0-9a-f]{7,64}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no commit: 7 to 64 digits 0-9 and a-f, as `git rev-parse HEAD` prints")
    return text


def port(text: str) -> int:
    """A port as an argument. The system's own look-up takes 99999 for 34463, so that the range is checked here."""
    number = int(text)
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is not a port: it goes from 1 to 65535, and 0 takes any free one")
    return number


def add_yes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")


def target_of(args: argparse.Namespace) -> Target:
    return open_target(target_name(args), site=lambda: config_of(args), ways=args.ways)


def target_name(args: argparse.Namespace) -> str:
    """The target that --target names, else the site's own."""
    from toolkit import config

    if args.target:
        return str(args.target)
    try:
        return config_of(args).target
    except config.NoConfig:
        return DEFAULT


def config_of(args: argparse.Namespace) -> SiteConfig:
    """The site's configuration: from site.toml here, or the defaults for --site."""
    from toolkit import config

    here = Path.cwd()
    if args.site is None:
        return config.load(here)
    try:
        found = config.load(here)
    except config.NoConfig:
        return config.defaults(args.site, here)
    return found if found.name == args.site else config.defaults(args.site, here)


def config_or_none(args: argparse.Namespace) -> SiteConfig | None:
    """The site's configuration, None outside a project."""
    from toolkit import config

    try:
        return config_of(args)
    except config.NoConfig:
        return None


def site_of(args: argparse.Namespace) -> str:
    """The site's name alone; without --site it is read from site.toml."""
    return args.site or config_of(args).name


def version_of(target: Target, site: str, text: str) -> str:
    """A version by its id or a unique beginning or ending of it."""
    versions = prune.versions_of(target.objects, site)
    found = [version for version in versions if text in (version, version[-7:])] or [
        version for version in versions if version.startswith(text) or version[17:].startswith(text)
    ]
    if len(found) == 1:
        return found[0]
    if not found:
        raise UserError(f"{site} has no version {text}", "see `toolkit releases` for those that it has")
    raise UserError(f"{text} could be {', '.join(found[:4])}", "give more of the version's id")


def serving(target: Target, site: str, channel: str) -> Release:
    """What a channel serves. UserError when nothing."""
    record = release.current(target.routes, site, channel)
    if record is None:
        raise UserError(f"{channel} of {site} serves nothing yet", "release something first: toolkit deploy")
    return record


def deliveries_of(target: Target, site: str) -> Deliveries:
    """What takes pushes and uploads of the site. UserError where nothing does."""
    found = target.deliveries(site)
    if found is None:
        raise UserError(f"the site {site} has no pipeline", "add [aws.github] or [aws.uploads] to site.toml, then run `toolkit up`")
    return found


def follow(target: Target, site: str, id: str, console: Console) -> None:
    """Show how a delivery comes along until it serves. UserError with the stage when it fails, or serves nothing."""

    def changed(stage: Stage) -> None:
        took = f" in {spell(stage.seconds)}" if stage.state in ENDED else ""
        console.say(f"{stage.name:<9} {console.style(stage.state, _COLOURS.get(stage.state, 'dim'))}{took}")

    try:
        found = deliveries.follow(deliveries_of(target, site), id, changed)
    except KeyboardInterrupt:
        console.note("it goes on without you; see `toolkit status`")
        raise
    if found.state != DONE:
        raise UserError(*_failure(found))
    if found.outcome == SUPERSEDED:
        raise UserError(f"{found.channel} serves something newer than {found.version or found.id}", "see `toolkit releases`")
    urls = _urls(target, site, found.channel)
    console.result({"site": site, "delivery": asdict(found), "urls": urls})
    if not found.version:
        console.say("nothing was released by it")
        return
    console.say(f"{console.style(found.channel, 'bold')} serves {console.style(found.version, 'green')}")
    for url in urls:
        console.say(f"  {console.style(url, 'cyan')}")


def _urls(target: Target, site: str, channel: str) -> list[str]:
    """Where a channel answers; nothing where who follows a delivery may not ask that."""
    try:
        record = release.current(target.routes, site, channel) if channel else None
    except (UserError, Unavailable):
        return []
    return [target.url(host) for host in record.hosts] if record else []


def spell(seconds: float) -> str:
    """A short duration, for people."""
    if seconds >= 60:
        return f"{int(seconds // 60)} min {int(seconds % 60)} s"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"


def _failure(found: Delivery) -> tuple[str, str]:
    stage = found.failed
    if stage is None:
        return f"the delivery {found.id} was {found.state}", f"see {found.link}"
    log = "`toolkit logs`, " if stage.name == "build" else ""
    return f"{stage.name} {stage.state}: {stage.says or 'no reason was given'}", f"see {log}{stage.link or found.link}"


def age(moment: float, now: float | None = None) -> str:
    """A duration in words, for people: `3 min ago`."""
    seconds = max(0.0, (time.time() if now is None else now) - moment)
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{int(seconds // length)} {unit} ago"
    return f"{int(seconds)} s ago"


def ended(record: Release) -> str:
    """What to say of the canary that a release put an end to."""
    return f"the canary {record.ended} ended with it"


def gates_in_words(access: Access) -> str:
    """What stands before a channel: `open`, `password`, `maintenance`."""
    return "maintenance" if access.maintenance else "password" if access.password else "open"


def confirm(question: str, yes: bool, interactive: bool) -> None:
    """Go on only when the person agrees. UserError without a terminal and without --yes."""
    if yes:
        return
    if not interactive:
        raise UserError(f"{question} Nobody is there to ask", "add --yes")
    if _answer(f"{question} [y/N] ").lower() not in ("y", "yes"):
        raise UserError("nothing was changed", "answer y to go on")


def confirm_name(question: str, name: str, yes: bool, interactive: bool) -> None:
    """The same for what cannot be undone: the person types a name."""
    if yes:
        return
    if not interactive:
        raise UserError(f"{question} Nobody is there to ask", "add --yes")
    if _answer(f"{question}\nType {name} to go on: ") != name:
        raise UserError("nothing was changed", f"type {name} to go on")


def _answer(question: str) -> str:
    """What the person types, "" for Ctrl-D. It is asked beside the result, which may go to a file."""
    print(question, end="", file=sys.stderr, flush=True)
    try:
        return input().strip()
    except EOFError:
        print(file=sys.stderr)
        return ""
