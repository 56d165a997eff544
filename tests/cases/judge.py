"""Ask what a row asks and hold the answer to what the row expects."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from tests.cases.edges import Reply
from tests.cases.rows import Row
from tests.cases.worlds import Site, body_of

_TAG = re.compile(r"<etag(?: of (/[^>]*))?>")
_ABSENT = re.compile(r"([\w-]+)( \(unless equal to 200 value\))?")
# What an answer carries with or without a rule: for these "none of the rule's headers" means that the rule's value is not there.
_USUAL = {
    "accept-ranges", "age", "cache-control", "connection", "content-encoding", "content-length", "content-type", "date", "etag",
    "last-modified", "location", "referrer-policy", "server", "strict-transport-security", "vary", "x-cache",
    "x-content-type-options", "x-frame-options",
}  # fmt: skip


class Visitor(Protocol):
    """Who asks: `edges.Visitor`, or anybody who does it over a connection."""

    def ask(
        self, host: str, path: str, query: str = "", headers: Mapping[str, str] | None = None, method: str = "GET"
    ) -> Reply: ...


@dataclass(frozen=True)
class Asked:
    """A row's question with its answer. `plain` asks for the same page, or another path, without any condition."""

    row: Row
    site: Site
    reply: Reply
    plain: Callable[[str], Reply]

    def filled(self, text: str) -> str:
        """`<etag>` and `<etag of /path>` as the tags that the site sends now."""
        return _TAG.sub(lambda found: self.plain(found[1] or self.row.request["path"]).etag, text)


def ask(row: Row, site: Site, visitor: Visitor) -> Asked:
    host = row.asked_host or site.host
    headers = _sent(row)

    def plain(path: str) -> Reply:
        unconditional = {name: value for name, value in headers.items() if not name.startswith(("if-", "range"))}
        return visitor.ask(host, path, row.request["query"], unconditional)

    waiting = Asked(row, site, Reply(0, {}, b""), plain)
    request = row.request
    filled = {name: waiting.filled(value) for name, value in headers.items()}
    reply = visitor.ask(host, request["path"], request["query"], filled, request.get("method", "GET"))
    return Asked(row, site, reply, plain)


def _sent(row: Row) -> dict[str, str]:
    """The row's headers as CloudFront would hand them to a function; the host is set apart."""
    headers = {name.lower(): value for name, value in row.request["headers"].items()}
    headers.pop("host", None)
    if row.dialect == "netlify":
        if "x-country" in headers:
            headers["cloudfront-viewer-country"] = headers.pop("x-country").upper()
        if "x-language" in headers:
            headers["accept-language"] = headers.pop("x-language")
    headers["cloudfront-forwarded-proto"] = row.request.get("scheme", "https")
    return headers


def complaints(asked: Asked) -> list[str]:
    """What differs from the row's expectations; nothing when it passes."""
    expect = asked.row.expect
    return [said for name, check in _CHECKS.items() if name in expect for said in check(asked, expect[name])]


def unknown(row: Row) -> list[str]:
    """What is not understood of the row: it cannot pass."""
    found = [f"the expectation {name!r}" for name in sorted(set(row.expect) - {*_CHECKS, "location_alt"})]
    if "location_alt" in row.expect and "location" not in row.expect:
        found.append("location_alt without location")
    return row.unknown() + found


def got(asked: Asked) -> dict[str, Any]:
    """The answer in the words of an expectation, as far as the row asks about it."""
    reply, expect = asked.reply, asked.row.expect
    names = {_ABSENT.match(name)[1] for name in expect.get("headers_absent", ()) if _ABSENT.match(name)}  # type: ignore[index]
    names |= {name.lower() for name in [*expect.get("headers", {}), *expect.get("headers_ignored", ())]}
    if expect.get("headers") == {}:
        names |= set(_ruled(asked.row))
    answer: dict[str, Any] = {"status": reply.status}
    if "location" in reply.headers:
        answer["location"] = reply.headers["location"]
    if reply.proxied:
        answer["proxy_to"] = reply.proxied
    served = [path for path in asked.site.content.files if body_of(path) == reply.body]
    answer |= {"served_path": served[0]} if served else {"body": reply.body[:200].decode(errors="replace")}
    if names:
        answer["headers"] = {name: reply.headers[name] for name in sorted(names) if name in reply.headers}
    if asked.site.problems:
        answer["problems"] = list(asked.site.problems)
    return answer


