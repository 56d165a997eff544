"""The local edge as a distribution: HTTP on loopback, with what CloudFront adds to it; and ways to spoil it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from toolkit.aws.verify import Hosting
from toolkit.aws.web import Asked, Reply
from toolkit.engine import release
from toolkit.engine.model import Settings, Source
from toolkit.engine.ports import ObjectStore, RouteStore
from toolkit.engine.publish import plan, publish
from toolkit.local import server
from toolkit.local.javascript import Script
from toolkit.local.objects import FolderObjects
from toolkit.local.routes import FileRoutes
from toolkit.paths import resource

SITE = "blog"
DOMAIN = "d111111abcdef8.cloudfront.net"
BUCKET, REGION = "toolkit-site-blog-bucket", "eu-west-1"
Spoil = Callable[[Asked, Callable[[Asked], Reply]], Reply]


def as_it_is(asked: Asked, ask: Callable[[Asked], Reply]) -> Reply:
    return ask(asked)


@dataclass
class Distribution:
    """`fetch` is the port; `spoil` stands before it and may change what is asked and what is answered."""

    port: int
    hosts: tuple[str, ...] = ()
    spoil: Spoil = as_it_is

    def fetch(self, asked: Asked) -> Reply:
        return self.spoil(asked, self._fetch)

    def _fetch(self, asked: Asked) -> Reply:
        url = urlsplit(asked.url)
        if url.netloc == f"{BUCKET}.s3.{REGION}.amazonaws.com":
            return Reply(403, {"content-type": "application/xml"}, b"<Error><Code>AccessDenied</Code></Error>")
        assert url.netloc in (DOMAIN, *self.hosts), f"nobody else is asked: {asked.url}"
        if url.scheme == "http":
            return Reply(301, {"location": f"https://{url.netloc}{url.path}"}, b"")
        if url.path.startswith("/_preview/"):
            return _linked(url.path)
        reply = self._local(asked, url.path + (f"?{url.query}" if url.query else ""))
        headers = {**reply.headers, "alt-svc": 'h3=":443"; ma=86400', "via": "1.1 x.cloudfront.net (CloudFront)"}
        headers["x-cache"] = reply.headers.get("x-cache", "").replace("toolkit", "cloudfront")
        return replace(reply, headers=headers)

    def _local(self, asked: Asked, target: str) -> Reply:
        added = {"host": DOMAIN, "cloudfront-viewer-country": "AT", "cloudfront-forwarded-proto": "https"}
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(asked.method, target, None, {**asked.headers, **added})
            reply = connection.getresponse()
            return Reply(reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read())
        finally:
            connection.close()


def _linked(path: str) -> Reply:
    """By the function of that behaviour, which the local edge has not."""
    script = Script(resource("functions") / "edge" / "preview.js", "viewer-request", {}, lambda line: None)
    request = {"method": "GET", "uri": path, "querystring": {}, "headers": {}, "cookies": {}}
    said = json.loads(script.call("127.0.0.1", json.dumps(request), None))
    headers = {name: it["value"] for name, it in said["headers"].items()}
    cookies = [f"{name}={it['value']}; {it['attributes']}" for name, it in said.get("cookies", {}).items()]
    return Reply(said["statusCode"], headers | ({"set-cookie": cookies[0]} if cookies else {}), b"")


class Clock:
    """The time, and what was slept, which takes none."""

    def __init__(self) -> None:
        self._slept = 0.0

    def __call__(self) -> float:
        return time.time() + self._slept

    def sleep(self, seconds: float) -> None:
        self._slept += seconds


def go_live(root: Path, objects: ObjectStore, routes: RouteStore) -> None:
    """A site serves at the distribution's domain already."""
    folder = root / "site"
    folder.mkdir()
    (folder / "index.html").write_text("the site's own")
    source = Source("folder", time.time())
    made = publish(objects, routes, plan(objects, routes, site=SITE, folder=folder, source=source, settings=Settings()), workers=1)
    release.release(objects, routes, release.Request(SITE, "live", made.version, (DOMAIN,), source.time, "tester", "deploy"))


@contextmanager
def running(root: Path) -> Iterator[tuple[Hosting, Distribution]]:
    """A hosting over the local stores in `root`, answered by a server of its own."""
    info = server.start_background(root, port=0)
    try:
        distribution = Distribution(info.port)
        objects, routes = FolderObjects(root), FileRoutes(root / "routes.db")
        clock = Clock()
        go_live(root, objects, routes)
        hosting = Hosting(SITE, DOMAIN, BUCKET, REGION, objects, routes, distribution.fetch, clock=clock, sleep=clock.sleep)
        yield hosting, distribution
    finally:
        server.stop(root)
