"""The edge as an ASGI application: every request takes the path that it takes through CloudFront.

    head, limits -> viewer-request -> its answer, or: cache -> origin -> compression -> conditions, ranges -> viewer-response

Errors of the edge and of the origin (403 for what may not be read, 416) are answered here, and viewer-response does not see them,
as on CloudFront. Both functions run on every request; only the parsing of an answer that was seen before is remembered.
One event loop, one thread: the cache needs no locks. Cost of a hit: about 100 us of CPU, of which the functions take two thirds.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from toolkit.engine import limits
from toolkit.engine.errors import NotFound, UserError
from toolkit.local import http, proxy
from toolkit.local.cache import MOST_PREPARED, Cache, Entry, Finished
from toolkit.local.edge import Answer, Edge, Forward, FunctionFault, check_request, check_response
from toolkit.local.event import Head, head_of, request_json, uri_of
from toolkit.local.origin import Opened, Origin, event_fields
from toolkit.local.proxy import OriginError
from toolkit.local.reply import (
    HIT,
    MISS,
    NO_BODY,
    Reply,
    Send,
    error_page,
    fields_of,
    generated,
    given_response,
    send_reply,
    without_content,
)
from toolkit.local.routes import HotReads
from toolkit.local.server import CONTROL_HOST

_LOG = logging.getLogger("toolkit.server")
_REMEMBERED = 2048
_REMEMBERED_BYTES = 8192

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]


@dataclass(slots=True)
class Request:
    """A request on its way: as functions see it, and as the visitor meant it."""

    method: str
    json: str
    viewer_ip: str


class EdgeApp:
    """The ASGI callable. `status` is what the control host tells of the server beside the cache's figures."""

    def __init__(self, origin: Origin, routes: HotReads, edge: Edge, cache: Cache, status: Mapping[str, object]) -> None:
        self._origin = origin
        self._routes = routes
        self._edge = edge
        self._cache = cache
        self._status = status
        self._heads: dict[tuple[tuple[bytes, bytes], ...], Head] = {}
        self._routed: dict[tuple[str, str], Answer | Forward] = {}
        self._loading: dict[tuple[str, str], asyncio.Future[Entry]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            reply = await self._reply(scope, receive)
        except OriginError as error:
            _LOG.warning("%s %r: %s", scope["method"], scope["raw_path"], error)
            reply = error_page(error.status)
        except FunctionFault as fault:
            reply = error_page(fault.status, x_cache=fault.kind)
        except NotFound:
            reply = error_page(403)
        except Exception:
            _LOG.exception("%s %r failed", scope["method"], scope["raw_path"])
            reply = error_page(500)
        await send_reply(reply, scope["method"], send)

    async def _reply(self, scope: Scope, receive: Receive) -> Reply:
        raw_path: bytes = scope["raw_path"]
        query: bytes = scope["query_string"]
        if len(raw_path) + len(query) + bool(query) >= limits.URI_BYTES:
            return error_page(414)
        head = self._head(scope["headers"], scope["scheme"])
        viewer_ip = scope["client"][0]
        if head.host == CONTROL_HOST and viewer_ip in ("127.0.0.1", "::1"):
            return self._control(raw_path)
        if not head.host:
            return error_page(400)
        self._routes.refresh()
        request = Request(scope["method"], request_json(scope["method"], uri_of(raw_path), query, head), viewer_ip)
        routed = self._route(request)
        if isinstance(routed, Answer):
            return generated(routed)
        if routed.elsewhere:
            return await self._elsewhere(request, routed, receive)
        if request.method not in ("GET", "HEAD"):
            return error_page(403)  # as a distribution that allows no other methods
        encoding = ""
        # As from S3 on a miss, a range is one of the object itself: 206 is never compressed. HTTP/1.0 gets none either.
        if "range" not in routed.headers and scope["http_version"] not in ("1", "1.0"):
            encoding = http.accepted_encoding(routed.headers.get("accept-encoding", ""))
        entry = self._cache.get((routed.uri, encoding))
        if entry:
            return self._respond(request, routed, entry, hit=True)
        return self._respond(request, routed, await self._fetch(routed.uri, encoding), hit=False)

    def _head(self, raw: list[tuple[bytes, bytes]], scheme: str) -> Head:
        key = tuple(raw)
        head = self._heads.get(key)
        if head is None:
            head = head_of(raw, scheme)
            if len(head.headers) + len(head.cookies) <= _REMEMBERED_BYTES:
                _remember(self._heads, key, head)
        return head

    def _route(self, request: Request) -> Answer | Forward:
        result = self._edge.call_request(request.json, request.viewer_ip)
        key = (result, request.json)
        routed = self._routed.get(key)
        if routed is None:
            routed = check_request(result, request.json)
            if len(result) + len(request.json) <= _REMEMBERED_BYTES:
                _remember(self._routed, key, routed)
        return routed

    async def _fetch(self, uri: str, encoding: str) -> Entry:
        """Read the object into the cache; those who ask for it meanwhile wait for the same reading."""
        key = (uri, encoding)
        if key in self._loading:
            return await asyncio.shield(self._loading[key])
        opened = self._origin.open(uri)
        if opened.is_quick:
            entry = self._origin.entry(opened, encoding)
        else:
            entry = await self._fetch_aside(key, opened, encoding)
        self._cache.put(key, entry)
        return entry

    async def _fetch_aside(self, key: tuple[str, str], opened: Opened, encoding: str) -> Entry:
        loading = asyncio.get_running_loop().run_in_executor(None, self._origin.entry, opened, encoding)
        self._loading[key] = loading
        try:
            return await asyncio.shield(loading)
        finally:
            del self._loading[key]

    def _respond(self, request: Request, routed: Forward, entry: Entry, *, hit: bool) -> Reply:
        """Conditions before ranges (RFC 9110, 13.2.2), then viewer-response. The first sender of an entry is a miss."""
        status, span, headers = 200, None, ""
        if http.is_not_modified(routed.headers, entry.etag, entry.modified):
            status, headers = 304, event_fields(without_content(entry.headers))
        elif request.method == "GET":
            span = http.wanted_span(routed.headers, entry.etag, entry.modified, entry.size)
            if span and span.length <= 0:
                return error_page(416, [(b"content-range", b"bytes */%d" % entry.size)])
            if span:
                status = 206
                content_range = f"bytes {span.first}-{span.last}/{entry.size}"
                partial = {**entry.headers, "content-length": str(span.length), "content-range": content_range}
                headers = event_fields(partial)
        final, fields, body = self._finish(request, entry, status, headers or entry.event_headers, hit=hit)
        reply = Reply(final, [*fields, HIT if hit else MISS], b"" if body is None else body, span)
        if body is not None or final in NO_BODY or request.method == "HEAD":
            return reply
        return self._with_body(reply, entry)

    def _finish(self, request: Request, entry: Entry, status: int, headers: str, *, hit: bool) -> Finished:
        """What viewer-response makes of the status and the headers."""
        given = given_response(status, headers, entry.age if hit else -1)
        result = self._edge.call_response(request.json, given, request.viewer_ip)
        # The read-only headers that an answer is held to depend on the status that it was given.
        key = f"{status} {result}"
        finished = entry.prepared.get(key)
        if finished is None:
            answer = check_response(result, given)
            finished = (answer.status, fields_of(answer), answer.body)
            if status != 206:  # partial answers differ in the range, which is not part of the key
                _remember(entry.prepared, key, finished, MOST_PREPARED)
        return finished

    def _with_body(self, reply: Reply, entry: Entry) -> Reply:
        if entry.body is None:
            opened = self._origin.open(f"/{entry.object_key}")
            if opened.info.etag != entry.etag:
                opened.file.close()
                raise UserError(f"the object {entry.object_key} was replaced by other content; blobs never change")
            reply.body = opened.file
            reply.span = reply.span or http.Span(0, entry.size - 1)
        else:
            reply.body = entry.body[reply.span.first : reply.span.last + 1] if reply.span else entry.body
        return reply

    async def _elsewhere(self, request: Request, routed: Forward, receive: Receive) -> Reply:
        """What another origin answers. Of 400 and more viewer-response hears nothing, as of the site's own origin."""
        assert routed.elsewhere
        body = await proxy.read_body(receive)
        target = f"{routed.uri}?{routed.query}" if routed.query else routed.uri
        asked = (routed.elsewhere, request.method, target, routed.headers, body)
        found = await asyncio.get_running_loop().run_in_executor(None, proxy.fetch, *asked)
        answer = Answer(found.status, found.headers, None)
        if found.status < 400:
            given = found.event()
            answer = check_response(self._edge.call_response(request.json, given, request.viewer_ip), given)
        fields = fields_of(Answer(answer.status, answer.headers, found.body if answer.body is None else answer.body))
        return Reply(answer.status, [*fields, MISS], found.body if answer.body is None else answer.body)

    def _control(self, path: bytes) -> Reply:
        if path != b"/healthz":
            return error_page(404)
        cache = self._cache
        figures = {"entries": len(cache), "bytes": cache.size, "hits": cache.hits, "misses": cache.misses}
        body = json.dumps({**self._status, "cache": figures}).encode()
        return Reply(200, [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))], body)


def _remember(known: dict[Any, Any], key: object, value: object, most: int = _REMEMBERED) -> None:
    if len(known) >= most:
        known.clear()
    known[key] = value