def _status(asked: Asked, wanted: int | list[int]) -> list[str]:
    allowed = wanted if isinstance(wanted, list) else [wanted]
    return [] if asked.reply.status in allowed else [f"status {asked.reply.status}, not {_or(allowed)}"]


def _location(asked: Asked, wanted: str) -> list[str]:
    allowed = [wanted, *asked.row.expect.get("location_alt", ())]
    found = asked.reply.headers.get("location")
    return [] if found in allowed else [f"location {found!r}, not {_or(allowed)}"]


def _location_not_matching(asked: Asked, pattern: str) -> list[str]:
    found = asked.reply.headers.get("location", "")
    return [f"location {found!r} matches {pattern!r}"] if found and re.search(pattern, found) else []


def _served_path(asked: Asked, path: str) -> list[str]:
    """By the body; a row that allows a redirect to the canonical path has its answer in the status."""
    reply = asked.reply
    if 300 <= reply.status < 400:
        return []
    if asked.row.request.get("method") == "HEAD":
        reply = asked.plain(asked.row.request["path"])
    wanted = body_of(path)
    same = reply.body in wanted if reply.status == 206 and reply.body else reply.body == wanted
    return [] if same else [f"the body is not that of {path}"]


def _proxy_to(asked: Asked, url: str) -> list[str]:
    return [] if asked.reply.proxied == url else [f"asks {asked.reply.proxied or 'no other origin'}, not {url}"]


def _body(asked: Asked, text: str) -> list[str]:
    return [] if asked.reply.body == text.encode() else [f"body {asked.reply.body[:80]!r}, not {text!r}"]


def _headers(asked: Asked, wanted: Mapping[str, str]) -> list[str]:
    given = asked.reply.headers
    if not wanted:
        return [f"{name}: {given[name]} is there" for name, values in _ruled(asked.row).items() if _took(name, values, given)]
    filled = {name.lower(): asked.filled(value) for name, value in wanted.items()}
    return [f"{name}: {given.get(name)!r}, not {value!r}" for name, value in filled.items() if given.get(name) != value]


def _took(name: str, values: list[str], given: Mapping[str, str]) -> bool:
    return name in given and (name not in _USUAL or given[name] in values)


def _headers_absent(asked: Asked, names: list[str]) -> list[str]:
    found = []
    for text in names:
        match = _ABSENT.fullmatch(text)
        if not match:
            found.append(f"{text!r} in headers_absent is not understood")
            continue
        name, unless = match[1].lower(), match[2]
        there = asked.reply.headers.get(name)
        if there is not None and not (unless and there == asked.plain(asked.row.request["path"]).headers.get(name)):
            found.append(f"{name}: {there!r} is there")
    return found


def _headers_ignored(asked: Asked, names: list[str]) -> list[str]:
    ruled, given = _ruled(asked.row), asked.reply.headers
    return [f"{name}: {given[name.lower()]!r} is the rule's" for name in names if given.get(name.lower()) in ruled[name.lower()]]


def _parse_errors(asked: Asked, count: int) -> list[str]:
    found = len(asked.site.problems)
    return [] if found == count else [f"{found} lines reported, not {count}"]


_CHECKS: dict[str, Callable[[Asked, Any], list[str]]] = {
    "status": _status,
    "location": _location,
    "location_not_matching": _location_not_matching,
    "served_path": _served_path,
    "proxy_to": _proxy_to,
    "body": _body,
    "headers": _headers,
    "headers_absent": _headers_absent,
    "headers_ignored": _headers_ignored,
    "parse_errors": _parse_errors,
}


def _ruled(row: Row) -> dict[str, list[str]]:
    """The header names of the row's rules, lowercase, with the values given to each."""
    found: dict[str, list[str]] = {}
    for line in row.rules.splitlines():
        name, _, value = line.strip().removeprefix("!").partition(":")
        found.setdefault(name.strip().lower(), []).append(value.strip())
    return found


def _or(values: list[Any]) -> str:
    return " or ".join(map(json.dumps, values))
