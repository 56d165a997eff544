"""Look into a zip that somebody uploaded: is it sound, where is it to go, and has it to be built?

All of it is unpacked here with every check (`toolkit.sources.archive`). What goes on to the build is zipped anew from that, so that
no unzip program meets what was in the upload.
"""

from __future__ import annotations

import errno
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from toolkit.aws import artifacts, pipelines
from toolkit.engine import channels
from toolkit.engine.errors import UserError
from toolkit.engine.pipelines import PROJECT, SITE
from toolkit.sources import archive

from . import common, jobs
from .common import Event, Services
from .jobs import Done, Job

# An output artifact must be there whatever comes after, and a zip must hold something.
_MARKER = "nothing-to-build"


def handler(event: Event, context: object) -> None:
    jobs.run(work, event)


def work(job: Job, services: Services) -> Done:
    """Parameters: `pipeline`, `execution`. Variables: Kind ("site" or "project"), Folder (below what wraps the zip; "." for all).

    Where there is nothing to build (IDLE) it is always a site: in the folder OUTPUT, if the zip has that.
    """
    name = _checked_name(job, services)
    with common.scratch("inspect") as scratch, _room(name):
        root = _unpacked(job, services, scratch, name)
        kind, folder = _judged(root, services)
        packed = scratch / "project.zip"
        _pack(root if kind == PROJECT else None, packed)
        place = job.output()
        artifacts.store(services.session, place.bucket, place.key, packed)
    said = f"{name} is a project to build" if kind == PROJECT else f"{name} is a site" + (f" in {folder}" if folder != "." else "")
    return Done(said, {"Kind": kind, "Folder": folder})


def _checked_name(job: Job, services: Services) -> str:
    """The upload's file name. UserError when its key says neither live nor a preview: before anything is built."""
    facts = pipelines.source(pipelines.actions(services.session, job.text("pipeline"), job.text("execution")))
    if facts is None:
        raise UserError(f"{job.text('pipeline')} does not say what was uploaded", "start the pipeline again")
    channels.of_upload(facts.key, services.value("PREFIX"))
    return facts.key.rpartition("/")[2]


def _unpacked(job: Job, services: Services, scratch: Path, name: str) -> Path:
    """The folder that holds the site or project. The zip is gone by then, to leave room."""
    place, file = job.input(), scratch / "upload.zip"
    try:
        artifacts.Artifact(services.session, place.bucket, place.key).download(file)
        archive.extract(file, scratch / "upload")
    except UserError as error:
        error.what = error.what.replace(file.name, name)  # the name that the uploader knows it by
        raise
    file.unlink()
    return archive.strip_root(scratch / "upload")


@contextmanager
def _room(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise UserError(f"{name} is larger than there is room for", "release it with `toolkit deploy` instead") from error


def _judged(root: Path, services: Services) -> tuple[str, str]:
    """Kind and folder."""
    if services.value("IDLE", "false") == "true":
        output = services.value("OUTPUT", "")
        return SITE, output if output and (root / output).is_dir() else "."
    return (PROJECT if archive.is_project(root) else SITE), "."


def _pack(root: Path | None, file: Path) -> None:
    """A zip of what is below `root`: its files with their modes, and its folders."""
    # Names that were not UTF-8 are files all the same; times before 1980 cannot be said in a zip.
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1, strict_timestamps=False) as packed:
        if root is None:
            packed.writestr(_MARKER, b"")
            return
        for folder, names, files in os.walk(root):
            for name in sorted((*names, *files)):
                path = Path(folder, name)
                packed.write(path, path.relative_to(root).as_posix())
