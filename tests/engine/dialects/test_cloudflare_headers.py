"""Cloudflare's `_headers`, at the level of the parser, as test_cloudflare.py has it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.engine.dialects.cloudflare_rows import fill, headers, lines_of, rows
from toolkit.engine import uris
from toolkit.engine.dialects.common import Rules


def sent(rules: Rules, path: str) -> dict[str, str]:
    """The headers for a path: each rule takes its empty ones out, then joins the others to those of the rules before."""
    found: dict[str, str] = {}
    for rule in rules.headers:
        match = re.fullmatch(rule.pattern, uris.canonical(path))
        for name, value in rule.headers.items() if match else ():
            text = fill(value, match.groups()) if match else ""
            if value:
                found[name] = f"{found[name]}, {text}" if name in found else text
            else:
                found.pop(name, None)
    return found


@pytest.mark.parametrize("row", rows("headers"), ids=lambda row: row["id"])
def test_header_rows(row: dict[str, Any]) -> None:
    rules, expected = headers(row["rules"]), row["expect"]
    found = sent(rules, row["request"]["path"])
    assert len(rules.problems) == expected.get("parse_errors", 0)
    if expected.get("status") == 404:
        # Under this status the edge leaves the rule's Cache-Control out.
        assert found == {"cache-control": "max-age=999"}
    else:
        assert found == expected["headers"]


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ("/a\n  X-A: 1\n  x-a: 2", "/a", {"x-a": "1, 2"}),
        ("/*\n  X-A: 1\n/a\n  X-A: 2", "/a", {"x-a": "1, 2"}),
        ("/*\n  X-A: 1\n/a\n  X-A: 2\n  ! X-A", "/a", {"x-a": "2"}),
        ("/*\n  X-A: 1\n/a\n  ! X-A\n  X-B: 2", "/a", {"x-b": "2"}),
        ("/a?x=1#y\n  X-A: 1", "/a", {"x-a": "1"}),
        ("/a # c\n  X-A: 1", "/a%20", {"x-a": "1"}),
        ("https://example.com\n  X-A: 1", "/", {"x-a": "1"}),
        ("/:p/:q\n  X-A: :q, :pp, :r", "/1/2", {"x-a": "2, 1p, :r"}),
        ("/a\n  NEL: {\"max_age\": 1}", "/a", {"nel": '{"max_age": 1}'}),
        ("/a\n# c\n  # d\n  X-A: 1 # e", "/a", {"x-a": "1 # e"}),
    ],
)  # fmt: skip
def test_headers_beyond_the_rows(text: str, path: str, expected: dict[str, str]) -> None:
    rules = headers(text)
    assert sent(rules, path) == expected
    assert rules.problems == []


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("X-A: 1\nnonsense", [1, 2]),
        ("/a", [1]),
        ("/a\n/b\n  X-A: 1", [1]),
        ("/a\n  ! X-A: 1", [1, 2]),
        ("/a\n  !X-A", [1, 2]),
        ("/a\n  X\tA: 1", [2]),
        ("/a\n  X-A: naïve", [2]),
        ("/a\n  X-A: {1}", [2]),
        ("/a\n  Content-Length: 1\n  Transfer-Encoding: chunked", [2, 3]),
        ("/a\n  ! Connection", [2]),
        ("/*/*\n  X-A: 1", [1]),
        ("/:a/:a\n  X-A: 1", [1]),
        ("/%FF\n  X-A: 1", [1]),
        ("https://example.com:8080/a\n  X-A: 1", [1]),
        ("https://:project.pages.dev/*\n  X-Robots-Tag: noindex", [1]),
        ("https://shop.pages.dev/*\n  X-Robots-Tag: noindex", [1]),
        ("ftp://example.com/a\n  X-A: 1\n  X-B: 2", [1]),
        (f"/a\n  X-A: {'x' * 2000}", [1, 2]),
    ],
)
def test_bad_header_lines_are_named(text: str, problems: list[int]) -> None:
    rules = headers(f"{text}\n/good\n  X-Good: 1")
    assert lines_of(rules) == problems
    assert {"x-good": "1"} in [rule.headers for rule in rules.headers]
    assert all(problem.file == "_headers" for problem in rules.problems)


def test_a_later_block_for_the_same_path_replaces_the_earlier_one() -> None:
    rules = headers("/a\n  X-A: 1\n/*\n  X-C: 3\n/a\n  X-B: 2")
    assert sent(rules, "/a") == {"x-b": "2", "x-c": "3"}
    assert lines_of(rules) == [1]


def test_limit_of_header_rules() -> None:
    rules = headers("".join(f"/{number}\n  X-A: 1\n" for number in range(103)))
    assert len(rules.headers) == 101
    assert lines_of(rules) == [203, 205]
