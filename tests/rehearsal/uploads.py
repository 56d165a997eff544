"""What an upload does: a zip of a built site or of a project, for live or a preview, sound or not."""

from __future__ import annotations

import io
import stat
import struct
import threading
import time
import zipfile
from typing import Any

from tests.rehearsal.checks import check, mark, scenario, serves, unbroken_ledger
from tests.rehearsal.content import files
from tests.rehearsal.deliveries import zipped
from tests.rehearsal.executions import FAILED, SKIPPED, SUCCEEDED, Execution
from tests.rehearsal.pushes import at, fine, gate, source
from tests.rehearsal.stage import Stage
from toolkit.engine.release import history

_PREFIX = "uploads/"


def put(stage: Stage, key: str, body: bytes, **told: str) -> Execution:
    """Upload it; the one execution that starts."""
    started = stage.deliveries.started_by(lambda: stage.deliveries.put(key, body, **told))
    names = [one.pipeline.name for one in started]
    check(names == [stage.outputs["UploadPipeline"]], f"{key} started {names or 'nothing'}")
    return started[0]


def upload_live(stage: Stage, name: str = "site.zip") -> str:
    """A new version as a zip of a built site; its word."""
    version = mark()
    fine(stage, put(stage, _PREFIX + name, zipped(files(version))))
    return version


@scenario("a zip of a built site goes live by itself, without a build")
def upload_site(stage: Stage) -> None:
    version = mark()
    told = {"who": "Ada Löw", "message": "Spring", "commit": "1a2b3c4"}
    done = fine(stage, put(stage, f"{_PREFIX}site.zip", zipped(files(version)), tags="team=web", **told))
    check(not done.stages.get("Build") or done.stages["Build"] == SKIPPED, f"it was built: {done.stages}")
    check(done.run("Direct").variables["Outcome"] == "released", f"it ended {done.run('Direct').variables}")
    serves(stage, version)
    (entry, *_) = history(stage.target.objects, stage.site, "live")
    check((entry.who, entry.commit) == ("Ada Löw", "1a2b3c4"), f"the ledger says {entry}")
    check(not stage.aws.denied, "a role lacks a right", *stage.aws.denied)
    check(not stage.aws.broken, "the rehearsal broke", *stage.aws.broken)


@scenario("a zip of a project is built and goes live, from a folder around it as well")
def upload_project(stage: Stage) -> None:
    for folder in ("", "pages-main/"):
        version = mark()
        project = {name: text or "" for name, text in source(version, folder).items()}
        done = fine(stage, put(stage, f"{_PREFIX}project.zip", zipped({**project, f"{folder}site.toml": 'name = "press"\n'})))
        check((done.stages["Direct"], done.stages["Build"]) == (SKIPPED, SUCCEEDED), f"{done.stages}")
        serves(stage, version)
    check(not stage.aws.denied, "a role lacks a right", *stage.aws.denied)


@scenario("uploads below preview/ are previews, and what is no zip, or elsewhere, starts nothing")
def upload_elsewhere(stage: Stage) -> None:
    for key in (f"{_PREFIX}x.txt", "other/x.zip", f"{_PREFIX}x.zip.part", "x.zip", f"{_PREFIX}site.ZIP", "other/uploads/x.zip"):
        started = stage.deliveries.started_by(lambda key=key: stage.deliveries.put(key, b"not a zip"))  # type: ignore[misc]
        check(not started, f"{key} started {[one.pipeline.name for one in started]}")
    version = mark()
    body = zipped(files(version))
    fine(stage, put(stage, f"{_PREFIX}preview/menu/x.zip", body))
    serves(stage, version, **at(stage, "preview/menu"))
    refused = put(stage, f"{_PREFIX}live/deeper/x.zip", body).wait()
    says = refused.run("Inspect").says
    check(refused.status == FAILED and "preview/<name>/" in says, f"it ended {refused.story()}")
    odd = mark()
    fine(stage, put(stage, f'{_PREFIX}a "quoted" <key> ü+%20\\.zip', zipped(files(odd))))
    serves(stage, odd)


@scenario("two zips at the same moment are two releases, none mixed with the other, and the last one serves")
def two_uploads(stage: Stage) -> None:
    upload_live(stage)
    barrier, versions = threading.Barrier(2, timeout=60), {"a": mark(), "b": mark()}
    for _ in versions:
        stage.on("inspect_zip", "PutObject", lambda sent: _meet(barrier))
    started = {version: put(stage, f"{_PREFIX}{name}.zip", zipped(files(version))) for name, version in versions.items()}
    ended = {version: fine(stage, one).run("Direct") for version, one in started.items()}
    stage.calm()
    check(not barrier.broken, "the two did not meet")
    outcomes = {version: run.variables["Outcome"] for version, run in ended.items()}
    check(set(outcomes.values()) <= {"released", "superseded"} and "released" in outcomes.values(), f"they ended {outcomes}")
    (entry, *_) = history(stage.target.objects, stage.site, "live")
    (last,) = (version for version, run in ended.items() if run.variables["Version"] == entry.version)
    serves(stage, last)
    unbroken_ledger(stage)


