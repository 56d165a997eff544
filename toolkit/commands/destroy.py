"""Remove a site and all that belongs to it.

On this machine: hosts, versions, ledger, repository, uploads, logs and caches. In AWS: the site's content and its stacks, also the
buckets and the route store that outlive them, and nothing else. While the DNS of one of the site's hosts still leads there, this is
refused.
"""

from __future__ import annotations

import argparse
import shutil
from dataclasses import asdict
from typing import TYPE_CHECKING

from toolkit.commands import common
from toolkit.engine import destroy as engine
from toolkit.engine import release
from toolkit.engine.destroy import Destroyed
from toolkit.engine.stacks import Account, Holding, Possessions
from toolkit.engine.target import Target
from toolkit.errors import Unavailable, UserError
from toolkit.targets import open_account
from toolkit.workspace import Workspace

if TYPE_CHECKING:
    from toolkit.console import Console

HELP = "remove a site and all that belongs to it"
_TRIES = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    common.add_yes(parser)
    parser.add_argument("--force", action="store_true", help="in AWS: also while the DNS of a host leads there")
    common.add_site(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    config = common.config_of(args)
    account = open_account(common.target_name(args), config, ways=args.ways)
    if account is not None:
        return leave(account, config.name, args, console)
    target, site = common.target_of(args), common.site_of(args)
    workspace = Workspace(site)
    known = workspace.folder.exists() or any(True for _ in target.objects.list(f"{site}/"))
    if not known and not any(release.channels(target.routes, site)):
        raise UserError(f"there is no site {site} on the target {target.name}", "see `toolkit status --all`")
    common.confirm(f"Remove {site} with all its versions, and take it off the air?", args.yes, console.interactive)
    return destroy(target, workspace, console)


def destroy(target: Target, workspace: Workspace, console: Console) -> int:
    done = engine.destroy(target.objects, target.routes, workspace.site)
    if workspace.folder.exists():
        shutil.rmtree(workspace.folder)
    idle = not any(True for _ in release.channels(target.routes))
    stopped = target.stop() if idle else False
    console.result({"site": workspace.site, **asdict(done), "server_stopped": stopped})
    console.say(f"{workspace.site} was removed: {len(done.hosts)} hosts, {done.objects:,} objects ({done.bytes:,} bytes)")
    if stopped:
        console.say("no site is left, so the server was stopped")
    return 0


def leave(account: Account, site: str, args: argparse.Namespace, console: Console) -> int:
    """Take a site out of an account: first what visitors see, then its stacks, then what outlived them."""
    owned = account.possessions()
    if not owned.stacks and not owned.holdings:
        raise UserError(f"there is nothing of the site {site} in account {owned.account}, {owned.region}", "see [aws] in site.toml")
    if not args.force:
        _check_dns(owned)
    for name in (*owned.stacks, *(it.name for it in owned.holdings)):
        console.note(f"  {name}")
    question = f"Take all of this out of account {owned.account}, with every version of {site}? This cannot be undone."
    common.confirm_name(question, site, args.yes, console.interactive)
    content = Destroyed((), 0, 0, 0)
    if owned.is_open:
        target = common.target_of(args)
        content = engine.destroy(target.objects, target.routes, site)
    for stack in owned.stacks:
        _delete(account, stack, owned.holdings, console)
    for holding in (*owned.holdings, *account.possessions().holdings):
        _discard(account, holding)
    return _report(account, site, owned, content, console)


def _check_dns(owned: Possessions) -> None:
    if owned.pointing:
        raise UserError(
            f"the DNS of {', '.join(owned.pointing)} still leads to this site",
            "take those records away and wait until they have run out, or add --force",
        )
    if owned.unsure:
        raise UserError(f"DNS does not say whether {', '.join(owned.unsure)} still leads to this site", "try again, or add --force")


def _delete(account: Account, stack: str, holdings: tuple[Holding, ...], console: Console) -> None:
    """Buckets that go with the stack have to be empty; access logs may come in while it is being deleted, so it is tried again."""
    for attempt in range(_TRIES):
        for holding in holdings:
            _empty(account, holding, console)
        try:
            with console.progress(stack, None, "resources") as bar:
                for step in account.delete(stack):
                    bar.set(step.doing or bar.title)
                    bar.advance(step.done - bar.done)
            return
        except UserError as error:
            if attempt == _TRIES - 1 or "not empty" not in error.what:
                raise
        except KeyboardInterrupt:
            console.note(f"CloudFormation goes on deleting {stack}; run the command again for the rest")
            raise


def _empty(account: Account, holding: Holding, console: Console) -> None:
    with console.progress(f"emptying {holding.name}", None, "objects") as bar:
        for count in account.empty(holding):
            bar.advance(count)


def _discard(account: Account, holding: Holding) -> None:
    for attempt in range(_TRIES):
        for _ in account.empty(holding):
            pass
        try:
            account.discard(holding)
            return
        except Unavailable:
            if attempt == _TRIES - 1:
                raise


def _report(account: Account, site: str, owned: Possessions, content: Destroyed, console: Console) -> int:
    left = account.possessions()
    names = [*left.stacks, *(it.name for it in left.holdings)]
    gone = {"stacks": owned.stacks, "holdings": [asdict(it) for it in owned.holdings], "kept": owned.kept}
    console.result({"site": site, "account": owned.account, **asdict(content), **gone, "left": names})
    console.say(f"{site} was removed from account {owned.account}: {len(content.hosts)} hosts, {content.objects:,} objects")
    for name in (*owned.stacks, *(it.name for it in owned.holdings)):
        if name not in names:
            console.say(f"  gone  {name}")
    for name in names:
        console.warn(f"{name} is still there; run the command again")
    for what in owned.kept:
        console.say(f"  kept  {what}")
    if not names:
        console.say("nothing of it is left there" + (" but that" if owned.kept else ""))
    return 1 if names else 0
