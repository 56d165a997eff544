"""One Lambda function as a process of its own: its environment, its code from the asset, and nothing of this checkout.

    python -I -S worker.py CODE DEPENDENCIES HANDLER SOCKET

Events come on stdin, a line of JSON each, and answers leave on stdout.
Requests to AWS are real up to the wire: botocore builds, signs and would send them; here they go through SOCKET to the stage, with
which other web addresses are asked as well. Stands alone: the handlers must not find more than Lambda would give them.
"""

from __future__ import annotations

import io
import json
import os
import sys
import threading
import time
import traceback
from dataclasses import replace
from importlib import import_module
from multiprocessing.connection import Client
from types import SimpleNamespace
from typing import Any

_HERE = threading.local()
# Those that open connections to anything but AWS's API.
_WEB = ("lambdas.notify", "lambdas.verify")


def main(code: str, dependencies: str, handler: str, socket: str) -> None:
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a handler prints is its log
    sys.path[:0] = [code]
    sys.path.append(dependencies)
    os.chdir(code)
    _reach_aws(socket)
    module, _, name = handler.rpartition(".")
    for line in sys.stdin:
        given = json.loads(line)
        answers.write(json.dumps(_answer(module, name, given, socket)) + "\n")
        answers.flush()


def _answer(module: str, name: str, given: dict[str, Any], socket: str) -> dict[str, Any]:
    try:
        return {"result": _called(import_module(module), name, given, socket)}
    except Exception as error:
        # As Lambda reports it: the name of the class is what Step Functions compares with.
        return {
            "error": {
                "errorType": type(error).__name__,
                "errorMessage": str(error),
                "stackTrace": traceback.format_exception(error)[-6:],
            }
        }


def _called(module: Any, name: str, given: dict[str, Any], socket: str) -> Any:
    if name == "main":  # of a build: the event is in its environment
        return module.main()
    if module.__name__ not in _WEB:
        return getattr(module, name)(given["event"], _context(given))
    # All that its handler leaves out: the port for web addresses, which lead to the stage.
    from lambdas import common

    from toolkit.aws import web
    from toolkit.engine.errors import Unavailable

    def fetch(asked: Any) -> Any:
        status, headers, body, error = ask(socket, ("web", asked.method, asked.url, dict(asked.headers), asked.body))
        if error:
            raise Unavailable(error)
        return web.Reply(status, {key.lower(): value for key, value in headers.items()}, body)

    return common.handle(module.step, given["event"], replace(common.default_services(), fetch=fetch))


def _context(given: dict[str, Any]) -> Any:
    until = time.monotonic() + given["timeout"]
    return SimpleNamespace(
        aws_request_id=given["id"],
        function_name=os.environ["AWS_LAMBDA_FUNCTION_NAME"],
        memory_limit_in_mb=os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"],
        get_remaining_time_in_millis=lambda: max(0, int((until - time.monotonic()) * 1000)),
    )


def _reach_aws(socket: str) -> None:
    """Every request of every botocore session goes to the stage. botocore asks these handlers before it opens a connection."""
    import botocore.exceptions
    from botocore.awsrequest import AWSResponse, HeadersDict
    from botocore.handlers import BUILTIN_HANDLERS

    def send(request: Any, event_name: str, **_: object) -> Any:
        body = request.body
        if hasattr(body, "read"):
            body = body.read()
        headers = {name: _text(value) for name, value in request.headers.items()}
        sent = ("aws", event_name, request.method, request.url, headers, _bytes(body))
        status, received, content, error = ask(socket, sent)
        if error:
            raise getattr(botocore.exceptions, error)(endpoint_url=request.url)
        return AWSResponse(request.url, status, HeadersDict(received), Raw(content))

    BUILTIN_HANDLERS.append(("before-send", send))


def ask(socket: str, message: tuple[Any, ...]) -> tuple[int, dict[str, str], bytes, str]:
    """One question to the stage, over this thread's own connection."""
    if not hasattr(_HERE, "connection"):
        _HERE.connection = Client(socket, "AF_UNIX")
    _HERE.connection.send(message)
    answered: tuple[int, dict[str, str], bytes, str] = _HERE.connection.recv()
    return answered


class Raw(io.BytesIO):
    """A body as urllib3 hands it over."""

    def stream(self, *_: object, **__: object) -> Any:
        while chunk := self.read(65536):
            yield chunk


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _bytes(value: str | bytes | None) -> bytes:
    return value.encode() if isinstance(value, str) else value or b""


if __name__ == "__main__":
    main(*sys.argv[1:])
