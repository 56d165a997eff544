"""Instructions per call of the edge function in njs beside AWS's own two routers, and whether the targets hold (make bench-edge).

All functions run in the njs on the PATH, with the same kind of store behind `cf.kvs()` and the same browser's requests, evenly over
up to 100 paths; what a call costs is counted by callgrind (see callgrind.py). Every answer is checked before it is counted.
Exit status: 0 when all targets are met, 1 when one is not, 2 when nothing could be measured.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.bench import peers, sizes
from tests.bench.callgrind import NJS, Bench, Cell, Figure
from tests.bench.common import BenchError, need, output_of, scratch
from tests.bench.edge_sites import PATTERNS, PageSite, pattern_site, redirects, request
from toolkit.edgecode import edge_code
from toolkit.engine.errors import LimitExceeded, UserError
from toolkit.engine.limits import FUNCTION_BYTES

ROUTES = (10, 100, 1_000, 10_000, 50_000)
PEER_REDIRECTS = (0, 10, 100, 400)
PATTERN_ROUTES = 1_000
CASES = ("page", "missing", "redirect")


@dataclass
class Row:
    """A function with a table of `count` routes (for the redirect: redirects). Store sizes in bytes of keys and values."""

    who: str
    count: int | None
    figures: dict[str, Figure] = field(default_factory=dict)
    store: int | None = None
    redirect_store: int | None = None


@dataclass(frozen=True)
class Target:
    """`met` is None when the run did not measure what it is about."""

    text: str
    value: str
    met: bool | None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--routes", type=int, nargs="+", default=ROUTES, help="sizes of our tables, 10 at least")
    parser.add_argument("--no-peers", action="store_true", help="leave out the packages from npm")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    args = parser.parse_args()
    try:
        with scratch() as folder:
            rows, read = measure(folder, args.routes, with_peers=not args.no_peers)
    except (BenchError, UserError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    targets = judge(rows)
    if args.json:
        facts = {"engine": versions(), "functions": sizes.function_sizes(), "one_read": read.instructions}
        print(json.dumps({**facts, "rows": [asdict(row) for row in rows], "targets": [asdict(one) for one in targets]}, indent=2))
    else:
        report(rows, read, targets)
    return int(any(target.met is False for target in targets))


def versions() -> dict[str, str]:
    return {name: output_of(name, option) for name, option in (("njs", "-v"), ("valgrind", "--version"))}


def measure(folder: Path, routes: Sequence[int], *, with_peers: bool) -> tuple[list[Row], Figure]:
    """All rows, and what one read of the store costs in this engine."""
    njs = need("njs", "apt install njs")
    valgrind = need("valgrind", "apt install valgrind")
    bench = Bench(folder, njs, valgrind, lambda done: print(done, file=sys.stderr))
    probe = Cell("one read", (NJS / "read.js").read_text(), {"/": "value"}, [request("/")], lambda event, answer: answer == "value")
    wanted = [(Row("", None), "read", probe)]
    if with_peers:
        wanted += peer_cells()
    wanted += own_cells(routes)
    figures = bench.measure([cell for _, _, cell in wanted])
    rows: list[Row] = []
    for (row, case, _), figure in zip(wanted, figures, strict=True):
        row.figures[case] = figure
        if row not in rows:
            rows.append(row)
    return rows[1:], figures[0]


def own_cells(routes: Sequence[int]) -> list[tuple[Row, str, Cell]]:
    code = edge_code(sizes.function_path("viewer_request"))
    found = []
    for number in routes:
        print(f"publishing {number:,} routes and {number:,} redirects", file=sys.stderr)
        pages = PageSite(number)
        row = Row("ours", number, store=pages.deployed.bytes)
        found += [(row, case, cell) for case, cell in pages.cells(code).items()]
        try:
            redirect, redirecting = redirects(number, code)
        except LimitExceeded as error:
            print(f"{number:,} redirects are refused: {error}", file=sys.stderr)
            continue
        row.redirect_store = redirecting.bytes
        found.append((row, "redirect", redirect))
    cells, deployed = pattern_site(PATTERN_ROUTES, code)
    row = Row(f"ours, {PATTERNS} patterns", PATTERN_ROUTES, store=deployed.bytes)
    found += [(row, case, cell) for case, cell in cells.items()]
    return found


def peer_cells() -> list[tuple[Row, str, Cell]]:
    basic = peers.basic_cell()
    found = [(Row("hosting-toolkit index_basic.js", None, store=_bytes(basic)), "page", basic)]
    for number in PEER_REDIRECTS:
        cells = peers.blocks_cells(number)
        row = Row("aws-blocks hosting router", number, store=_bytes(cells["page"]))
        found += [(row, case, cell) for case, cell in cells.items()]
    return found


def _bytes(cell: Cell) -> int:
    return sum(len(key.encode()) + len(value.encode()) for key, value in cell.store.items())


def judge(rows: Sequence[Row]) -> list[Target]:
    """The targets of the edge function, in the order in which they were set."""
    own = {row.count: row for row in rows if row.who == "ours"}
    pages = [row.figures["page"] for row in own.values()]
    dearest, reads = max(page.instructions for page in pages), max(page.reads for page in pages)
    dear = f"{dearest:,}{_aim(dearest <= 60_000)}"
    grown = own[50_000].store if 50_000 in own else None
    redirect = own[10_000].figures.get("redirect") if 10_000 in own else None
    found = [
        Target("an ordinary page: at most 80,000 instructions (aim 60,000)", dear, dearest <= 80_000),
        Target("an ordinary page: 2 reads", f"{reads}", reads == 2),
        _growth(own),
        Target(
            "an exact redirect among 10,000: 3 reads",
            str(redirect.reads) if redirect else "",
            bool(redirect and redirect.reads == 3) if 10_000 in own else None,
        ),
        Target(
            "the store of 50,000 routes: at most 2 MB",
            f"{grown:,} bytes" if grown else "",
            grown <= 2_000_000 if grown is not None else None,
        ),
    ]
    for name, size in sizes.function_sizes().items():
        found.append(Target(f"{name}.js: at most {FUNCTION_BYTES:,} bytes", f"{size:,}", size <= FUNCTION_BYTES))
    return found


def _growth(own: Mapping[int | None, Row]) -> Target:
    text = "a page from 100 to 50,000 routes: at most 30 % more (aim 15 %)"
    if 100 not in own or 50_000 not in own:
        return Target(text, "", None)
    small, large = (own[number].figures["page"].instructions for number in (100, 50_000))
    return Target(text, f"{large / small - 1:+.1%}{_aim(large * 100 <= small * 115)}", large * 100 <= small * 130)


def _aim(reached: bool) -> str:
    return ", aim reached" if reached else ", aim missed"


def report(rows: Sequence[Row], read: Figure, targets: Sequence[Target]) -> None:
    about = versions()
    code = ", ".join(f"{name}.js {size:,} bytes" for name, size in sizes.function_sizes().items())
    print(
        f"\ninstructions per call, net of a handler that does nothing, and (reads); njs {about['njs']}, {about['valgrind']}; {code}"
    )
    print(f"one read of the store costs {read.instructions:,} of them; peers: {peers.TOOLKIT}, {peers.BLOCKS}\n")
    titles = "".join(f"{title:>20}" for title in ("page", "missing page", "exact redirect"))
    print(f"{'function':<32}{'routes':>8}{titles}{'store, bytes':>14}{'of redirects':>14}")
    for row in rows:
        cells = [_cell(row.figures.get(case)) for case in CASES]
        stores = "".join(f"{'-' if size is None else f'{size:,}':>14}" for size in (row.store, row.redirect_store))
        number = "any" if row.count is None else f"{row.count:,}"
        print(f"{row.who:<32}{number:>8}{''.join(f'{cell:>20}' for cell in cells)}{stores}")
    print("\nroutes: addresses that the site answers, and for the redirect as many lines of `_redirects`; the peer's: redirects.")
    print("With patterns the redirect is a splat's, and half of the patterns have to be tried for any path that is missing.")
    print("The peers do not know which pages exist: for a missing page they do what they do for a page.\n")
    for line in ratios(rows):
        print(line)
    print()
    for target in targets:
        mark = {True: "met", False: "NOT MET", None: "not measured"}[target.met]
        print(f"{mark:<13}{target.text}: {target.value}".rstrip(": "))


def _cell(figure: Figure | None) -> str:
    if figure is None:
        return "-"
    reads = str(figure.reads) if figure.fewest == figure.reads else f"{figure.fewest} to {figure.reads}"
    return f"{figure.instructions:,} ({reads})"


def ratios(rows: Sequence[Row]) -> list[str]:
    """How our largest table compares with each row of the peers."""
    own = max((row for row in rows if row.who == "ours"), key=lambda row: row.count or 0)
    lines = []
    for row in rows:
        for case, figure in row.figures.items():
            if not row.who.startswith("ours"):
                ratio = figure.instructions / own.figures[case].instructions
                which = "" if row.count is None else f" with {row.count:,} redirects"
                lines.append(f"{case:<9}{row.who}{which} takes {ratio:.2f} times what ours takes with {own.count:,}")
    return lines


if __name__ == "__main__":
    raise SystemExit(main())
