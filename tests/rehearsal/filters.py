"""Which push starts which pipeline: the filters of a pipeline's triggers, as CodePipeline's user guide describes them.

Push filters are alternatives, what is in one of them must all hold; excludes go first
(docs.aws.amazon.com/codepipeline/latest/userguide/pipelines-filter.html). A branch filter of a pull request is about the branch
that it is to be merged into. Patterns are globs: `*` stays between slashes, `**` does not (…/syntax-glob.html). (F54)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from tests.rehearsal.iam import BeyondThis

OPENED, UPDATED, CLOSED = "OPEN", "UPDATED", "CLOSED"


@dataclass(frozen=True)
class Change:
    """What GitHub tells: a push to `branch`, of `tag`, or (with `event`) a pull request from `branch` into `into`."""

    commit: str
    branch: str = ""
    tag: str = ""
    event: str = ""
    into: str = ""
    paths: Sequence[str] = field(default=())


def starts(triggers: Iterable[Mapping[str, Any]], action: str, change: Change) -> bool:
    """Whether a change starts the pipeline whose source action is `action`."""
    found = [one["GitConfiguration"] for one in triggers if _is_for(one, action)]
    return any(_takes(one, change) for one in found)


def _is_for(trigger: Mapping[str, Any], action: str) -> bool:
    if trigger["ProviderType"] != "CodeStarSourceConnection":
        raise BeyondThis(f"a trigger of {trigger['ProviderType']}")
    return bool(trigger["GitConfiguration"]["SourceActionName"] == action)


def _takes(configuration: Mapping[str, Any], change: Change) -> bool:
    if change.event:
        return any(change.event in one.get("Events", ()) and _pull(one, change) for one in configuration.get("PullRequest", ()))
    return any(_push(one, change) for one in configuration.get("Push", ()))


def _pull(given: Mapping[str, Any], change: Change) -> bool:
    return _any(given.get("Branches"), [change.into]) and _any(given.get("FilePaths"), change.paths)


def _push(given: Mapping[str, Any], change: Change) -> bool:
    if "Tags" in given:
        # Tags go with nothing else ("Valid combinations").
        if set(given) - {"Tags"}:
            raise BeyondThis(f"a push filter of {sorted(given)}")
        return bool(change.tag) and _any(given["Tags"], [change.tag])
    return bool(change.branch) and _any(given.get("Branches"), [change.branch]) and _any(given.get("FilePaths"), change.paths)


def _any(criteria: Mapping[str, Sequence[str]] | None, values: Sequence[str]) -> bool:
    """Whether one of the values is wanted. Without includes all are that are not excluded."""
    if criteria is None:
        return True
    includes, excludes = criteria.get("Includes", ()), criteria.get("Excludes", ())
    left = [value for value in values if not any(glob(pattern, value) for pattern in excludes)]
    return any(not includes or any(glob(pattern, value) for pattern in includes) for value in left)


def glob(pattern: str, text: str) -> bool:
    return _compiled(pattern).fullmatch(text) is not None


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    """`*`, `**`, `?`, `[a-z]`, `[!a]`, `{a,b}` and a backslash before what is meant literally."""
    tokens = re.findall(r"\\.|\*\*|\*|\?|\[[^\]]+\]|\{[^{}]*\}|.", pattern, re.DOTALL)
    return re.compile("".join(map(_token, tokens)), re.DOTALL)


def _token(token: str) -> str:
    known = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
    if token in known:
        return known[token]
    if len(token) > 1 and token[0] == "\\":
        return re.escape(token[1])
    if len(token) > 2 and token[0] == "[":
        inner = token[1:-1].replace("\\", r"\\").replace("[", r"\[").replace("^", r"\^")
        return f"(?!/)[^{inner[1:]}]" if inner[0] == "!" else f"(?!/)[{inner}]"
    if token[0] == "{":
        return "(?:" + "|".join("".join(map(_token, re.findall(r"\*\*|\*|\?|.", one))) for one in token[1:-1].split(",")) + ")"
    return re.escape(token)
