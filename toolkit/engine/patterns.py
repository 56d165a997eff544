"""Rules that only a request can decide, as the edge reads them: lists of lines, found by the folder that their paths lie in.

A pattern is listed under the literal folder that all its paths begin with ("/news/" for `/news/*`). The edge looks at the few
depths that are in use, so that a site with a thousand moved folders costs a request no more than one with a single folder does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from toolkit.engine import uris
from toolkit.engine.model import Fallback, Rule

# At how many depths of folders the edge looks for patterns; each costs it a read.
MOST_DEPTHS = 3
_CAPTURE = re.compile(r"\{(\d+)\}")
# Whatever matches all of these, and is made of what parsers make, matches every path.
_PROBES = ("/", "/a", "/b/", "/c/d.e", "//", "/%2F/x")


@dataclass(frozen=True)
class Entry:
    """One rule as the edge evaluates it, see `outcome` in viewer_request.js. `outcome` is a record of the table, or a letter and
    text: R redirect, P proxy, W and V rewrite to a path that the captures make, N the page for what is missing."""

    order: int
    pattern: str
    prefix: str
    force: bool
    outcome: str
    when: Mapping[str, Any] = field(default_factory=dict)
    flags: str = ""

    def line(self) -> str:
        start, end, middle, slash = ("", "", self.pattern or "-", "") if self.flags or not self.pattern else parts_of(self.pattern)
        when = json.dumps(self.when, separators=(",", ":")) if self.when else ""
        return "\t".join((start, end, middle, str(self.order), str(int(self.force)), self.outcome, when, self.flags or slash))


def text_of(entries: Iterable[Entry]) -> str:
    """A list of rules, one a line, in the order in which they are tried."""
    return "\n".join(entry.line() for entry in entries)


@lru_cache(maxsize=4096)
def compiled(pattern: str, ignore_case: bool = False) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE if ignore_case else 0)


def is_universal(pattern: str) -> bool:
    """Whether it matches every path."""
    return bool(pattern) and all(compiled(pattern).fullmatch(probe) for probe in _PROBES)


def fill(text: str, groups: tuple[str | None, ...]) -> str:
    """Put captures into a target or a header's value; one that is not there is empty."""

    def value(found: re.Match[str]) -> str:
        number = int(found[1])
        return (groups[number - 1] or "") if 0 < number <= len(groups) else ""

    return _CAPTURE.sub(value, text)


def conditions(rule: Rule) -> dict[str, Any]:
    """A rule's conditions under the names that `holds` in viewer_request.js knows."""
    query = [[name, value if value == "{}" else uris.canonical(value)] for name, value in rule.query]
    named = {"host": [rule.host], "cloudfront-forwarded-proto": [rule.scheme], "cloudfront-viewer-country": list(rule.countries)}
    headers = [[name, values] for name, values in named.items() if values and values[0]]
    found = {"h": headers, "l": list(rule.languages), "k": list(rule.cookies), "q": query}
    return {name: value for name, value in found.items() if value}


def at_its_paths(rule: Rule) -> Rule:
    """The rule as it applies at one of its exact `paths`: the pattern's groups are empty, captured query values count from 1."""
    groups = compiled(rule.pattern).groups if rule.pattern else 0

    def renumbered(found: re.Match[str]) -> str:
        number = int(found[1]) - groups
        return f"{{{number}}}" if number > 0 else ""

    return replace(rule, pattern="", prefix="/", target=_CAPTURE.sub(renumbered, rule.target))


def leads_nowhere(rule: Rule, path: str, groups: tuple[str | None, ...] = ()) -> bool:
    """Whether a redirect sends a visitor at the canonical `path` to where he is (the edge leaves such a rule out too)."""
    if not rule.is_redirect or rule.query:
        return False
    target = re.sub(r"^/+", "/", fill(rule.target, groups))
    return (re.split(r"[?#]", target, maxsplit=1)[0] or "/") == path


def folders(path: str) -> list[str]:
    """The folders above a canonical path, from the root down: "/a/b" -> "/", "/a/"."""
    parts = path.split("/")[1:-1]
    return ["/" + "".join(f"{part}/" for part in parts[:depth]) for depth in range(len(parts) + 1)]


def depth_of(folder: str) -> int:
    return folder.count("/") - 1


def by_folder(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    """Each entry under its folder, or under one further up where the patterns use too many depths."""
    wanted = sorted(entries, key=lambda entry: entry.order)
    counts: dict[int, int] = {}
    for entry in wanted:
        counts[depth_of(entry.prefix)] = counts.get(depth_of(entry.prefix), 0) + 1
    if not counts:
        return {}
    # The shallowest depth must stay, everything has a place there; of the others those that most patterns use.
    others = sorted((depth for depth in counts if depth != min(counts) and depth < 10), key=lambda depth: -counts[depth])
    kept = {min(min(counts), 9), *others[: MOST_DEPTHS - 1]}
    found: dict[str, list[Entry]] = {}
    for entry in wanted:
        depth = max(depth for depth in kept if depth <= depth_of(entry.prefix))
        found.setdefault(folders(entry.prefix)[depth], []).append(entry)
    return found


def of_fallbacks(fallbacks: Iterable[Fallback], start: int, outcome: Callable[[Fallback], str]) -> list[Entry]:
    """The pages for what is missing, tried after every rule."""
    return [
        Entry(start + number, one.pattern, one.prefix, False, outcome(one), flags="i" if one.ignore_case else "")
        for number, one in enumerate(fallbacks)
    ]


def literal_of(pattern: str) -> str | None:
    """The one canonical path that a pattern matches (but for a slash at its end), None when there are more."""
    text = pattern.removesuffix("/?")
    plain = re.sub(r"\\(.)", r"\1", text)
    return plain if not re.search(r"(?<!\\)[.*+?^$(){}|\[\]]", text) else None


def folder_of(pattern: str) -> str:
    """The literal folder that everything a pattern matches begins with."""
    start = parts_of(pattern)[0]
    return start[: start.rfind("/") + 1] or "/"


def parts_of(pattern: str) -> tuple[str, str, str, str]:
    """What all that a pattern matches begins and ends with, the pattern for what lies between, and "/" when a slash may follow.

    The edge compares the first two as text, before it makes an expression of the third.
    """
    slash = "/" if pattern.endswith("/?") else ""
    pieces = re.findall(r"\\.|.", pattern.removesuffix("/?") if slash else pattern, re.DOTALL)
    # A character that a quantifier follows may be missing, or there several times.
    fixed = [
        (piece[0] == "\\" or piece not in ".*+?^$(){}|[]") and after not in ("?", "*", "+")
        for piece, after in zip(pieces, [*pieces[1:], ""], strict=True)
    ]
    first = fixed.index(False) if False in fixed else len(fixed)
    last = len(fixed) - fixed[::-1].index(False) if False in fixed else len(fixed)
    start, end = ("".join(piece[-1] for piece in some) for some in (pieces[:first], pieces[last:]))
    return start, end, "".join(pieces[first:last]), slash
