"""Publish an artifact as a version: fetch the zip, unpack it, send what is new, seal. Visitors notice nothing.

A zip with more files than an ordinary site, or more bytes, is left to CodeBuild, which runs `python3 -m lambdas.publish` with the
event in the variable EVENT: there is no limit of 15 minutes. Running it twice gives the same version.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

from toolkit.aws.artifacts import Artifact
from toolkit.engine import channels
from toolkit.engine.errors import UserError, VersionTaken
from toolkit.engine.model import Settings, Source
from toolkit.engine.publish import Plan, plan, publish
from toolkit.sources import archive

from . import common, runs
from .common import Event, Result, Services

# What a function has the time and room for, with much to spare.
LARGE_FILES, LARGE_BYTES = 5_000, 1 << 30
# A source's time orders releases: one from the future would hold back every release until then.
_AHEAD_SECONDS = 300.0
_WORKERS = 16
# How far a version's id may move away from its source's second.
_SECONDS = 20


def handler(event: Event, context: object) -> Result:
    return common.handle(step, event)


def step(event: Event, services: Services) -> Result:
    """`{"run", "channel", "source", "who"}` → `{"run", "channel", "large", "event"}`.

    The source is `{"kind": "zip", "bucket", "key", "version", "time"}` and perhaps `commit`, `branch`, `author`, `message`,
    `folder` (the one in the zip that is the site) and `wrapped` (false: no folder is looked for that wraps all of it).
    Nothing was done yet when it is large: `event` is then what the project is to get (JSON), otherwise "".
    """
    name, channel = common.given(event, "run", str), channels.parse(common.given(event, "channel", str))
    runs.key(services.site, name)
    artifact, source = _artifact(event, services), _source(event, services)
    if _is_large(artifact):
        return {"run": name, "channel": channel, "large": True, "event": _event(event)}
    return _publish(event, services, artifact, source)


def large(event: Event, services: Services) -> Result:
    """The same whatever the size."""
    return _publish(event, services, _artifact(event, services), _source(event, services))


def _publish(event: Event, services: Services, artifact: Artifact, source: Source) -> Result:
    name, channel = common.given(event, "run", str), channels.parse(common.given(event, "channel", str))
    with common.scratch("publish") as scratch:
        folder = _unpacked(event, artifact, scratch)
        try:
            planned, version = _sealed(folder, source, channel, services)
        except UserError as error:
            error.what = error.what.replace(str(folder), artifact.name)  # that folder is gone when somebody reads it
            raise
    who = common.cut(str(event.get("who") or "unknown"), common.WORDS_LENGTH)
    runs.write(services.objects, services.site, name, _run(planned, version, source, channel, who))
    return {"run": name, "channel": channel, "large": False, "event": ""}


def _sealed(folder: Path, source: Source, channel: str, services: Services, later: int = 0) -> tuple[Plan, str]:
    """What was published, and as which version.

    One commit that is pushed to two branches at once is built twice, and no two builds need to give the same bytes: the version's
    id then takes the next second that is free (`later`). The order between releases stays the source's own.
    """
    planned = plan(
        services.objects,
        services.routes,
        site=services.site,
        folder=folder,
        source=replace(source, time=source.time + later),
        settings=_settings(services),
        channels=tuple(dict.fromkeys((channel, channels.LIVE))),
        strict=services.value("STRICT", "") == "true",
        now=services.clock(),
    )
    try:
        sealed = publish(services.objects, services.routes, planned, workers=_WORKERS, clock=services.clock, sleep=services.sleep)
    except VersionTaken:
        if later == _SECONDS:
            raise
        return _sealed(folder, source, channel, services, later + 1)
    return planned, sealed.version


def _run(planned: Plan, version: str, source: Source, channel: str, who: str) -> runs.Run:
    assets = planned.manifest.assets.values()
    return runs.Run(
        version=version,
        order=source.time,
        commit=source.commit,
        message=source.message,
        channel=channel,
        who=who,
        files=len(assets),
        bytes=sum(asset.size for asset in assets),
        new=len(planned.uploads),
        warnings=tuple(str(problem) for problem in (*planned.problems, *planned.warnings)),
    )


def _artifact(event: Event, services: Services) -> Artifact:
    source = common.given(event, "source", dict)
    if source.get("kind") != "zip":
        raise UserError(f"a source of the kind {source.get('kind')!r} cannot be published here", "give a zip of a built site")
    bucket, key = common.given(source, "bucket", str), common.given(source, "key", str)
    return Artifact(services.session, bucket, key, str(source.get("version") or ""))


def _source(event: Event, services: Services) -> Source:
    source = common.given(event, "source", dict)
    moment = common.given(source, "time", float)
    if not 0 < moment < services.clock() + _AHEAD_SECONDS:
        raise UserError(
            f"the source's time {moment:.0f} lies in the future, or is none",
            "give it in seconds since 1970, from a clock that is right",
        )
    texts = {name: common.cut(str(source.get(name) or ""), common.WORDS_LENGTH) for name in ("commit", "branch", "author")}
    return Source("zip", moment, **texts, message=common.cut(str(source.get("message") or ""), common.MESSAGE_LENGTH))


def _event(event: Event) -> str:
    """What the event says, without more of its texts than is kept. What else somebody put into it stays behind."""
    source = event["source"]
    texts = {
        name: common.cut(str(source[name]), common.WORDS_LENGTH) for name in ("commit", "branch", "author") if source.get(name)
    }
    place = {name: source[name] for name in ("kind", "bucket", "key", "version", "folder", "wrapped", "time") if name in source}
    said = {**place, **texts, "message": common.cut(str(source.get("message") or ""), common.MESSAGE_LENGTH)}
    who = common.cut(str(event.get("who") or ""), common.WORDS_LENGTH)
    return json.dumps({"run": event["run"], "channel": event["channel"], "source": said, "who": who}, ensure_ascii=False)


def _is_large(artifact: Artifact) -> bool:
    with artifact.open() as file:
        entries, size = archive.survey(file, artifact.name)
    return entries > LARGE_FILES or max(size, artifact.size) > LARGE_BYTES


def _settings(services: Services) -> Settings:
    found = services.json("SETTINGS", "{}")
    try:
        return Settings(**{**found, "immutable": tuple(found.get("immutable", ()))})
    except TypeError as error:
        raise UserError(f"the function's variable SETTINGS does not fit: {error}", "deploy the stack again") from error


def _unpacked(event: Event, artifact: Artifact, scratch: Path) -> Path:
    """The folder that is the site: `folder` of the source ("" for all of it), below what wraps everything (if `wrapped`).

    Of what has no such wrapping nothing else is unpacked: it may be a whole repository, with links and names that no site can have.
    The zip is gone afterwards: both together may be more than the function has room for. UserError when there is no such folder.
    """
    source, file = event["source"], scratch / artifact.name
    wrapped, parts = source.get("wrapped") is not False, _parts(str(source.get("folder") or ""))
    artifact.download(file)
    archive.extract(file, scratch / "site", within="" if wrapped else "/".join(parts))
    file.unlink()
    folder = (archive.strip_root(scratch / "site") if wrapped else scratch / "site").joinpath(*parts)
    if not folder.is_dir():
        raise UserError(
            f"{artifact.name} has no folder {'/'.join(parts)}",
            "correct `output` and `root` in site.toml, or put it into the zip",
        )
    return folder


def _parts(folder: str) -> list[str]:
    """Of the path of a folder in the zip. Nothing in a checked archive is a link, so that a path without `..` stays inside."""
    parts = [part for part in folder.split("/") if part not in ("", ".")]
    if folder.startswith("/") or ".." in parts or "\0" in folder:
        raise UserError(f"the source's folder {folder!r} leads out of the zip", "give a folder inside it, such as dist")
    return parts


def main() -> int:
    """CodeBuild's way in."""
    try:
        common.handle(large, json.loads(os.environ["EVENT"]))
    except Exception as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
