"""List, remove or protect previews.

toolkit preview list                every preview with its URL and when it ends (`toolkit prune` does that)
toolkit preview rm pr-12            take one away (its versions stay until they are pruned)
toolkit preview protect pr-12       ask its visitors for a password, which is made and shown once
toolkit preview protect --all       the same for all previews, those to come among them
toolkit preview unprotect pr-12     ask nobody any more

A password of your own is best given with --password-stdin: other people on this machine can read a command's words. Only a salted
hash is stored. What is protected stays so when its branch is pushed again, until the preview is removed.
"""

from __future__ import annotations

import argparse
import sys
import time
from math import isinf
from typing import TYPE_CHECKING

from toolkit.commands import common
from toolkit.engine import access, channels, expiry, gates, release
from toolkit.engine.target import Target
from toolkit.errors import UsageError, UserError
from toolkit.workspace import who

if TYPE_CHECKING:
    from toolkit.console import Console

HELP = "list, remove or protect previews"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("list", "rm", "protect", "unprotect"))
    parser.add_argument("names", nargs="*", help="previews")
    parser.add_argument("--all", action="store_true", help="(un)protect all previews, also those to come")
    parser.add_argument("--user", help=f"who is asked for (default: {access.DEFAULT_USER})")
    password = parser.add_mutually_exclusive_group()
    password.add_argument("--password", help="what is asked for (default: a good one is made)")
    password.add_argument("--password-stdin", action="store_true", help="read the password from the first line of standard input")
    common.add_site(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    _check(args)
    target, site = common.target_of(args), common.site_of(args)
    if args.action == "list":
        return show(target, site, common.config_of(args).preview_days, console)
    wanted = [access.ALL] if args.all else [_preview(name) for name in args.names]
    if args.action == "rm":
        return remove(target, site, wanted, console)
    if args.action == "unprotect":
        return unprotect(target, site, wanted, console)
    return protect(target, site, wanted, args.user or access.DEFAULT_USER, _password(args), console)


def _check(args: argparse.Namespace) -> None:
    named = bool(args.names) or args.all
    if args.action in ("protect", "unprotect") and args.all and args.names:
        raise UsageError("give names or --all, not both", "see `toolkit preview --help`")
    if args.action in ("list", "rm") and args.all:
        raise UsageError(f"toolkit preview {args.action} takes no --all", "see `toolkit preview --help`")
    if args.action != "protect" and (args.user is not None or args.password is not None or args.password_stdin):
        raise UsageError("a user and a password are for toolkit preview protect", "see `toolkit preview --help`")
    if args.action != "list" and not named:
        raise UserError("no preview was named", "see `toolkit preview list`")


def _preview(name: str) -> str:
    channel = channels.parse(name)
    if channel == channels.LIVE:
        raise UserError("live is not a preview", "to take a site down: toolkit destroy; to close it: toolkit maintenance on")
    return channel


def _password(args: argparse.Namespace) -> str | None:
    """The one given, None when one is to be made."""
    if args.password_stdin:
        return str(sys.stdin.readline()).rstrip("\r\n")
    return args.password if args.password is None else str(args.password)


def show(target: Target, site: str, days: float, console: Console) -> int:
    """`ends` is in seconds since the epoch, None for never."""
    found = [record for record in release.channels(target.routes, site) if record.channel != channels.LIVE]
    rules = {one.channel: gates.read(target.routes.get, site, one.channel) for one in found}
    ends = {one.channel: expiry.ends(one, days * expiry.DAY) for one in found}
    console.result(
        {
            "site": site,
            "previews": [
                {
                    "channel": one.channel,
                    "version": one.version,
                    "at": one.at,
                    "ends": None if isinf(ends[one.channel]) else ends[one.channel],
                    "protected": bool(rules[one.channel].password),
                    "urls": [target.url(host) for host in one.hosts],
                }
                for one in found
            ],
        }
    )
    if not found:
        console.say(f"{site} has no preview; push a branch, or `toolkit deploy --channel preview/NAME`")
        return 0
    rows = [
        (
            one.channel,
            one.version,
            common.age(one.at),
            _end(ends[one.channel], time.time()),
            common.gates_in_words(rules[one.channel]),
            target.url(one.hosts[0]),
        )
        for one in found
    ]
    console.table(("preview", "version", "since", "ends", "access", "url"), rows)
    return 0


def _end(moment: float, now: float) -> str:
    """When a preview ends, for people."""
    if isinf(moment):
        return "never"
    hours = (moment - now) / 3600
    if hours < 0:
        return "with the next prune"
    return f"in {hours / 24:.0f} d" if hours >= 48 else f"in {hours:.0f} h"


def remove(target: Target, site: str, wanted: list[str], console: Console) -> int:
    for channel in wanted:
        if release.current(target.routes, site, channel) is None:
            raise UserError(f"{site} has no {channel}", "see `toolkit preview list`")
    for channel in wanted:
        request = release.Request(site, channel, "", (), time.time(), who(), "remove", explicit=True)
        release.remove(target.objects, target.routes, request)
        console.say(f"{channel} of {site} was removed")
    console.result({"site": site, "removed": wanted})
    return 0


def protect(target: Target, site: str, wanted: list[str], user: str, password: str | None, console: Console) -> int:
    """Set one user and password for all that is wanted; a password that was made here is shown, as nobody knows it yet."""
    chosen = access.new_password() if password is None else password
    urls: dict[str, list[str]] = {}
    for channel in wanted:
        there = access.protect(target.objects, target.routes, site, channel, user, chosen)
        urls |= _urls(target, site, there)
        if channel == access.ALL:
            console.say(f"all previews of {site} ask for a password, those to come too; passwords of single ones are gone")
        else:
            later = "" if there else ", once it is there: there is no such preview yet"
            console.say(f"{channel} of {site} asks for a password{later}")
    made = {"password": chosen} if password is None else {}
    console.result({"site": site, "protected": [_name(channel) for channel in wanted], "user": user, **made, "urls": urls})
    for channel, addresses in urls.items():
        console.say(f"  {channel}  {console.style(addresses[0], 'cyan')}")
    console.say(f"user      {user}")
    if made:
        console.say(f"password  {chosen}")
        console.note("this password is not stored and not shown again")
    return 0


def unprotect(target: Target, site: str, wanted: list[str], console: Console) -> int:
    urls: dict[str, list[str]] = {}
    for channel in wanted:
        urls |= _urls(target, site, access.unprotect(target.objects, target.routes, site, channel))
        console.say(f"{'every preview' if channel == access.ALL else channel} of {site} is open to everybody")
    console.result({"site": site, "unprotected": [_name(channel) for channel in wanted], "urls": urls})
    for channel, addresses in urls.items():
        console.say(f"  {channel}  {console.style(addresses[0], 'cyan')}")
    return 0


def _name(channel: str) -> str:
    return "all" if channel == access.ALL else channel


def _urls(target: Target, site: str, wanted: list[str]) -> dict[str, list[str]]:
    found = [release.current(target.routes, site, channel) for channel in wanted]
    return {one.channel: [target.url(host) for host in one.hosts] for one in found if one}
