"""A site over two stores, driven as the commands drive it, and the design's invariants as one check."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.engine.stores import ClockedObjects, MemoryRoutes
from tests.engine.support import SITE, Answer, Clock, Edge, body_of, write_site
from toolkit.engine import channels, layout, release, routes
from toolkit.engine.model import Manifest, Release, Settings, Source
from toolkit.engine.ports import ObjectStore, RouteStore
from toolkit.engine.publish import Plan, plan, publish
from toolkit.engine.release import Request

DOMAIN = "localhost"
SETTINGS = Settings(immutable=("/assets/*-????????.*",))
Files = Mapping[str, str | bytes]


class World:
    """One site. `objects` and `routes` may be wrapped for a single call; the check always reads the bare ones."""

    def __init__(
        self, site: str = SITE, *, clock: Clock | None = None, objects: ObjectStore | None = None, routes: RouteStore | None = None
    ) -> None:
        self.site = site
        self.clock = clock or Clock(tick=0.001)
        self.objects: ObjectStore = objects or ClockedObjects(self.clock)
        self.routes: RouteStore = routes or MemoryRoutes()

    def host(self, channel: str = "live") -> str:
        return channels.hosts(self.site, channel, DOMAIN)[0]

    def plan(
        self,
        files: Files,
        *,
        channel: str = "live",
        moment: float | None = None,
        settings: Settings = SETTINGS,
        folder: Path | None = None,
        commit: str = "",
        objects: ObjectStore | None = None,
        routes: RouteStore | None = None,
    ) -> Plan:
        now = self.clock()
        return plan(
            objects or self.objects,
            routes or self.routes,
            site=self.site,
            folder=write_site(folder or Path(tempfile.mkdtemp()), files),
            source=Source("folder", now if moment is None else moment, commit=commit),
            settings=settings,
            channels=tuple(dict.fromkeys((channel, "live"))),
            now=now,
        )

    def publish(self, planned: Plan, *, objects: ObjectStore | None = None, routes: RouteStore | None = None) -> Manifest:
        return publish(objects or self.objects, routes or self.routes, planned, workers=1, clock=self.clock, sleep=self.clock.sleep)

    def request(
        self,
        version: str,
        channel: str = "live",
        *,
        order: float | None = None,
        explicit: bool = False,
        reason: str = "",
        token: str = "",
        note: str = "",
        hosts: tuple[str, ...] | None = None,
    ) -> Request:
        known = {"token": token} if token else {}
        return Request(
            self.site,
            channel,
            version,
            (self.host(channel),) if hosts is None else hosts,
            self.clock() if order is None else order,
            "tester",
            reason or ("rollback" if explicit else "deploy"),
            explicit=explicit,
            note=note,
            **known,
        )

    def release(self, request: Request, *, objects: ObjectStore | None = None, routes: RouteStore | None = None) -> Release:
        return release.release(objects or self.objects, routes or self.routes, request, clock=self.clock, sleep=self.clock.sleep)

    def deploy(self, files: Files, channel: str = "live", *, moment: float | None = None, settings: Settings = SETTINGS) -> Release:
        """Publish and release; the returned record's `version` can be rolled back to."""
        planned = self.plan(files, channel=channel, moment=moment, settings=settings)
        manifest = self.publish(planned)
        return self.release(self.request(manifest.version, channel, order=manifest.source.time))

    def rollback(self, version: str, channel: str = "live") -> Release:
        return self.release(self.request(version, channel, explicit=True))

    def remove(
        self, channel: str, *, token: str = "", routes: RouteStore | None = None, objects: ObjectStore | None = None
    ) -> Release:
        return release.remove(
            objects or self.objects,
            routes or self.routes,
            self.request("", channel, hosts=(), explicit=True, reason="remove", token=token),
            clock=self.clock,
            sleep=self.clock.sleep,
        )

    def ask(self, path: str, channel: str = "live") -> Answer:
        return Edge(self.routes.get).ask(self.host(channel), path)

    def body(self, path: str, channel: str = "live") -> bytes:
        answer = self.ask(path, channel)
        return body_of(self.objects, answer.blob, self.site) if answer.blob else b""

    def ledger(self, channel: str = "live") -> list[Release]:
        return release.history(self.objects, self.site, channel)

    def serving(self, channel: str = "live") -> str:
        record = release.current(self.routes, self.site, channel)
        return record.version if record else ""

    def check(self) -> None:
        check_invariants(self.objects, self.routes)


def check_invariants(objects: ObjectStore, stored: RouteStore) -> None:
    """What must hold for every host of a store between any two store calls: invariants 1 and 5 of the design."""
    held = dict(stored.items())
    for key, value in held.items():
        if not key.startswith("h:"):
            continue
        _, site, version, table, spa, error, previous = value.split("|")
        manifest = release.load_manifest(objects, site, version)  # reads the seal
        for blob, (size, sha256) in _needed(manifest).items():
            info, body = objects.get(layout.blob(site, blob))
            assert (info.size, hashlib.sha256(body).hexdigest()) == (size, sha256), f"{key}: blob {blob} is not what it should be"
        assert {spa, error} - {"-"} <= manifest.blobs(), key
        _check_table(held, table)
        _check_answers(held, table, manifest)
        if previous != "-":
            _check_table(held, previous)
    for key, value in held.items():
        if key.startswith("c:"):
            record = Release.from_json(value)
            for host in record.hosts:
                assert held[layout.host_key(host)].split("|")[1:3] == [record.site, record.version], key


def _needed(manifest: Manifest) -> dict[str, tuple[int, str]]:
    groups = (manifest.assets, manifest.error_pages, manifest.carried)
    return {asset.blob: (asset.size, asset.sha256) for group in groups for asset in group.values()}


def _check_table(held: Mapping[str, str], ref: str) -> None:
    nonce, _, shards = ref.split(".")
    for number in range(int(shards)):
        shard = held.get(f"t:{nonce}:{number}")
        assert shard, f"shard {number} of the table {ref} is missing"
        for start in range(0, len(shard) if shard != "-" else 0, routes.RECORD):
            kind, place = shard[start + routes.FINGERPRINT], shard[start + routes.FINGERPRINT + 1 : start + routes.RECORD]
            if kind == "R":
                chunk, offset, length, _ = place.split(".")
                assert len(held.get(f"x:{nonce}:{chunk}", "")) >= int(offset) + int(length), f"a target of {ref} is missing"


def _check_answers(held: Mapping[str, str], ref: str, manifest: Manifest) -> None:
    """Every path of the version is answered by the table that the pointer names, with the version's own blobs."""
    edge = Edge(held.get)
    for path, record in routes.entries(manifest)[0].items():
        found = (edge.lookup(ref, path) or "").rstrip("~")
        assert found == record or (record[0] == found[:1] == "R"), f"{path} of {manifest.version} is answered by {found!r}"


def check_ledger(objects: ObjectStore, site: str, channel: str) -> list[Release]:
    """Numbers count from 1 without a hole and each entry is the channel's own."""
    entries = release.history(objects, site, channel)
    assert [entry.number for entry in entries] == list(range(len(entries), 0, -1)), [entry.number for entry in entries]
    assert all((entry.site, entry.channel) == (site, channel) for entry in entries)
    return entries
