"""Turn an output folder into a sealed version.

Stages: plan (scan, hash, apply rules, decide per file and say why) → count the route store's room → upload what is new → verify
every blob → seal: the manifest is written last, and only once → write the route table. Until the seal nothing refers to what was
written, so a crash at any point costs at most bytes that a later prune collects. Cost: one read and one SHA-256 of each file, a
second read of those that are sent.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from toolkit.engine import layout, leases, release, tables
from toolkit.engine.dialects.common import Problem
from toolkit.engine.dialects.registry import parse
from toolkit.engine.errors import NotFound, UserError, VersionTaken
from toolkit.engine.lint import behind_links, shadowed
from toolkit.engine.model import Asset, Manifest, Settings, Source
from toolkit.engine.pages import pages
from toolkit.engine.ports import ObjectStore, RouteStore
from toolkit.engine.routes import Table
from toolkit.engine.scan import Scan, ScannedFile, scan
from toolkit.engine.upload import upload, verify

Progress = Callable[[int], None]


@dataclass(frozen=True)
class Decision:
    """What happens to one path and why: "new", "changed", "unchanged", "already there" (same elsewhere), "carried", "removed"."""

    path: str
    reason: str
    size: int = 0


@dataclass(frozen=True)
class Plan:
    """Everything that publishing would do; nothing has been written yet.

    `uploads` maps the key of each blob that must be sent to its file, `files` every path to its file. `problems` are lines that do
    not apply, `warnings` rules that apply and never answer, and the like.
    """

    manifest: Manifest
    uploads: dict[str, tuple[Asset, ScannedFile]]
    decisions: tuple[Decision, ...]
    problems: tuple[Problem, ...]
    warnings: tuple[str, ...]
    ignored: tuple[str, ...]
    files: Mapping[str, ScannedFile] = field(default_factory=dict, repr=False)
    _table: list[Table] = field(default_factory=list, repr=False, compare=False)

    @property
    def bytes(self) -> int:
        """Bytes to send at most (a store may already have some)."""
        return sum(asset.size for asset, _ in self.uploads.values())

    def table(self, clock: tables.Clock = time.time) -> Table:
        """The compiled routes, and what a request for them costs; worked out once. LimitExceeded when that is too much."""
        if not self._table:
            self._table.append(tables.compiled(self.manifest, clock))
        return self._table[0]

    def count(self, reason: str) -> int:
        return sum(1 for decision in self.decisions if decision.reason == reason)


def plan(
    objects: ObjectStore,
    routes: RouteStore,
    *,
    site: str,
    folder: Path,
    source: Source,
    settings: Settings,
    channels: Sequence[str] = ("live",),
    strict: bool = False,
    require_index: bool = True,
    now: float | None = None,
) -> Plan:
    """Read `folder` and decide. `channels` are those whose visitors may hold old tabs; the first is the one compared with.

    UserError for whatever cannot be published, and with `strict` for any line of a rule file that does not apply.
    """
    moment = time.time() if now is None else now
    layout.check_site(site)
    found = scan(folder)
    if require_index and not any(entry.path == "/index.html" for entry in found.files):
        raise UserError(f"{folder} has no index.html", _index_hint(found))
    rules = parse(found.rules, settings.dialect)
    made = pages(found.files, rules, settings)
    problems = tuple(sorted((*rules.problems, *made.problems), key=lambda problem: (problem.file == "_headers", problem.line)))
    if strict and problems:
        raise UserError("\n".join(map(str, problems)), "mend these lines, or set `strict = false`")
    recent = _recent(objects, routes, site, channels, settings.carry_days, moment)
    draft = Manifest(
        site=site,
        version="",
        created=moment,
        source=source,
        settings=settings,
        assets=made.assets,
        error_pages=made.error_pages,
        variants=made.variants,
        redirects=made.redirects,
        header_rules=tuple(rules.headers),
        fallback=made.fallback,
        fallbacks=made.fallbacks,
    )
    manifest = replace(
        draft,
        version=layout.version_id(source.time, source.commit or draft.digest),
        carried=_carried(recent, draft),
    )
    warnings = (*made.warnings, *map(str, shadowed(manifest)), *behind_links(manifest))
    return _decide(manifest, recent, found, problems, warnings)


def _index_hint(found: Scan) -> str:
    other = next((entry.path for entry in found.files if entry.path.endswith("/index.html")), "")
    if other:
        return f"deploy its folder {other[1 : -len('/index.html')]} instead, or correct `output` in site.toml"
    return "check the build's output folder, or add an index.html"


def _recent(
    objects: ObjectStore, routes: RouteStore, site: str, channels: Sequence[str], days: float, now: float
) -> list[Manifest]:
    """Manifests that visitors may still hold a page of, those of the first channel's present version first."""
    found: dict[str, Manifest] = {}
    for channel in channels:
        served_until = now
        for entry in release.served(objects, routes, site, channel):
            if served_until < now - days * 86400:
                break
            served_until = entry.at
            for version in filter(None, (entry.version, entry.canary)):
                # Pruned, or damaged: then nobody can be served from it any more, and the next version must not fail for it.
                with suppress(NotFound, UserError):
                    if version not in found:
                        found[version] = Manifest.from_json(objects.get(layout.manifest(site, version))[1])
    return list(found.values())


