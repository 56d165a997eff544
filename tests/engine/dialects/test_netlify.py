"""Netlify's `_redirects`, at the level of the parser: what the rules that come out would answer.

How the edge answers them is tested with the same rows by tests/cases. What is expected here beyond the rows was seen in Netlify's
redirector and redirect-parser.
"""

from __future__ import annotations

import json
import re
import string
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.engine import uris
from toolkit.engine.dialects.common import Rules
from toolkit.engine.dialects.registry import parse
from toolkit.engine.model import Rule

ROWS = json.loads((Path(__file__).parents[2] / "cases" / "hosting_cases.json").read_text(encoding="utf-8"))
WORDS = [
    *" \t\n\r#!/*:%?&=.,@",
    "/a",
    "/:a",
    "/*",
    " /b/:a/:splat",
    "https://e.com",
    " 301",
    " 200!",
    " Country=",
    "Role=r",
    "é",
    "\0",
    "\\",
]
PATTERN = re.compile(r"(?:\\[.*+?^$(){}|\[\]]|[\w/%~!@&='\";,:-]|\[\^/\]\+?|\.\*|\(\[\^/\]\+\)|\(\?:/\(\.\*\)\)\?|/\?|\(\.\*\))*")


def rows(kind: str) -> list[dict[str, Any]]:
    return [row for row in ROWS if row["dialect"] == "netlify" and row["kind"] == kind]


def holds(rule: Rule, path: str, query: Mapping[str, str], headers: Mapping[str, str], scheme: str) -> list[str] | None:
    """The captures, when the rule holds for a canonical path."""
    found = re.fullmatch(rule.pattern, path) if rule.pattern else None
    if found:
        assert path.startswith(rule.prefix)
        groups = [group or "" for group in found.groups()]
    elif uris.decoded(path) in rule.paths:
        groups = [""] * (re.compile(rule.pattern).groups if rule.pattern else 0)
    else:
        return None
    language = headers.get("x-language", "").lower()
    kept = (
        rule.host in ("", headers.get("host")),
        rule.scheme in ("", scheme),
        not rule.countries or headers.get("x-country", "").lower() in rule.countries,
        not rule.languages or {language, language.split("-")[0]} & {*rule.languages},
        not rule.cookies or headers.get("cookie", "").split("=")[0] in rule.cookies,
        all(name in query and value in ("{}", query[name]) for name, value in rule.query),
    )
    return [*groups, *(query[name] for name, value in rule.query if value == "{}")] if all(kept) else None


def filled(target: str, captures: list[str]) -> str:
    return re.sub(r"\{(\d+)\}", lambda found: captures[int(found[1]) - 1], target)


def answer(rules: Rules, path: str, files: tuple[str, ...] = (), **more: Any) -> tuple[int, str] | None:
    """Status and target of the first rule that holds for a path as it is requested, where no file goes before it."""
    path = uris.canonical(path)
    headers = {name.lower(): value for name, value in more.get("headers", {}).items()}
    query = dict(part.split("=", 1) for part in more.get("query", "").split("&") if "=" in part)
    for rule in rules.redirects:
        captures = holds(rule, path, query, headers, more.get("scheme", "https"))
        if captures is not None and (rule.force or path not in files):
            return rule.status, filled(rule.target, captures)
    return None


def redirects(text: str) -> Rules:
    return parse({"_redirects": text}, "netlify")


@pytest.mark.parametrize("row", rows("redirects"), ids=lambda row: row["id"])
def test_redirect_rows(row: dict[str, Any]) -> None:
    rules, request, expected = redirects(row["rules"]), row["request"], row["expect"]
    if "parse_errors" in expected:
        assert len(rules.problems) == expected["parse_errors"]
    status, target = answer(rules, files=(*row["files"], "/real"), **request) or (0, "")
    if "location" in expected:
        query = request["query"]
        carried = re.sub("(#|$)", rf"?{query}\1", target, count=1) if query and "?" not in target else target
        assert status == expected["status"]
        assert {target, carried} & {expected["location"], *expected.get("location_alt", ())}
    elif "proxy_to" in expected:
        assert (status, f"{target}?{request['query']}") == (200, expected["proxy_to"])
    elif "served_path" in expected:
        page = expected["served_path"]
        served = (status or 404, target or "/404") if status or page == "/404.html" else (200, request["path"])
        assert served[0] == expected["status"]
        assert served[1] in (page, page.removesuffix(".html"), page.removesuffix("index.html"))


