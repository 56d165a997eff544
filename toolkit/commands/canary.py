"""Show a version to some of the visitors before all of them get it.

toolkit canary                          whether one runs
toolkit canary 1a2b3c4 --percent 5      five of a hundred visitors get that version
toolkit canary --percent 25             more of them: who has it already keeps it
toolkit canary finish                   all visitors get it
toolkit canary stop                     nobody does any more

A deploy, a rollback and a promotion to the channel end a canary as well.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from toolkit.commands import common
from toolkit.engine import canary, channels
from toolkit.engine.model import Release
from toolkit.engine.target import Target
from toolkit.errors import UsageError, UserError
from toolkit.workspace import who

if TYPE_CHECKING:
    from toolkit.console import Console

HELP = "show a version to some of the visitors first"
_ENDS = {"stop": canary.stop, "finish": canary.finish}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", nargs="?", metavar="VERSION|stop|finish", help="a version's id or a part of it, or how to end it")
    parser.add_argument("--percent", type=_percent, metavar="N", help="how many visitors get it: 0 < N < 100, up to two decimals")
    parser.add_argument(
        "--cookie", metavar="NAME", help="tell visitors apart by this cookie of yours where they send it ('' = not)"
    )
    common.add_channel(parser)
    parser.add_argument("--message", default="", help="a note for the ledger")
    common.add_site(parser)


def _percent(text: str) -> float:
    try:
        return canary.check_percent(float(text))
    except UserError as error:
        raise argparse.ArgumentTypeError(f"{error.what}; {error.fix}") from None


def run(args: argparse.Namespace, console: Console) -> int:
    target, site, channel = common.target_of(args), common.site_of(args), channels.parse(args.channel)
    step = canary.Step(site, channel, who(), args.message)
    if args.what in _ENDS:
        if args.percent is not None or args.cookie is not None:
            raise UsageError(f"toolkit canary {args.what} takes no --percent and no --cookie", "leave them out")
        done = _ENDS[args.what](target.objects, target.routes, step)
    elif args.percent is None:
        if args.what or args.cookie is not None:
            raise UsageError(
                "toolkit canary needs to know how many visitors get the version", "add --percent, such as --percent 10"
            )
        return show(target, common.serving(target, site, channel), console)
    elif args.what:
        version = common.version_of(target, site, args.what)
        done = canary.start(target.objects, target.routes, step, version, args.percent, args.cookie)
    else:
        done = canary.set_percent(target.objects, target.routes, step, args.percent, args.cookie)
    return show(target, done, console, target.released(done))


def show(target: Target, record: Release, console: Console, told: str = "") -> int:
    """Who gets what on the channel now; `told` is what the target does about it."""
    urls = [target.url(host) for host in record.hosts]
    running = {"version": record.canary, "percent": record.percent, "cookie": record.cookie or None} if record.canary else None
    console.result(
        {
            "site": record.site,
            "channel": record.channel,
            "release": record.number,
            "version": record.version,
            "canary": running,
            "ended": record.ended or None,
            "at": record.at,
            "who": record.who,
            "watch": told or None,
            "urls": urls,
        }
    )
    name, version = console.style(record.channel, "bold"), console.style(record.version, "green")
    if not record.canary:
        ended = f"; {common.ended(record)}" if record.ended else ""
        console.say(f"{name} serves {version} to all visitors (release {record.number}){ended}")
    else:
        console.say(f"{name} serves {version} (release {record.number}, {common.age(record.at)} by {record.who})")
        by = f", told apart by the cookie {record.cookie} where they send it" if record.cookie else ""
        console.say(f"{record.percent:g} % of the visitors get {console.style(record.canary, 'yellow')}{by}")
    if told:
        console.say(f"  {told}")
    for url in urls:
        console.say(f"  {console.style(url, 'cyan')}")
    return 0
