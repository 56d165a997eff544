"""The local edge with either JavaScript engine in it, asked in this process: the ASGI application that `toolkit serve` runs.

Functions run in quickjs as they do locally, or in one njs process each that is spoken to line by line. Everything between them
(cache, conditions, ranges, what CloudFront would refuse of a function's answer) is toolkit.local's own.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit.edgecode import edge_code
from toolkit.local.app import EdgeApp
from toolkit.local.cache import Cache
from toolkit.local.edge import Edge
from toolkit.local.javascript import ScriptError
from toolkit.local.objects import FolderObjects
from toolkit.local.origin import Origin
from toolkit.local.routes import FileRoutes
from toolkit.paths import resource

HERE = Path(__file__).parent
ENGINES = ("quickjs", "njs")
FUNCTIONS = resource("functions") / "edge"
VIEWER = "127.0.0.1"
# njs frees no memory between calls.
CALLS = 1000
_CACHE_BYTES = 16 * 1024 * 1024
# What stands in for an origin that is not ours: the tests reach no other machine.
ELSEWHERE = json.dumps({"statusCode": 200, "statusDescription": "OK", "headers": {}, "body": "from another origin\n"})


@dataclass(frozen=True)
class Reply:
    """What a visitor gets. `headers` has lowercase names, repeated ones joined by a comma; `proxied` is the URL asked elsewhere."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    proxied: str = ""

    @property
    def etag(self) -> str:
        """The opaque part of the entity tag."""
        return self.headers.get("etag", "").removeprefix("W/").strip('"')


class NjsScript:
    """A function in njs, with the interface of `toolkit.local.javascript.Script`. Close it."""

    def __init__(self, function: Path, kvs: Mapping[str, str]) -> None:
        self.reads = 0
        self._event_type = function.stem.replace("_", "-")
        self._folder = tempfile.TemporaryDirectory()
        work = Path(self._folder.name)
        (work / "kvs.json").write_text(json.dumps(kvs))
        (work / "main.js").write_text(f"{edge_code(function)}\n{(HERE / 'converse.js').read_text()}")
        self._errors = (work / "errors").open("w+")
        shim = HERE.parent / "functions" / "shim"
        self._command = [shutil.which("njs") or "njs", "-p", str(shim), str(work / "main.js"), str(work / "kvs.json")]
        self._process: subprocess.Popen[str] | None = None
        self._left = 0

    def call(self, viewer_ip: str, request: str, response: str | None = None) -> str:
        """The handler's answer as JSON. ScriptError when it threw, RuntimeError when njs itself gave up."""
        if not self._left:
            self._stop()
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, encoding="utf-8"
            )
            self._left = CALLS
        self._left -= 1
        event: dict[str, Any] = {"version": "1.0", "context": {"eventType": self._event_type}, "viewer": {"ip": viewer_ip}}
        event["request"] = json.loads(request)
        if response is not None:
            event["response"] = json.loads(response)
        answer = self._say(json.dumps(event))
        if answer == '{"error":"threw"}':
            raise ScriptError(f"the {self._event_type} function threw in njs")
        return answer

    def _say(self, line: str) -> str:
        process = self._process
        assert process and process.stdin and process.stdout
        process.stdin.write(f"{line}\n")
        process.stdin.flush()
        answer = process.stdout.readline()
        if not answer.endswith("\n"):
            self._errors.seek(0)
            raise RuntimeError(f"njs ended: {answer[-500:]} {self._errors.read()[-500:]}")
        return answer[:-1]

    def _stop(self) -> None:
        if self._process:
            self._process.communicate()
            self._process = None

    def close(self) -> None:
        self._stop()
        self._errors.close()
        self._folder.cleanup()


class WatchedEdge(Edge):
    """The edge in either engine; what it would ask of an origin elsewhere is noted in `proxied` and answered here."""

    def __init__(self, root: Path, engine: str) -> None:
        store = FileRoutes(root / "routes.db")
        self.routes = store.hot_reads()
        self.proxied = ""
        self._njs: list[NjsScript] = []
        super().__init__(self.routes, FUNCTIONS)
        if engine == "njs":
            kvs = dict(store.items())
            self._njs = [NjsScript(FUNCTIONS / f"{name}.js", kvs) for name in ("viewer_request", "viewer_response")]
            self._request, self._response = self._njs  # type: ignore[assignment]

    def call_request(self, request: str, viewer_ip: str) -> str:
        result = super().call_request(request, viewer_ip)
        self.proxied = foreign_url(json.loads(result))
        return ELSEWHERE if self.proxied else result

    def close(self) -> None:
        for script in self._njs:
            script.close()


def foreign_url(answer: Mapping[str, Any]) -> str:
    """The URL that CloudFront would ask where the request function chose another origin; "" where it did not."""
    origin = answer.get("origin")
    if not origin or "statusCode" in answer:
        return ""
    pairs = [
        f"{name}={item['value']}" if item["value"] else name
        for name, field in answer.get("querystring", {}).items()
        for item in field.get("multiValue") or [field]
    ]
    custom = origin.get("customOriginConfig", {})
    protocol = custom.get("protocol", "https")
    usual = {"http": 80, "https": 443}[protocol]
    port = "" if custom.get("port", usual) == usual else f":{custom['port']}"
    place = f"{protocol}://{origin['domainName']}{port}{origin.get('originPath', '')}{answer['uri']}"
    return f"{place}?{'&'.join(pairs)}" if pairs else place


class Visitor:
    """Asks the sites below `root` as a browser would. Close it."""

    def __init__(self, root: Path, engine: str) -> None:
        self._edge = WatchedEdge(root, engine)
        self._app = EdgeApp(Origin(FolderObjects(root)), self._edge.routes, self._edge, Cache(_CACHE_BYTES), {})
        self._runner = asyncio.Runner()

    def ask(self, host: str, path: str, query: str = "", headers: Mapping[str, str] | None = None, method: str = "GET") -> Reply:
        """`path` and `query` go out as they are, in UTF-8."""
        lines = {"host": host, **{name.lower(): value for name, value in (headers or {}).items()}}
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "scheme": lines.get("cloudfront-forwarded-proto", "http"),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in lines.items()],
            "client": (VIEWER, 50000),
        }
        self._edge.proxied = ""
        return self._runner.run(self._reply(scope))

    async def _reply(self, scope: dict[str, Any]) -> Reply:
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self._app(scope, receive, send)
        headers: dict[str, str] = {}
        for raw_name, raw_value in sent[0]["headers"]:
            name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        return Reply(sent[0]["status"], headers, b"".join(part["body"] for part in sent[1:]), self._edge.proxied)

    def close(self) -> None:
        self._runner.close()
        self._edge.close()
