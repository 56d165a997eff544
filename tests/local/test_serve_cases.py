"""How the hosts that users come from answer plain requests, asked of the real server with the real functions (serve_cases.json)."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.local.serving import HOST, Client, Reply, running_server
from toolkit.engine.model import Settings, Source
from toolkit.engine.publish import plan, publish
from toolkit.engine.release import Request, release
from toolkit.local.objects import FolderObjects
from toolkit.local.routes import FileRoutes

CASES = json.loads((Path(__file__).parent / "serve_cases.json").read_text())
LATER = {"sv-035": "a 404.html of a folder's own comes with the complete rule files"}
ROWS = [
    pytest.param(row, id=row["id"], marks=[pytest.mark.xfail(reason=LATER[row["id"]], strict=True)] if row["id"] in LATER else [])
    for row in CASES["rows"]
]


def content(path: str) -> bytes:
    return b"0123456789" if path == "/ten.txt" else f"content of {path}\n".encode()


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    root, folder = tmp_path_factory.mktemp("root"), tmp_path_factory.mktemp("site")
    for path in CASES["files"]:
        file = folder / path[1:]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content(path))
    objects, routes = FolderObjects(root), FileRoutes(root / "routes.db")
    source = Source("folder", time.time())
    manifest = publish(objects, routes, plan(objects, routes, site="site", folder=folder, source=source, settings=Settings()))
    release(objects, routes, Request("site", "live", manifest.version, (HOST,), source.time, "tests", "deploy"))
    with running_server(root) as client:
        yield client


@pytest.fixture(scope="module")
def etag(client: Client) -> str:
    return client.get("/ten.txt").headers["etag"].strip('"')


@pytest.mark.parametrize("row", ROWS)
def test_a_row(client: Client, etag: str, row: dict[str, Any]) -> None:
    asked, expect = row["request"], row["expect"]
    target = asked["path"].encode().decode("latin-1") + (f"?{asked['query']}" if asked.get("query") else "")
    headers = {name: value.replace("<etag>", etag) for name, value in asked.get("headers", {}).items()}
    reply = client.get(target, headers, method=asked.get("method", "GET"))
    wanted = expect["status"] if isinstance(expect["status"], list) else [expect["status"]]
    assert reply.status in wanted, row["note"]
    check_content(reply, expect)
    for name, value in expect.get("headers", {}).items():
        assert reply.headers.get(name) == value.replace("<etag>", etag), (name, row["note"])


def check_content(reply: Reply, expect: dict[str, Any]) -> None:
    if "served_path" in expect and reply.status in (200, 404):
        assert reply.body == content(expect["served_path"])
    if "body" in expect:
        assert reply.body == expect["body"].encode()
    if "location_not_matching" in expect and "location" in reply.headers:
        assert not re.search(expect["location_not_matching"], reply.headers["location"])
