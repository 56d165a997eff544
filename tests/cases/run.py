"""Hold the toolkit to a file of cases: python -m tests.cases.run FILE.json [--engine quickjs|njs] [--json] [-v]

Each row's files and rules are published to a scratch local target with the real engine, and its request is asked of the real
functions. The last line is `N passed, M failed`; exit status 1 when a row failed, 2 when the file cannot be read.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

if not __package__:  # run as a file: `tests` is two folders up
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from tests.cases.edges import ENGINES, Visitor
from tests.cases.judge import ask, complaints, got, unknown
from tests.cases.rows import Row, load
from tests.cases.worlds import Site, World, settle

PASSED, FAILED, DISPUTED, NOT_SPOKEN = "passed", "failed", "disputed", "not spoken yet"


@dataclass(frozen=True)
class Outcome:
    """What came of a row: one of the four results; for one that differs why, and the answer in the words of an expectation."""

    id: str
    result: str
    expected: dict[str, Any] = field(default_factory=dict)
    got: dict[str, Any] = field(default_factory=dict)
    why: tuple[str, ...] = ()


def run(rows: Sequence[Row], engine: str) -> list[Outcome]:
    """Publish and ask; the outcomes in the order of the rows. A row that is not understood has failed."""
    outcomes: dict[int, Outcome] = {}
    for number, row in enumerate(rows):
        odd = unknown(row)
        if odd:
            outcomes[number] = Outcome(row.id, FAILED, dict(row.expect), {}, tuple(f"not understood: {what}" for what in odd))
        elif not row.is_spoken:
            outcomes[number] = Outcome(row.id, NOT_SPOKEN)
    left = [number for number in range(len(rows)) if number not in outcomes]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        places = settle([rows[number] for number in left], Path(folder))
        visitors: dict[int, Visitor] = {}
        for number, (world, site) in zip(left, places, strict=True):
            if id(world) not in visitors:
                visitors[id(world)] = stack.enter_context(closing(_visitor(world, engine)))
            outcomes[number] = _outcome(rows[number], site, visitors[id(world)])
    return [outcomes[number] for number in range(len(rows))]


def _visitor(world: World, engine: str) -> Visitor:
    return Visitor(world.root / "target", engine)


def _outcome(row: Row, site: Site, visitor: Visitor) -> Outcome:
    if site.refusal:
        why, answer = [f"not published: {site.refusal}"], {}
    else:
        asked = ask(row, site, visitor)
        why, answer = complaints(asked), got(asked)
    result = DISPUTED if row.is_disputed else FAILED if why else PASSED
    return Outcome(row.id, result, dict(row.expect), answer, tuple(why))


def report(rows: Sequence[Row], outcomes: Sequence[Outcome], *, verbose: bool = False) -> None:
    """For people: what failed and what is reported apart."""
    for row, outcome in zip(rows, outcomes, strict=True):
        if outcome.result == FAILED or (verbose and outcome.result != PASSED):
            _describe(row, outcome)
        elif verbose:
            print(f"{outcome.id}  {outcome.result}")
    disputed = [outcome for outcome in outcomes if outcome.result == DISPUTED]
    if disputed:
        differ = [outcome.id for outcome in disputed if outcome.why]
        print(f"{len(disputed)} disputed, of which {len(differ)} differ{': ' + ' '.join(differ) if differ else ''}")
    later = Counter(row.dialect for row, outcome in zip(rows, outcomes, strict=True) if outcome.result == NOT_SPOKEN)
    if later:
        dialects = ", ".join(f"{dialect} {count}" for dialect, count in sorted(later.items()))
        print(f"{later.total()} not spoken yet: {dialects}")


def _describe(row: Row, outcome: Outcome) -> None:
    print(f"{outcome.id}  {outcome.result}: {'; '.join(outcome.why) or 'as expected'}")
    if outcome.result == NOT_SPOKEN:
        return
    print(f"    {row.kind} {row.dialect} {row.policy}".rstrip() + f", rules {_short(row.rules)}")
    print(f"    asked     {_short(dict(row.request))}")
    print(f"    expected  {_short(outcome.expected)}")
    print(f"    got       {_short(outcome.got)}")


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 400 else f"{text[:300]} … ({len(text)} characters)"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="tests.cases.run", description="Hold the toolkit to a file of cases.")
    parser.add_argument("file", type=Path, help="the rows, in the format of tests/cases/README.md")
    parser.add_argument("--engine", choices=ENGINES, default=ENGINES[0], help="the JavaScript engine (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print the outcomes as JSON before the last line")
    parser.add_argument("-v", "--verbose", action="store_true", help="name every row, not only those that failed")
    options = parser.parse_args(arguments)
    if options.engine == "njs" and not shutil.which("njs"):
        print("njs is not installed", file=sys.stderr)
        return 2
    try:
        rows = load(options.file)
    except (OSError, ValueError) as error:
        print(f"{options.file} cannot be read: {error}", file=sys.stderr)
        return 2
    outcomes = run(rows, options.engine)
    if options.json:
        print(json.dumps([asdict(outcome) for outcome in outcomes], ensure_ascii=False, indent=1))
    else:
        report(rows, outcomes, verbose=options.verbose)
    counts = Counter(outcome.result for outcome in outcomes)
    print(f"{counts[PASSED]} passed, {counts[FAILED]} failed")
    return 1 if counts[FAILED] else 0


if __name__ == "__main__":
    sys.exit(main())
