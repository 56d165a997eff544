"""What is played on which stage, each in a process of its own: moto holds one account per process."""

from __future__ import annotations

import logging
import tempfile
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# What registers scenarios and mistakes, all of it.
from tests.rehearsal import frameworks, lateness, pipeline_mutations, pushes, scenarios, trouble, uploads  # noqa: F401
from tests.rehearsal.checks import SCENARIOS
from tests.rehearsal.mutations import MUTATIONS, SHOP
from tests.rehearsal.sites import AISLE, LANE, MKDOCS, PLAIN, PRESS, VITE
from tests.rehearsal.stage import Stage
from tests.rehearsal.synth import stacks

DEFAULT, OWN = SHOP, "blog"
# The sites without pipelines: one below the distribution's own name, one with hosts of its own and a host for each preview.
# Those with pipelines are in `sites.py`.
HOSTS: dict[str, tuple[str, ...]] = {DEFAULT: (), OWN: ("www.example.com", "example.com", "*.example.com")}
LAG_SECONDS = 60.0


@dataclass(frozen=True)
class Play:
    """Scenarios by name, in order, on one stage; with `mutation`, in which the first one that fails has caught it, if `because`."""

    site: str
    names: tuple[str, ...]
    lag: float = 0
    mutation: str = ""
    because: str = ""


@dataclass(frozen=True)
class Line:
    """How one scenario went: `wrong` is "" when all held."""

    says: str
    seconds: float
    wrong: str = ""
    details: str = ""


def plays() -> list[Play]:
    """Everything, what takes longest first."""
    named = {play.__name__: says for says, play in SCENARIOS.items()}

    def some(*wanted: str) -> tuple[str, ...]:
        return tuple(named[one] for one in wanted)

    return [
        Play(DEFAULT, some(lateness.lagging.__name__), lag=LAG_SECONDS),
        # Its verify asks for 90 s before it gives up.
        *(one for one in mutated() if one.mutation == "function without the store"),
        *(Play(site.name, some("framework_push", "framework_upload")) for site in (VITE, MKDOCS)),
        Play(PRESS.name, some("made", "branch", "newer_preview", "two_branches", "slow_build", "failing_build")),
        Play(PRESS.name, some("first_push", "unpublishable", "odd_branches", "upload_site", "upload_project", "slow_upload")),
        Play(PRESS.name, some("upload_elsewhere", "two_uploads", "same_key", "late_events", "bad_zips")),
        Play(PLAIN.name, some("tags", "upload_idle")),
        *(Play(site.name, some("monorepo")) for site in (LANE, AISLE)),
        Play(DEFAULT, some("first", "second", "back", "preview", "canaries", "at_once")),
        Play(DEFAULT, some("conflict", "lost_reply", "older", "missing", "large", "watch", "unwatched", "prune", "bucket")),
        Play(OWN, some("first", "second", "preview", "bucket")),
        *(one for one in mutated() if one.mutation != "function without the store"),
    ]


def mutated() -> list[Play]:
    names = {play: says for says, play in SCENARIOS.items()}
    return [
        Play(one.site, tuple(names[play] for play in one.played), mutation=says, because=one.because)
        for says, one in MUTATIONS.items()
    ]


def quick() -> list[Play]:
    """What the test suite plays: the line from end to end, and a mistake."""
    named = [says for says, play in SCENARIOS.items() if play in (scenarios.first, trouble.missing, scenarios.bucket)]
    upload = [says for says, play in SCENARIOS.items() if play is uploads.upload_site]
    mistakes = [one for one in mutated() if one.mutation.startswith(("wrong role: flip", "event pattern"))]
    return [Play(DEFAULT, tuple(named)), Play(PRESS.name, tuple(upload)), *mistakes]


def perform(play: Play, out: Path) -> list[Line]:
    """Play it on a stage of its own. A mutation's play ends with the scenario that catches it."""
    logging.disable(logging.CRITICAL)  # moto comments on what it does not do; what matters is in the lines
    site, alarms = stacks(out, play.site)
    if play.mutation:
        site = site.changed()
        MUTATIONS[play.mutation].change(site)
    lines = []
    with tempfile.TemporaryDirectory(prefix="rehearsal-", ignore_cleanup_errors=True) as folder:
        stage = Stage(play.site, site, alarms, Path(folder) / "stage", lag=play.lag)
        try:
            for says in play.names:
                lines.append(_perform(stage, says))
                if play.mutation and lines[-1].wrong:
                    break
        finally:
            stage.close()
    return lines


def _perform(stage: Stage, says: str) -> Line:
    begun = time.monotonic()
    try:
        SCENARIOS[says](stage)
    except Exception as error:
        seconds = time.monotonic() - begun
        stage.calm()
        wrong = str(error) if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}"
        return Line(says, seconds, wrong or "it failed", traceback.format_exc())
    return Line(says, time.monotonic() - begun)


def failed(play: Play, lines: Sequence[Line]) -> bool:
    """Whether this speaks against what is played, or, of a mutation, against the rehearsal: one for another reason is none."""
    wrong = [line.wrong for line in lines if line.wrong]
    return not any(play.because in one for one in wrong) if play.mutation else bool(wrong)
