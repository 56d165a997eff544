"""Two sites behind edges that lag, and what their visitors may be answered: whole files of versions of the last minute."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from tests.aws.support import routes_on
from tests.contracts.kvs import FakeKeyValueStore, LaggingEdge
from tests.engine.stores import ClockedObjects
from tests.engine.support import Clock, Edge, body_of, statuses_in
from tests.engine.world import World
from toolkit.aws.routes import KeyValueRoutes
from toolkit.engine import layout, pointers
from toolkit.engine.hosts import SPREAD_SECONDS

SITES = ("shop", "blog")
LIVE, PREVIEW = "live", "preview/feature/a"
CONTENTS = range(5)
PATHS = (
    "/", "/docs/", "/docs", "/page-0", "/page-1", "/shared.txt", "/fill/7", "/old", "/news/x", "/app/deep/er", "/nothing",
    *(f"/assets/app-{content}{content}1a2b3c.js" for content in CONTENTS),
)  # fmt: skip
Seen = tuple[int, str]
UNREADY: Seen = (503, "")


def files(site: str, content: int) -> dict[str, str]:
    """Every file says whose it is. Of three of the five versions the table has several shards, so that a part of it may lag."""
    made = {
        "index.html": "home", "404.html": "nothing here", "docs/index.html": "docs", f"page-{content % 2}.html": "page",
    }  # fmt: skip
    if content > 1:
        made |= {f"fill/{number}.html": f"fill {number}" for number in range(40)}
    return {
        **{name: f"{site} {content} {text}" for name, text in made.items()},
        "shared.txt": f"{site} shared",
        f"assets/app-{content}{content}1a2b3c.js": f"{site} script {content}",
        "_redirects": f"/old /new-{content}\n/news/:name /from-{content}/:name\n/app/* /docs/index.html 200\n",
    }


def expected(site: str, content: int, path: str) -> set[Seen]:
    """What this version answers; more than one only for hashed assets, which later versions may carry."""
    made = files(site, content)
    missing = (404, made["404.html"])
    if path.startswith("/assets/"):
        there = path[1:] in made
        return {(200, f"{site} script {path[12]}")} | (set() if there else {missing})
    names = {"/": "index.html", "/docs/": "docs/index.html", "/app/deep/er": "docs/index.html", "/shared.txt": "shared.txt"}
    sent = {"/docs": (308, "/docs/"), "/old": (301, f"/new-{content}"), "/news/x": (301, f"/from-{content}/x")}
    body = made.get(names.get(path, f"{path[1:]}.html"))
    return {sent[path]} if path in sent else {(200, body) if body else missing}


class Stage:
    """Two sites on one KeyValueStore, and edges in front of it. `contents` says what each version holds."""

    def __init__(self, **manners: Any) -> None:
        self.clock = Clock(tick=0.001)
        self.store = FakeKeyValueStore(lambda: self.clock.now, **manners)
        self.routes, wire = _adapter()
        wire.stage = self
        objects = ClockedObjects(self.clock)
        self.objects = objects
        self.worlds = {site: World(site, clock=self.clock, objects=objects, routes=self.routes) for site in SITES}
        self.contents: dict[tuple[str, str], int] = {}
        self.tables: dict[str, tuple[str, str]] = {}
        self.edges = [LaggingEdge(self.store, random.Random(seed), is_steady=seed == 0) for seed in range(3)]

    def deploy(self, site: str, channel: str, content: int, age: float, folder: Path) -> Any:
        world = self.worlds[site]
        self.clock.now += 1  # within one second equal content has one version id
        moment = self.clock() - age
        planned = world.plan(files(site, content), channel=channel, moment=moment, folder=folder / f"{site}{content}")
        self.contents[site, planned.manifest.version] = content
        manifest = world.publish(planned)
        return world.release(world.request(manifest.version, channel, order=moment))

    def look(self, number: int, site: str, channel: str, path: str, ip: str = "10.0.0.1") -> Seen:
        """What a visitor of edge `number` gets."""
        return self._seen(self.edges[number].get, site, channel, path, ip)

    def exact(self, site: str, channel: str, path: str) -> Seen:
        """What a visitor gets once everything has spread."""
        return self._seen(self.store.pairs.get, site, channel, path, "10.0.0.1")

    def _seen(self, get: Any, site: str, channel: str, path: str, ip: str) -> Seen:
        answer = Edge(get, statuses_in(self.objects)).ask(self.worlds[site].host(channel), path, ip=ip)
        return answer.status, answer.location or (body_of(self.objects, answer.blob, site).decode() if answer.blob else "")

    def lived(self, site: str, channel: str, seconds: float) -> Iterator[str | None]:
        """The host's values of the last `seconds`; None where it had none."""
        key = layout.host_key(self.worlds[site].host(channel))
        return (value for _, value in self.store.values(key, self.clock.now - seconds))

    def remember_tables(self) -> None:
        for key, value in self.store.pairs.items():
            if key.startswith("v:"):
                site, _, version = key[2:].partition("/")
                self.tables[value.split('"ref":"')[1].split('"')[0]] = (site, version)

    def allowed(self, site: str, channel: str, path: str, seconds: float = SPREAD_SECONDS) -> set[Seen]:
        """The answers of every version that was live in the last `seconds`."""
        found: set[Seen] = set()
        for value in self.lived(site, channel, seconds):
            for pointer in pointers.read(value):
                found |= expected(site, self.contents[pointer.site, pointer.version], path)
            if value is None:
                found.add((404, ""))
        return found

    def fallbacks(self, site: str, channel: str, path: str) -> set[Seen]:
        """The answers of the versions that an edge falls back to while it lacks a part of the newest table."""
        found: set[Seen] = set()
        for value in self.lived(site, channel, SPREAD_SECONDS):
            for pointer in pointers.read(value):
                if pointer.previous != pointers.NONE:
                    found |= expected(site, self.contents[self.tables[pointer.previous]], path)
        return found


class _Wire:
    """Where the requests of the one client go: making a client takes longer than a test of it."""

    stage: Stage

    def attach(self, session: Any) -> None:
        session.events.register_first("before-send.cloudfront-keyvaluestore.*", lambda **sent: self.stage.store.send(**sent))


@lru_cache(maxsize=1)
def _adapter() -> tuple[KeyValueRoutes, _Wire]:
    wire = _Wire()
    return routes_on(wire, sleep=lambda seconds: wire.stage.clock.sleep(seconds)), wire  # type: ignore[arg-type]
