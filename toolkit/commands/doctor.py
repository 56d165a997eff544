"""Look at all that a target needs, and say what is wrong and how to mend it. Nothing is changed.

toolkit doctor                 the site's own target
toolkit doctor --target aws    the AWS account: also before `toolkit up`, and outside a project
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from toolkit.commands import common
from toolkit.engine.advice import OK, PROBLEM, UNKNOWN, WARNING, Finding, worst
from toolkit.errors import EXIT_OK, EXIT_USER
from toolkit.targets import open_advisor

if TYPE_CHECKING:
    from toolkit.config import SiteConfig
    from toolkit.console import Console

HELP = "say what is wrong with the target, and how to mend it"
COLOURS = {OK: "green", WARNING: "yellow", PROBLEM: "red", UNKNOWN: "magenta"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    common.add_site(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    config = common.config_or_none(args)
    target = common.target_name(args)
    findings = [*_tools(config), *open_advisor(target, config, ways=args.ways).doctor()]
    return report(target, findings, console)


def report(target: str, findings: list[Finding], console: Console) -> int:
    """Print them; the exit code is 1 when one is a problem."""
    state = worst(one.state for one in findings)
    console.result({"target": target, "state": state, "findings": [asdict(one) for one in findings]})
    width = max(len(one.topic) for one in findings)
    for one in findings:
        console.say(f"{console.style(f'{one.state:<8}', COLOURS[one.state])}  {one.topic:<{width}}  {one.what}")
        if one.fix:
            console.say(f"{'':<8}  {'':<{width}}  fix: {one.fix}")
    count = sum(one.state != OK for one in findings)
    console.say(f"\n{count} of {len(findings)} need a look" if count else "\nall is well")
    return EXIT_USER if state == PROBLEM else EXIT_OK


def _tools(config: SiteConfig | None) -> Iterator[Finding]:
    """What builds need; they run on this machine, whichever the target is."""
    yield _tool("git", "install Git", PROBLEM)
    if config is None:
        return
    from toolkit.presets import project
    from toolkit.presets import registry as presets

    if presets.get(config.preset).language != "node":
        return
    yield _tool("node", "install Node.js 22 or newer", PROBLEM)
    manager = config.package_manager or project.facts(config.project).package_manager or "npm"
    if manager not in ("uv", "pip"):
        yield _tool(manager, "run `corepack enable`, or install it", PROBLEM)


def _tool(name: str, fix: str, state: str) -> Finding:
    found = shutil.which(name)
    return Finding("build", OK, f"{name}: {found}") if found else Finding("build", state, f"{name} is not installed", fix)
