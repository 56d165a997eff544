"""`make rehearse`: what a push, an upload and a release do in AWS, played on this machine with what would be deployed.

    python -m tests.rehearsal [--quick] [--release] [--details] [--only WORD] [--keep DIR]

Stages: synthesise the stacks of some sites, offline → play the scenarios: S3's events meet the synthesised rule, pushes to a local
repository the synthesised triggers; the pipelines' stages run in order, builds in the local build runner, with what the templates
give them; the synthesised state machines run in moto's executor; functions are the handlers of the bundled asset, each in a process
of its own; every request to AWS is checked against the template's policies; S3 is moto, the KeyValueStore a fake behind boto3's
client; visitors ask the template's distribution over HTTP → make mistakes on purpose, each of which must be caught.
Exit code 0: all held, and no mistake passed. `--release` leaves out the pipelines.

Not shown here: what AWS does otherwise than its documentation says (docs/fidelity.md).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

from tests.rehearsal.codepipeline import pipelines
from tests.rehearsal.machines import machines
from tests.rehearsal.plays import HOSTS, Line, Play, failed, perform, plays, quick
from tests.rehearsal.sites import PROJECTS
from tests.rehearsal.synth import stacks, synth, synth_projects

_AT_ONCE = 3


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.rehearsal", description="play a release on this machine")
    parser.add_argument("--quick", action="store_true", help="a first release and one mistake only")
    parser.add_argument("--release", action="store_true", help="releases alone, without what starts them")
    parser.add_argument("--details", action="store_true", help="show where a scenario failed")
    parser.add_argument("--only", default="", help="what a scenario or a mistake has in its name")
    parser.add_argument("--keep", type=Path, help="leave the templates in this folder")
    given = parser.parse_args(arguments)
    begun, everything = time.monotonic(), quick() if given.quick else plays()
    wanted = _chosen(given.only, [one for one in everything if one.site in HOSTS or not given.release])
    if not wanted:
        parser.error(f"nothing has {given.only!r} in its name")
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as scratch:
        wrong = _rehearse(wanted, given.keep or Path(scratch), given.details)
    print(f"\n{'all held' if not wrong else f'{wrong} went wrong'}, {time.monotonic() - begun:.0f} s")
    return 1 if wrong else 0


def _chosen(word: str, everything: list[Play]) -> list[Play]:
    if not word:
        return everything
    found = [one for one in everything if one.mutation and word in one.mutation]
    for one in everything:
        names = tuple(name for name in one.names if word in name)
        if names and not one.mutation:
            found.append(Play(one.site, names, one.lag))
    return found


def _rehearse(wanted: list[Play], folder: Path, details: bool) -> int:
    outs = {}
    sites = sorted({one.site for one in wanted})
    for site in (one for one in sites if one in HOSTS):
        begun = time.monotonic()
        outs[site] = synth(folder, site, HOSTS[site])
        print(f"{site}: synthesised offline in {time.monotonic() - begun:.1f} s; {_about(outs[site], site)}", flush=True)
    if projects := [one for one in sites if one in PROJECTS]:
        begun = time.monotonic()
        outs |= dict.fromkeys(projects, synth_projects(folder, projects))
        print(f"{', '.join(projects)}: synthesised in one app in {time.monotonic() - begun:.1f} s", flush=True)
        print("\n".join(f"  {one}: {_flows(outs[one], one)}" for one in projects), flush=True)
    wrong = 0
    pool = ProcessPoolExecutor(_AT_ONCE, mp_context=get_context("spawn"), max_tasks_per_child=1)
    with pool:
        futures = {pool.submit(perform, one, outs[one.site]): one for one in wanted}
        for future in as_completed(futures):
            play, lines = futures[future], future.result()
            wrong += failed(play, lines)
            print("\n".join(_shown(play, lines, details)), flush=True)
    return wrong


def _about(out: Path, site: str) -> str:
    """What was made of the template for the rehearsal."""
    found = machines(stacks(out, site)[0])
    waits = ", ".join(f"{seconds} s" for machine in found for seconds in machine.waits)
    return f"{len(found)} state machines, changed in waits of {waits or '0 s'} (1 s here) and in a build's .sync only"


def _flows(out: Path, site: str) -> str:
    """The pipelines of a site, with their stages."""
    found = pipelines(stacks(out, site)[0]).values()
    return "; ".join(" → ".join(stage.name for stage in one.stages) for one in found)


def _shown(play: Play, lines: Sequence[Line], details: bool) -> list[str]:
    if play.mutation:
        return [_caught(play, lines)]
    where = f" ({play.site})" if play.site in PROJECTS else " (own hosts)" if HOSTS[play.site] else ""
    shown = []
    for line in lines:
        shown.append(f"  {'✗' if line.wrong else '✓'} {line.says}{where}  {line.seconds:.1f} s")
        if line.wrong:
            shown.append(f"    {line.details if details else line.wrong}")
    return shown


def _caught(play: Play, lines: Sequence[Line]) -> str:
    last = lines[-1]
    if not last.wrong:
        return f"  ✗ on purpose, {play.mutation}: nobody noticed"
    if failed(play, lines):
        return f"  ✗ on purpose, {play.mutation}: something else went wrong first: {last.wrong[:500]}"
    return f"  ✓ on purpose, {play.mutation}: caught by “{last.says.split(':')[0]}”: {last.wrong.splitlines()[0][:150]}"


if __name__ == "__main__":
    sys.exit(main())
