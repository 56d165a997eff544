"""Print the build log of a version, of what a channel serves, or of the last build (also one that failed).

With --follow the build that runs now, or is about to begin, is shown line by line until it ends; Ctrl-C leaves it alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from toolkit.commands import common
from toolkit.engine import channels, layout
from toolkit.engine.deliveries import RUNNING, Deliveries, Delivery, moment
from toolkit.engine.errors import NotFound
from toolkit.engine.target import Target
from toolkit.errors import UsageError, UserError
from toolkit.workspace import Workspace

if TYPE_CHECKING:
    from toolkit.console import Console

_LOOK_BACK = 20
# How many of the last deliveries are looked at for one that is about to be built.
_SOON = 5
# The stages before a build.
_BEFORE = ("source", "inspect")
HELP = "print the build log of a version or of the last build"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("version", nargs="?", help="a version's id or a part of it (default: the last build)")
    parser.add_argument("--channel", help="the version that this channel serves")
    parser.add_argument("--delivery", metavar="ID", help="the build of this delivery; see `toolkit status`")
    parser.add_argument("-f", "--follow", action="store_true", help="go on until the build that runs has ended")
    common.add_site(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    chosen = [name for name in ("version", "channel", "delivery") if getattr(args, name)]
    if len(chosen) > 1:
        raise UsageError("give a version, --channel or --delivery, not several", "see `toolkit logs --help`")
    if args.follow and chosen and not args.delivery:
        raise UsageError("what a version was built by has ended: there is nothing to follow", "leave --follow out")
    target, site = common.target_of(args), common.site_of(args)
    if args.version or args.channel:
        version = _version(args, target, site)
        _print(site, version, None, _of_version(target, site, version), console)
        return 0
    if args.delivery:
        found = common.deliveries_of(target, site)
        _print(site, None, args.delivery, found.log(args.delivery, follow=args.follow), console)
        return 0
    _last(target, site, args.follow, console)
    return 0


def _version(args: argparse.Namespace, target: Target, site: str) -> str:
    if args.channel:
        return common.serving(target, site, channels.parse(args.channel)).version
    return common.version_of(target, site, args.version)


def _of_version(target: Target, site: str, version: str) -> Iterator[str]:
    """The log that was published with a version, else that of the delivery that brought it."""
    try:
        return _lines(target.objects.get(layout.build_log(site, version))[1])
    except NotFound:
        deliveries = target.deliveries(site)
        for found in deliveries.recent(_LOOK_BACK) if deliveries else ():
            if found.version == version and any(stage.name == "build" for stage in found.stages):
                return deliveries.log(found.id, follow=False) if deliveries else iter(())
        raise UserError(f"{version} was not built here: it came as finished files", "see `toolkit releases`") from None


def _lines(body: bytes) -> Iterator[str]:
    return iter(body.decode("utf-8", "replace").rstrip("\n").split("\n"))


def _last(target: Target, site: str, follow: bool, console: Console) -> None:
    """The last build: one of a delivery, or one on this machine, whichever is newer."""
    deliveries = target.deliveries(site)
    last = deliveries.last_build() if deliveries else None
    log = Workspace(site).last_log()
    if deliveries and follow and not (last and last.state == RUNNING) and (coming := _coming(deliveries)):
        console.note(f"waiting for the build of delivery {coming.id}")
        _print(site, None, coming.id, deliveries.log(coming.id, follow=True), console)
        return
    if deliveries and last and (log is None or last.started >= moment(log.name) or last.state == RUNNING):
        if follow and last.state != RUNNING:
            console.note("no build runs now; this is the last one")
        console.note(_about(last))
        _print(site, None, last.id, deliveries.log(last.id, follow=follow), console)
        return
    if log is None:
        raise _nothing(site, bool(deliveries and deliveries.recent(1)))
    _print(site, None, None, _lines(log.read_bytes()), console)


def _coming(deliveries: Deliveries) -> Delivery | None:
    """A delivery that has not come to its build yet, as in the first seconds after a push."""
    running = (one for one in deliveries.recent(_SOON) if one.state == RUNNING)
    return next((one for one in running if all(stage.name in _BEFORE for stage in one.stages)), None)


def _nothing(site: str, is_delivered: bool) -> UserError:
    if is_delivered:
        return UserError(f"none of the last deliveries of {site} built anything, nor did this machine", "see `toolkit status`")
    return UserError(f"{site} was never built", "push it, or build it with `toolkit deploy`")


def _print(site: str, version: str | None, delivery: str | None, lines: Iterator[str], console: Console) -> None:
    """Each line as it comes; as one document for a program."""
    said = []
    for line in lines:
        console.say(line)
        if console.json:
            said.append(line)
    console.result({"site": site, "version": version, "delivery": delivery, "log": "".join(f"{line}\n" for line in said)})


def _about(last: Delivery) -> str:
    of = f" of {last.branch}" if last.branch else ""
    return f"the build{of}{f' at {last.commit[:7]}' if last.commit else ''}, {common.age(last.started)}, delivery {last.id}"
