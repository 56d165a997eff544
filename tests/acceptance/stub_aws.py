"""An endpoint on loopback in AWS's place: every request is answered by one rule, in the words of the service that was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

ARN = "arn:aws:iam::123456789012:user/ada"
# What is asked ("sts:GetCallerIdentity") -> (status, code, text), or None for the success that the stub knows.
Rule = Callable[[str], tuple[int, str, str] | None]


def _identity() -> str:
    result = f"<GetCallerIdentityResult><Arn>{ARN}</Arn><UserId>U</UserId><Account>123456789012</Account></GetCallerIdentityResult>"
    return f'<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">{result}</GetCallerIdentityResponse>'


class _Handler(BaseHTTPRequestHandler):
    rule: Rule

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        scope = self.headers.get("authorization", "").partition("Credential=")[2].split("/")
        service = scope[3] if len(scope) > 3 else ""
        target = self.headers.get("x-amz-target", "").rpartition(".")[2]
        name = target or parse_qs(body).get("Action", [""])[0] or f"{self.command} {self.path}"
        answer = self.rule(f"{service}:{name}")
        if answer is None:
            self._send(200, "text/xml", _identity())
            return
        status, code, text = answer
        if target:
            self._send(status, "application/x-amz-json-1.1", json.dumps({"__type": code, "message": text}))
        else:
            error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{text}</Message></Error>"
            self._send(status, "text/xml", error if service == "s3" else f"<ErrorResponse>{error}</ErrorResponse>", code)

    do_GET = do_PUT = do_HEAD = do_POST

    def _send(self, status: int, kind: str, body: str, code: str = "") -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body.encode())))
        if code:
            self.send_header("x-amzn-errortype", code)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@contextmanager
def answering(rule: Rule) -> Iterator[str]:
    """The address of an endpoint that answers by `rule`."""
    handler = type("Handler", (_Handler,), {"rule": staticmethod(rule)})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
