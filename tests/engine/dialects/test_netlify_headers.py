"""Netlify's `_headers`, at the level of the parser. That nothing is injected is tested in test_injection.py, for every dialect."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.engine.dialects.test_netlify import answer, rows
from toolkit.engine import uris
from toolkit.engine.dialects.common import Rules
from toolkit.engine.dialects.registry import parse


def headers(text: str) -> Rules:
    return parse({"_headers": text}, "netlify")


def covered(rules: Rules, path: str) -> dict[str, str]:
    """The headers of a path as it is requested; of a name that comes twice the last."""
    found: dict[str, str] = {}
    for rule in rules.headers:
        if re.fullmatch(rule.pattern, uris.canonical(path), re.IGNORECASE):
            found.update(rule.headers)
    return found


@pytest.mark.parametrize("row", rows("headers"), ids=lambda row: row["id"])
def test_header_rows(row: dict[str, Any]) -> None:
    rules, expected = headers(row["rules"]), row["expect"]
    if "parse_errors" in expected:
        assert len(rules.problems) == expected["parse_errors"]
    found = covered(rules, row["request"]["path"])
    if "headers" in expected:
        assert found == {name.lower(): value for name, value in expected["headers"].items()}
    assert found.keys().isdisjoint(expected.get("headers_ignored", ()))


@pytest.mark.parametrize(
    ("text", "yes", "no"),
    [
        ("/a/*/c", ["/a/c", "/a/b/d/c/", "/A/B/C"], ["/a/b/d"]),
        ("/*.jpg", ["/q/r.jpg", "/r.jpg"], ["/rxjpg"]),
        ("/a/*", ["/a", "/a/", "/a/b/c", "/ab"], ["/b"]),
        ("/a/:p/*", ["/a/b", "/a/b/c"], ["/a"]),
        ("/a//b", ["/a/b"], ["/a//b"]),
        ("/", ["/"], ["/a"]),
        ("/sp ace/é", ["/sp%20ace/%C3%A9"], ["/space"]),
        ("/*/img/*.png", ["/x/img/y/z.png"], ["/x/img/y"]),
    ],
)
def test_what_headers_cover(text: str, yes: list[str], no: list[str]) -> None:
    rules = headers(f"{text}\n X-A: 1")
    assert [path for path in [*yes, *no] if covered(rules, path)] == yes


def test_values() -> None:
    rules = headers('/a\n X-A: a,b ,\tc\n x-a :  d\t1\n NEL: {"a":1}\n/a\n X-B: 2')
    assert covered(rules, "/a") == {"x-a": "a, b, c, d 1", "nel": '{"a":1}', "x-b": "2"}
    assert [(rule.source, rule.line) for rule in rules.headers] == [("/a", 1), ("/a", 5)]


@pytest.mark.parametrize(
    "line", ["/%E9", "/a*b*c*d", "/*/*a*b", "! X-A", "! X-A: 1", "X-A", ": 1", "X-A:", "X A: 1", "X-A: é", "X-A: {1}"]
)
def test_bad_lines_of_headers(line: str) -> None:
    rules = headers(f"/*\n{line}\n X-B: 1\n/b\n X-C: 1")
    assert [(problem.file, problem.line) for problem in rules.problems] == [("_headers", 2)]
    assert covered(rules, "/b")["x-c"] == "1"


def test_what_asks_for_a_password_is_closed() -> None:
    rules = parse({"_redirects": "/s/* /open 200!", "_headers": "/s/*\n X-A: 1\n Basic-Auth: user:secret"}, "netlify")
    assert answer(rules, "/s/x") == (404, "")
    assert covered(rules, "/s/x") == {"x-a": "1"}
    assert [(problem.file, problem.line) for problem in rules.problems] == [("_headers", 3)]
    assert "secret" not in repr(rules)


@pytest.mark.parametrize("path", ["/a/*/img/*.png", "/*/:p/*a", "/:p/*/x", "/*/x/*"])
def test_no_path_takes_long(path: str) -> None:
    (rule,) = headers(f"{path}\n X-A: 1").headers
    for unit in ("a", "/", "/a", "/img/", "a/x"):
        assert not re.fullmatch(rule.pattern, "/a" + unit * (8000 // len(unit)) + "\n", re.IGNORECASE)
