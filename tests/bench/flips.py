"""Switch versions 50 times under load, with every body checked (make bench-flips). Exit code 1 when a single answer was wrong.

25 deploys of new versions and 25 rollbacks, through the command line, while two processes ask for all pages of the site; see
tests/bench/checker.py for what a right answer is. tests/test_atomic_switch.py shows that the checker catches a switch in place.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from tests.bench.checker import Tally, load_during, write_versions
from tests.bench.common import BenchError, Toolkit, machine, milliseconds, scratch

SITE = "bench"
PAGES = 100


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=100_000, help="at least so many")
    parser.add_argument("--flips", type=int, default=50)
    args = parser.parse_args()
    about, durations = machine(), list[float]()
    try:
        with scratch() as folder:
            began = time.perf_counter()
            tally = run(folder, args.requests, args.flips, durations)
            seconds = time.perf_counter() - began
    except BenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(about)
    print(f"{tally.requests:,} requests in {seconds:.0f} s, {len(durations)} flips (a command each: {milliseconds(durations)})")
    print(f"{len(tally.versions)} versions were seen; failed requests: {tally.failed}")
    for failure in tally.failures:
        print(f"  {failure}")
    return 1 if tally.failed or len(tally.versions) < 2 else 0


def run(folder: Path, requests: int, flips: int, durations: list[float], pages: int = PAGES) -> Tally:
    """Publish a first version, load it, switch `flips` times; `durations` receives the seconds that each switch's command took."""
    toolkit = Toolkit(folder)
    versions, allowed = write_versions(folder / "versions", flips // 2 + 2, pages)
    toolkit("deploy", str(versions[0]), "--site", SITE, cwd=folder)
    with toolkit.served() as port:
        steps = _timed(commands(toolkit, folder, versions[1:], flips), durations)
        return load_during(port, f"{SITE}.localhost:{port}", allowed, steps, requests)


def commands(toolkit: Toolkit, folder: Path, versions: list[Path], flips: int) -> Iterator[Callable[[], object]]:
    """Deploy a new version, roll it back, deploy the next: each is one flip."""
    for number in range(flips):
        if number % 2 == 0:
            yield partial(toolkit, "deploy", str(versions[number // 2]), "--site", SITE, cwd=folder)
        else:
            yield partial(toolkit, "rollback", "--site", SITE, cwd=folder)


def _timed(steps: Iterator[Callable[[], object]], durations: list[float]) -> Iterator[Callable[[], object]]:
    for step in steps:

        def timed(step: Callable[[], object] = step) -> None:
            began = time.perf_counter()
            step()
            durations.append(time.perf_counter() - began)

        yield timed


if __name__ == "__main__":
    raise SystemExit(main())
