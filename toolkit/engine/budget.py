"""What answering a request takes at the edge, worked out at publish time, so that no visitor is the first to find out.

CloudFront bounds a function's compute time, without publishing how many instructions that is, and charges for each read of the
store. Figures are of njs 0.7.9 under callgrind, net of a handler that does nothing (`make bench-edge`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from toolkit.engine import limits
from toolkit.engine.errors import LimitExceeded
from toolkit.engine.patterns import depth_of, text_of

if TYPE_CHECKING:
    from toolkit.engine.decide import Decisions

MOST_READS = 24
# As many as `pooled` in viewer_request.js puts together.
MOST_CHUNKS = 16
MOST_KILO_INSTRUCTIONS = 4000
PAGE_READS = 2
# Thousand instructions, rounded up: a page; what any other answer takes beyond that, a further read, a rule that is tried.
_PAGE, _BEYOND, _READ, _RULE = 64, 105, 25, 30


@dataclass(frozen=True)
class Cost:
    """Reads of the store for an ordinary page and in the worst case, the rules tried in that case, and about how many thousand
    instructions that takes. `folder` is where the longest list of rules lies, a folder or a path, and `chunks` how many values of
    the store it fills. An edge that has not learned of a table yet takes one read more."""

    page_reads: int
    reads: int
    rules: int
    folder: str = ""
    chunks: int = 0

    @property
    def kilo_instructions(self) -> int:
        further = self.reads - PAGE_READS
        return _PAGE + (_BEYOND if further else 0) + further * _READ + self.rules * _RULE


def cost(decided: Decisions, lists: Mapping[str, str]) -> Cost:
    """The cost of a version's routes; `lists` are the texts of the lists of patterns by folder."""
    deepest: dict[int, str] = {}
    for folder, text in lists.items():
        depth = depth_of(folder)
        if depth not in deepest or len(text) > len(lists[deepest[depth]]):
            deepest[depth] = folder
    patterns = sum(1 + _chunks(lists[folder]) for folder in deepest.values())
    own = [(path, answer.rules) for path, answer in decided.answers.items() if answer.rules]
    exact = max((_chunks(text_of(rules)) for _, rules in own), default=1)
    tried = max(sum(len(decided.folders[folder]) for folder in deepest.values()), max((len(rules) for _, rules in own), default=0))
    every = any(answer.after_patterns for answer in decided.answers.values())
    # A rewrite whose captures make the path looks the file up in two places, and again where it is another spelling of a page.
    entries = (entry for some in (*decided.folders.values(), *(rules for _, rules in own)) for entry in some)
    rewrites = 4 * any(entry.outcome[0] in "WV" for entry in entries)
    longest = max([*lists.items(), *((path, text_of(rules)) for path, rules in own)], key=lambda one: len(one[1]), default=("", ""))
    reads = PAGE_READS + max(patterns, exact) + rewrites
    return Cost(PAGE_READS + (patterns if every else 0), reads, tried, longest[0], _chunks(longest[1]))


def _chunks(text: str) -> int:
    return -(-len(text) // limits.VALUE_BYTES)


def check(cost: Cost) -> None:
    """LimitExceeded when a request could cost more than the edge should spend on it."""
    if cost.reads > MOST_READS or cost.kilo_instructions > MOST_KILO_INSTRUCTIONS:
        raise LimitExceeded(
            f"a request could take {cost.reads} reads of the route store and {cost.kilo_instructions:,},000 instructions, "
            f"{MOST_READS} and {MOST_KILO_INSTRUCTIONS:,},000 are the most: {cost.rules:,} patterns would be tried, most of them "
            f"because they lie in {cost.folder}",
            "begin patterns with a folder of their own (/old/blog/* rather than /*), or write exact paths",
        )
    if cost.chunks > MOST_CHUNKS:
        raise LimitExceeded(
            f"the rules for {cost.folder} fill {cost.chunks} KB of the route store, the edge reads {MOST_CHUNKS}",
            "begin patterns with a folder of their own, or write shorter targets",
        )