@pytest.mark.parametrize(
    ("text", "answers"),
    [
        ("/x* /b/:splat", {"/x": "/b/", "/xy": "/b/y", "/x/z": "/b/z", "/y": None}),
        ("/a/*/b /c/:splat", {"/a/x/y/b": "/c/x/y", "/a/b": "/c/", "/a/b/b/": "/c/b", "/a/xb": None, "/a/x/b/c": None}),
        ("/a/*/:b /c/:splat/:b", {"/a/x/y/z": "/c/x/y/z", "/a/y": "/c//y"}),
        ("/n/:a/* /b/:splat/:a", {"/n/1/2/3": "/b/2/3/1", "/n/1": "/b//1", "/n/": None}),
        ("/n/:a-b /c/:a", {"/n/1": "/c/:a"}),
        ("/n/:a /b/:aa:b", {"/n/1/": "/b/1a:b"}),
        ("/n/:a/:a /b/:a?q=:a#:a", {"/n/1/2": "/b/1?q=1#1"}),
        ("/n/:é /:é", {"/n/%C3%A9": "/%C3%A9"}),
        ("/n/:a /{1}/:a", {"/n/x": "/%7B1%7D/x"}),
        ("/a*b /c", {"/a*b": "/c", "/axb": None}),
        ("/a%2Fb/* /c/:splat", {"/a%2fb": "/c/", "/a%2Fb/x": "/c/x", "/a/b": None, "/a%2Fbx": None}),
        ("/a%2Fb /c", {"/a%2Fb/": "/c", "/a/b": None}),
        ("* /c/:splat", {"/": "/c/", "/q/r": "/c/q/r"}),
        ("/app/:a/* 200", {"/app/1/x": "/app/1/x"}),
        ("/x /y?a=1#b 200", {"/x": "/y"}),
        ("/x https://É.example/ü{b}#c 200", {"/x": "https://xn--9ca.example/%C3%BC%7Bb%7D"}),
        ("https://e.com:443 /y", {"/x": None}),
    ],
)
def test_paths(text: str, answers: dict[str, str | None]) -> None:
    rules = redirects(text)
    assert rules.problems == []
    found = {path: answer(rules, path) for path in answers}
    assert {path: one and one[1] for path, one in found.items()} == answers


def test_a_folder_rule_names_its_folder() -> None:
    (rule,) = redirects("/news/old/* /:splat").redirects
    assert (rule.paths, rule.pattern, rule.prefix, rule.target) == (("/news/old",), "/news/old/(.*)", "/news/old/", "/{1}")
    assert [redirects(f"{path} /").redirects[0].prefix for path in ("/a/:b/c", "/a/b*", "/a/*/b", "/a%2Fb/*")] == [
        "/a/",
        "/a/",
        "/a/",
        "/",
    ]


def test_conditions() -> None:
    line = "https://E.com/s/:p id=:q tag=a%20b s= x=:y /t/:p/:q/:y 302! country=US,il Language=en-US,fr Cookie=c,d extra"
    (rule,) = redirects(line).redirects
    assert (rule.scheme, rule.host, rule.countries, rule.languages) == ("https", "e.com", ("us", "il"), ("en-us", "fr"))
    assert (rule.cookies, rule.query) == (("c", "d"), (("id", "{}"), ("tag", "a%20b"), ("s", ""), ("x", "{}")))
    assert (rule.status, rule.force, rule.target, rule.text) == (302, True, "/t/{1}/{2}/{3}", line)
    assert redirects("/s id={} /t").redirects[0].query == (("id", "%7B%7D"),)


