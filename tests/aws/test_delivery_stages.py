"""What came of pushes and uploads, stage by stage, as `toolkit status` shows it."""

from __future__ import annotations

import time

from tests.aws.account import REGION, FakeAccount
from tests.aws.conftest import Cli
from tests.aws.pipelines import BEGAN, FakePipelines, task
from toolkit.aws import deliveries_stages

MACHINE = f"arn:aws:states:{REGION}:123456789012:stateMachine:release"
GITHUB = {"LivePipeline": "blog-live", "PreviewPipeline": "blog-preview", "ReleaseArn": MACHINE}
ZIP = {"UploadPipeline": "blog-upload", "UploadBucket": "blog-uploads", "UploadPrefix": "uploads/"}
PUSHED = {"BranchName": "main", "CommitId": "1a2b3c4d5e6f7a8b", "CommitMessage": "Say hello\n\nand more"}
SERVED = {"Outcome": "released", "Version": "20261120T231500Z-1a2b3c4", "Channel": "live"}
CONSOLE = f"https://{REGION}.console.aws.amazon.com/codesuite/codepipeline/pipelines"


def test_status_tells_what_is_under_way_and_what_came(run: Cli, account: FakeAccount, pipelines: FakePipelines) -> None:
    account.set_up(**GITHUB, **ZIP)
    done = pipelines.execution("blog-live", "a", 100.0, "Succeeded")
    done.act("Source", began=100, ended=103, variables=PUSHED)
    done.act("Build", began=103, ended=165)
    done.act("Release", began=165, ended=180, variables=SERVED, id="run-a")
    took = task("Publish", 166, 171), task("Verify", 171, 172.5), task("Flip", 172.5, 173), task("Notify", 173, 174)
    pipelines.history(MACHINE, "run-a", *took)
    now = pipelines.execution("blog-preview", "b", 200.0)
    now.act("Source", began=200, ended=202, variables={**PUSHED, "BranchName": "pr/x", "CommitMessage": ""})
    now.act("Build", "InProgress", began=202, ended=202)
    bad = pipelines.execution("blog-upload", "c", 150.0, "Failed")
    bad.act("Source", began=150, ended=151, variables={"ObjectKey": "uploads/preview/y/site.zip", "VersionId": "1"})
    bad.act("Inspect", "Failed", 151, 152, result={"errorDetails": {"code": "JobFailed", "message": "site.zip holds no files"}})
    found = run("status", "--json").data["deliveries"]
    assert [(it["id"], it["state"], it["channel"]) for it in found] == [
        ("preview/b", "running", "preview/branch/pr/x"), ("upload/c", "failed", "preview/y"), ("live/a", "done", "live"),
    ]  # fmt: skip
    live = found[2]
    assert (live["commit"], live["branch"], live["message"]) == (PUSHED["CommitId"], "main", "Say hello")
    assert (live["version"], live["outcome"], live["started"]) == (SERVED["Version"], "released", BEGAN + 100)
    assert [(it["name"], it["state"], it["seconds"]) for it in live["stages"]] == [
        ("source", "done", 3), ("build", "done", 62), ("publish", "done", 5), ("verify", "done", 1.5), ("flip", "done", 0.5),
    ]  # fmt: skip
    shown = run("status").out
    assert "\n  source 3.0 s → build 1 min 2 s → publish 5.0 s → verify 1.5 s → flip 0.5 s\n" in shown
    assert "push pr/x 1a2b3c4" in shown and "source 2.0 s → build running 0.0 s" in shown
    assert f"upload/c: inspect failed: site.zip holds no files\n  {CONSOLE}/blog-upload/executions/c/" in shown


def test_what_runs_has_taken_time_so_far(run: Cli, account: FakeAccount, pipelines: FakePipelines) -> None:
    account.set_up(**GITHUB)
    began = time.time() - BEGAN - 90
    made = pipelines.execution("blog-live", "a", began)
    made.act("Source", began=began, ended=began + 2, variables=PUSHED)
    made.act("Build", "InProgress", began=began + 2, ended=began + 2)
    assert "source 2.0 s → build running 1 min " in run("status").out


def test_status_goes_on_where_pipelines_may_not_be_read(run: Cli, account: FakeAccount, pipelines: FakePipelines) -> None:
    account.set_up(**GITHUB)
    pipelines.fail("ListPipelineExecutions", "AccessDeniedException", "AccessDeniedException")
    outcome = run("status", "--json")
    assert outcome.code == 0 and outcome.data["deliveries"] == []
    assert "codepipeline:ListPipelineExecutions" in outcome.err


def test_status_has_as_many_as_fit_whatever_the_pages(run: Cli, account: FakeAccount, pipelines: FakePipelines) -> None:
    account.set_up(**GITHUB)
    for number in range(9):
        pipelines.execution("blog-live", f"l{number}", number, "Succeeded")
    pipelines.execution("blog-preview", "p", 6.5, "Succeeded")
    found = run("status", "--json").data["deliveries"]
    assert [it["id"] for it in found] == ["live/l8", "live/l7", "preview/p", "live/l6", "live/l5"]


