"""A site over two stores, driven as the commands drive it, and the design's invariants as one check."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.engine.stores import ClockedObjects, MemoryRoutes
from tests.engine.support import SITE, Answer, Clock, Edge, body_of, lookup, records, statuses_in, write_site
from toolkit.engine import canary, channels, layout, pointers, release
from toolkit.engine.decide import decide
from toolkit.engine.model import Manifest, Release, Settings, Source
from toolkit.engine.patterns import text_of
from toolkit.engine.ports import ObjectStore, RouteStore
from toolkit.engine.publish import Plan, plan, publish
from toolkit.engine.release import Request

NAMES = channels.Names("{site}.localhost", "localhost")
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
        return channels.hosts(self.site, channel, NAMES)[0]

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

    def canary(self, action: str, channel: str = "live", *what: object, token: str = "", **stores: object) -> Release:
        """One of `canary`'s functions: "start", "set_percent", "stop" or "finish"."""
        step = canary.Step(self.site, channel, "tester", **({"token": token} if token else {}))
        objects, routes = stores.get("objects") or self.objects, stores.get("routes") or self.routes
        done: Release = getattr(canary, action)(objects, routes, step, *what, clock=self.clock, sleep=self.clock.sleep)
        return done

    def value(self, channel: str = "live") -> str:
        """What the channel's first host holds."""
        return self.routes.get(layout.host_key(self.host(channel))) or ""

    def ask(self, path: str, channel: str = "live") -> Answer:
        """What the channel's version answers, whatever gate stands before it."""
        return Edge(self._behind_gates, statuses_in(self.objects)).ask(self.host(channel), path)

    def _behind_gates(self, key: str) -> str | None:
        value = self.routes.get(key)
        return pointers.regated(value, lambda pointer: pointers.NONE) if value and key.startswith("h:") else value

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
        for line in value.split("\n")[::2]:
            _check_pointer(objects, held, key, line)
    for key, value in held.items():
        if key.startswith("c:"):
            _check_channel(held, Release.from_json(value))


def _check_pointer(objects: ObjectStore, held: Mapping[str, str], key: str, line: str) -> None:
    _, site, version, table, spa, error, previous, gate = line.split("|")
    manifest = release.load_manifest(objects, site, version)  # reads the seal
    for blob, (size, sha256) in _needed(manifest).items():
        info, body = objects.get(layout.blob(site, blob))
        assert (info.size, hashlib.sha256(body).hexdigest()) == (size, sha256), f"{key}: blob {blob} is not what it should be"
    assert {spa.lstrip("*"), error, gate[1:] if gate[0] == "m" else ""} - {"-", ""} <= manifest.blobs(), key
    _check_table(held, table)
    _check_answers(held, table, manifest)
    if previous != "-":
        _check_table(held, previous)


def _check_channel(held: Mapping[str, str], record: Release) -> None:
    """The hosts show what the channel's records say: its versions, a canary only while it runs, and what stands before them."""
    for host in record.hosts:
        lines = held[layout.host_key(host)].split("\n")
        shown = [line.split("|") for line in lines[::2]]
        versions = [version for version in (record.version, record.canary) if version]
        assert [fields[1:3] for fields in shown] == [[record.site, version] for version in versions], host
        if record.canary:
            threshold, _, cookie = lines[1].split(".")
            assert (int(threshold), cookie) == (round(record.percent * 100), record.cookie), host
        assert {fields[7] if fields[7][0] != "m" else "m" for fields in shown} == {_gate(held, record, host)}, host


def _gate(held: Mapping[str, str], record: Release, host: str) -> str:
    mine = json.loads(held.get(layout.access_key(record.site, record.channel), "{}"))
    every = json.loads(held.get(f"s:{record.site}/preview", "{}")) if record.channel != "live" else {}
    password = mine.get("password") or ("" if mine.get("open") else every.get("password", ""))
    if record.canonical and host not in (record.hosts[0], record.canonical):
        return f"r{record.canonical}"
    return "m" if mine.get("maintenance") else f"p{password}" if password else "-"


def _needed(manifest: Manifest) -> dict[str, tuple[int, str]]:
    groups = (manifest.assets, manifest.variants, manifest.error_pages, manifest.carried)
    return {asset.blob: (asset.size, asset.sha256) for group in groups for asset in group.values()}


def _check_table(held: Mapping[str, str], ref: str) -> None:
    nonce, shards, _ = ref.split(".")
    for number in range(int(shards)):
        shard = held.get(f"t:{nonce}:{number}")
        assert shard, f"shard {number} of the table {ref} is missing"
        for record in records(shard).values():
            if record[0] in "BRr":
                _pooled(held, nonce, record)


def _pooled(held: Mapping[str, str], nonce: str, record: str) -> str:
    """The text of a record that refers to one; it may go on in the chunks after its first."""
    chunk, offset, length = map(int, record[1:].split(".")[:3])
    text = ""
    while len(text) < offset + length:
        piece = held.get(f"x:{nonce}:{chunk}")
        assert piece, f"a text of the table {nonce} is missing"
        text, chunk = text + piece, chunk + 1
    return text[offset : offset + length]


def _check_answers(held: Mapping[str, str], ref: str, manifest: Manifest) -> None:
    """Every path of the version is in the table that the pointer names, with the version's own blobs."""
    for path, decided in decide(manifest).answers.items():
        found = lookup(held.get, ref, path) or ""
        wanted = text_of(decided.rules) if decided.rules else decided.record
        if decided.after_patterns:
            wanted = wanted[0].lower() + wanted[1:]
        if found[:1] in ("B", "R", "r"):
            found = ("" if found[0] == "B" else found[0]) + _pooled(held, ref.split(".")[0], found)
        assert found == wanted, f"{path} of {manifest.version} is answered by {found!r}"


def check_ledger(objects: ObjectStore, site: str, channel: str) -> list[Release]:
    """Numbers count from 1 without a hole and each entry is the channel's own."""
    entries = release.history(objects, site, channel)
    assert [entry.number for entry in entries] == list(range(len(entries), 0, -1)), [entry.number for entry in entries]
    assert all((entry.site, entry.channel) == (site, channel) for entry in entries)
    return entries
