"""Requests in CloudFront's event structure."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.local.event import head_of, query_of, request_json, uri_of


def headers(*lines: tuple[bytes, bytes]) -> dict[str, object]:
    return dict(json.loads(head_of(lines).headers))


def test_the_documented_example_of_repeated_headers() -> None:
    lines = [(b"accept", b"application/json"), (b"accept", b"application/xml"), (b"accept", b"text/html")]
    values = [{"value": "application/json"}, {"value": "application/xml"}, {"value": "text/html"}]
    assert headers(*lines) == {"accept": {"value": "application/json", "multiValue": values}}


def test_a_list_in_one_header_stays_one_value() -> None:
    assert headers((b"accept", b"a, b;q=0.5")) == {"accept": {"value": "a, b;q=0.5"}}


@pytest.mark.parametrize(
    ("sent", "host"),
    [
        (b"Site.Localhost:8080", "site.localhost"),
        (b"site.localhost", "site.localhost"),
        (b"[::1]:8080", "[::1]"),
        (b"127.0.0.1:80", "127.0.0.1"),
        (b"", ""),
    ],
)
def test_the_host_is_lowercase_and_without_its_port(sent: bytes, host: str) -> None:
    head = head_of([(b"host", sent)])
    assert head.host == host
    assert json.loads(head.headers) == {"host": {"value": host}}


def test_hidden_headers_are_not_shown() -> None:
    hidden = [
        b"connection",
        b"keep-alive",
        b"expect",
        b"upgrade",
        b"x-forwarded-proto",
        b"x-real-ip",
        b"x-cache",
        b"x-edge-location",
    ]
    assert headers(*((name, b"x") for name in [*hidden, b"x-amz-cf-id"]), (b"x-forwarded-for", b"1.2.3.4")) == {
        "x-forwarded-for": {"value": "1.2.3.4"}
    }


def test_cookies_are_apart_and_may_repeat() -> None:
    head = head_of([(b"cookie", b"a=1; b=x=y; a=2"), (b"cookie", b" c ; ;d=")])
    assert json.loads(head.headers) == {}
    assert json.loads(head.cookies) == {
        "a": {"value": "1", "multiValue": [{"value": "1"}, {"value": "2"}]},
        "b": {"value": "x=y"},
        "c": {"value": ""},
        "d": {"value": ""},
    }


def test_a_query_stays_encoded() -> None:
    assert json.loads(query_of(b"a=%41+b&NoValue&empty=&a=2&&=x")) == {
        "a": {"value": "%41+b", "multiValue": [{"value": "%41+b"}, {"value": "2"}]},
        "NoValue": {"value": ""},
        "empty": {"value": ""},
        "": {"value": "x"},
    }
    assert query_of(b"") == "{}"


def test_a_path_stays_as_it_was_sent() -> None:
    assert uri_of(b"/a%2Fb//../%41") == "/a%2Fb//../%41"
    assert uri_of("/café x\x00".encode()) == "/caf%C3%A9%20x%00"


@given(
    st.binary(max_size=50),
    st.binary(max_size=50),
    st.lists(st.tuples(st.just(b"x-a") | st.just(b"cookie"), st.binary(max_size=30))),
)
def test_any_bytes_make_an_event(path: bytes, query: bytes, lines: list[tuple[bytes, bytes]]) -> None:
    event = json.loads(request_json("GET", uri_of(b"/" + path), query, head_of(lines)))
    assert set(event) == {"method", "uri", "querystring", "headers", "cookies"}
    assert event["uri"].isascii()
    sent = [value.decode("latin-1") for name, value in lines if name == b"x-a"]
    seen = event["headers"].get("x-a", {})
    assert [item["value"] for item in seen.get("multiValue", [seen] if seen else [])] == sent
