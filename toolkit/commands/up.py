"""Set up the target for the site here: start the server, make a repository to push to and a folder for uploads.

Running it again is safe: it changes what changed in site.toml and leaves the rest. The branch that goes live is fixed here, not by
what a push brings.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.commands import common
from toolkit.engine import channels
from toolkit.engine.target import Server, Target
from toolkit.targets import open_target
from toolkit.workspace import Workspace, home

if TYPE_CHECKING:
    from toolkit.config import SiteConfig
    from toolkit.console import Console

HELP = "set up the target: its server, and a repository to push to"
REMOTE = "toolkit"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--port", type=common.port, help="the server's port (default: that of last time, 8080, or the next free one)"
    )
    parser.add_argument("--address", help="the address to listen on (default: 127.0.0.1, this machine only)")
    parser.add_argument("--branch", help="the branch that goes live (default: site.toml's)")
    parser.add_argument("--no-serve", action="store_true", help="do not start the server")
    common.add_target(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    from toolkit import config

    found = config.load(Path.cwd())
    return up(found, open_target(args.target or found.target), args.branch or found.branch, args.address, args.port, not args.no_serve, console)


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
