"""What has become of a delivery, by the log that it leaves on this machine: its stages, and why it failed."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from toolkit.engine.deliveries import DONE, FAILED, RUNNING, Delivery, Stage, moment

_SERVES = re.compile(r"^(\S.*) serves (\d{8}T\d{6}Z-[0-9a-f]{7}) ", re.MULTILINE)
_SPENT = re.compile(r"^ {2}(?:\w+ \d+\.\d\ds(?: {2}|$))+", re.MULTILINE)
_ERROR = re.compile(r"^(?:remote: )?error: (.*(?:\n {7}.*)*)(?:\n +fix: (.*(?:\n {7}.*)*))?", re.MULTILINE)
# What the watch of a folder (`sources.uploads`) says of a zip that it did not come to handle.
_REFUSED = re.compile(r"^\S+Z failed: (.*)(?:\n(?!\S+Z )(.*))?", re.MULTILINE)
# A build's first words are those of a phase (`builds.runner`).
_BUILDS = re.compile(r"^(?:remote: )?\[(?:install|pre_build|build|post_build)\] ", re.MULTILINE)
# What `pipeline` measures, as the stages that every target has.
_STAGES = {"start": "source", "export": "source", "extract": "source", "build": "build", "plan": "publish", "publish": "publish"}


def delivery(id: str, source: str, state: str, channel: str, text: str, log: Path) -> Delivery:
    """A delivery in `state`, of which `text` is what its log holds so far."""
    name = id.rpartition("/")[2]
    started = began(name, log)
    serves = _SERVES.search(text)
    if state == FAILED:
        says = _said(text)
        stages = [Stage("build" if says.startswith("the build ") else "release", FAILED, started, says=says, link=str(log))]
    elif state == DONE:
        stages = list(_spent(text, started))
    else:
        stages = [Stage("build" if _BUILDS.search(text) else "source", state, started, _so_far(state, started))]
    return Delivery(
        id,
        source,
        state,
        started,
        channel=serves[1] if serves else channel,
        version=serves[2] if serves else "",
        message=name if source == "upload" else "",
        outcome="released" if serves else "",
        link=str(log),
        stages=tuple(stages),
    )


def _said(text: str) -> str:
    """The last error in a log, with its fix; without one the last line."""
    found = [*_ERROR.finditer(text)] or [*_REFUSED.finditer(text)]
    if not found:
        return text.strip().rpartition("\n")[2]
    what, fix = ((part or "").replace("\n       ", "\n") for part in found[-1].groups())
    # Words that end with a build's own lines end with a line.
    return (("\n" if "\n" in what else ". ").join((what, fix))) if fix else what


def _so_far(state: str, started: float) -> float:
    return max(0.0, time.time() - started) if state == RUNNING else 0.0


def _spent(text: str, started: float) -> Iterator[Stage]:
    """The stages by the line of a deploy that tells where its time went."""
    line = _SPENT.search(text)
    spent: dict[str, float] = {}
    for name, seconds in re.findall(r"(\w+) (\d+\.\d\d)s", line[0] if line else ""):
        stage = _STAGES.get(name, "flip")
        spent[stage] = spent.get(stage, 0.0) + float(seconds)
    for name, taken in spent.items():
        yield Stage(name, DONE, started, taken)
        started += taken


def began(name: str, path: Path) -> float:
    """When it began, by its name or its file."""
    if found := moment(name):
        return found
    with suppress(OSError):
        return path.stat().st_mtime
    return time.time()