def test_a_stage_that_was_tried_again_counts_once(run: Cli, account: FakeAccount, pipelines: FakePipelines) -> None:
    account.set_up(**GITHUB)
    made = pipelines.execution("blog-live", "a")
    made.act("Source", began=0, ended=1, variables=PUSHED)
    made.act("Release", "Failed", began=1, ended=5, id="first")
    made.act("Release", "InProgress", began=9, ended=9, id="second")
    pipelines.history(MACHINE, "first", task("Publish", 1, 4, failed=True), [(4, "ExecutionFailed", "")])
    pipelines.history(MACHINE, "second", task("Publish", 9, 12), [(12, "TaskStateEntered", "Verify"), (12, "TaskScheduled", "")])
    (found,) = run("status", "--json").data["deliveries"]
    assert [(it["name"], it["state"]) for it in found["stages"]] == [("source", "done"), ("publish", "done"), ("verify", "running")]


def steps(*tasks: list[tuple[float, str, str]], says: str = "") -> list[tuple[str, str, float, str]]:
    """The steps of a history as Step Functions would tell it."""
    pipelines = FakePipelines()
    pipelines.histories["x"] = [event for one in tasks for event in one]
    client = pipelines.attach(FakeAccount().connect(REGION, "")).client("stepfunctions")
    pages = client.get_paginator("get_execution_history").paginate(executionArn="x")
    found = deliveries_stages.steps_of((event for page in pages for event in page["events"]), says)
    return [(step.name, step.state, step.seconds, step.says) for step in found]


def test_the_steps_of_a_large_release_that_was_retried() -> None:
    assert steps(task("Publish", 0, 2), task("Publish large", 2, 60), task("Verify", 60, 63, tries=3), task("Flip", 63, 64)) == [
        ("publish", "done", 60, ""), ("verify", "done", 3, ""), ("flip", "done", 1, ""),
    ]  # fmt: skip


def test_the_steps_of_a_release_that_fails() -> None:
    failed = steps(
        task("Publish", 0, 2),
        task("Verify", 2, 5, failed=True),
        task("Notify failure", 5, 6),
        [(6, "ExecutionFailed", "")],
        says="no",
    )
    assert failed == [("publish", "done", 2, ""), ("verify", "failed", 3, "no")]


def test_the_steps_of_a_release_that_somebody_stopped() -> None:
    stopped = steps(task("Publish", 0, 2), [(2, "TaskStateEntered", "Verify"), (9, "ExecutionAborted", "")])
    assert stopped == [("publish", "done", 2, ""), ("verify", "stopped", 7, "")]


def test_a_run_that_released_nothing(run: Cli, account: FakeAccount, pipelines: FakePipelines) -> None:
    """A pipeline that tags start runs by itself once, when it is made."""
    account.set_up(**GITHUB)
    made = pipelines.execution("blog-live", "a", status="Succeeded")
    made.act("Release", variables={"Outcome": "skipped", "Version": "none", "Channel": "none"})
    (found,) = run("status", "--json").data["deliveries"]
    assert (found["outcome"], found["version"], found["channel"]) == ("skipped", "", "live")


def test_what_pipelines_do_when_they_are_made_is_no_delivery(run: Cli, account: FakeAccount, pipelines: FakePipelines) -> None:
    """Each runs once by itself: that of zips fails for there is none, that of live releases what was pushed already."""
    account.set_up(PullPipeline="blog-pull", ClosedPipeline="blog-closed", **GITHUB, **ZIP)
    for number, key in enumerate(("live", "preview", "pull", "closed", "upload")):
        made = pipelines.execution(f"blog-{key}", f"first-{key}", number, "Failed" if key == "upload" else "Succeeded")
        made.trigger = "CreatePipeline"
    assert [it["id"] for it in run("status", "--json").data["deliveries"]] == ["live/first-live"]


def test_words_of_a_failed_release_come_once(run: Cli, account: FakeAccount, pipelines: FakePipelines) -> None:
    """The action that failed is the step that failed, unless the step did what it had to."""
    account.set_up(**GITHUB)
    for name, verify in (("step", task("Verify", 1, 2, failed=True)), ("action", task("Verify", 1, 2))):
        made = pipelines.execution("blog-live", name, status="Failed")
        error = {"errorDetails": {"code": "JobFailed", "message": "404 for /index.html"}}
        made.act("Release", "Failed", 0, 3, id=f"run-{name}", result=error)
        pipelines.history(MACHINE, f"run-{name}", verify, [(3, "ExecutionFailed", "")])
    found = {
        it["id"]: [(s["name"], s["state"], s["says"]) for s in it["stages"]] for it in run("status", "--json").data["deliveries"]
    }
    assert found["live/step"] == [("verify", "failed", "404 for /index.html")]
    assert found["live/action"] == [("verify", "done", ""), ("release", "failed", "404 for /index.html")]
