"""What people are told to put into their DNS."""

from __future__ import annotations

from toolkit.engine.dns import address_records, has_wildcard


def test_each_host_gets_a_line() -> None:
    lines = address_records(["example.com", "*.example.com"], "d111111abcdef8.cloudfront.net")
    assert [(line.split()[0], line.split()[-1]) for line in lines] == [
        ("example.com", "d111111abcdef8.cloudfront.net"),
        ("*.example.com", "d111111abcdef8.cloudfront.net"),
    ]
    assert all("CNAME" in line and "ALIAS" in line for line in lines)
    assert address_records([], "d111111abcdef8.cloudfront.net") == ()


def test_only_a_host_that_begins_with_a_star_is_a_wildcard() -> None:
    assert has_wildcard(["example.com", "*.example.com"])
    assert not has_wildcard(["example.com", "star.example.com"])
