"""The two routing functions and CloudFront's rules around them: what they may answer, and what visitors get when they fail.

A handler that throws is 503 (FunctionExecutionError); one that answers what CloudFront would not take is 502
(FunctionValidationError).
Both functions see the request as the visitor sent it: what the second one sees of the first one's changes is unproven on AWS,
so nothing may rely on it. Source: "Restrictions on edge functions" (CloudFront developer guide).
"""

from __future__ import annotations

import base64
import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit.engine import limits
from toolkit.local.event import is_hidden
from toolkit.local.javascript import Reads, Script, ScriptError
from toolkit.local.proxy import Elsewhere

_LOG = logging.getLogger("toolkit.edge")
_READ_ONLY_REQUEST = ("content-length", "host", "transfer-encoding", "via")
_READ_ONLY_RESPONSE = ("content-encoding", "content-length", "transfer-encoding", "warning", "via")
_BODY_BYTES = 40_960
_NAME = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+")
# What no header line can carry (RFC 9110, section 5.5).
_UNFIT = re.compile(r"[^\t\x20-\x7e\x80-\xff]")

EXECUTION = "FunctionExecutionError"
VALIDATION = "FunctionValidationError"


class FunctionFault(Exception):
    """A function failed: `status` is what visitors get, `kind` what CloudFront calls it."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind
        self.status = 503 if kind == EXECUTION else 502


@dataclass(frozen=True, slots=True)
class Answer:
    """A response from a function. `body` is None when the function left the origin's body in place."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Forward:
    """The request goes on to the cache and the origin: its URI, its single-valued headers, its query. `elsewhere` is another origin
    than the site's own."""

    uri: str
    headers: Mapping[str, str]
    query: str = ""
    elsewhere: Elsewhere | None = None


class Edge:
    """viewer_request.js and viewer_response.js over a route store. For one thread.

    `reads` counts the key-value reads of the last call. `routes` may be a RouteStore or anything with its `get`.
    """

    def __init__(self, routes: Reads, functions: Path, log: Callable[[str], None] = _LOG.info) -> None:
        self.reads = 0
        self._request = Script(functions / "viewer_request.js", "viewer-request", routes, log)
        self._response = Script(functions / "viewer_response.js", "viewer-response", routes, log)

    def request(self, request: Mapping[str, object], viewer_ip: str = "127.0.0.1") -> dict[str, Any]:
        """Run viewer-request on the event's `request`: the request to go on with, or a response (it has `statusCode`)."""
        given = json.dumps(request)
        try:
            result = self.call_request(given, viewer_ip)
            check_request(result, given)
        except FunctionFault as fault:
            return _fault_response(fault)
        return dict(json.loads(result))

    def response(self, request: Mapping[str, object], response: Mapping[str, object]) -> dict[str, Any]:
        """Run viewer-response on the event's `request` and `response`: the response for the visitor."""
        given = json.dumps(response)
        try:
            result = self.call_response(json.dumps(request), given)
            check_response(result, given)
        except FunctionFault as fault:
            return _fault_response(fault)
        return dict(json.loads(result))

    def call_request(self, request: str, viewer_ip: str) -> str:
        """JSON in, JSON out. FunctionFault, logged."""
        return self._call(self._request, viewer_ip, request)

    def call_response(self, request: str, response: str, viewer_ip: str = "127.0.0.1") -> str:
        """JSON in, JSON out. FunctionFault, logged."""
        return self._call(self._response, viewer_ip, request, response)

    def _call(self, script: Script, viewer_ip: str, request: str, response: str | None = None) -> str:
        before = script.reads
        try:
            return script.call(viewer_ip, request, response)
        except ScriptError as error:
            _LOG.error("%s", error)
            raise FunctionFault(EXECUTION, str(error)) from error
        finally:
            self.reads = script.reads - before


def check_request(result: str, given: str) -> Answer | Forward:
    """What viewer-request answered, held to CloudFront's rules. FunctionFault, logged."""
    try:
        value = json.loads(result)
        if isinstance(value, dict) and "statusCode" in value:
            return _answer(value, {})
        return _forward(value, json.loads(given))
    except _Invalid as invalid:
        raise _refused("viewer-request", invalid) from invalid


def check_response(result: str, given: str) -> Answer:
    """What viewer-response answered, held to CloudFront's rules. FunctionFault, logged."""
    try:
        value = json.loads(result)
        if not isinstance(value, dict):
            raise _Invalid("it is not a response")
        return _answer(value, json.loads(given)["headers"])
    except _Invalid as invalid:
        raise _refused("viewer-response", invalid) from invalid


class _Invalid(Exception):
    pass


def _refused(event_type: str, invalid: _Invalid) -> FunctionFault:
    detail = f"CloudFront would refuse what {event_type} answered: {invalid}"
    _LOG.error("%s", detail)
    return FunctionFault(VALIDATION, detail)