def _meet(barrier: threading.Barrier) -> None:
    barrier.wait()


@scenario("the same key uploaded twice: each run reads its own version, and the newer one serves however late the older one is")
def same_key(stage: Stage) -> None:
    old, new = mark(), mark()
    waiting = threading.Event()
    held = stage.on("inspect_zip", "PutObject", lambda sent: _hold(waiting))
    first = put(stage, f"{_PREFIX}same.zip", zipped(files(old)))
    check(held.wait(60), "the first one is not looked into")
    second = put(stage, f"{_PREFIX}same.zip", zipped(files(new)))
    fine(stage, second)
    serves(stage, new)
    waiting.set()
    fine(stage, first)
    stage.calm()
    check(first.run("Direct").variables["Outcome"] == "superseded", f"the older one ended {first.run('Direct').summary}")
    versions = {one.run("Direct").variables["Version"] for one in (first, second)}
    check(len(versions) == 2, "both runs read the same object")
    serves(stage, new)


def _hold(waiting: threading.Event) -> None:
    waiting.wait(60)


@scenario("events that come late and in the wrong order: each run still reads the version that it was started for")
def late_events(stage: Stage) -> None:
    old, new = mark(), mark()
    with stage.deliveries.late() as events:
        for version in (old, new):
            stage.deliveries.put(f"{_PREFIX}late.zip", zipped(files(version)))
        events.reverse()
    newer, older = stage.deliveries.pipelines.executions[-2:]
    check(newer.brought()["VersionId"] != older.brought()["VersionId"], "both runs read the same version")
    done = {old: fine(stage, older).run("Direct").variables, new: fine(stage, newer).run("Direct").variables}
    check(done[new]["Version"] != done[old]["Version"], "both runs read the same object")
    serves(stage, new)


@scenario("zips that are truncated, lead out of their folder, hold links or a bomb are refused in words; the old site serves")
def bad_zips(stage: Stage) -> None:
    live = upload_live(stage)
    for what, (body, word) in _bad().items():
        failed = put(stage, f"{_PREFIX}{what}.zip", body).wait()
        says = failed.run("Inspect").says
        check(failed.status == FAILED and "Direct" not in failed.stages, f"{what} ended {failed.story()}")
        check(word in says.lower() and f"{what}.zip" in says and "Traceback" not in says, f"{what}: {says}")
        serves(stage, live)
    upload_live(stage)


def _bad() -> dict[str, tuple[bytes, str]]:
    """Bodies, and a word that must be said of each."""
    sound = zipped(files(mark()))
    return {
        "truncated": (sound[: len(sound) // 2], "truncated"),
        "climbing": (zipped({"index.html": "x", "../../etc/cron.d/x": "x"}), ".."),
        "linking": (_linking(), "link"),
        "bomb": (_bomb(), "zip bomb"),
        "text": (b"<html>not a zip", "zip"),
    }


def _linking() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("index.html", "x")
        link = zipfile.ZipInfo("secrets.txt")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    return content.getvalue()


def _bomb() -> bytes:
    """100 MB of nothing in 100 KB, and a second name that says it is 4 GB."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("index.html", "x")
        archive.writestr("zeros", bytes(100_000_000))
    body = bytearray(content.getvalue())
    at_entry = body.rfind(b"PK\x01\x02")
    struct.pack_into("<I", body, at_entry + 24, 0xFFFFFFF0)
    return bytes(body)


@scenario("an older zip of a project whose build ends later does not go live")
def slow_upload(stage: Stage) -> None:
    old, new = mark(), mark()
    with gate(stage.folder) as (script, opened):
        project: dict[str, Any] = {**source(old), "build.sh": script, "site.toml": ""}
        slow = put(stage, f"{_PREFIX}project.zip", zipped(project))
        # EventBridge counts whole seconds: of two keys within one, neither is older.
        time.sleep(1.1)
        fine(stage, put(stage, f"{_PREFIX}later.zip", zipped(files(new))))
        serves(stage, new)
        opened.touch()
        fine(stage, slow)
    check(slow.run("Release").variables["Outcome"] == "superseded", slow.story())
    serves(stage, new)


@scenario("a site without a build from a zip: its folder, or all of the zip, is released as it is")
def upload_idle(stage: Stage) -> None:
    for folder in ("public/", "", "plain-main/public/"):
        version = mark()
        zip_of = {folder + name: text for name, text in files(version).items()}
        if folder:
            zip_of |= {folder.replace("public/", "") + name: "not to be seen" for name in ("private.txt", "site.toml")}
        fine(stage, put(stage, f"{_PREFIX}site.zip", zipped(zip_of)))
        serves(stage, version)
        check(stage.get("/private.txt").status == 404, "what lies beside the folder is published")
