"""`_redirects` and `_headers`: a bad line comes back with its place and reason, and never stops a good one."""

from __future__ import annotations

import fnmatch
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.engine.model import HeaderRule, Redirect
from toolkit.engine.rules import FORBIDDEN, matches, parse

REDIRECT_WORDS = [*" \t\n\r#!/*:%?&=.", "a", "/a /", " 301", " 200", " 302!", "https://", "é", "\x00", "\u2028", "\\"]
HEADER_WORDS = [*" \t\n\r#!/*:", "a", "\n  X-A: ", "\n/p", "Set-Cookie", "é", "\x00", "\x7f"]


def redirects(text: str) -> list[Redirect]:
    rules = parse({"_redirects": text})
    assert rules.problems == []
    return rules.redirects


def problem(text: str, file: str = "_redirects") -> str:
    rules = parse({file: text})
    assert len(rules.problems) == 1 and not rules.redirects and not rules.headers
    return str(rules.problems[0])


def test_exact_redirects() -> None:
    text = "# moved\n/a /b\n\n  /c   /d  302   # why\n/e https://example.com/x?y=1#z 308!\n/f#g /h\n"
    assert redirects(text) == [
        Redirect("/a", "/b", 301, False, 2),
        Redirect("/c", "/d", 302, False, 4),
        Redirect("/e", "https://example.com/x?y=1#z", 308, True, 5),
        Redirect("/f#g", "/h", 301, False, 6),
    ]


def test_paths_are_decoded_and_targets_encoded() -> None:
    assert redirects("/caf%C3%A9 /thé?a=ü") == [Redirect("/café", "/th%C3%A9?a=%C3%BC", 301, False, 1)]
    assert redirects("/a%20b /c%20d") == [Redirect("/a b", "/c%20d", 301, False, 1)]


def test_windows_line_ends() -> None:
    assert [rule.path for rule in redirects("/a /b\r\n/c /d\r\n")] == ["/a", "/c"]


def test_lines_are_counted_as_editors_count_them() -> None:
    rules = parse({"_redirects": "/a /b # form feed \x0c and \u2028 are no line ends\n/c\n"})
    assert [(entry.line, entry.file) for entry in rules.problems] == [(2, "_redirects")]
    assert len(rules.redirects) == 1


def test_the_single_page_idiom() -> None:
    rules = parse({"_redirects": "/old /new\n/* /index.html 200\n"})
    assert rules.spa and len(rules.redirects) == 1 and not rules.problems


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("/a", "needs a path and a target"),
        ("a /b", "must start with /"),
        ("/a b", "must start with a single /"),
        ("/a //evil.example", "must start with a single /"),
        ("/a /\\evil.example", "must start with a single /"),
        ("/a https:///path", "must start with a single /"),
        ("/a javascript:alert(1)", "must start with a single /"),
        ("/a /b 404", "status 404 is not supported"),
        ("/a /b 200", "status 200 is not supported"),
        ("/a /b 30", "not a status"),
        ("/a /b 301 Country=de", "conditions are not supported"),
        ("/blog/* /b/:splat", "only exact paths"),
        ("/blog/:year /b", "only exact paths"),
        ("/a?id=1 /b", "the query"),
        ("/a /b\\c", "may not"),
        ("/a /b\x01c", "may not"),
        ("/a /" + "x" * 900, "longer than 900"),
        ("/a /" + "é" * 151, "longer than 900"),
    ],
)
def test_a_bad_redirect_says_where_and_why(line: str, reason: str) -> None:
    said = problem(f"\n{line}\n")
    assert said.startswith("_redirects line 2: ") and reason in said


def test_good_lines_survive_bad_ones() -> None:
    rules = parse({"_redirects": "nonsense\n/a /b\n/c\n/d /e\n"})
    assert [rule.path for rule in rules.redirects] == ["/a", "/d"]
    assert [entry.line for entry in rules.problems] == [1, 3]


