"""Whatever stands in `_headers`, a response carries the headers of its rules and nothing else.

The judge is h11, a parser of HTTP/1.1 that shares no code with this package: a response is written as bytes and read again.
"""

from __future__ import annotations

import re

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.engine import uris
from toolkit.engine.dialects.common import Rules
from toolkit.engine.dialects.registry import DIALECTS, parse
from toolkit.engine.patterns import fill

# Hop-by-hop (RFC 9110, section 7.6.1), framing, and what CloudFront refuses from a function: for no dialect to set.
FORBIDDEN = [
    "Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "TE", "Trailer",
    "Transfer-Encoding", "Upgrade",
    "Content-Length", "Content-Encoding", "Via", "Warning", "X-Amz-Meta-Edge", "X-Edge-Location", "X-Accel-Redirect", "Set-Cookie",
]  # fmt: skip
SPELLINGS = [*FORBIDDEN, *map(str.swapcase, FORBIDDEN)]
NAMES = st.sampled_from([*SPELLINGS, "X-A", "Link", "Cache-Control", "X A", "X\0A", "X\x0bA", "é", ""])
ENDS = st.sampled_from(["\n", "\r\n", "\r", "\0", "\x0b", "\x0c", "\x85", "\u2028", "\r\n\r\n", "\\r\\n", "%0d%0a", " "])
VALUES = st.sampled_from(["1", ":splat", ":a", "a, b", "{1}", "\0", "é", "\x7f", "\t", "x\0y", "HTTP/1.1 200 OK", "", "a:b"])
HEADERS = st.tuples(st.sampled_from(["  ", "\t", "", "! "]), NAMES, st.sampled_from([":", ": ", " : ", ""]), VALUES).map("".join)
PATHS = st.sampled_from(["/*", "/:a/*", "/x/:a", "/x", "/*\r\n  X-B: 2"])
TEXTS = st.lists(st.tuples(st.one_of(PATHS, HEADERS, HEADERS, st.text(max_size=20)), ENDS).map("".join), max_size=12).map("".join)
REQUESTS = st.one_of(st.sampled_from(["/x", "/x/y", "/x/%0d%0aSet-Cookie:%20a=b", "/\r\nA: b/\0"]), st.text().map("/".__add__))


def fields(rules: Rules, path: str) -> list[tuple[str, str]]:
    """The header fields that the rules give a response at a canonical path, their captures filled in."""
    found = []
    for rule in rules.headers:
        match = re.fullmatch(rule.pattern, path)
        for name, value in rule.headers.items() if match else ():
            if match and value:
                found.append((name, fill(value, match.groups()).strip(" ")))
    return found


def reread(given_fields: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """What a client sees of a response with these header fields and no content. RemoteProtocolError when it is not one response."""
    head = "".join(f"{name}: {value}\r\n" for name, value in given_fields)
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("Host", "example.com")]))
    client.send(h11.EndOfMessage())
    client.receive_data(f"HTTP/1.1 200 OK\r\n{head}Content-Length: 0\r\n\r\n".encode())
    response, end = client.next_event(), client.next_event()
    assert isinstance(response, h11.Response)
    assert isinstance(end, h11.EndOfMessage)
    assert client.trailing_data == (b"", False)
    return [(name.decode(), value.decode()) for name, value in response.headers]


@pytest.mark.parametrize("dialect", DIALECTS)
@given(text=TEXTS, path=REQUESTS)
def test_nothing_is_injected(dialect: str, text: str, path: str) -> None:
    rules = parse({"_headers": text}, dialect)
    expected = fields(rules, uris.canonical_of(path))
    assert reread(expected) == [*expected, ("content-length", "0")]
    assert {name for name, _ in expected}.isdisjoint(name.lower() for name in FORBIDDEN)


@pytest.mark.parametrize("dialect", DIALECTS)
@given(
    names=st.lists(st.sampled_from([*SPELLINGS, "X-A", "Link"]), min_size=1),
    end=st.sampled_from("\n\r"),
)
def test_forbidden_names_are_reported_with_their_line(dialect: str, names: list[str], end: str) -> None:
    rules = parse({"_headers": end.join(["/*", "  X-First: 1", *(f"  {name}: 1" for name in names)])}, dialect)
    forbidden = {name.lower() for name in FORBIDDEN}
    expected = [number for number, name in enumerate(names, 3) if name.lower() in forbidden]
    assert [problem.line for problem in rules.problems] == expected
    assert {name for rule in rules.headers for name in rule.headers} == {"x-first", *(name.lower() for name in names)} - forbidden


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
def test_a_line_end_in_a_value_begins_a_line_of_the_file(dialect: str, end: str) -> None:
    rules = parse({"_headers": f"/*\n  X-A: 1{end}Set-Cookie: a=b{end}  X-B: 2"}, dialect)
    assert fields(rules, "/") == [("x-a", "1"), ("x-b", "2")]
    assert [problem.line for problem in rules.problems] == [3]


def test_the_judge_notices_an_injected_field() -> None:
    fooled = [("x-a", "1\r\nset-cookie: a=b")]
    assert reread(fooled) != [*fooled, ("content-length", "0")]
