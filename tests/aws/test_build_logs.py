"""`toolkit logs` in AWS: a build's log while it is written, and the last one afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.aws.account import FakeAccount
from tests.aws.conftest import Cli, said
from tests.aws.pipelines import Action, Build, FakePipelines
from toolkit.workspace import Workspace

PUSHED = {"BranchName": "main", "CommitId": "1a2b3c4d5e6f7a8b", "CommitMessage": "Say hello"}


@pytest.fixture(autouse=True)
def hosting(account: FakeAccount) -> None:
    account.set_up(LivePipeline="blog-live", PreviewPipeline="blog-preview")


def build(pipelines: FakePipelines, name: str, began: float, *lines: str, pipeline: str = "blog-live", **more: object) -> Build:
    """A delivery whose build has begun; `more` are the build's own."""
    made = pipelines.execution(pipeline, name, began)
    made.act("Source", began=began, ended=began, variables=PUSHED)
    made.act("Build", "InProgress", began=began, ended=began, result={"externalExecutionId": f"blog:{name}"})
    pipelines.builds[f"blog:{name}"] = found = Build(f"blog:{name}", list(lines), **more)  # type: ignore[arg-type]
    return found


def end(pipelines: FakePipelines, one: Build, status: str = "SUCCEEDED") -> None:
    one.status = status
    (execution,) = [it for it in pipelines.executions if one.id.endswith(f":{it.id}")]
    execution.status = execution.actions[-1].status = "Succeeded" if status == "SUCCEEDED" else "Failed"


def test_the_running_build_is_streamed_until_its_end(run: Cli, pipelines: FakePipelines) -> None:
    one = build(pipelines, "a", 1.0, has_stream=False)

    def more(*lines: str) -> None:
        one.has_stream = True
        one.lines += lines

    late = lambda: more("last")  # noqa: E731
    pipelines.then(lambda: None, lambda: more("one", "two", "three"), lambda: more(), lambda: end(pipelines, one), late)
    outcome = run("logs", "--follow")
    assert outcome.code == 0 and outcome.out.splitlines() == ["one", "two", "three", "last"]
    assert "the build of main at 1a2b3c4" in outcome.err


def test_a_build_that_has_still_to_begin_is_waited_for(run: Cli, pipelines: FakePipelines) -> None:
    made = pipelines.execution("blog-live", "a", 1.0)

    def begins() -> None:
        pipelines.builds["blog:a"] = Build("blog:a", ["hello"], "SUCCEEDED")
        made.actions.append(Action("Build", "InProgress", result={"externalExecutionId": "blog:a"}))

    pipelines.then(lambda: made.act("Source", variables=PUSHED), begins)
    assert run("logs", "--follow", "--delivery", "live/a").out == "hello\n"


def test_after_a_push_it_is_its_build_that_is_followed(run: Cli, pipelines: FakePipelines) -> None:
    """Not the last one, which ended before; and one fault on the way does not matter."""
    end(pipelines, build(pipelines, "old", 1.0, "old"))
    made = pipelines.execution("blog-live", "new", 2.0)

    def begins() -> None:
        pipelines.builds["blog:new"] = Build("blog:new", ["hello"], "SUCCEEDED")
        made.act("Build", "InProgress", result={"externalExecutionId": "blog:new"})

    fault = lambda: pipelines.fail("ListActionExecutions", "ThrottlingException")  # noqa: E731
    pipelines.then(lambda: made.act("Source", variables=PUSHED), fault, begins)
    outcome = run("logs", "--follow")
    assert outcome.code == 0 and outcome.out == "hello\n" and "waiting for the build of delivery live/new" in outcome.err
    assert run("logs").out == "hello\n"


def test_what_comes_to_no_build_is_not_waited_for(run: Cli, pipelines: FakePipelines) -> None:
    made = pipelines.execution("blog-live", "a", 1.0)
    pipelines.then(lambda: made.act("Source", variables=PUSHED), lambda: made.act("Release", "InProgress"))
    outcome = run("logs", "--follow")
    assert outcome.code == 1 and "live/a has built nothing" in outcome.err and pipelines.waits == 2


def test_ctrl_c_leaves_the_build_alone(run: Cli, pipelines: FakePipelines) -> None:
    build(pipelines, "a", 1.0, "one")

    def interrupted() -> None:
        raise KeyboardInterrupt

    pipelines.then(interrupted)
    outcome = run("logs", "--follow")
    assert outcome.code == 130 and outcome.out == "one\n"
    assert {name for name, _ in pipelines.asked} == {
        "ListPipelineExecutions", "ListActionExecutions", "GetPipelineExecution", "BatchGetBuilds", "GetLogEvents",
    }  # fmt: skip


