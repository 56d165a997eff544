"""Ask a server what an `expect.json` asks, and say where its answers differ.

Only `http.client`: the path goes out exactly as it is written, nothing is followed, decoded or cached. A row is
`{"request": {...}, "expect": {...}}`; see examples/README.md for the fields. Two things make rows independent of a build: a request
may `find` its path in another page, and `<etag>` in a request header stands for the entity tag that the server gives that path now.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_REQUEST = {"path", "find", "method", "headers"}
_EXPECT = {"status", "location", "headers", "headers_absent", "body", "body_contains", "body_sha256_of"}
_TIMEOUT = 30.0


@dataclass(frozen=True)
class Answer:
    """One response: header names in lower case, several of one name joined as RFC 9110 (5.3) says."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def check(base_url: str, host: str, rows: Iterable[Mapping[str, Any]], folder: Path | None = None) -> list[str]:
    """What differs, one line each; empty when every row holds.

    `base_url` is where to connect (`http://127.0.0.1:8080`), `host` what to put into the Host header; `body_sha256_of` names files
    below `folder`. ValueError for a row that says something this function does not know.
    """
    problems = []
    for row in rows:
        request, expect = row["request"], row["expect"]
        if unknown := (set(row) - {"request", "expect"}) | (set(request) - _REQUEST) | (set(expect) - _EXPECT):
            raise ValueError(f"unknown fields {sorted(unknown)} in {row}")
        path, method = _path(base_url, host, request), request.get("method", "GET")
        if path is None:
            problems.append(f"{request['find']['in']}: nothing there matches {request['find']['pattern']}")
            continue
        headers = dict(request.get("headers", {}))
        for name, value in headers.items():
            if "<etag>" in value:
                headers[name] = value.replace("<etag>", fetch(base_url, host, path).headers.get("etag", ""))
        answer = fetch(base_url, host, path, method, headers)
        asked = f"{method} {path}" + (f" {headers}" if headers else "")
        problems += [f"{asked}: {problem}" for problem in _differences(answer, expect, folder)]
    return problems


def fetch(base_url: str, host: str, path: str, method: str = "GET", headers: Mapping[str, str] | None = None) -> Answer:
    """One request on a connection of its own, sent without any header that is not given."""
    where = urlsplit(base_url)
    connection = HTTPConnection(where.hostname or "", where.port, timeout=_TIMEOUT)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in {"Host": host, **(headers or {})}.items():
            connection.putheader(name, value)
        connection.endheaders()
        response = connection.getresponse()
        found: dict[str, str] = {}
        for name, value in response.getheaders():
            found[name.lower()] = f"{found[name.lower()]}, {value}" if name.lower() in found else value
        return Answer(response.status, found, response.read())
    finally:
        connection.close()


def _path(base_url: str, host: str, request: Mapping[str, Any]) -> str | None:
    if "find" not in request:
        return str(request["path"])
    page = fetch(base_url, host, request["find"]["in"]).body.decode("utf-8", "replace")
    match = re.search(request["find"]["pattern"], page)
    return match[0] if match else None


def _differences(answer: Answer, expect: Mapping[str, Any], folder: Path | None) -> Iterable[str]:
    if answer.status != expect["status"]:
        yield f"status {answer.status} instead of {expect['status']}: {answer.body[:80]!r}"
    if "location" in expect and answer.headers.get("location") != expect["location"]:
        yield f"location is {answer.headers.get('location')!r} instead of {expect['location']!r}"
    for name, value in expect.get("headers", {}).items():
        given = answer.headers.get(name.lower())
        if given is None or not _same(given, value):
            yield f"{name} is {given!r} instead of {value!r}"
    for name in expect.get("headers_absent", ()):
        if name.lower() in answer.headers:
            yield f"{name} should not be there, it is {answer.headers[name.lower()]!r}"
    yield from _body_differences(answer.body, expect, folder)


def _same(given: str, wanted: str) -> bool:
    """`/…/` is a regular expression to find in the value, `/…/i` one that ignores case; anything else is the value itself."""
    regex = re.fullmatch(r"/(.+)/(i?)", wanted)
    if regex:
        return re.search(regex[1], given, re.IGNORECASE if regex[2] else 0) is not None
    return given == wanted


def _body_differences(body: bytes, expect: Mapping[str, Any], folder: Path | None) -> Iterable[str]:
    if "body" in expect and body != expect["body"].encode():
        yield f"the body is {body[:80]!r} instead of {expect['body']!r}"
    if "body_contains" in expect and expect["body_contains"].encode() not in body:
        yield f"the body has no {expect['body_contains']!r}: {body[:80]!r}"
    if "body_sha256_of" in expect:
        if folder is None:
            raise ValueError("body_sha256_of needs the folder that its files are in")
        file = folder / expect["body_sha256_of"]
        if hashlib.sha256(body).digest() != hashlib.sha256(file.read_bytes()).digest():
            yield f"the body is not {expect['body_sha256_of']}: {body[:80]!r}"
