"""One CloudFront function in quickjs-ng: the very code that CloudFront runs, in a context made to look like its runtime.

Stages: size check; the leading `import` statements become `var` on their line, in memory, since the engine has no module
loader; the sandbox takes away what CloudFront lacks; the handler is compiled once and called with JSON.
Cost: about 1 ms to start, 20-30 us a call. A call that fails gets a new context for the next one.

Gaps against CloudFront: no instruction limit (an endless loop hangs; the tests count instructions instead); globals live from
call to call; no Buffer, querystring or TextEncoder; `meta()` gives the key count only. Syntax that njs refuses is refused by the
tests, not here. The memory limit of 2 MB is the engine's heap, of which its own objects take about 0.1 MB.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from toolkit.edgecode import edge_code
from toolkit.engine import limits
from toolkit.engine.errors import LimitExceeded, UserError
from toolkit.local.js_sandbox import ALGORITHMS, CLEANUP, ENCODINGS, bootstrap

_JOBS = 100_000
_MODULES = ("cloudfront", "crypto")
_SKIPPED = re.compile(r"(?:\s|//[^\n]*(?:\n|$)|/\*.*?\*/)*", re.DOTALL)
_IMPORT = re.compile(
    r"""import\s+(?:\*\s*as\s+)?(?P<name>[A-Za-z_$][\w$]*)\s+from\s*"""
    r"""(?P<quote>['"])(?P<module>[\w/-]+)(?P=quote)[ \t]*(?:;|(?=\r?\n|$))"""
)


class Reads(Protocol):
    """What a function reads: a route store, or a quick view of one."""

    def get(self, key: str) -> str | None: ...


class ScriptError(Exception):
    """The function threw, ran out of memory or never finished; the text is for the log."""


class Script:
    """A compiled function. Use it from one thread.

    `reads` counts its key-value reads so far.
    """

    def __init__(self, path: Path, event_type: str, routes: Reads, log: Callable[[str], None]) -> None:
        """UserError when the file is missing, larger than CloudFront takes, or does not compile."""
        self.name = path.name
        self.reads = 0
        self._event_type = event_type
        self._routes = routes
        self._log = log
        self._failure: Exception | None = None
        self._source = _load(path)
        self._enter: Callable[..., str | None] | None = None
        try:
            self._start()
        except ScriptError as error:
            raise UserError(f"{path} cannot run: {error}", "correct the function") from error

    def call(self, viewer_ip: str, request: str, response: str | None = None) -> str:
        """The handler's result as JSON, for the event's `request` and `response` as JSON. ScriptError."""
        outcome = self._outcome(viewer_ip, request, response)
        if self._failure:
            failure, self._failure, self._enter = self._failure, None, None
            raise failure
        # "[kind,value]", see the sandbox.
        kind, value = (outcome[1], outcome[3:-1]) if outcome else ("0", "null")
        if kind == "0" and value != "null":
            return value
        self._enter = None
        if value == "null":
            raise ScriptError(f"{self.name}: the handler returned nothing, or a promise that never settles")
        raise ScriptError(f"{self.name}: {json.loads(value).strip()}")

    def _outcome(self, viewer_ip: str, request: str, response: str | None) -> str | None:
        import quickjs

        try:
            enter = self._enter or self._start()
            outcome = enter(viewer_ip, request, response)
            if outcome is None:
                self._run_jobs()
                outcome = self._leave()
        except (quickjs.JSException, quickjs.StackOverflow) as error:
            self._enter = None  # a context that ran out of memory is of no more use
            raise ScriptError(f"{self.name}: {str(error).strip()}") from error
        return outcome

    def _run_jobs(self) -> None:
        run = self._context.execute_pending_job
        for _ in range(_JOBS):
            if not run():
                return
        self._enter = None
        raise ScriptError(f"{self.name}: the handler did not finish within {_JOBS} steps")

    def _start(self) -> Callable[..., str | None]:
        import quickjs

        self._context = context = quickjs.Context()
        context.set_memory_limit(limits.FUNCTION_MEMORY)
        try:
            for name, function in {"read": self._read, "log": self._say, "count": self._count, **_digests()}.items():
                context.add_callable(f"host_{name}", function)
            context.eval(bootstrap())
            context.eval(self._source)
            self._enter = context.eval(f"sandbox_enter(handler, '{self._event_type}')")
            self._leave = context.get("sandbox_leave")
            context.eval(CLEANUP)
        except (quickjs.JSException, quickjs.StackOverflow) as error:
            raise ScriptError(str(error).strip()) from error
        return self._enter

    # What JavaScript calls must not raise: the engine would go on with the error pending.

    def _read(self, key: str, packed: bool = False) -> str | None:
        self.reads += 1
        try:
            if packed:
                key = json.loads(key).encode(errors="replace").decode()
            return self._routes.get(key)
        except Exception as error:
            self._failure = error
            return None

    def _say(self, text: str) -> None:
        self._log(f"{self.name}: {json.loads(text)}")

    def _count(self) -> int:
        usage = getattr(self._routes, "usage", None)
        return int(usage().items) if usage else 0


def _load(path: Path) -> str:
    try:
        code = edge_code(path)
        size = len(code.encode())
        if size > limits.FUNCTION_BYTES:
            raise LimitExceeded(f"{path} comes to {size} bytes, CloudFront takes {limits.FUNCTION_BYTES}", "shorten the function")
        return without_imports(code)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}", "reinstall the toolkit") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text", "save the function as UTF-8") from error


def without_imports(source: str) -> str:
    """The module as a strict script on the same lines: the import statements at its head become variables.

    Only the head is looked at (comments and imports). An import further down is left, and is then a syntax error of the engine.
    UserError for a module that the local edge does not have.
    """
    at, parts = 0, ['"use strict"; ']
    while True:
        skipped = _SKIPPED.match(source, at)
        start = skipped.end() if skipped else at
        found = _IMPORT.match(source, start)
        if not found:
            return "".join(parts) + source[at:]
        if found["module"] not in _MODULES:
            raise UserError(f"the module {found['module']!r} is not there on the local edge", f"import {' or '.join(_MODULES)}")
        parts += [source[at:start], f"var {found['name']} = sandbox_load('{found['module']}');", "\n" * found[0].count("\n")]
        at = found.end()


def _digests() -> dict[str, Callable[..., str]]:
    """What `crypto` needs of the host, for each algorithm and encoding: hash(text), or hash(JSON of [text, key], true)."""

    def hasher(algorithm: str, encoding: str) -> Callable[..., str]:
        plain: Callable[..., Any] = getattr(hashlib, algorithm)

        def digest(text: str, packed: bool = False) -> str:
            key = None
            if packed:
                text, key = json.loads(text)
            content = text.encode(errors="replace")
            made = plain(content, usedforsecurity=False) if key is None else hmac.new(key.encode(errors="replace"), content, plain)
            return str(made.hexdigest()) if encoding == "hex" else _base64(made.digest(), encoding)

        return digest

    return {f"{algorithm}_{encoding}": hasher(algorithm, encoding) for algorithm in ALGORITHMS for encoding in ENCODINGS}


def _base64(digest: bytes, encoding: str) -> str:
    if encoding == "base64":
        return base64.b64encode(digest).decode()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
