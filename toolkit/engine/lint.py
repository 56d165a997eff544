"""Rules that can never answer, because a file or another rule always does before them; files that cannot, in AWS.

For a pattern two made-up paths that it covers stand for all: what answers for both before it does is taken to cover the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from toolkit.engine import slashes
from toolkit.engine.circles import samples
from toolkit.engine.decide import Coverage, addresses_of, landing
from toolkit.engine.model import Manifest, Rule

# What links to previews begin with where previews have no hosts (functions/edge/preview.js).
PREVIEW_LINKS = "/_preview/"


@dataclass(frozen=True)
class Shadowed:
    """A rule that never answers, and what does instead."""

    rule: Rule
    reason: str

    def __str__(self) -> str:
        return f"{self.rule.file} line {self.rule.line}: never answers, {self.reason}: {self.rule.text}"


def shadowed(manifest: Manifest) -> list[Shadowed]:
    """Every rule of a version that can never answer, in the order of the file."""
    coverage, addresses = Coverage(manifest.redirects), addresses_of(manifest)
    found = []
    for rule in manifest.redirects:
        reasons = [_before(rule, path, coverage, addresses) for path in _places(rule)] if rule.line else []
        if reasons and all(reasons):
            found.append(Shadowed(rule, reasons[0]))
    return sorted(found, key=lambda one: one.rule.line)


def behind_links(manifest: Manifest) -> list[str]:
    """One line, where files of a version lie at addresses that links to previews have."""
    found = [path for path in manifest.assets if path.startswith(PREVIEW_LINKS)]
    others = f" and {len(found) - 1} more" if len(found) > 1 else ""
    return [f"{found[0]}{others} will not answer in AWS, links to previews begin so: rename the folder"] if found else []


def _places(rule: Rule) -> Iterator[str]:
    yield from rule.paths
    yield from samples(rule.pattern)


def _before(rule: Rule, path: str, coverage: Coverage, addresses: Mapping[str, slashes.Answer]) -> str:
    """What answers at `path` (decoded) before the rule does, "" when nothing."""
    there = landing(addresses, path)
    for other, _ in coverage.over(path):
        if other is rule:
            return f"{there} does; add ! to the status to go before it" if there and not rule.force else ""
        if not other.is_conditional:
            return f"{there} does" if there and not other.force else f"line {other.line} does"
    return "it leads back to its own path"