@given(st.lists(st.sampled_from(REDIRECT_WORDS)).map("".join))
def test_no_redirect_text_breaks_the_parser(text: str) -> None:
    for rule in parse({"_redirects": text}).redirects:
        assert rule.path.startswith("/") and rule.status in (301, 302, 303, 307, 308)
        assert re.fullmatch(r"(/(?![/\\])|https?://)[\x21-\x7e]*", rule.target) and len(rule.target) <= 900


def test_header_rules() -> None:
    text = "# all\n/*\n  X-A: 1\n  x-a: 2\n\tCache-Control:  no-cache \n  ! X-Frame-Options\n/b\n  Link: <https://a>; rel=x\n"
    rules = parse({"_headers": text})
    assert rules.problems == []
    assert rules.headers == [
        HeaderRule("/*", {"x-a": "1, 2", "cache-control": "no-cache", "x-frame-options": ""}, 2),
        HeaderRule("/b", {"link": "<https://a>; rel=x"}, 7),
    ]


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("  X-A: 1\n", 1, "without a valid path"),
        ("b\n", 1, "must start with /"),
        ("/b\n  X-A\n", 2, "Name: value"),
        ("/b\n  X-A:\n", 2, "Name: value"),
        ("/b\n  X A: 1\n", 2, "not a header name"),
        ("/b\n  X-A: caf\u00e9\n", 2, "printable ASCII"),
        ("/b\n  X-A: a\x0bb\n", 2, "printable ASCII"),
        ("/b\n  X-Amz-Meta-Edge: x\n", 2, "set by the edge"),
        ("/b\n  ! Set-Cookie\n", 2, "set by the edge"),
    ],
)
def test_a_bad_header_says_where_and_why(text: str, line: int, reason: str) -> None:
    said = problem(text, "_headers")
    assert said.startswith(f"_headers line {line}: ") and reason in said


@pytest.mark.parametrize("name", sorted(FORBIDDEN))
def test_headers_that_the_edge_may_not_set(name: str) -> None:
    assert "set by the edge" in problem(f"/*\n  {name.title()}: x\n", "_headers")


@given(st.lists(st.sampled_from(HEADER_WORDS)).map("".join))
def test_no_header_text_breaks_the_parser(text: str) -> None:
    for rule in parse({"_headers": text}).headers:
        assert rule.pattern.startswith("/") and rule.headers
        for name, value in rule.headers.items():
            assert name == name.lower() and name not in FORBIDDEN
            assert "\r" not in value and "\n" not in value and value.isascii()


@pytest.mark.parametrize(
    ("pattern", "path", "covers"),
    [
        ("/*", "/", True),
        ("/*", "/a/b.html", True),
        ("/a/*", "/a/", True),
        ("/a/*", "/a", False),
        ("/*.js", "/a/b.js", True),
        ("/*.js", "/a/b.jsx", False),
        ("/a", "/a/", False),
        ("/a.b", "/axb", False),
        ("/:lang/a", "/en/a", True),
        ("/:lang/a", "/en/x/a", False),
        ("/a:b", "/a:b", True),
        ("/caf%C3%A9", "/café", True),
        ("/a+b(c)[d]", "/a+b(c)[d]", True),
        ("/*", "/a\nb", True),
        ("/*.html.*", "/a.html.html", True),
        ("/*/a/*/b", "/x/a/a/b/b", True),
        ("/*ab*b", "/xabab", True),
        ("/*ab*b", "/xaab", False),
        ("/*/:x.html/*", "/a/b.html.html/c", True),
        ("/%2A", "/a", False),
        ("/%2A", "/*", True),
    ],
)
def test_what_a_pattern_covers(pattern: str, path: str, covers: bool) -> None:
    assert matches(pattern, path) is covers


@given(st.text("ab/*", max_size=8), st.text("ab/", max_size=10))
def test_patterns_of_stars_match_as_fnmatch_does(pattern: str, path: str) -> None:
    assert matches(f"/{pattern}", f"/{path}") == fnmatch.fnmatchcase(f"/{path}", f"/{pattern}")


def test_a_pattern_of_many_stars_is_answered_at_once() -> None:
    # A backtracking match would take longer than the age of the universe.
    assert not matches("/" + "*a" * 40 + "b", "/" + "a" * 1000)
