"""Requests that a rule of the site sends on to another origin: a rewrite whose target is a URL.

The origin is asked once, without retries; nothing is cached here, whatever it says. Bodies are held in memory, up to `MOST_BYTES`.
What CloudFront does of its own (connection reuse, streaming, retries of a GET, caching) is not imitated.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from toolkit.local.event import is_hidden

MOST_BYTES = 32 * 1024 * 1024
# "Response timeout" of a custom origin (CloudFront developer guide).
_SECONDS = 30.0
# Of one connection only (RFC 9110, 7.6.1), or written anew.
_OWN = {"connection", "content-length", "host", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}


class OriginError(Exception):
    """The origin cannot be used: `status` is what visitors get."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Another origin, as a function named it."""

    protocol: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Fetched:
    """What the origin answered; header names in lower case."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def event(self) -> str:
        """The event's `response`: repeated fields under `multiValue`, cookies apart."""
        headers: dict[str, Any] = {}
        cookies: dict[str, Any] = {}
        for name, value in self.headers:
            if name == "set-cookie":
                cookie, _, attributes = value.partition(";")
                key, _, content = cookie.partition("=")
                _add(cookies, key.strip(), {"value": content.strip(), "attributes": attributes.strip()})
            elif not is_hidden(name):
                _add(headers, name, {"value": value})
        phrase = http.client.responses.get(self.status, "")
        return json.dumps({"statusCode": self.status, "statusDescription": phrase, "headers": headers, "cookies": cookies})


def _add(fields: dict[str, Any], name: str, item: dict[str, str]) -> None:
    if name in fields:
        fields[name].setdefault("multiValue", [dict(fields[name])]).append(item)
    else:
        fields[name] = item


async def read_body(receive: Callable[[], Awaitable[dict[str, Any]]]) -> bytes:
    """The request's body. OriginError 413 when it is too long."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MOST_BYTES:
            raise OriginError(413, "the request's body is too long")
        if not message.get("more_body"):
            return bytes(body)


def fetch(origin: Elsewhere, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Fetched:
    """Ask the origin for `target` (path and query). OriginError 502 or 504 when it does not answer as it should."""
    kind = http.client.HTTPSConnection if origin.protocol == "https" else http.client.HTTPConnection
    connection = kind(origin.host, origin.port, timeout=_SECONDS)
    sent = {name: value for name, value in headers.items() if name not in _OWN and not name.startswith("cloudfront-")}
    if body or method not in ("GET", "HEAD"):
        sent["content-length"] = str(len(body))
    try:
        connection.request(method, target, body or None, sent)
        response = connection.getresponse()
        content = response.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise OriginError(502, f"{origin.host} answered more than {MOST_BYTES} bytes")
        answered = [(name.lower(), value) for name, value in response.getheaders()]
        kept = tuple((name, value) for name, value in answered if name not in _OWN)
        return Fetched(response.status, kept, content)
    except TimeoutError as error:
        raise OriginError(504, f"{origin.host} did not answer within {_SECONDS:.0f} seconds") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise OriginError(502, f"{origin.host}: {error}") from error
    finally:
        connection.close()
