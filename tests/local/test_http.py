"""Conditions, ranges, dates, negotiation and compression, without a server."""

from __future__ import annotations

import gzip

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.local import http
from toolkit.local.http import UNSATISFIABLE, Span

ETAG = '"781e5e245d69b566979b86e28d23f2c7"'
MODIFIED = 1_700_000_000.75
DATE = "Tue, 14 Nov 2023 22:13:20 GMT"


@pytest.mark.parametrize(
    ("accept", "encoding"),
    [
        ("", ""),
        ("gzip", "gzip"),
        ("gzip, deflate, br", "br"),
        ("br;q=0.1, gzip;q=1", "br"),
        ("GZIP", "gzip"),
        ("br;q=0, gzip", "gzip"),
        ("br; q=0.000, gzip;q=0", ""),
        ("identity", ""),
        ("*", ""),
        ("x-gzip, brotli", ""),
        (",, gzip ,", "gzip"),
    ],
)
def test_accept_encoding_as_the_cache_key_has_it(accept: str, encoding: str) -> None:
    assert http.accepted_encoding(accept) == encoding


@pytest.mark.parametrize(
    ("headers", "size", "expected"),
    [
        ({"content-type": "text/html; charset=utf-8"}, 1_000, True),
        ({"content-type": "text/html"}, 999, False),
        ({"content-type": "text/html"}, 10_000_000, True),
        ({"content-type": "text/html"}, 10_000_001, False),
        ({"content-type": "Image/SVG+XML"}, 5_000, True),
        ({"content-type": "image/png"}, 5_000, False),
        ({"content-type": "application/json", "content-encoding": "gzip"}, 5_000, False),
        ({"content-type": "application/wasm"}, 5_000, False),
        ({}, 5_000, False),
    ],
)
def test_what_cloudfront_compresses(headers: dict[str, str], size: int, expected: bool) -> None:
    assert http.is_compressible(headers, size) is expected


@given(st.binary(max_size=5000))
def test_compression_comes_back(body: bytes) -> None:
    assert gzip.decompress(http.compress(body, "gzip")) == body
    assert brotli.decompress(http.compress(body, "br")) == body
    assert http.compress(body, "gzip") == http.compress(body, "gzip")


@pytest.mark.parametrize(
    ("field", "etag", "named"),
    [
        (ETAG, ETAG, True),
        (f"W/{ETAG}", ETAG, True),
        (ETAG, f"W/{ETAG}", True),
        (f"W/{ETAG}", f"W/{ETAG}", True),
        (f'"zzz", {ETAG}', ETAG, True),
        (f'"zzz",W/{ETAG} , ""', ETAG, True),
        ("*", ETAG, True),
        (" * ", ETAG, True),
        ('"zzz"', ETAG, False),
        ('""', ETAG, False),
        ("", ETAG, False),
        (ETAG.strip('"'), ETAG, False),
        (f"{ETAG} {ETAG}", ETAG, False),
        (f"w/{ETAG}", ETAG, False),
        ('"a,b", "c"', '"a,b"', True),
        ('"a,b", "c"', '"b"', False),
    ],
)
def test_if_none_match_compares_weakly(field: str, etag: str, named: bool) -> None:
    assert http.names_tag(field, etag) is named


@pytest.mark.parametrize(
    ("request_headers", "not_modified"),
    [
        ({}, False),
        ({"if-none-match": ETAG}, True),
        ({"if-none-match": '"other"'}, False),
        ({"if-none-match": '"other"', "if-modified-since": "Fri, 01 Jan 2100 00:00:00 GMT"}, False),
        ({"if-modified-since": "Fri, 01 Jan 2100 00:00:00 GMT"}, True),
        ({"if-modified-since": DATE}, True),
        ({"if-modified-since": "Tue, 14 Nov 2023 22:13:19 GMT"}, False),
        ({"if-modified-since": "Tuesday, 14-Nov-23 22:13:20 GMT"}, True),
        ({"if-modified-since": "Tue Nov 14 22:13:20 2023"}, True),
        ({"if-modified-since": "garbage"}, False),
        ({"if-modified-since": ""}, False),
        ({"if-modified-since": "Tue, 99 Nov 2023 22:13:20 GMT"}, False),
        ({"if-modified-since": "Tue, 14 Nov 99999999999 22:13:20 GMT"}, False),
    ],
)
def test_what_is_not_modified(request_headers: dict[str, str], not_modified: bool) -> None:
    assert http.is_not_modified(request_headers, ETAG, MODIFIED) is not_modified