def _forward(value: object, given: Mapping[str, Any]) -> Forward:
    if not isinstance(value, dict):
        raise _Invalid("it is neither a request nor a response")
    uri, headers = value.get("uri"), value.get("headers") or {}
    if value.get("method") != given["method"]:
        raise _Invalid("the method was changed")
    if not isinstance(uri, str) or not uri.startswith("/") or any(char <= " " or char in "#?" for char in uri):
        raise _Invalid(f"the URI {uri!r} does not begin with a slash or holds a space, '?' or '#'")
    if len(uri) >= limits.URI_BYTES:
        raise _Invalid("the URI is too long")
    lines = _lines(headers)
    _check_read_only(headers, given["headers"], _READ_ONLY_REQUEST)
    if "origin" not in value:
        return Forward(uri, dict(lines))
    cookies = "; ".join(f"{name}={item.get('value')}" for name, field in value.get("cookies", {}).items() for item in _items(field))
    passed_on = {**dict(lines), "cookie": cookies} if cookies else dict(lines)
    return Forward(uri, passed_on, _query(value.get("querystring")), _elsewhere(value["origin"]))


def _query(fields: object) -> str:
    if not isinstance(fields, dict):
        raise _Invalid("the query is not an object")
    pairs = [(name, str(item.get("value") or "")) for name, field in fields.items() for item in _items(field)]
    return "&".join(f"{name}={value}" if value else name for name, value in pairs)


def _elsewhere(origin: Mapping[str, Any]) -> Elsewhere:
    """What `updateRequestOrigin` was given, held to what CloudFront takes for a custom origin."""
    host, config = origin.get("domainName"), origin.get("customOriginConfig")
    port, protocol = (config.get("port"), config.get("protocol")) if isinstance(config, dict) else (None, None)
    if not isinstance(host, str) or not re.fullmatch(r"[A-Za-z0-9_.-]{1,253}", host) or protocol not in ("http", "https"):
        raise _Invalid(f"the origin is {origin!r}")
    # "Port": 80, 443, or 1024 to 65535.
    if not isinstance(port, int) or not (port in (80, 443) or 1024 <= port <= 65535):
        raise _Invalid(f"the origin's port is {port!r}")
    return Elsewhere(protocol, host, port)


def _answer(value: Mapping[str, Any], given_headers: Mapping[str, Any]) -> Answer:
    status = value.get("statusCode")
    if not isinstance(status, int) or isinstance(status, bool) or not 200 <= status <= 599:
        raise _Invalid(f"the status code is {status!r}")
    headers: dict[str, Any] = value.get("headers") or {}
    lines = _lines(headers)
    body = _body(value.get("body")) if "body" in value else None
    if body is None:
        _check_read_only(headers, given_headers, _READ_ONLY_RESPONSE)
    return Answer(status, (*lines, *_cookies(value.get("cookies") or {})), body)


def _cookies(cookies: object) -> Iterator[tuple[str, str]]:
    """A response's `cookies` as Set-Cookie lines."""
    if not isinstance(cookies, dict):
        raise _Invalid("its cookies are not an object")
    for name, cookie in cookies.items():
        for item in _items(cookie):
            text, attributes = item.get("value"), item.get("attributes") or ""
            if not isinstance(text, str) or not isinstance(attributes, str) or _UNFIT.search(name + text + attributes):
                raise _Invalid(f"the cookie {name} has the value {text!r}")
            yield "set-cookie", f"{name}={text}; {attributes}" if attributes else f"{name}={text}"


def _lines(headers: object) -> list[tuple[str, str]]:
    """Header lines of an event's `headers`; names and values as HTTP can carry them."""
    if not isinstance(headers, dict):
        raise _Invalid("it has no headers object")
    lines = []
    for name, field in headers.items():
        if is_hidden(name):
            raise _Invalid(f"the header {name} may not be set")
        if not _NAME.fullmatch(name):
            raise _Invalid(f"{name!r} is not a lowercase header name")
        for item in _items(field):
            text = item.get("value")
            if not isinstance(text, str) or _UNFIT.search(text):
                raise _Invalid(f"the header {name} has the value {text!r}")
            lines.append((name, text))
    return lines


def _items(field: object) -> list[dict[str, Any]]:
    """The values of one field of the event: those of `multiValue` where it is there."""
    items = field.get("multiValue") or [field] if isinstance(field, dict) else [field]
    return [item if isinstance(item, dict) else {} for item in items] if isinstance(items, list) else [{}]


def _check_read_only(headers: Mapping[str, Any], given: Mapping[str, Any], names: tuple[str, ...]) -> None:
    for name in names:
        if headers.get(name) != given.get(name):
            raise _Invalid(f"the header {name} is read-only")


def _body(body: object) -> bytes:
    text = body.get("data") if isinstance(body, dict) else body
    encoding = body.get("encoding", "text") if isinstance(body, dict) else "text"
    if not isinstance(text, str) or encoding not in ("text", "base64"):
        raise _Invalid("the body is neither text nor base64")
    try:
        content = base64.b64decode(text, validate=True) if encoding == "base64" else text.encode()
    except ValueError as error:
        raise _Invalid("the body is not what its encoding says") from error
    if len(content) > _BODY_BYTES:
        raise _Invalid(f"the body has {len(content)} bytes, a function may send {_BODY_BYTES}")
    return content


def _fault_response(fault: FunctionFault) -> dict[str, Any]:
    return {"statusCode": fault.status, "statusDescription": fault.kind, "headers": {}, "body": f"{fault.kind}: {fault}"}
