"""Redirects that lead visitors in a circle, found before anything is published.

A circle takes at least one rule, alone, with others, or with the spellings of the slash policy. Every path that a rule names is
followed, and for a pattern two made-up paths that it covers. Conditions are not looked into: of circles that depend on one,
browsers give up by themselves.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from urllib.parse import urljoin

from toolkit.engine import patterns, slashes, uris
from toolkit.engine.decide import Coverage
from toolkit.engine.dialects.common import Problem
from toolkit.engine.model import Rule

# As many as browsers follow without a doubt (Fetch standard: 20).
_MOST_STEPS = 10


def stopped(rule: Rule) -> Rule:
    """The rule without the paths that it has made itself: `/* /en/:splat` does not send `/en/x` on to `/en/en/x`.

    Where there is a file nobody is sent on; where there is none, the other hosts go on until browsers give up.
    """
    made = rule.target.split("{")[0]
    if not rule.is_redirect or not rule.pattern or made == rule.target or made.count("/") < 2:
        return rule
    if not any(patterns.compiled(rule.pattern).fullmatch(f"{made}{rest}") for rest in ("~1~", "~2~/~3~")):
        return rule
    return replace(rule, pattern=f"(?!{re.escape(made)}){rule.pattern}")


def without_circles(rules: Sequence[Rule], addresses: Mapping[str, slashes.Answer]) -> tuple[tuple[Rule, ...], list[Problem]]:
    """The rules without those that close a circle, and a problem for each of these."""
    kept, problems = tuple(stopped(rule) for rule in rules), list[Problem]()
    # What is left out changes where others lead.
    while closing := _closing(kept, addresses):
        for rule, circle in closing:
            lines = " → ".join(f"line {one.line}" for one in circle)
            problems.append(Problem(rule.file, rule.line, f"leads visitors in a circle ({lines}): {rule.text}"))
        left_out = {id(rule) for rule, _ in closing}
        kept = tuple(rule for rule in kept if id(rule) not in left_out)
    return kept, problems


def _closing(rules: Sequence[Rule], addresses: Mapping[str, slashes.Answer]) -> list[tuple[Rule, list[Rule]]]:
    """Of every circle the last rule, with all that it takes; a rule is in one of them only."""
    coverage = Coverage(rules)
    order = {id(rule): number for number, rule in enumerate(rules)}
    ended: set[str] = set()
    found: dict[int, tuple[Rule, list[Rule]]] = {}
    for rule in rules:
        if rule.is_redirect and rule.target.startswith("/") and not rule.is_conditional:
            for path in (*rule.paths, *samples(rule.pattern)):
                circle = _follow(path, coverage, addresses, ended)
                if circle and not any(id(one) in found for one in circle):
                    # A policy's own rules (line 0) are not the user's to mend: one of his gives way.
                    last = max(circle, key=lambda one: (one.line > 0, order[id(one)]))
                    found[id(last)] = (last, circle)
    return list(found.values())


def _follow(path: str, coverage: Coverage, addresses: Mapping[str, slashes.Answer], ended: set[str]) -> list[Rule]:
    """The rules on the way when it does not end; `ended` gathers the paths whose way does."""
    passed: list[str] = []
    used: list[Rule] = []
    while path not in ended:
        passed.append(path)
        step = _step(path, coverage, addresses)
        if step is None:
            break
        path, rule = step
        used += [rule] if rule and rule not in used else []
        if path in passed or len(passed) > _MOST_STEPS:
            return used
    ended.update(passed)
    return []


def _step(path: str, coverage: Coverage, addresses: Mapping[str, slashes.Answer]) -> tuple[str, Rule | None] | None:
    """Where a visitor of a decoded path is sent, None when he stays or leaves the site."""
    answer = addresses.get(path)
    for rule, groups in coverage.over(path):
        if rule.is_conditional:
            continue
        if answer and not rule.force:
            break
        target = re.split(r"[?#]", patterns.fill(rule.target, groups), maxsplit=1)[0]
        if not rule.is_redirect or not target.startswith("/"):
            return None
        # Browsers resolve dots (RFC 3986, section 5.2.4), encoded ones too (URL Standard).
        dotted = re.sub("%2e", ".", re.sub(r"^/+", "/", target), flags=re.IGNORECASE)
        return uris.decoded(urljoin("/", dotted)), rule
    return (answer.address, None) if isinstance(answer, slashes.Move) else None


def samples(pattern: str) -> Iterator[str]:
    """Two decoded paths that a pattern covers, unlike any that somebody would write; none when it is too odd to tell."""
    for inner, rest in (("~1~", "~2~/~3~"), ("~4~", "~5~")):
        text = re.sub(r"\(\?[!=][^()]*\)", "", pattern)
        text = re.sub(r"\(\?:", "(", text)
        text = re.sub(r"\(?\.[*+]\)?", rest, text)
        text = re.sub(r"\(?\[\^[^\]]*\][*+]\)?", inner, text)
        text = re.sub(r"\\(.)|[()?]", lambda found: found[1] or "", text)
        if patterns.compiled(pattern).fullmatch(text) if pattern else False:
            yield uris.decoded(text)
