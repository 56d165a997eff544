"""Requests as functions see them: CloudFront's event structure, version 1.0, as JSON.

Names are lowercase, paths and queries stay percent-encoded, repeated names get `multiValue`, cookies are apart, and headers that
CloudFront does not show to functions are left out.
Sources: "CloudFront Functions event structure", "Restrictions on edge functions" (CloudFront developer guide).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

RawHeaders = Sequence[tuple[bytes, bytes]]
Field = dict[str, Any]

_HIDDEN_NAMES = """
    connection expect keep-alive proxy-authenticate proxy-authorization proxy-connection trailer upgrade x-accel-buffering
    x-accel-charset x-accel-limit-rate x-accel-redirect x-amzn-auth x-amzn-cf-billing x-amzn-cf-id x-amzn-cf-xff x-amzn-errortype
    x-amzn-fle-profile x-amzn-header-count x-amzn-header-order x-amzn-lambda-integration-tag x-amzn-requestid x-cache
    x-forwarded-proto x-real-ip
"""
_HIDDEN = frozenset(_HIDDEN_NAMES.split())
_UNSAFE = re.compile(rb"[^\x21-\x7e]")


@dataclass(frozen=True, slots=True)
class Head:
    """What a request's header lines come to: the two JSON objects of the event, and the host without its port."""

    headers: str
    cookies: str
    host: str


def is_hidden(name: str) -> bool:
    """Whether CloudFront neither shows this header to functions nor lets them set it."""
    return name in _HIDDEN or name.startswith(("x-amz-cf-", "x-edge-"))


def head_of(raw: RawHeaders, scheme: str = "") -> Head:
    """Read header lines (lowercase names) into the event's form. `scheme` is what the visitor came by."""
    headers: dict[str, Field] = {}
    cookies: dict[str, Field] = {}
    host = ""
    for raw_name, raw_value in raw:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        if name == "cookie":
            for cookie, content in _pairs(value.split(";")):
                _add(cookies, cookie.strip(), content.strip())
        elif name == "host":
            host = _without_port(value)
            headers["host"] = {"value": host}
        elif not is_hidden(name):
            _add(headers, name, value)
    if scheme:
        # Where another server with a certificate stands before this one, that server says so by the same header.
        headers.setdefault("cloudfront-forwarded-proto", {"value": scheme})
    return Head(json.dumps(headers), json.dumps(cookies), host)


def query_of(raw: bytes) -> str:
    """The event's `querystring` as JSON."""
    if not raw:
        return "{}"
    fields: dict[str, Field] = {}
    for name, value in _pairs(_ascii(raw).split("&")):
        _add(fields, name, value)
    return json.dumps(fields)


def uri_of(raw_path: bytes) -> str:
    """The path as it was sent; bytes that a URI may not hold arrive percent-encoded."""
    return _ascii(raw_path)


def request_json(method: str, uri: str, query: bytes, head: Head) -> str:
    """The event's `request`."""
    return (
        f'{{"method":{json.dumps(method)},"uri":{json.dumps(uri)},"querystring":{query_of(query)},'
        f'"headers":{head.headers},"cookies":{head.cookies}}}'
    )


def _ascii(raw: bytes) -> str:
    if _UNSAFE.search(raw):
        raw = _UNSAFE.sub(lambda found: b"%%%02X" % found[0][0], raw)
    return raw.decode("ascii")


def _pairs(items: Iterable[str]) -> Iterable[tuple[str, str]]:
    for item in items:
        name, _, value = item.partition("=")
        if item.strip():
            yield name, value


def _add(fields: dict[str, Field], name: str, value: str) -> None:
    known = fields.get(name)
    if known is None:
        fields[name] = {"value": value}
    else:
        known.setdefault("multiValue", [{"value": known["value"]}]).append({"value": value})


def _without_port(host: str) -> str:
    host = host.strip().lower()
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]
