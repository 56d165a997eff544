"""Send a zip to where the target takes uploads, and follow it until it serves.

toolkit upload site.zip                       to live
toolkit upload site.zip --channel pr-12       to a preview

The zip holds a built site, or a project that is built there. It is checked before anything is sent.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.commands import common
from toolkit.engine import channels, layout
from toolkit.engine.deliveries import Upload
from toolkit.errors import UserError
from toolkit.workspace import who

if TYPE_CHECKING:
    from toolkit.console import Console

HELP = "send a zip to the target, and follow it until it serves"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("zip", type=Path, help="a zip of a built site, or of a project to build")
    common.add_channel(parser)
    parser.add_argument("--message", default="", help="a note for the ledger")
    common.add_origin(parser)
    parser.add_argument("--no-follow", action="store_true", help="end once the delivery has begun")
    common.add_site(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    from toolkit.sources import archive

    file: Path = args.zip
    if not file.is_file():
        what = f"{file} is a folder" if file.is_dir() else f"{file} is no file" if file.exists() else f"there is no {file}"
        raise UserError(what, "name a zip; a folder is released with `toolkit deploy`")
    archive.check(file)
    site, channel = common.site_of(args), channels.parse(args.channel)
    layout.channel_key(site, channel)  # refuses a name that is too long before anything is sent
    target = common.target_of(args)
    deliveries = common.deliveries_of(target, site)
    given = Upload(file, channel, who(), args.message or file.name, args.commit, args.branch)
    size = file.stat().st_size
    with console.progress(f"sending {file.name}", size, "bytes") as bar:
        try:
            id = deliveries.upload(given, bar.advance)
        except KeyboardInterrupt:
            if bar.done >= size:
                console.note(f"all of {file.name} was sent: it may be delivered without you; see `toolkit status`")
            raise
    console.say(f"{file.name}: {size:,} bytes sent to {console.style(channel, 'bold')}, delivery {id}")
    if args.no_follow:
        console.result({"site": site, "delivery": {"id": id, "channel": channel}})
        return 0
    common.follow(target, site, id, console)
    return 0
