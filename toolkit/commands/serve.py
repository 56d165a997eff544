"""Run the local server in the foreground until Ctrl-C, or stop the one that runs in the background.

While it runs, zips that are dropped into a site's upload folder are released. One server answers for every site on this machine.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from toolkit.commands import common
from toolkit.engine import channels, release
from toolkit.engine.target import Server, Target
from toolkit.errors import UsageError, UserError
from toolkit.targets import SERVERS, open_target
from toolkit.workspace import Workspace, home

if TYPE_CHECKING:
    from toolkit.console import Console

HELP = "run the local server in the foreground, or stop it"
_NEW_SITES_SECONDS = 2.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=common.port, help="the port (default: that of last time, 8080, or the next free one)")
    parser.add_argument("--address", help="the address to listen on (default: 127.0.0.1, this machine only)")
    parser.add_argument("--stop", action="store_true", help="stop the server that runs in the background")
    parser.add_argument("--descriptor", type=int, help=argparse.SUPPRESS)
    common.add_target(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    name = args.target or (SERVERS[0] if args.stop else _target_here())
    if name not in SERVERS:
        raise UsageError(f"{name} has no server to run here", f"see `toolkit status`, or add --target {SERVERS[0]}")
    target = open_target(name)
    if args.stop:
        stopped = target.stop()
        console.result({"stopped": stopped})
        console.say("the server was stopped" if stopped else "no server was running")
        return 0
    return serve(target, args.address, args.port, args.descriptor, console)


def _target_here() -> str:
    """That of the site here; outside a project there is only one that could be meant."""
    from toolkit import config

    try:
        return config.load(Path.cwd()).target
    except config.NoConfig:
        return SERVERS[0]


def serve(target: Target, address: str | None, port: int | None, descriptor: int | None, console: Console) -> int:
    stop = threading.Event()

    def beside() -> None:
        # Not in `ready`: an address depends on the port of the server that answers, which is this one and waits for `ready`.
        for record in release.channels(target.routes):
            if record.channel == channels.LIVE:
                console.say(f"  {record.site:<16} {target.url(record.hosts[0])}")
        _watch_all(home() / "sites", stop, target.name, console)

    def ready(server: Server) -> None:
        console.say(f"serving on {server.where}; stop with Ctrl-C")
        threading.Thread(target=beside, daemon=True).start()

    try:
        return target.serve(address=address, port=port, descriptor=descriptor, ready=ready)
    finally:
        stop.set()


def _watch_all(sites: Path, stop: threading.Event, target: str, console: Console) -> None:
    """Watch the upload folders of each site, also of those that come later or come back."""
    watchers: dict[Path, threading.Thread] = {}
    said: set[str] = set()
    while not stop.is_set():
        for folder in (*sites.glob("*/uploads"), *sites.glob("*/uploads/preview/*/")):
            known = watchers.get(folder)
            if known is None or not known.is_alive():
                site = folder.relative_to(sites).parts[0]
                watcher = threading.Thread(target=_watch, args=(folder, site, stop, target, console, said), daemon=True)
                watchers[folder] = watcher
                watcher.start()
        stop.wait(_NEW_SITES_SECONDS)


def _watch(folder: Path, site: str, stop: threading.Event, target: str, console: Console, said: set[str]) -> None:
    from toolkit.sources import uploads

    workspace = Workspace(site)
    channel = channels.LIVE if folder == workspace.uploads else channels.preview_channel(unquote(folder.name))
    try:
        uploads.watch(folder, lambda archive: _release(workspace, channel, archive, target, console), stop=stop)
    except UserError as error:
        # The server goes on, and the folder is tried again; the reason is told once.
        if error.what not in said:
            said.add(error.what)
            console.warn(f"{error.what} ({error.fix})")


def _release(workspace: Workspace, channel: str, archive: Path, target: str, console: Console) -> None:
    """Deploy in a process of its own: a build must not share the server's memory, and may be killed without it.

    What it prints goes to the log beside the zip at once, for those who follow it.
    """
    command = [sys.executable, "-m", "toolkit", "deploy", str(archive), "--site", workspace.site, "--target", target]
    facts_file = archive.parent.parent / f".{archive.name}.json"
    facts = _facts(facts_file)
    who = {"TOOLKIT_WHO": facts["who"]} if facts.get("who") else {}
    # In one word each: a text of somebody's may begin with a dash.
    told = [f"--{name}={facts.get(name, '')}" for name in ("message", "commit", "branch")]
    with archive.with_name(f"{archive.name}.log").open("ab") as log:
        done = subprocess.run(
            [*command, "--channel", channel, *told],
            cwd=workspace.folder,
            env={**os.environ, **who, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        )
    facts_file.unlink(missing_ok=True)
    console.note(f"upload {archive.name} for {workspace.site}: {'released' if done.returncode == 0 else 'failed'}")
    if done.returncode != 0:
        raise UserError(f"{archive.name} was not released", "mend it and upload it again")


def _facts(file: Path) -> dict[str, str]:
    """What `toolkit upload` says of a zip, in a file beside it; nothing of one that was dropped in by hand."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {name: value for name, value in found.items() if isinstance(value, str)} if isinstance(found, dict) else {}
