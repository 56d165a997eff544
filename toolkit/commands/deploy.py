"""Publish a folder, a zip or a commit, and release it.

toolkit deploy              build the project here and release it
toolkit deploy dist/        release a built folder as it is
toolkit deploy site.zip     release a zip: a built site, or a project to build
toolkit deploy --ref v1.2   build a commit of this repository, whatever the working tree holds
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit import pipeline
from toolkit.commands import common
from toolkit.engine import channels
from toolkit.engine.model import Source
from toolkit.engine.target import Target
from toolkit.errors import UsageError, UserError
from toolkit.progress import timed
from toolkit.workspace import Workspace

if TYPE_CHECKING:
    from toolkit.config import SiteConfig
    from toolkit.console import Console

HELP = "publish a folder, a zip or a commit, and release it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", nargs="?", type=Path, help="a built folder, or a zip (default: build the project here)")
    parser.add_argument("--ref", help="a branch, tag or commit of the repository here")
    common.add_channel(parser)
    parser.add_argument("--message", default="", help="a note for the ledger")
    common.add_origin(parser)
    parser.add_argument("--dry-run", action="store_true", help="say what would happen, write nothing")
    common.add_site(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    if args.path and args.ref:
        raise UsageError("give a path or --ref, not both", "see `toolkit deploy --help`")
    if (args.commit or args.branch) and not args.path:
        raise UsageError("--commit and --branch are for a folder or a zip: of the project here git knows them", "leave them out")
    config = common.config_of(args)
    target = common.target_of(args)
    deploy(
        config,
        pipeline.dry(target) if args.dry_run else target,
        console,
        path=args.path,
        ref=args.ref,
        channel=channels.parse(args.channel),
        note=args.message,
        origin=(args.commit, args.branch),
        dry_run=args.dry_run,
    )
    return 0


def deploy(
    config: SiteConfig,
    target: Target,
    console: Console,
    *,
    path: Path | None,
    ref: str | None,
    channel: str,
    note: str = "",
    origin: tuple[str, str] = ("", ""),
    dry_run: bool = False,
) -> None:
    """Take the source apart, build it where it needs it, publish, release, report.

    `origin` are the commit and the branch that a folder or a zip was made of, as far as they are known.
    """
    workspace = Workspace(config.name)
    seconds: dict[str, float] = {}
    with workspace.scratch() as scratch, _as_given(scratch, path, ref), _alone(config, workspace, console, path, ref):
        config, folder, source, log = _built(config, workspace, scratch, console, path, ref, seconds, origin)
        prepared = pipeline.prepare(config, target, folder, source, channel, console, log=log, seconds=seconds)
        done = pipeline.go_live(prepared, target, note=note)
    pipeline.report(prepared, done, target, console, dry_run=dry_run)


@contextmanager
def _as_given(scratch: Path, path: Path | None, ref: str | None) -> Iterator[None]:
    with pipeline.shown_as(scratch / "zip", path.name if path else ""), pipeline.shown_as(scratch / "commit", f"commit {ref}"):
        yield


def _alone(
    config: SiteConfig, workspace: Workspace, console: Console, path: Path | None, ref: str | None
) -> AbstractContextManager[None]:
    """A build in the working tree has it to itself until its output is published."""
    if path is not None or ref is not None:
        return nullcontext()
    return workspace.alone_in(config.project, lambda: console.note("waiting for another deploy that builds here to end"))


def _built(
    config: SiteConfig,
    workspace: Workspace,
    scratch: Path,
    console: Console,
    path: Path | None,
    ref: str | None,
    seconds: dict[str, float],
    origin: tuple[str, str],
) -> tuple[SiteConfig, Path, Source, Path | None]:
    """The folder to publish, and what is known of where it came from."""
    now = time.time()
    if path is not None and path.is_file():
        return _from_zip(config, workspace, scratch, console, path, Source("zip", now, *origin, path.name), seconds)
    if path is not None:
        if not path.exists():
            raise UserError(f"there is no {path}", "name a built folder or a zip, or leave the path out to build here")
        return config, path, Source("folder", now, *origin, path.name), None
    if ref is not None:
        return _from_commit(config, workspace, scratch, console, ref, seconds)
    source = _here(config, now)
    with timed(seconds, "build"):
        folder, log = pipeline.build(config, source, workspace, console)
    return config, folder, source, log


def _from_zip(
    config: SiteConfig,
    workspace: Workspace,
    scratch: Path,
    console: Console,
    path: Path,
    source: Source,
    seconds: dict[str, float],
) -> tuple[SiteConfig, Path, Source, Path | None]:
    from toolkit.sources import archive

    with timed(seconds, "extract"):
        archive.extract(path, scratch / "zip")
        folder = archive.strip_root(scratch / "zip")
    if not archive.is_project(folder):
        return config, folder, source, None
    return _project(config, workspace, console, folder, source, seconds)


def _from_commit(
    config: SiteConfig, workspace: Workspace, scratch: Path, console: Console, ref: str, seconds: dict[str, float]
) -> tuple[SiteConfig, Path, Source, Path | None]:
    from toolkit.sources import git as sources

    with timed(seconds, "export"):
        source = sources.export_commit(config.folder, ref, scratch / "commit")
    return _project(config, workspace, console, scratch / "commit", source, seconds)


def _project(
    config: SiteConfig, workspace: Workspace, console: Console, project: Path, source: Source, seconds: dict[str, float]
) -> tuple[SiteConfig, Path, Source, Path | None]:
    config = in_project(config, project)
    with timed(seconds, "build"):
        folder, log = pipeline.build(config, source, workspace, console)
    return config, folder, source, log


def in_project(config: SiteConfig, project: Path) -> SiteConfig:
    """The configuration that a project brings itself, else the site's own."""
    from toolkit import config as configs

    if not (project / configs.FILE_NAME).is_file():
        return replace(config, folder=project)
    return check_same_site(configs.load(project / configs.FILE_NAME), config.name)


def check_same_site(config: SiteConfig, site: str) -> SiteConfig:
    if config.name != site:
        raise UserError(f"the project's site.toml is for the site {config.name}, not {site}", "push or upload it to its own site")
    return config


def _here(config: SiteConfig, now: float) -> Source:
    """The working tree; a commit is named only when the tree is exactly that commit."""
    from toolkit.sources import git as sources

    info = sources.describe(config.folder)
    if info is None:
        return Source("folder", now, message=config.folder.name)
    return Source("folder", now, commit="" if info.dirty else info.head, branch=info.branch, message="working tree")
