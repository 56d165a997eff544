"""Set up the target for the site here.

On this machine: start the server, make a repository to push to and a folder for uploads. The branch that goes live is fixed here,
not by what a push brings. In AWS: make the site's stacks, or bring them up to date; before something is replaced or removed that
holds data, you are asked.

Running it again is safe: it changes what changed in site.toml and leaves the rest.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.commands import common
from toolkit.engine import channels
from toolkit.engine.stacks import Account, Change, StackPlan
from toolkit.engine.target import Server, Target
from toolkit.errors import UsageError
from toolkit.targets import open_account, open_target
from toolkit.workspace import Workspace, home

if TYPE_CHECKING:
    from toolkit.config import SiteConfig
    from toolkit.console import Console

HELP = "set up the target: a server and a repository to push to, or stacks in AWS"
REMOTE = "toolkit"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    common.add_target(parser)
    here = parser.add_argument_group("on this machine")
    here.add_argument("--port", type=common.port, help="the server's port (default: that of last time, 8080, or the next free one)")
    here.add_argument("--address", help="the address to listen on (default: 127.0.0.1, this machine only)")
    here.add_argument("--branch", help="the branch that goes live (default: site.toml's)")
    here.add_argument("--no-serve", action="store_true", help="do not start the server")
    common.add_yes(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    from toolkit import config

    found = config.load(Path.cwd())
    name = args.target or found.target
    account = open_account(name, found, ways=args.ways)
    if account is None:
        target = open_target(name, site=lambda: found, ways=args.ways)
        return up(found, target, args.branch or found.branch, args.address, args.port, not args.no_serve, console)
    given = [flag for flag in ("port", "address", "branch", "no_serve") if getattr(args, flag) not in (None, False)]
    if given:
        flag = given[0].replace("_", "-")
        raise UsageError(f"--{flag} is for a server and a repository on this machine; {name} has none", "leave it out")
    return deploy(account, found.name, args.yes, console)


def deploy(account: Account, site: str, yes: bool, console: Console) -> int:
    """Bring the stacks in an account up to date, one after the other."""
    account.check()
    console.note("making the templates")
    stacks = account.synthesise()
    sent = [asset for asset in account.upload() if asset.sent]
    if sent:
        console.note(f"{len(sent)} files sent, {sum(asset.bytes for asset in sent):,} bytes")
    plans = [deploy_stack(account, stack, yes, console) for stack in stacks]
    done = account.deployed()
    console.result(
        {
            "site": site,
            **asdict(done),
            "stacks": [{"stack": it.stack, "region": it.region, "new": it.is_new, "changed": len(it.changes)} for it in plans],
            "sent": {"files": len(sent), "bytes": sum(asset.bytes for asset in sent)},
        }
    )
    console.say(f"{console.style(site, 'bold')} is set up in account {done.account}, region {done.region}")
    console.say(f"  live at   {console.style(done.url, 'cyan')} (after the first release)")
    if done.records:
        console.say("\nDNS records to make, where the DNS of these names is:")
        for record in done.records:
            console.say(f"  {record}")
    console.say("\nnext:")
    console.say("  toolkit deploy dist/   release a folder (or no folder: build the project here)")
    console.say("  toolkit doctor         whether all is well")
    return 0


def deploy_stack(account: Account, stack: str, yes: bool, console: Console) -> StackPlan:
    with console.progress(stack, None, "resources") as bar:
        for step in account.settle(stack):
            bar.set(step.doing or bar.title)
            if step.note:
                console.note(step.note)
    plan = account.plan(stack)
    if not plan.changes and not plan.id:
        console.note(f"{stack}: nothing to change")
    losses = [change for change in plan.changes if change.is_loss]
    if losses:
        show(plan, losses, console)
        try:
            common.confirm(f"{stack}: {len(losses)} of these hold data that goes with them. Go on?", yes, console.interactive)
        except BaseException:
            account.drop(plan)
            raise
    try:
        with console.progress(stack, len(plan.changes), "resources") as bar:
            for step in account.apply(plan):
                bar.set(step.doing or bar.title)
                bar.advance(step.done - bar.done)
                if step.note:
                    console.note(step.note)
    except KeyboardInterrupt:
        console.note(f"CloudFormation goes on with {stack} in {plan.region}; `toolkit up` waits for it, then goes on")
        raise
    if plan.changes:
        console.note(f"{stack}: {len(plan.changes)} of {len(plan.changes)} resources done")
    return plan


def show(plan: StackPlan, changes: list[Change], console: Console) -> None:
    """What a plan would do, as a table."""
    rows = []
    for change in changes:
        action = {"yes": "replace", "maybe": "replace?"}.get(change.replaced, change.action)
        rows.append((action, change.kind, change.name, ", ".join(change.because)))
    console.say(f"{console.style(plan.stack, 'bold')} in {plan.region}{' (new)' if plan.is_new else ''}")
    console.table(("", "resource", "name", "because of"), rows)


def up(
    config: SiteConfig, target: Target, branch: str, address: str | None, port: int | None, serve: bool, console: Console
) -> int:
    from toolkit.sources import git as source

    workspace = Workspace(config.name)
    workspace.uploads.mkdir(parents=True, exist_ok=True)
    with workspace.alone_in(workspace.repository, lambda: None):
        # Uploads have no project around them: they are deployed with the settings of this moment.
        fresh = shutil.copyfile(config.path, workspace.folder / f".{config.path.name}")
        fresh.replace(workspace.folder / config.path.name)
        for name in ("config.lock", "HEAD.lock"):  # of a git that was killed: nobody else sets up the repository now
            (workspace.repository / name).unlink(missing_ok=True)
        source.create_bare(workspace.repository, branch=branch, hook=hook(config.name, branch, workspace, target))
    server = target.start(address=address, port=port) if serve else target.server()
    host = channels.hosts(config.name, channels.LIVE, target.names)[0]
    _report(config.name, branch, workspace, server, target.url(host), console)
    return 0


def hook(site: str, branch: str, workspace: Workspace, target: Target) -> list[str]:
    """What the repository runs for each push, with this very interpreter and state folder."""
    environment = ["env", f"TOOLKIT_HOME={home()}", "PYTHONUNBUFFERED=1"]
    verb = [sys.executable, "-m", "toolkit", "receive", "--site", site, "--branch", branch, "--target", target.name]
    return [*environment, *verb, "--repository", str(workspace.repository)]


def _report(site: str, branch: str, workspace: Workspace, server: Server, url: str, console: Console) -> None:
    add = f"git remote add {REMOTE} {workspace.repository}"
    console.result(
        {
            "site": site,
            "url": url,
            "server": {"state": server.state, "port": server.port, "pid": server.pid},
            "repository": str(workspace.repository),
            "uploads": str(workspace.uploads),
            "remote_add": add,
            "branch": branch,
        }
    )
    console.say(f"{console.style(site, 'bold')} is set up; the server is {server.state} ({server.where})")
    console.say(f"  live at         {console.style(url, 'cyan')} (after the first release)")
    console.say()
    console.say("release by any of these:")
    console.say(f"  git push        {console.style(add, 'bold')}")
    console.say(f"                  {console.style(f'git push {REMOTE} {branch}', 'bold')}")
    console.say("  a folder        toolkit deploy dist/      (or no folder: build the project here)")
    console.say(f"  a zip           toolkit deploy site.zip   (or drop it into {workspace.uploads})")
