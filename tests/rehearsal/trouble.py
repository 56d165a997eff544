"""What is in a release's way: other releases, lost replies, missing files, alarms, prune."""

from __future__ import annotations

import threading
import time
from typing import Any

from tests.rehearsal.aws import EXECUTOR
from tests.rehearsal.checks import check, explicit, go_live, mark, released, scenario, serves, unbroken_ledger
from tests.rehearsal.content import files, page
from tests.rehearsal.stage import Stage
from tests.rehearsal.wire import Answered
from toolkit.engine import release


@scenario("two flips at the same moment: both are in the ledger or say why not, and the newer build is live")
def at_once(stage: Stage) -> None:
    go_live(stage)
    barrier = threading.Barrier(2, timeout=60)

    def meet(_: object) -> None:
        barrier.wait()

    for _ in range(2):
        stage.on("flip", "UpdateKeys", meet)
    old, new = mark(), mark()
    executions = {one: stage.start(files(one)) for one in (old, new)}
    ends = {one: stage.ended(execution) for one, execution in executions.items()}
    stage.calm()
    check(not barrier.broken and barrier.n_waiting == 0, "the two did not meet")
    released(stage, ends[new])
    check(ends[old].get("outcome") in ("released", "superseded"), f"the older one ended {ends[old]}")
    serves(stage, new)
    unbroken_ledger(stage)


@scenario("an ETag conflict in the middle of a flip is no more than another attempt")
def conflict(stage: Stage) -> None:
    go_live(stage)

    def intrude(_: object) -> None:
        stage.target.routes.update({"z:somebody": mark()}, [], if_match=stage.target.routes.etag())

    met = stage.on("flip", "UpdateKeys", intrude)
    version, _ = go_live(stage)
    stage.calm()
    check(met.is_set(), "nobody intruded")
    serves(stage, version)
    unbroken_ledger(stage)


@scenario("a lost reply to a flip makes one release, not two and not none")
def lost_reply(stage: Stage) -> None:
    _, before = go_live(stage)
    for fault in ("lost", "done, then InternalServerException", "timeout"):
        met = stage.on("flip", "UpdateKeys", lambda sent, fault=fault: stage.store.fail("UpdateKeys", fault))  # type: ignore[misc]
        version, done = go_live(stage)
        stage.calm()
        check(met.is_set(), "no reply was lost")
        check(done["release"] == before["release"] + 1, f"release {before['release']} was followed by {done['release']}")
        serves(stage, version)
        before = done
    unbroken_ledger(stage)


@scenario("an older build that ends later is published, and does not go live")
def older(stage: Stage) -> None:
    slow, quick = mark(), mark()
    waiting = threading.Event()
    held = stage.on("publish", "PutObject", lambda sent: _hold(waiting))
    first_begun = stage.start(files(slow))
    check(held.wait(60), "the older build does not publish")
    done = released(stage, stage.release(files(quick)))
    waiting.set()
    late = released(stage, stage.ended(first_begun), "superseded")
    stage.calm()
    check(late["previous"] == done["version"], f"it says {late}")
    serves(stage, quick)


def _hold(event: threading.Event) -> None:
    check(event.wait(60), "nobody let it go on")


@scenario("a blob that vanishes before the check stops the release; live stays, and the next build mends it")
def missing(stage: Stage) -> None:
    live, _ = go_live(stage)
    version = mark()

    def vanish(_: object) -> None:
        objects, wanted = stage.target.objects, page("about", version).encode()
        blobs = [info.key for info in objects.list(f"{stage.site}/blobs/") if info.size == len(wanted)]
        objects.delete([key for key in blobs if objects.get(key)[1] == wanted])

    met = stage.on("verify", "ListObjectsV2", vanish, when=lambda sent: "blobs" in sent.url)
    failed = stage.release(files(version))
    stage.calm()
    check(met.is_set(), "the check did not look")
    check((failed["status"], failed["error"]) == ("FAILED", "VerifyFailed"), f"it ended {failed}")
    serves(stage, live)
    released(stage, stage.release(files(version)))
    serves(stage, version)


@scenario("an alarm while a release is watched flips it back, says so, and leaves a quiet release alone")
def watch(stage: Stage) -> None:
    stage.alarm("OK")
    quiet, _ = go_live(stage)
    broken, done = go_live(stage)
    serves(stage, broken)
    stage.alarm("ALARM")
    watching = [one for one in stage.executor.of(stage.outputs["WatchArn"]) if one.endswith(done["run"])]
    check(len(watching) == 1, "nobody watches the release")
    ended = stage.ended(watching[0])
    check(ended["status"] == "SUCCEEDED" and ended.get("outcome") == "flipped back", f"the watch ended {ended}")
    serves(stage, quiet)
    check(f"went back to {done['previous']}" in stage.notes()[-1], "nobody was told", *stage.notes()[-1:])
    # An alarm that is on already is older than what comes next, and no word against it.
    later, after = go_live(stage)
    time.sleep(3)
    serves(stage, later)
    stage.alarm("OK")
    check(after["release"] == done["release"] + 2, f"release {after['release']}")


@scenario("a release whose watch cannot be started is live all the same, and the message about it says so")
def unwatched(stage: Stage) -> None:
    headers = {"x-amzn-ErrorType": "StateMachineDoesNotExist", "x-amzn-RequestId": "1"}
    refused = Answered(400, headers, b'{"__type": "StateMachineDoesNotExist", "message": "it is gone"}')
    stage.aws.before = lambda sent: refused if (sent.access_key, sent.operation) == (EXECUTOR, "StartExecution") else None
    version, done = go_live(stage)
    stage.calm()
    check(bool(done["failures"]), "the watch was started")
    serves(stage, version)
    check("Nobody watches it" in stage.notes()[-1] and "failed" not in stage.notes()[-1], "the message", stage.notes()[-1])


@scenario("prune meets a deploy and gives way; what it takes is past its grace period, and nobody's")
def prune(stage: Stage) -> None:
    kept, _ = go_live(stage)
    first_one, told = go_live(stage)
    go_live(stage)
    result: list[dict[str, Any]] = []
    stage.on("publish", "PutObject", lambda sent: result.append(stage.upkeep()), when=lambda sent: "/blobs/" in sent.url)
    version, _ = go_live(stage)
    stage.calm()
    check(bool(result) and result[0]["outcome"] == "later", f"a prune went on during a deploy: {result}")
    serves(stage, version)
    after = stage.upkeep()
    check(after["outcome"] == "done", f"upkeep says {after}")
    serves(stage, version)
    # Within the grace period a version can be gone back to, however many are kept.
    release.release(stage.target.objects, stage.target.routes, explicit(stage, told["version"]))
    serves(stage, first_one)
    stage.age(days=3)
    gone = stage.upkeep()
    check(gone["versions"] > 0 and gone["files"] > 0, f"nothing was old enough: {gone}")
    serves(stage, first_one)
    check(kept not in stage.get("/").text, "another version")
    _prune_meets_deploy(stage)


def _prune_meets_deploy(stage: Stage) -> None:
    """A deploy that begins while a prune deletes."""
    for _ in range(2):
        go_live(stage)
    stage.age(days=3)
    version, begun = mark(), list[str]()
    stage.on("upkeep", "DeleteObjects", lambda sent: begun.append(stage.start(files(version))))
    stage.upkeep()
    stage.calm()
    check(bool(begun), "the prune deleted nothing")
    released(stage, stage.ended(begun[0]))
    serves(stage, version)
