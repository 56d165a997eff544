"""Cloudflare's `_redirects`, at the level of the parser: what the rules that come out would answer.

How the edge answers them is tested with the same rows by tests/cases. What is expected here beyond the rows was seen in the parser
and the asset worker of wrangler 4.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.dialects.cloudflare_rows import fill, headers, lines_of, redirects, rows
from toolkit.engine import uris
from toolkit.engine.dialects.common import Rules


def answer(rules: Rules, path: str) -> tuple[int, str] | None:
    """Status and target of the first rule that holds for a path as it is requested."""
    path = uris.canonical(path)
    for rule in rules.redirects:
        found = re.fullmatch(rule.pattern, path) if rule.pattern else None
        if found or (uris.decoded(path) in rule.paths and "%2F" not in path):
            if found:
                assert path.startswith(rule.prefix)
            return rule.status, fill(rule.target, found.groups() if found else ())
    return None


@pytest.mark.parametrize("row", rows("redirects"), ids=lambda row: row["id"])
def test_redirect_rows(row: dict[str, Any]) -> None:
    rules, expected = redirects(row["rules"]), row["expect"]
    found = answer(rules, row["request"]["path"])
    assert len(rules.problems) == expected.get("parse_errors", 0)
    if "location" in expected:
        assert found is not None
        path, query = found[1], row["request"]["query"]
        if query and "?" not in path:
            path = re.sub("(#|$)", rf"?{query}\1", path, count=1)
        # Visitors never get a Location that begins with two slashes: the edge sees to that.
        assert (found[0], re.sub("^/+", "/", path)) == (expected["status"], expected["location"])
    elif expected["status"] == 200 and "parse_errors" not in expected:
        assert found is not None
        assert (found[0], f"{found[1]}.html") == (200, expected["served_path"])
    else:
        # Either no rule holds, or it is a rewrite to what is not there.
        assert found is None or (found[0] == 200 and f"{found[1]}.html" not in row["files"])


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ("home /t", "/home", (302, "/t")),
        ("/s /t 200", "/s", (200, "/t")),
        ("/s /t?a=b#c 200", "/s", (200, "/t")),
        ("/s /t 303", "/s", (303, "/t")),
        ("/s https://x.example", "/s", (302, "https://x.example/")),
        ("/s https:///X.example/T", "/s", (302, "https://x.example/T")),
        ("/s /café", "/s", (302, "/caf%C3%A9")),
        ("/s /a/{1}", "/s", (302, "/a/%7B1%7D")),
        ("/s /a/../b/./c?d=/../e", "/s", (302, "/b/c?d=/../e")),
        ("/a/../b/%2e/c /t", "/b/c", (302, "/t")),
        ("/s#x /t", "/s", (302, "/t")),
        ("/caf%C3%A9/* /t/:splat", "/café/b", (302, "/t/b")),
        ("/a%2Ab /t", "/a*b", (302, "/t")),
        ("/a%2Fb /t", "/a%2Fb", (302, "/t")),
        ("/a%2Fb /t", "/a/b", None),
        ("/a.b /t", "/aXb", None),
        ("/(x)+/:a /t/:a", "/(x)+/y", (302, "/t/y")),
        ("/a*b/c /t/:splat", "/aX/Yb/c", (302, "/t/X/Y")),
        ("/n/* /t", "/n", None),
        ("/n/:a/* /t/:splat/:a", "/n/1/2/3", (302, "/t/2/3/1")),
        ("/n/:a /t", "/n/", None),
        ("/n/:a-b /t/:a", "/n/x-b", (302, "/t/x")),
        ("/n/:a /t/:abc/:nope", "/n/x", (302, "/t/xbc/:nope")),
        ("/:ab/:a /:ab/:a", "/x/y", (302, "/x/y")),
        ("/n/* /t//:splat", "/n/x", (302, "/t/x")),
        ("/n/:a /t#:a?b", "/n/x", (302, "/t#x?b")),
        ("/n/* /t?u=https://x.example/:splat", "/n/y", (302, "/t?u=https://x.example/y")),
        ("/s\u00a0/t\u3000301", "/s", (301, "/t")),
        ("/n/* /index.html?a 200", "/n/x", (200, "/index.html")),
        ("/s/x /index.html", "/s/x", (302, "/index.html")),
        ("/* https://x.example/index.html", "/s", (302, "https://x.example/index.html")),
    ],
)
def test_redirects_beyond_the_rows(text: str, path: str, expected: tuple[int, str] | None) -> None:
    rules = redirects(text)
    assert answer(rules, path) == expected
    assert rules.problems == []
    assert all(rule.force and rule.text == text for rule in rules.redirects)


@pytest.mark.parametrize(
    "text",
    [
        "/s",
        "/s /t x",
        "/s /t 304",
        "/s /t ٣٠١",
        "/s /t Country=us",
        "/s http://x.example/t",
        "/s //x.example/t",
        "/s /\\x.example",
        "/s ftp://x.example/t",
        "/s https://user@x.example/t",
        "/s #top",
        "/s https://x.example/t 200",
        "/* https://:splat/t",
        "/:h https://:h.example/t",
        "/:p https://x.example:p/t",
        "/*/* /t",
        "/:a/:a /t",
        "/:a/:ab /t",
        "/:splat/* /t",
        "/%FF /t",
        "/:a/%FF /t",
        "/%00 /t",
        "/a/ /b/index",
        "/a/* /b/index.html 301",
        f"/s /{'é' * 400}",
        f"/s /t #{'x' * 2000}",
        f"/{'😀' * 1000} /t",
    ],
)
def test_a_line_that_is_no_rule_is_named_and_the_others_apply(text: str) -> None:
    rules = redirects(f"# old pages\n\n{text}\n/good /t")
    assert lines_of(rules) == [3]
    assert [rule.line for rule in rules.redirects] == [4]
    assert rules.problems[0].file == "_redirects"


def test_a_long_comment_is_no_problem() -> None:
    assert redirects("#" + "x" * 3000) == Rules()


def test_the_first_rule_for_a_source_stays() -> None:
    rules = redirects("/café /1\n/caf%C3%A9?x=1 /2\n/:a /3\n/:a /4\n/:b /5")
    assert [rule.target for rule in rules.redirects] == ["/1", "/3", "/5"]
    assert lines_of(rules) == [2, 4]


def test_a_refused_proxy_keeps_its_source() -> None:
    assert lines_of(redirects("/s https://x.example/ 200\n/s /t")) == [1, 2]


def test_order_of_evaluation_is_that_of_the_file() -> None:
    rules = redirects("/a /1\n/b /2\n/:x /3\n/c /4\n/d /5")
    assert [answer(rules, path) for path in ("/a", "/b", "/c")] == [(302, "/1"), (302, "/2"), (302, "/3")]


def test_limits_of_exact_and_other_rules() -> None:
    exact = [f"/e{number} /t" for number in range(2002)]
    dynamic = [f"/d{number}/* /t" for number in range(101)]
    rules = redirects("\n".join([*exact, *dynamic, "/late /t"]))
    # A rule below a pattern is one of the hundred, however it looks.
    assert lines_of(rules) == [2001, 2002, 2103, 2104]
    assert len(rules.redirects) == 2100


# Everything that means something to one of the two grammars.
PIECES = [
    "/", ":a", ":ab", ":splat", "*", "#", "?", "%2F", "%FF", "%", "..", "é", ":", "!", "{1}",
    "https://", "x.example", "http://", "301", "200",
    "\\", "(", "[", "+", "|", "X-A:", "ETag", "index.html", "//", " ", "\n", "\r", "\t", "\0", "\u2028", "\ufeff", "! ",
]  # fmt: skip
TEXTS = st.one_of(st.text(), st.lists(st.sampled_from(PIECES), max_size=30).map("".join))


@given(TEXTS, TEXTS)
def test_any_text_is_read(redirects_text: str, headers_text: str) -> None:
    for text, rules in ((redirects_text, redirects(redirects_text)), (headers_text, headers(headers_text))):
        last = 1 + len(re.findall("\r\n|\r|\n", text))
        assert all(1 <= problem.line <= last for problem in rules.problems)
        for rule in rules.redirects:
            groups = re.compile(rule.pattern).groups
            assert rule.pattern or rule.paths
            assert re.fullmatch(r"(https://[a-z0-9._:\[\]-]+)?/[!-~]*", rule.target)
            assert not re.match(r"/[/\\]", rule.target)
            assert set(re.findall(r"\{(\d+)\}", rule.target)) <= {str(number + 1) for number in range(groups)}
        for header in rules.headers:
            groups = re.compile(header.pattern).groups
            assert all(int(number) <= groups for value in header.headers.values() for number in re.findall(r"\{(\d+)\}", value))


@given(st.text(alphabet="/ab*:é%.(", min_size=1, max_size=12), st.text(alphabet="/abé.(", max_size=12))
def test_what_a_pattern_matches_begins_with_its_prefix(source: str, path: str) -> None:
    for rule in redirects(f"{source} /t").redirects:
        if rule.pattern and re.fullmatch(rule.pattern, uris.canonical("/" + path)):
            assert uris.canonical("/" + path).startswith(rule.prefix)
