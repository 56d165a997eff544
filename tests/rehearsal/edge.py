"""The template's distribution over HTTP on this machine: its behaviours, its functions' code, its store, its way to the bucket.

Nothing of this checkout's functions or rules is used, only the machinery of the local edge. TLS ends before it, so to say: a
request counts as one by HTTPS to the host in its Host header.
"""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO, cast

from tests.rehearsal.iam import Call, Caller, Policies
from tests.rehearsal.template import Deployed
from toolkit.engine.errors import NotFound
from toolkit.engine.ports import ObjectInfo
from toolkit.local.app import EdgeApp
from toolkit.local.cache import Cache
from toolkit.local.edge import Edge
from toolkit.local.origin import Opened, Origin
from toolkit.local.routes import HotReads

CLOUDFRONT = "cloudfront.amazonaws.com"
_PASS = {"viewer_request.js": "request", "viewer_response.js": "response"}
_EVENTS = {"viewer-request": "viewer_request.js", "viewer-response": "viewer_response.js"}
Read = Callable[[str], str | None]
GetObject = Callable[[str, str], tuple[ObjectInfo, bytes]]


@dataclass(frozen=True)
class Behavior:
    """A cache behaviour: what it answers to, and which methods it lets in."""

    pattern: str
    methods: frozenset[str]
    app: EdgeApp


