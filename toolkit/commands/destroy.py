"""Remove a site and all that belongs to it: hosts, versions, ledger, repository, uploads, logs and caches."""

from __future__ import annotations

import argparse
import shutil
from dataclasses import asdict
from typing import TYPE_CHECKING

from toolkit.commands import common
from toolkit.engine import destroy as engine
from toolkit.engine import release
from toolkit.engine.target import Target
from toolkit.errors import UserError
from toolkit.workspace import Workspace

if TYPE_CHECKING:
    from toolkit.console import Console

HELP = "remove a site and all that belongs to it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    common.add_yes(parser)
    common.add_site(parser)


def run(args: argparse.Namespace, console: Console) -> int:
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