def test_what_a_role_protects_is_closed() -> None:
    rules = redirects("/a/* /a/:splat 200! role=admin Country=il\n/a/x /y 301!")
    assert [(rule.line, rule.status, rule.force) for rule in rules.redirects] == [(2, 301, True), (1, 404, True)]
    assert str(rules.problems[0]).startswith("_redirects line 1: there are no roles here")
    assert answer(rules, "/a/x") == (301, "/y")
    assert answer(rules, "/a", headers={"X-Country": "IL"}, files=("/a",)) == (404, "")
    assert answer(rules, "/a", headers={"X-Country": "us"}) is None


def test_what_a_role_protects_stays_closed_when_a_later_pattern_would_leave_it_to_its_files() -> None:
    rules = redirects("/admin/* /admin/:splat 200! Role=admin\n/news/* /n/:splat\n/* /index.html 200\n/admin/* /login 401!")
    assert [rule.line for rule in rules.redirects] == [2, 1, 3, 4]
    assert answer(rules, "/admin/secret.html", files=("/admin/secret.html",)) == (404, "")


@pytest.mark.parametrize(
    "line",
    [
        "/x", "/x #/y", "/x y", "/x 404 /y", "/app 200", "* 200", "/app/* 404", "https://e.com/* 200", "/x /y /z", "/x /y !301",
        "/x https://e.com/y?a=1 200", "/x https://e.com:99/ 200",
        "/x https://[::1]/ 200", "/x /y 0", "/x /y 304", "/x /y 204", "/x /y 999",
        "/x /y " + "9" * 5000, "/x HTTP://e.com/", "/x //e.com", "/x /\\e.com",
        "/x /a\\b", "/x https://", "/x https://u@e.com/", "/n/:a https://:a.e.com/", "/n/* https://e.com:splat",
        "/n/* /y/:splat 404", "/x https://e.com/ 404", "/x /.netlify/functions/f 200", "/.netlify/x /y", "/a//b /y",
        "//e.com/a /y", "/a?b=c /y", "/%E9 /y", "/%00 /y", "/\0 /y", "/a/*/b/* /y", "https://:a.e.com/x /y", "http:///x /y",
        "/x =1 /y", "/x a=%E9 /y", "/x /y 301 Sign=KEY", "/x /y 301 COUNTRY=us", "/x /y 301 cookie=a", "/x /y 301 Country=",
        "/x /y 301 Language=*", "/x /y 301 Cookie=a;b", "/x /" + "y" * 1900, "/x /\ud800", "/\ud800 /y", "/:a /" + ":a" * 700,
    ],
)  # fmt: skip
def test_a_bad_line_is_reported_and_the_good_one_applies(line: str) -> None:
    rules = redirects(f"# first\n{line}\n/good /y")
    assert [(problem.file, problem.line) for problem in rules.problems] == [("_redirects", 2)]
    assert [rule.line for rule in rules.redirects] == [3]


@given(
    st.lists(st.one_of(st.sampled_from(WORDS), st.text(max_size=4)), max_size=25).map("".join),
    st.sampled_from(["_redirects", "_headers"]),
)
def test_any_text_is_read(text: str, file: str) -> None:
    rules = parse({file: text}, "netlify")
    count = len(re.split(r"\r\n|\r|\n", text))
    assert all(1 <= problem.line <= count and problem.file == file and problem.reason for problem in rules.problems)
    for pattern in [*(rule.pattern for rule in rules.redirects), *(rule.pattern for rule in rules.headers)]:
        re.compile(pattern)
        assert PATTERN.fullmatch(pattern)
        # No two repetitions meet, so none takes what another one left; and there are few that cross slashes.
        assert not re.search(r"(?:\.\*|\+|\+\))(?:\(?\.\*|\(?\[)", pattern)
        assert pattern.count(".*") <= (1 if file == "_redirects" else 3)
    for rule in rules.redirects:
        assert set(rule.target) <= set(string.ascii_letters + string.digits + "-._~:/?#[]@!$&'()*+,;=%{}")
        assert not rule.target.startswith("//")
