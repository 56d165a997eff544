"""Run the edge functions in two JavaScript engines and get comparable answers.

`quickjs` is the engine of the local target, as `toolkit.local.javascript` sets it up. `njs` is nginx's engine, whose
descendant CloudFront runs: a conservative gate (Debian ships 0.7.9, CloudFront is like 0.8). One njs process answers up to
`BATCH` events and then ends, since njs frees no memory between calls.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.conftest import require_tool
from toolkit.edgecode import edge_code
from toolkit.local.javascript import Script, ScriptError
from toolkit.paths import resource

Event = dict[str, Any]
ENGINES = ("quickjs", "njs")
BATCH = 200
THREW = {"error": "threw"}
HERE = Path(__file__).parent


def event(
    uri: str, host: str | None = "site.localhost", method: str = "GET", query: Mapping[str, Any] | None = None, **headers: str
) -> Event:
    """A viewer-request event as CloudFront builds it; `accept_language="en"` becomes the header accept-language."""
    given = {name.replace("_", "-"): {"value": value} for name, value in headers.items()}
    if host is not None:
        given["host"] = {"value": host}
    request = {"method": method, "uri": uri, "querystring": dict(query or {}), "headers": given, "cookies": {}}
    return {"version": "1.0", "context": {"eventType": "viewer-request"}, "viewer": {"ip": "127.0.0.1"}, "request": request}


def response_event(headers: Mapping[str, str], status: int = 200, host: str = "site.localhost") -> Event:
    """A viewer-response event: an origin's answer with these headers, for a GET of `/`."""
    response = {
        "statusCode": status,
        "statusDescription": "",
        "headers": {k: {"value": v} for k, v in headers.items()},
        "cookies": {},
    }
    return {**event("/", host), "context": {"eventType": "viewer-response"}, "response": response}


def run(engine: str, kvs: Mapping[str, str], events: Sequence[Event], function: str = "viewer_request") -> list[dict[str, Any]]:
    """The function's answer to each event: a request, a response, or `THREW`.

    `kvs` is everything that the KeyValueStore holds. Skips (fails with CI=true) where njs is not installed.
    """
    source = resource("functions") / "edge" / f"{function}.js"
    if engine == "njs":
        return [answer for batch in _batches(events) for answer in run_njs(edge_code(source), kvs, batch)]
    return run_quickjs(source, kvs, events)


def _batches(events: Sequence[Event]) -> Iterator[Sequence[Event]]:
    for start in range(0, len(events), BATCH):
        yield events[start : start + BATCH]


def run_njs(source: str, kvs: Mapping[str, str], events: Sequence[Event]) -> list[dict[str, Any]]:
    """One njs process. RuntimeError with what njs printed when it did not answer every event."""
    njs = require_tool("njs", "it runs the edge functions as CloudFront's own engine would")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        (work / "kvs.json").write_text(json.dumps(kvs))
        (work / "events.jsonl").write_text("\n".join(json.dumps(one) for one in events))
        (work / "main.js").write_text(f"{source}\n{(HERE / 'drive.js').read_text()}")
        done = subprocess.run(
            [njs, "-p", HERE / "shim", work / "main.js", work / "kvs.json", work / "events.jsonl", work / "answers"],
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
        answers = work / "answers"
        # Not `splitlines`: an answer may hold U+2028.
        lines = answers.read_text(encoding="utf-8").split("\n") if answers.exists() else []
    if done.returncode or len(lines) != len(events):
        raise RuntimeError(f"njs answered {len(lines)} of {len(events)} events: {done.stdout[-500:]} {done.stderr[-500:]}")
    return [json.loads(line) for line in lines]


def run_quickjs(source: Path, kvs: Mapping[str, str], events: Sequence[Event]) -> list[dict[str, Any]]:
    """One context for all events, as the local edge keeps it."""
    script = _script(source, kvs)
    answers = []
    for one in events:
        response = json.dumps(one["response"]) if "response" in one else None
        try:
            answers.append(json.loads(script.call(one["viewer"]["ip"], json.dumps(one["request"]), response)))
        except ScriptError:
            answers.append(THREW)
    return answers


def count_reads(kvs: Mapping[str, str], one: Event) -> int:
    """How many keys of the store viewer-request reads to answer an event."""
    return len(keys_read(kvs, [one])[0])


def keys_read(kvs: Mapping[str, str], events: Sequence[Event]) -> list[list[str]]:
    """Which keys of the store viewer-request reads to answer each event."""
    read: list[str] = []

    class Noted(dict[str, str]):
        def get(self, key: str, default: str | None = None) -> str | None:  # type: ignore[override]
            read.append(key)
            return super().get(key)

    script = _script(resource("functions") / "edge" / "viewer_request.js", Noted(kvs))
    found = []
    for one in events:
        read.clear()
        script.call(one["viewer"]["ip"], json.dumps(one["request"]))
        found.append(list(read))
    return found


def _script(source: Path, kvs: Mapping[str, str]) -> Script:
    event_type = "viewer-response" if source.stem == "viewer_response" else "viewer-request"
    return Script(source, event_type, kvs, lambda text: None)