@pytest.mark.parametrize(
    ("field", "span"),
    [
        ("bytes=0-3", Span(0, 3)),
        ("bytes=5-", Span(5, 9)),
        ("bytes=-3", Span(7, 9)),
        ("bytes=-30", Span(0, 9)),
        ("bytes=9-9", Span(9, 9)),
        ("bytes=0-99999", Span(0, 9)),
        ("BYTES=0-0", Span(0, 0)),
        ("bytes=10-", UNSATISFIABLE),
        ("bytes=10-20", UNSATISFIABLE),
        ("bytes=-0", UNSATISFIABLE),
        ("bytes=5-2", None),
        ("bytes=0-1,4-5", None),
        ("bytes=5-6,0-6", None),
        ("bytes=", None),
        ("bytes=-", None),
        ("bytes=a-b", None),
        ("bytes=--3", None),
        ("bytes 0-3", None),
        ("items=0-3", None),
        ("bytes=0-3;", None),
        ("bytes=" + "9" * 30 + "-", None),
    ],
)
def test_ranges_of_ten_bytes(field: str, span: Span | None) -> None:
    assert http.wanted_span({"range": field}, ETAG, MODIFIED, 10) == span


def test_ranges_of_nothing() -> None:
    assert http.wanted_span({"range": "bytes=0-"}, ETAG, MODIFIED, 0) == UNSATISFIABLE
    assert http.wanted_span({"range": "bytes=-5"}, ETAG, MODIFIED, 0) is None


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        (ETAG, True),
        (f"W/{ETAG}", False),
        ('"other"', False),
        (DATE, True),
        ("Tue, 14 Nov 2023 22:13:21 GMT", False),
        ("Fri, 01 Jan 2100 00:00:00 GMT", False),
        ("garbage", False),
        ("*", False),
    ],
)
def test_if_range_needs_the_very_same(condition: str, holds: bool) -> None:
    span = http.wanted_span({"range": "bytes=0-3", "if-range": condition}, ETAG, MODIFIED, 10)
    assert span == (Span(0, 3) if holds else None)


def test_a_weak_tag_never_allows_a_range() -> None:
    weak = f"W/{ETAG}"
    assert http.wanted_span({"range": "bytes=0-3", "if-range": weak}, weak, MODIFIED, 10) is None


@given(st.text(max_size=40), st.integers(0, 50))
def test_any_range_is_inside_or_ignored_or_refused(field: str, size: int) -> None:
    for text in (field, f"bytes={field}"):
        span = http.wanted_span({"range": text}, ETAG, MODIFIED, size)
        assert span is None or span == UNSATISFIABLE or 0 <= span.first <= span.last < size


@given(st.integers(0, 60), st.integers(0, 60), st.integers(1, 50))
def test_a_range_is_what_a_slice_would_be(first: int, last: int, size: int) -> None:
    body = bytes(range(size))
    span = http.wanted_span({"range": f"bytes={first}-{last}"}, ETAG, MODIFIED, size)
    if first > last:
        assert span is None
    elif first >= size:
        assert span == UNSATISFIABLE
    else:
        assert span is not None
        assert body[span.first : span.last + 1] == body[first : last + 1]
        assert span.length == len(body[first : last + 1])


@given(st.text(max_size=60))
def test_no_field_breaks_the_parsers(field: str) -> None:
    http.names_tag(field, ETAG)
    http.parse_date(field)
    http.accepted_encoding(field)
    http.edge_lifetime({"cache-control": field})


@given(st.integers(0, 4_000_000_000))
def test_dates_come_back(seconds: int) -> None:
    assert http.parse_date(http.http_date(seconds)) == seconds


@pytest.mark.parametrize(
    ("cache_control", "seconds"),
    [
        ("public, max-age=0, s-maxage=31536000", 31536000),
        ("max-age=60", 60),
        ('max-age="60"', 60),
        ("s-maxage=0, max-age=60", 0),
        ("no-store", 0),
        ("private, max-age=60", 0),
        ("", 86400),
        ("x-max-age=5", 86400),
    ],
)
def test_how_long_the_edge_keeps_it(cache_control: str, seconds: float) -> None:
    assert http.edge_lifetime({"cache-control": cache_control}) == seconds
