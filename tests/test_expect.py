"""The checker of `expect.json` finds every kind of difference: otherwise a green example says nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.expect import check, fetch

PAGE = b'<script src="/app.1f.js"></script>'


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        unchanged = self.headers.get("if-none-match") == '"tag"'
        self.send_response(304 if unchanged else 302 if self.path == "/old" else 200)
        self.send_header("ETag", '"tag"')
        self.send_header("Location", "/xnewx")
        self.send_header("X-Seen", f"{self.headers['host']} {self.path}")
        body = b"" if unchanged else PAGE
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    ("request_", "expect"),
    [
        ({"path": "/"}, {"status": 200, "body": PAGE.decode(), "headers": {"etag": '"tag"'}, "headers_absent": ["age"]}),
        ({"path": "/a%2Fb/../c"}, {"status": 200, "headers": {"X-Seen": "site.localhost /a%2Fb/../c"}}),
        ({"path": "/", "headers": {"if-none-match": "<etag>"}}, {"status": 304, "body": ""}),
        ({"find": {"in": "/", "pattern": r"/app\.\w+\.js"}}, {"status": 200, "headers": {"x-seen": "/APP\\.1f/i"}}),
        ({"path": "/"}, {"status": 200, "body_sha256_of": "page.html"}),
    ],
)
def test_what_holds_is_no_problem(server: str, tmp_path: Path, request_: dict[str, Any], expect: dict[str, Any]) -> None:
    (tmp_path / "page.html").write_bytes(PAGE)
    assert check(server, "site.localhost", [{"request": request_, "expect": expect}], tmp_path) == []


@pytest.mark.parametrize(
    ("request_", "expect"),
    [
        ({"path": "/"}, {"status": 404}),
        ({"path": "/old"}, {"status": 302, "location": "/new"}),
        ({"path": "/old"}, {"status": 302, "location": "/new/"}),
        ({"path": "/"}, {"status": 200, "headers": {"etag": "tag"}}),
        ({"path": "/"}, {"status": 200, "headers": {"etag": "/^x/"}}),
        ({"path": "/"}, {"status": 200, "headers": {"x-missing": "1"}}),
        ({"path": "/"}, {"status": 200, "headers_absent": ["ETag"]}),
        ({"path": "/"}, {"status": 200, "body": ""}),
        ({"path": "/"}, {"status": 200, "body_contains": "nowhere"}),
        ({"path": "/"}, {"status": 200, "body_sha256_of": "page.html"}),
        ({"find": {"in": "/", "pattern": "/no.js"}}, {"status": 200}),
    ],
)
def test_what_differs_is_reported_once(server: str, tmp_path: Path, request_: dict[str, Any], expect: dict[str, Any]) -> None:
    (tmp_path / "page.html").write_bytes(PAGE + b"\n")
    assert len(check(server, "site.localhost", [{"request": request_, "expect": expect}], tmp_path)) == 1


def test_a_misspelt_field_is_an_error(server: str) -> None:
    with pytest.raises(ValueError, match="body_contain"):
        check(server, "x", [{"request": {"path": "/"}, "expect": {"status": 200, "body_contain": "x"}}])


def test_only_the_host_header_is_sent(server: str) -> None:
    assert fetch(server, "other.localhost", "/").headers["x-seen"] == "other.localhost /"
