"""Bytes of the edge functions by feature, beside the budget of each (python -m tests.bench.sizes).

CloudFront takes 10 KB of code for a function; ours is sent without comments, white space and the like. A feature is what stands
below a comment line `// --- name`; what stands above the first one counts as "start".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from toolkit.edgecode import compact, edge_code
from toolkit.engine.limits import FUNCTION_BYTES
from toolkit.paths import resource

FUNCTIONS = ("viewer_request", "viewer_response", "preview")
# Bytes for each feature of the request function; together they stay below what CloudFront takes.
BUDGET = {
    "start": 74,
    "page": 1537,
    "reading": 610,
    "answers": 1968,
    "proxy": 453,
    "rules": 3210,
    "table": 570,
    "gate": 561,
    "preview": 255,
    "canary": 258,
    "channel": 742,
}
_HEADING = re.compile(r"^// --- (.+?)\s*$", re.MULTILINE)


def function_path(name: str) -> Path:
    return resource("functions") / "edge" / f"{name}.js"


def sections(text: str) -> dict[str, int]:
    """Bytes of each feature, its heading included; sections of one name are added up."""
    found: dict[str, int] = {}
    starts = [(0, "start"), *((match.start(), match.group(1)) for match in _HEADING.finditer(text))]
    ends = [start for start, _ in starts[1:]] + [len(text)]
    for (start, name), end in zip(starts, ends, strict=True):
        if end > start:
            found[name] = found.get(name, 0) + len(compact(text[start:end]).encode())
    return found


def over_budget(found: Mapping[str, int], budget: Mapping[str, int] = BUDGET) -> list[str]:
    """The features that are larger than they may be, or have no budget at all."""
    return [name for name, size in found.items() if size > budget.get(name, 0)]


def function_sizes() -> dict[str, int]:
    return {name: len(edge_code(function_path(name)).encode()) for name in FUNCTIONS}


def main() -> int:
    found = sections(function_path("viewer_request").read_text(encoding="utf-8"))
    too_large = over_budget(found)
    print(f"{'feature of viewer_request.js':<30}{'bytes':>8}{'budget':>8}")
    for name in [*found, *(name for name in BUDGET if name not in found)]:
        mark = "  over" if name in too_large else ""
        print(f"{name:<30}{found.get(name, 0):>8,}{BUDGET.get(name, 0):>8,}{mark}")
    print(f"{'together':<30}{sum(found.values()):>8,}{sum(BUDGET.values()):>8,}")
    sizes = function_sizes()
    for name, size in sizes.items():
        print(f"{name + '.js':<30}{size:>8,}{FUNCTION_BYTES:>8,}{'  over' if size > FUNCTION_BYTES else ''}")
    return int(bool(too_large) or max(sizes.values()) > FUNCTION_BYTES)


if __name__ == "__main__":
    raise SystemExit(main())
