"""Scratch local targets that hold the sites of the rows, as `toolkit deploy` would have put them there."""

from __future__ import annotations

import inspect
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.cases.rows import Content, Row
from toolkit.engine.errors import UserError
from toolkit.engine.model import Source
from toolkit.engine.publish import plan, publish
from toolkit.engine.release import Request, release
from toolkit.local.objects import FolderObjects
from toolkit.local.routes import FileRoutes

# How many sites one world takes, and how many bytes of rules: a route store has room for more than twice as much.
SITES = 500
RULE_BYTES = 500_000


def body_of(path: str) -> bytes:
    """What the file at this path holds: a text that names it, so that a body tells which file was served."""
    return b"0123456789" if path.endswith("/ten.txt") else f"content of {path}\n".encode()


@dataclass
class Site:
    """One published content. `refusal` says why it could not be; `problems` are the lines of its rules that do not apply."""

    content: Content
    number: int
    hosts: set[str] = field(default_factory=set)
    problems: tuple[str, ...] = ()
    refusal: str = ""

    @property
    def name(self) -> str:
        return f"case-{self.number}"

    @property
    def host(self) -> str:
        return f"{self.name}.localhost"


@dataclass
class World:
    """One scratch target, below `root`. A host is one site's: sites that need the same one live in different worlds."""

    root: Path
    sites: dict[Content, Site] = field(default_factory=dict)
    hosts: dict[str, Site] = field(default_factory=dict)
    rule_bytes: int = 0

    def site_for(self, row: Row) -> Site | None:
        """The site of the row's content, with the row's host; None when that cannot live here."""
        site = self.sites.get(row.content)
        if row.host and self.hosts.get(row.host, site) is not site:
            return None
        if site is None:
            if len(self.sites) == SITES or (self.sites and self.rule_bytes + len(row.rules) > RULE_BYTES):
                return None
            self.rule_bytes += len(row.rules)
            number = len(self.sites) + 1
            site = self.sites[row.content] = Site(row.content, number)
            site.hosts.add(site.host)
        if row.host:
            site.hosts.add(row.host)
            self.hosts[row.host] = site
        return site

    def publish(self) -> None:
        objects, routes = FolderObjects(self.root / "target"), FileRoutes(self.root / "target" / "routes.db")
        for site in self.sites.values():
            folder = self.root / "sites" / site.name
            try:
                _write(site.content, folder)
                _publish(objects, routes, site, folder)
            except (UserError, OSError, ValueError) as error:
                site.refusal = str(error)


def settle(rows: Iterable[Row], root: Path) -> list[tuple[World, Site]]:
    """Deal rows to worlds and publish them all; each row's place, in the order of the rows."""
    worlds: list[World] = []
    places = []
    for row in rows:
        found = next(((world, site) for world in worlds if (site := world.site_for(row))), None)
        if found is None:
            world = World(root / f"world-{len(worlds) + 1}")
            worlds.append(world)
            site = world.site_for(row)
            assert site, "an empty world takes every row"
            found = world, site
        places.append(found)
    for world in worlds:
        world.publish()
    return places


def _write(content: Content, folder: Path) -> None:
    for path in content.files:
        file = folder / path[1:]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(body_of(path))
    for name, text in content.rules:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode())


def _publish(objects: FolderObjects, routes: FileRoutes, site: Site, folder: Path) -> None:
    # A second for each site: the names of tables are made from the time, and one store holds the tables of all.
    moment = time.time() - SITES + site.number
    source = Source("folder", moment)
    # Some rows are about sites without a front page, which a deploy refuses unless it is told otherwise.
    more: dict[str, Any] = {"require_index": False} if "require_index" in inspect.signature(plan).parameters else {}
    found = plan(objects, routes, site=site.name, folder=folder, source=source, settings=site.content.settings, now=moment, **more)
    site.problems = tuple(map(str, found.problems))
    manifest = publish(objects, routes, found, workers=1, clock=lambda: moment)
    asked = Request(site.name, "live", manifest.version, tuple(sorted(site.hosts)), moment, "cases", "deploy")
    release(objects, routes, asked, clock=lambda: moment)