class PlayedDistribution:
    """The only distribution of `stack`, as an ASGI application. `read` reads the store, `get` an object of a bucket."""

    def __init__(self, stack: Deployed, policies: Policies, read: Read, get: GetObject, folder: Path) -> None:
        self._stack, self._policies, self._read, self._get, self._folder = stack, policies, read, get, folder
        self.logical_id, properties = stack.only("AWS::CloudFront::Distribution")
        config = properties["DistributionConfig"]
        self.id = stack.name(self.logical_id)
        self.arn = f"arn:aws:cloudfront::123456789012:distribution/{self.id}"
        self.domain_name = str(stack.attribute(self.logical_id, "DomainName"))
        self.aliases = tuple(config.get("Aliases", ()))
        self._origins = {one["Id"]: self._origin(one) for one in config["Origins"]}
        self._cache = Cache(64 * 1024 * 1024)
        given = [*config.get("CacheBehaviors", ()), {**config["DefaultCacheBehavior"], "PathPattern": "*"}]
        self.behaviors = [self._behavior(number, one) for number, one in enumerate(given)]

    def _behavior(self, number: int, given: Mapping[str, Any]) -> Behavior:
        folder = self._folder / f"behavior-{number}"
        folder.mkdir()
        stores: dict[str, bool] = {}
        codes = {file: f"function handler(event) {{ return event.{what}; }}" for file, what in _PASS.items()}
        for association in given.get("FunctionAssociations", ()):
            file = _EVENTS[association["EventType"]]
            codes[file], stores[file] = self._function(association["FunctionARN"])
        for file, code in codes.items():
            (folder / file).write_text(code, encoding="utf-8")
        request, response = (_Store(self._read if stores.get(file) else lambda key: None) for file in _PASS)
        edge = cast(Edge, _Functions(Edge(request, folder), Edge(response, folder)))
        app = EdgeApp(self._origins[given["TargetOriginId"]], cast(HotReads, _Store(self._read)), edge, self._cache, {})
        return Behavior(given["PathPattern"], frozenset(given.get("AllowedMethods", ("GET", "HEAD"))), app)

    def _function(self, arn: str) -> tuple[str, bool]:
        """Its code, and whether it may read the store of the stack."""
        ids = self._stack.within("AWS::CloudFront::Function")
        (found,) = [one for one in ids if self._stack.attribute(one, "FunctionARN") == arn]
        properties = self._stack.properties(found)
        assert properties["AutoPublish"] is True, f"{found} would never go live"
        assert properties["FunctionConfig"]["Runtime"] == "cloudfront-js-2.0", f"{found} is for an old runtime"
        store = self._stack.attribute(next(self._stack.within("AWS::CloudFront::KeyValueStore")), "Arn")
        associated = properties["FunctionConfig"].get("KeyValueStoreAssociations", ())
        return properties["FunctionCode"], [one["KeyValueStoreARN"] for one in associated] == [store]

    def _origin(self, given: Mapping[str, Any]) -> Origin:
        bucket = given["DomainName"].partition(".s3.")[0]
        control = given.get("OriginAccessControlId")
        controls = {self._stack.name(one) for one in self._stack.within("AWS::CloudFront::OriginAccessControl")}
        caller = Caller(service=CLOUDFRONT) if control in controls else Caller()
        return _Bucket(bucket, caller, self.arn, self._policies, self._get)

    async def __call__(self, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        host = dict(scope["headers"]).get(b"host", b"").decode("latin-1").partition(":")[0].lower()
        behavior = next(one for one in self.behaviors if fnmatchcase(scope["raw_path"].decode("latin-1"), one.pattern))
        if not self.knows(host) or scope["method"] not in behavior.methods:
            await send({"type": "http.response.start", "status": 403, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})
            return
        await behavior.app(scope, receive, send)

    def read(self, uri: str) -> int:
        """The status with which the bucket answers the distribution for a path, whatever its functions would do."""
        try:
            next(iter(self._origins.values())).open(uri).file.close()
        except NotFound:
            return 403
        return 200

    def knows(self, host: str) -> bool:
        """CloudFront answers 403 to a host that is neither the distribution's own nor among its aliases; `*` is one label."""
        parent = f"*.{host.partition('.')[2]}"
        return host == self.domain_name or host in self.aliases or parent in self.aliases


class _Store:
    """A function's `cf.kvs()`, and what an EdgeApp asks before each request."""

    def __init__(self, read: Read) -> None:
        self.get = read

    def refresh(self) -> bool:
        return True


class _Functions:
    """viewer-request of one, viewer-response of another: each may have a store or not."""

    def __init__(self, request: Edge, response: Edge) -> None:
        self.call_request, self.call_response = request.call_request, response.call_response


class _Bucket(Origin):
    """A bucket as its policy lets the distribution read it; S3 answers 403 to everything else, and to what is missing."""

    def __init__(self, bucket: str, caller: Caller, distribution: str, policies: Policies, get: GetObject) -> None:
        self._bucket, self._caller, self._distribution, self._policies, self._get = bucket, caller, distribution, policies, get

    def open(self, uri: str) -> Opened:
        keys = {"aws:sourcearn": self._distribution, "aws:securetransport": "true", "s3:tlsversion": "1.3"}
        call = Call("s3:GetObject", f"arn:aws:s3:::{self._bucket}{uri}", keys)
        if not self._policies.allow(self._caller, call):
            raise NotFound(uri)
        info, body = self._get(self._bucket, uri[1:])
        file = tempfile.TemporaryFile()  # noqa: SIM115 - whoever is given it closes it
        file.write(body)
        file.seek(0)
        return Opened(info, cast(BinaryIO, file))


class EdgeServer:
    """The application on a port of this machine. One loop runs it; a thread per connection waits for it."""

    def __init__(self, app: PlayedDistribution) -> None:
        self._app = app
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        edge = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                edge.answer(self)

            do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = do_GET

            def log_message(self, *_: object) -> None:
                """Silence: scenarios say what happened."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        path, _, query = handler.path.partition("?")
        scope = {
            "type": "http",
            "method": handler.command,
            "raw_path": path.encode("latin-1"),
            "query_string": query.encode("latin-1"),
            "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in handler.headers.items()],
            "scheme": "https",
            "http_version": "1.1",
            "client": (handler.headers.get("x-visitor-address", "192.0.2.1"), 0),
        }
        messages: list[dict[str, Any]] = []

        async def send(message: dict[str, Any]) -> None:
            messages.append(message)

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        asyncio.run_coroutine_threadsafe(self._app(scope, receive, send), self._loop).result()
        start, *rest = messages
        body = b"".join(one.get("body", b"") for one in rest)
        handler.send_response_only(start["status"])
        for name, value in start["headers"]:
            handler.send_header(name.decode("latin-1"), value.decode("latin-1"))
        if "content-length" not in {name.decode().lower() for name, _ in start["headers"]} and start["status"] not in (204, 304):
            handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._loop.call_soon_threadsafe(self._loop.stop)
