"""From a source to a live release: build → publish → release, the same for a push, a zip, a folder and a commit.

Two steps, so that a push of several branches releases all or nothing: `prepare` builds and publishes (visitors notice nothing),
`go_live` flips the channel. Each stage's time is kept: `seconds` in the JSON output says where a deploy's time went.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.engine import channels, layout, release
from toolkit.engine.dryrun import DryObjects, DryRoutes
from toolkit.engine.model import Manifest, Release, Source
from toolkit.engine.publish import Plan, plan, publish
from toolkit.engine.target import Target, netloc
from toolkit.errors import UserError
from toolkit.progress import timed
from toolkit.workspace import Workspace, who

if TYPE_CHECKING:
    from toolkit.config import SiteConfig
    from toolkit.console import Console


@dataclass
class Prepared:
    """A published version that waits for its release. `seconds` maps a stage's name to its duration."""

    config: SiteConfig
    channel: str
    plan: Plan
    manifest: Manifest
    seconds: dict[str, float] = field(default_factory=dict)
    log: Path | None = None


@contextmanager
def shown_as(folder: Path, name: str) -> Iterator[None]:
    """Errors speak of what the user gave, not of the scratch folder that it lies in, which is gone by the time they are read."""
    try:
        yield
    except UserError as error:
        error.what = error.what.replace(str(folder), name)
        raise


def build(config: SiteConfig, source: Source, workspace: Workspace, console: Console) -> tuple[Path, Path]:
    """Run the site's build spec in its project; the output folder and the log. UserError when it fails."""
    from toolkit import config as configs
    from toolkit.builds import runner as builder

    log = workspace.new_log()
    echo: Callable[[str], None] = console.note if console.json else console.say
    result = builder.run_build(
        builder.load_spec(config.spec_path),
        config.project,
        env=config.env,
        secrets=configs.read_secrets(config),
        cache=workspace.cache,
        log=log,
        echo=echo,
        commit=source.commit,
        # As in AWS: the name of the site's own branch is known, those that anybody may choose are not handed to commands.
        branch=source.branch if source.branch == config.branch else "",
        output=config.output,
    )
    return result.output, log


def prepare(
    config: SiteConfig,
    target: Target,
    folder: Path,
    source: Source,
    channel: str,
    console: Console,
    *,
    log: Path | None = None,
    seconds: dict[str, float] | None = None,
) -> Prepared:
    """Publish a built folder as a version."""
    spent = seconds if seconds is not None else {}
    with timed(spent, "plan"):
        planned = plan(
            target.objects,
            target.routes,
            site=config.name,
            folder=folder,
            source=source,
            settings=config.settings,
            channels=tuple(dict.fromkeys((channel, channels.LIVE))),
            strict=config.strict,
        )
    for problem in (*planned.problems, *planned.warnings):
        console.warn(str(problem))
    with timed(spent, "publish"), console.progress("publishing", planned.bytes, "bytes") as bar:
        manifest = publish(target.objects, target.routes, planned, workers=target.workers, progress=bar.advance)
        if log:
            target.objects.put(layout.build_log(config.name, manifest.version), log, {"content-type": "text/plain; charset=utf-8"})
    return Prepared(config, channel, planned, manifest, spent, log)


def go_live(prepared: Prepared, target: Target, *, reason: str = "deploy", note: str = "") -> Release:
    """Flip the channel to a prepared version. Superseded when something newer is there."""
    config, manifest = prepared.config, prepared.manifest
    with timed(prepared.seconds, "release"):
        return release.release(
            target.objects,
            target.routes,
            release.Request(
                site=config.name,
                channel=prepared.channel,
                version=manifest.version,
                hosts=channels.hosts(config.name, prepared.channel, target.names, config.hosts),
                order=prepared.plan.manifest.source.time,
                who=who(),
                reason=reason,
                commit=manifest.source.commit,
                note=note or manifest.source.message,
                canonical=netloc(target, config.canonical),
            ),
        )


class _Dry:
    """A target whose stores keep every write to themselves; the rest is the target's own."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self.objects = DryObjects(target.objects)
        self.routes = DryRoutes(target.routes)

    def released(self, record: Release) -> str:
        return ""

    def __getattr__(self, name: str) -> object:
        return getattr(self._target, name)


def dry(target: Target) -> Target:
    """The same target, nothing of what is written or told reaches it."""
    return _Dry(target)  # type: ignore[return-value]


def report(prepared: Prepared, done: Release, target: Target, console: Console, *, dry_run: bool = False) -> None:
    """Say what went live, where, and what it took."""
    planned, urls = prepared.plan, [target.url(host) for host in done.hosts]
    table = planned.table()
    cost = table.cost
    told = target.released(done)
    counts = {reason: planned.count(reason) for reason in ("new", "changed", "unchanged", "already there", "carried", "removed")}
    console.result(
        {
            "site": done.site,
            "channel": done.channel,
            "version": done.version,
            "release": done.number,
            "ended_canary": done.ended or None,
            "urls": urls,
            "watch": told or None,
            "dry_run": dry_run,
            "files": {**counts, "sent": len(planned.uploads), "bytes": planned.bytes},
            "ignored": list(planned.ignored),
            "routes": {"count": table.routes, "bytes": table.bytes, "reads": {"page": cost.page_reads, "worst": cost.reads}},
            "problems": [str(problem) for problem in planned.problems],
            "warnings": list(planned.warnings),
            "seconds": {stage: round(value, 4) for stage, value in prepared.seconds.items()},
        }
    )
    said = ", ".join(f"{count} {reason}" for reason, count in counts.items() if count)
    console.say(
        f"files: {said}; {planned.bytes:,} bytes sent" if not dry_run else f"files: {said}; {planned.bytes:,} bytes to send"
    )
    console.say(
        f"routes: {table.routes:,}, {table.bytes:,} bytes; a page takes {cost.page_reads} reads, the worst case {cost.reads} "
        f"(about {cost.kilo_instructions:,},000 instructions)"
    )
    verb = "would serve" if dry_run else "serves"
    console.say(f"{console.style(done.channel, 'bold')} {verb} {console.style(done.version, 'green')} (release {done.number})")
    if done.ended:
        console.say(f"  the canary {done.ended} ended with it")
    if told:
        console.say(f"  {told}")
    for url in urls:
        console.say(f"  {console.style(url, 'cyan')}")
    spent = "  ".join(f"{stage} {value:.2f}s" for stage, value in prepared.seconds.items())
    console.say(console.style(f"  {spent}", "dim"))
