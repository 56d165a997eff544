"""Build and release what a git push brought: the repository's pre-receive hook runs this, Git gives the refs on standard input.

Refusing a push before Git moves the branch keeps the two in step: what the branch shows is what was released. Every branch is built
and published first and released last, so that a push of several branches goes live whole or not at all.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit import pipeline
from toolkit.commands import common
from toolkit.commands.deploy import check_same_site
from toolkit.engine import channels, release
from toolkit.engine.model import Release
from toolkit.engine.target import Target
from toolkit.errors import UserError
from toolkit.progress import timed
from toolkit.workspace import Workspace, who

if TYPE_CHECKING:
    from toolkit.console import Console
    from toolkit.sources.git import RefUpdate

HELP = "build and release what a git push brought"
REASON = "push"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--site", required=True, metavar="NAME")
    parser.add_argument("--branch", required=True, help="the branch that is released to live")
    parser.add_argument("--repository", required=True, type=Path)
    parser.add_argument("--again", metavar="BRANCH", help="what was pushed to this branch, instead of what git says")
    common.add_target(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    from toolkit.sources import bare
    from toolkit.sources import git as sources

    pushed_at = time.time()
    updates = [bare.unmoved(args.repository, args.again)] if args.again else sources.parse_push(sys.stdin)
    receive(args.site, args.branch, args.repository, updates, common.target_of(args), console, pushed_at)
    return 0


def receive(
    site: str, live_branch: str, repository: Path, updates: Sequence[RefUpdate], target: Target, console: Console, pushed_at: float
) -> None:
    """Release every pushed branch that is to be, remove the preview of every deleted one; tags are only stored."""
    with ExitStack() as stack:
        waiting = []
        for update in updates:
            if update.branch and not update.deleted:
                before = release.last(target.routes, site, channels.of_branch(update.branch, live_branch))
                if prepared := _prepare(site, live_branch, repository, update, target, console, pushed_at, stack):
                    waiting.append((update, before, prepared))
        stack.enter_context(Workspace(site).alone_in(repository, lambda: None))
        for update, before, prepared in waiting:
            _check_alone(repository, update, before, release.last(target.routes, site, prepared.channel))
        for _, _, prepared in waiting:
            done = pipeline.go_live(prepared, target, reason=REASON)
            console.say()
            pipeline.report(prepared, done, target, console)
    for update in updates:
        if update.branch and update.deleted:
            _remove(site, channels.of_branch(update.branch, live_branch), target, console)


def _check_alone(repository: Path, update: RefUpdate, before: Release | None, now: Release | None) -> None:
    """UserError when another push of the branch came first: git will refuse this one, so it must not go live either.

    Its hook has ended when git moved the branch, and is about to end when only its release is there.
    """
    from toolkit.sources import gitcmd

    found = gitcmd.run(["--git-dir", repository, "rev-parse", "--verify", "--quiet", update.ref], gitcmd.isolated()).stdout
    moved = found.decode().strip() != ("" if update.created else update.old)
    if moved or (now and now.reason == REASON and now.number != (before.number if before else 0)):
        raise UserError(
            f"another push changed {update.branch} while this one was built", "fetch it, merge or rebase, and push again"
        )


def _prepare(
    site: str,
    live_branch: str,
    repository: Path,
    update: RefUpdate,
    target: Target,
    console: Console,
    pushed_at: float,
    stack: ExitStack,
) -> pipeline.Prepared | None:
    """Build what was pushed to a branch; None where the site has no previews and it would be one."""
    from toolkit import config as configs
    from toolkit.sources import git as sources

    workspace = Workspace(site)
    scratch = stack.enter_context(workspace.scratch())
    stack.enter_context(pipeline.shown_as(scratch / "commit", f"commit {update.new[:7]}"))
    channel = channels.of_branch(update.branch, live_branch)
    console.say(f"toolkit: {update.branch} at {update.new[:7]} → {channel}")
    seconds: dict[str, float] = {"start": max(0.0, pushed_at - float(os.environ.get("TOOLKIT_PUSHED_AT") or pushed_at))}
    with timed(seconds, "export"):
        exported = sources.export_commit(repository, update.new, scratch / "commit")
    source = replace(exported, time=pushed_at, branch=update.branch)
    brought = scratch / "commit" / configs.FILE_NAME
    if not brought.is_file():
        raise UserError(f"commit {update.new[:7]} has no site.toml", "run `toolkit init`, commit site.toml and push again")
    config = check_same_site(configs.load(brought), site)
    if channel != channels.LIVE and not config.previews:
        console.say(f"toolkit: {update.branch} is only stored: [previews] enabled = false in its site.toml")
        return None
    with timed(seconds, "build"):
        folder, log = pipeline.build(config, source, workspace, console)
    return pipeline.prepare(config, target, folder, source, channel, console, log=log, seconds=seconds)


def _remove(site: str, channel: str, target: Target, console: Console) -> None:
    if channel == channels.LIVE:
        raise UserError(
            "the branch that serves live cannot be deleted",
            "to take the site down: toolkit destroy; to change it: toolkit up --branch",
        )
    if release.current(target.routes, site, channel) is None:
        return
    now = time.time()
    request = release.Request(site, channel, "", (), now, who(), "remove", explicit=True, note="branch deleted")
    release.remove(target.objects, target.routes, request)
    console.say(f"toolkit: {channel} was removed with its branch")