def _carried(recent: Iterable[Manifest], draft: Manifest) -> dict[str, Asset]:
    return {
        path: asset
        for manifest in reversed(list(recent))
        for path, asset in manifest.assets.items()
        if asset.immutable and path not in draft.assets
    }


def _decide(
    manifest: Manifest, recent: list[Manifest], found: Scan, problems: tuple[Problem, ...], warnings: tuple[str, ...]
) -> Plan:
    before = recent[0].assets if recent else {}
    known = frozenset(blob for one in recent for blob in one.blobs())
    files = {entry.path: entry for entry in found.files}
    uploads: dict[str, tuple[Asset, ScannedFile]] = {}
    decisions = []
    for asset in [*manifest.assets.values(), *manifest.variants.values(), *manifest.error_pages.values()]:
        if asset.blob not in known:
            uploads.setdefault(asset.blob, (asset, files[asset.path]))
    for path, asset in manifest.assets.items():
        old = before.get(path)
        if old and old.blob == asset.blob:
            reason = "unchanged"
        elif asset.blob in known:
            reason = "already there"
        else:
            reason = "changed" if old else "new"
        decisions.append(Decision(path, reason, asset.size))
    decisions += [Decision(path, "carried", asset.size) for path, asset in manifest.carried.items()]
    gone = [path for path in before if path not in manifest.assets and path not in manifest.carried]
    decisions += [Decision(path, "removed") for path in gone]
    return Plan(manifest, uploads, tuple(decisions), problems, warnings, found.ignored, files)


def publish(
    objects: ObjectStore,
    routes: RouteStore,
    plan: Plan,
    *,
    workers: int = 8,
    progress: Progress = lambda size: None,
    clock: tables.Clock = time.time,
    sleep: tables.Sleep = time.sleep,
) -> Manifest:
    """Carry out a plan and return the sealed manifest. `progress` gets the size in bytes of each file that is done.

    Publishing the same content under the same version again changes nothing; other content under it is refused.
    """
    manifest, site = plan.manifest, plan.manifest.site
    table = plan.table(clock)
    if not tables.read_record(routes, site, manifest.version):
        tables.make_room(routes, table, clock(), sleep)
    with leases.deploying(objects, site, clock, sleep) as lease:
        with ThreadPoolExecutor(workers) as pool:
            largest_first = sorted(plan.uploads.values(), key=lambda pair: -pair[0].size)
            for size in pool.map(lambda pair: upload(objects, site, *pair), largest_first):
                lease.keep()
                progress(size)
            wanted = [asset for asset in _all(manifest) if asset.blob not in plan.uploads]
            list(pool.map(lambda asset: verify(objects, site, asset, plan.files.get(asset.path)), wanted))
        while not lease.unbroken():
            _verify_again(objects, plan, manifest)
        sealed = _seal(objects, manifest)
        while not lease.unbroken():
            try:
                _verify_again(objects, plan, sealed)
            except UserError:
                if sealed is manifest:
                    objects.delete([layout.manifest(site, sealed.version)])
                raise
        # An earlier attempt's seal may name other carried assets, and only its own are kept from prune: then its table is compiled.
        tables.ensure(routes, sealed, sleep, table if sealed is manifest else None, clock)
    return sealed


def _all(manifest: Manifest) -> list[Asset]:
    """One asset for each blob of the version."""
    # Of equal ones the last stays: there is a file for it.
    groups = (manifest.carried, manifest.error_pages, manifest.variants, manifest.assets)
    return list({asset.blob: asset for group in groups for asset in group.values()}.values())


def _verify_again(objects: ObjectStore, plan: Plan, manifest: Manifest) -> None:
    """After we were held up for so long that a prune may have come and gone."""
    for asset in _all(manifest):
        verify(objects, manifest.site, asset, plan.files.get(asset.path))


def _seal(objects: ObjectStore, manifest: Manifest) -> Manifest:
    key = layout.manifest(manifest.site, manifest.version)
    if objects.put(key, manifest.to_json(), {"content-type": "application/json"}, if_absent=True):
        return manifest
    there = Manifest.from_json(objects.get(key)[1])
    if there.digest != manifest.digest:
        raise VersionTaken(
            f"version {manifest.version} exists with other content", "a version never changes: deploy again to get a new one"
        )
    return there
