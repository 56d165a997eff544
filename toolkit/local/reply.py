"""What goes back to the visitor: replies, the edge's own error pages, and how each is sent over ASGI."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, BinaryIO

from toolkit.local import http
from toolkit.local.cache import Fields
from toolkit.local.edge import Answer

NO_BODY = (204, 304)
HIT = (b"x-cache", b"Hit from toolkit")
MISS = (b"x-cache", b"Miss from toolkit")
_CHUNK = 256 * 1024

Send = Callable[[dict[str, Any]], Awaitable[None]]


@dataclass(slots=True)
class Reply:
    """A response. `body` is bytes, or an open file of which `span` is sent and which is then closed."""

    status: int
    fields: Fields
    body: bytes | BinaryIO
    span: http.Span | None = None


def fields_of(answer: Answer) -> Fields:
    """A function's header lines as bytes. A body of the function's own brings its length; no body has none."""
    fields = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
    if answer.body is None and answer.status not in NO_BODY:
        return fields
    fields = [field for field in fields if field[0] != b"content-length"]
    return fields if answer.status in NO_BODY else [*fields, (b"content-length", b"%d" % len(answer.body or b""))]


def generated(answer: Answer) -> Reply:
    """The reply when viewer-request answered by itself."""
    body = b"" if answer.status in NO_BODY else answer.body or b""
    fields = fields_of(Answer(answer.status, answer.headers, body))
    return Reply(answer.status, [*fields, (b"x-cache", b"FunctionGeneratedResponse from toolkit")], body)


def error_page(status: int, more: Sequence[tuple[bytes, bytes]] = (), x_cache: str = "Error") -> Reply:
    """The edge's own error page."""
    body = f"{status} {HTTPStatus(status).phrase}\n".encode()
    fields = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        (b"x-cache", f"{x_cache} from toolkit".encode()),
        *more,
    ]
    return Reply(status, fields, body)


def given_response(status: int, headers: str, age: int) -> str:
    """The event's `response` for viewer-response; CloudFront tells an age only of what was in its cache."""
    phrase = HTTPStatus(status).phrase
    if age >= 0:
        headers += f',"age":{{"value":"{age}"}}'
    return f'{{"statusCode":{status},"statusDescription":"{phrase}","headers":{{{headers}}},"cookies":{{}}}}'


def without_content(headers: Mapping[str, str]) -> dict[str, str]:
    """What a 304 repeats: nothing that describes the body (RFC 9110, 15.4.5)."""
    return {name: value for name, value in headers.items() if not name.startswith("content-") and name != "accept-ranges"}


async def send_reply(reply: Reply, method: str, send: Send) -> None:
    """Send it, without the body for HEAD; a file goes in pieces, as fast as the visitor takes them."""
    start = {"type": "http.response.start", "status": reply.status, "headers": reply.fields}
    if isinstance(reply.body, bytes):
        await send(start)
        await send({"type": "http.response.body", "body": b"" if method == "HEAD" else reply.body})
        return
    with reply.body as file:
        await send(start)
        loop = asyncio.get_running_loop()
        span = reply.span or http.UNSATISFIABLE
        at, end = span.first, span.last + 1
        while at < end:
            chunk = await loop.run_in_executor(None, os.pread, file.fileno(), min(_CHUNK, end - at), at)
            if not chunk:
                raise OSError(f"{file.name} ended at byte {at} of {end}")
            at += len(chunk)
            await send({"type": "http.response.body", "body": chunk, "more_body": at < end})