def test_of_several_builds_the_running_one_else_the_last(run: Cli, pipelines: FakePipelines) -> None:
    ended = build(pipelines, "newest", 9.0, "newest", pipeline="blog-preview")
    end(pipelines, ended)
    running = build(pipelines, "older", 2.0, "older")
    assert run("logs", "--json").data["log"] == "older\n"
    end(pipelines, running)
    data = run("logs", "--json").data
    assert (data["log"], data["delivery"], data["version"]) == ("newest\n", "preview/newest", None)


def test_follow_where_nothing_runs_shows_the_last(run: Cli, pipelines: FakePipelines) -> None:
    end(pipelines, build(pipelines, "a", 1.0, "one", "two", "three"))
    outcome = run("logs", "--follow")
    assert outcome.out == "one\ntwo\nthree\n" and "no build runs now" in outcome.err


def test_a_build_on_this_machine_may_be_newer(run: Cli, pipelines: FakePipelines, project: Path) -> None:
    end(pipelines, build(pipelines, "a", 1.0, "in AWS"))
    log = Workspace("blog").new_log()
    log.write_text("here\n")
    assert run("logs").out == "in AWS\n", "what the stand-in tells happens in 2096"
    log.rename(log.with_name("20991231T235959Z-abcdef.log"))
    assert run("logs").out == "here\n"


def test_a_build_that_failed_before_it_said_anything(run: Cli, pipelines: FakePipelines) -> None:
    why = [{"statusCode": "CLIENT_ERROR", "message": "no such image"}]
    phases = [{"phaseType": "SUBMITTED", "phaseStatus": "SUCCEEDED"}, {"phaseType": "PROVISIONING", "contexts": why}]
    end(pipelines, build(pipelines, "a", 1.0, has_stream=False, phases=phases), "FAILED")
    assert run("logs").out.splitlines() == ["[PROVISIONING] CLIENT_ERROR: no such image", "blog:a left no log: FAILED"]


def test_a_build_that_never_began(run: Cli, pipelines: FakePipelines) -> None:
    made = pipelines.execution("blog-live", "a", 1.0, "Failed")
    made.act("Build", "Failed", result={"errorDetails": {"code": "X", "message": "the project is gone"}})
    error = said(run("logs", "--delivery", "live/a", "--json"))
    assert error["what"] == "the build of live/a did not begin: the project is gone"


def test_a_delivery_without_a_build(run: Cli, pipelines: FakePipelines) -> None:
    pipelines.execution("blog-live", "a", 1.0, "Succeeded").act("Release")
    assert said(run("logs", "--delivery", "live/a", "--json"))["what"] == "live/a has built nothing"
    assert "none of the last deliveries of blog built anything" in str(said(run("logs", "--json"))["what"])
    pipelines.executions.clear()
    assert said(run("logs", "--json"))["what"] == "blog was never built"
    for id in ("live/none", "upload/a", "nonsense", "live/"):
        assert f"no delivery {id}" in str(said(run("logs", "--delivery", id, "--json"))["what"]).replace("'", "")


def test_a_build_that_codebuild_forgot(run: Cli, pipelines: FakePipelines) -> None:
    build(pipelines, "a", 1.0)
    pipelines.builds.clear()
    assert "no longer knows the build blog:a" in str(said(run("logs", "--json"))["what"])


def test_the_log_of_a_version_that_a_pipeline_built(run: Cli, pipelines: FakePipelines, project: Path) -> None:
    version = run("deploy", "dist", "--json").data["version"]
    assert "came as finished files" in str(said(run("logs", version, "--json"))["what"])
    one = build(pipelines, "a", 1.0, "built it")
    pipelines.executions[0].act("Release", variables={"Version": version, "Channel": "live", "Outcome": "released"})
    end(pipelines, one)
    data = run("logs", version, "--json").data
    assert (data["log"], data["version"]) == ("built it\n", version)
    assert run("logs", "--channel", "live").out == "built it\n"


def test_passing_faults_lose_no_line(run: Cli, pipelines: FakePipelines) -> None:
    one = build(pipelines, "a", 1.0, "one", "two", "three")
    pipelines.fail("GetLogEvents", "ThrottlingException", "lost")
    pipelines.then(lambda: None, lambda: None, lambda: None, lambda: end(pipelines, one))
    assert run("logs", "--follow").out == "one\ntwo\nthree\n"


def test_what_may_not_be_read_is_named(run: Cli, pipelines: FakePipelines) -> None:
    build(pipelines, "a", 1.0)
    pipelines.fail("GetLogEvents", "AccessDeniedException")
    assert "logs:GetLogEvents" in str(said(run("logs", "--json"))["fix"])


@pytest.mark.parametrize("words", [("v", "--channel", "live"), ("v", "--follow"), ("--channel", "live", "--delivery", "x")])
def test_words_that_contradict_each_other(run: Cli, words: tuple[str, ...]) -> None:
    assert run("logs", *words).code == 2
