"""A rewrite to a URL: the local edge asks that origin, and hands its answer on as CloudFront would."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.local.serving import HOST as SITE
from tests.local.serving import Client, running_server
from toolkit.engine.model import Settings, Source
from toolkit.engine.publish import plan, publish
from toolkit.engine.release import Request, release
from toolkit.local.objects import FolderObjects
from toolkit.local.routes import FileRoutes


class Api(BaseHTTPRequestHandler):
    def _answer(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        body = f"{self.command} {self.path} {self.headers['host'].split(':')[0]} {self.rfile.read(length).decode()}".encode()
        self.send_response(404 if "gone" in self.path else 201)
        self.send_header("content-type", "text/plain")
        self.send_header("cache-control", "no-store")
        self.send_header("x-cookie", self.headers.get("cookie", ""))
        self.send_header("connection", "close")
        self.send_header("set-cookie", "a=1; Path=/; HttpOnly")
        self.send_header("set-cookie", "b=2")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _answer

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def api() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()


def closed_port() -> int:
    """A port that nobody listens on: it was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def client(api: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    root, folder = tmp_path_factory.mktemp("root"), tmp_path_factory.mktemp("site")
    (folder / "index.html").write_text("home")
    rules = (f"/api/* http://127.0.0.1:{api}/v2/:splat 200", f"/dead/* http://127.0.0.1:{closed_port()}/:splat 200")
    (folder / "_redirects").write_text("\n".join(rules))
    objects, routes = FolderObjects(root), FileRoutes(root / "routes.db")
    source = Source("folder", 1.0)
    manifest = publish(objects, routes, plan(objects, routes, site="site", folder=folder, source=source, settings=Settings()))
    release(objects, routes, Request("site", "live", manifest.version, (SITE,), 1.0, "tests", "deploy"))
    with running_server(root) as running:
        yield running


def test_the_path_the_query_and_the_answer_pass_through(client: Client) -> None:
    reply = client.get("/api/users/7?full=1&x")
    assert (reply.status, reply.body) == (201, b"GET /v2/users/7?full=1&x 127.0.0.1 ")
    assert reply.headers["cache-control"] == "no-store"
    assert "s-maxage" not in reply.headers["cache-control"]


def test_an_error_of_the_origin_stays_one(client: Client) -> None:
    reply = client.get("/api/gone")
    assert (reply.status, reply.body) == (404, b"GET /v2/gone 127.0.0.1 ")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "POST"])
def test_every_method_is_for_the_origin_to_answer(client: Client, method: str) -> None:
    assert client.get("/api/x", method=method).body == f"{method} /v2/x 127.0.0.1 ".encode()
    assert client.get("/", method=method).status == 405


def test_an_origin_that_is_not_there_is_a_bad_gateway(client: Client) -> None:
    assert client.get("/dead/x").status == 502
    assert client.get("/").body == b"home"


def test_cookies_reach_the_origin(client: Client) -> None:
    assert client.get("/api/echo", {"Cookie": "sid=1; theme=dark"}).headers["x-cookie"] == "sid=1; theme=dark"
