"""Cloudflare's rows of the case file, and its rule files read alone."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from toolkit.engine.dialects import cloudflare
from toolkit.engine.dialects.common import Rules

_FILE = Path(__file__).parents[2] / "cases" / "hosting_cases.json"


def rows(kind: str) -> list[dict[str, Any]]:
    every = json.loads(_FILE.read_text(encoding="utf-8"))
    return [row for row in every if row["dialect"].startswith("cloudflare") and row["kind"] == kind]


def redirects(text: str) -> Rules:
    rules = Rules()
    cloudflare.redirects(text, rules)
    return rules


def headers(text: str) -> Rules:
    rules = Rules()
    cloudflare.headers(text, rules)
    return rules


def fill(text: str, groups: tuple[str | None, ...]) -> str:
    return re.sub(r"\{(\d+)\}", lambda found: groups[int(found[1]) - 1] or "", text)


def lines_of(rules: Rules) -> list[int]:
    return [problem.line for problem in rules.problems]
