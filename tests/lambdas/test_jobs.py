"""The word that CodePipeline waits for: it comes whatever happens, once, and holds no secret."""

from __future__ import annotations

import json
from typing import Any

import pytest
from lambdas import jobs
from lambdas.common import Services
from lambdas.jobs import Done, Failed, GoOn, Job, Place

from tests.lambdas.pipelines import SECRETS, FakePipelines, Refused, attached, id_of, job
from tests.lambdas.support import Aws
from toolkit.engine.errors import Conflict, Unavailable, UserError


@pytest.fixture
def fake(aws: Aws) -> FakePipelines:
    return attached(aws.services())


def raising(error: Exception) -> jobs.Work:
    def work(job: Job, services: Services) -> Done:
        raise error

    return work


def test_a_job_says_what_it_is_about(aws: Aws, fake: FakePipelines) -> None:
    seen = []

    def work(job: Job, services: Services) -> Done:
        seen.append(job)
        return Done("all well", {"Kind": "site"}, "arn:x")

    event = job({"to": "live"}, inputs={"LiveSite": ("b", "p/LiveSite/x")}, outputs={"Out": ("b", "p/Out/y")}, token="t")
    jobs.run(work, event, aws.services())
    assert seen == [
        Job(id_of(event), {"to": "live"}, {"LiveSite": Place("b", "p/LiveSite/x")}, {"Out": Place("b", "p/Out/y")}, "t")
    ]
    assert fake.told == {id_of(event): [{
        "jobId": id_of(event), "outputVariables": {"Kind": "site"},
        "executionDetails": {"summary": "all well", "externalExecutionId": "arn:x"},
    }]}  # fmt: skip


def test_work_that_is_not_done_leaves_a_token_and_no_variables(aws: Aws, fake: FakePipelines) -> None:
    jobs.run(lambda job, services: GoOn("t-1", "under way"), job({}), aws.services())
    assert fake.last["continuationToken"] == "t-1" and fake.last["executionDetails"] == {"summary": "under way"}


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (UserError("x.zip is truncated", "upload it again"), "x.zip is truncated: upload it again"),
        (UserError("x.zip is truncated"), "x.zip is truncated"),
        (Unavailable("S3: SlowDown"), "AWS did not answer (S3: SlowDown): try the stage again"),
        (Conflict("tag"), "a fault in this program, not in what was sent (Conflict: tag): please report it"),
        (KeyError("x"), "a fault in this program, not in what was sent (KeyError: 'x'): please report it"),
        (MemoryError(), "a fault in this program, not in what was sent (MemoryError: ): please report it"),
    ],
)
def test_whatever_goes_wrong_is_told_and_nothing_is_raised(aws: Aws, fake: FakePipelines, error: Exception, said: str) -> None:
    jobs.run(raising(error), job({}), aws.services())
    assert fake.last["failureDetails"] == {"type": "JobFailed", "message": said}


def test_a_failure_elsewhere_names_what_failed(aws: Aws, fake: FakePipelines) -> None:
    jobs.run(raising(Failed("the release failed", "arn:e")), job({}), aws.services())
    assert fake.last["failureDetails"]["externalExecutionId"] == "arn:e"


@pytest.mark.parametrize("letter", ["x", "é", "😀"])
def test_words_of_any_length_fit(aws: Aws, fake: FakePipelines, letter: str) -> None:
    """The stand-in refuses longer ones, as CodePipeline does."""
    jobs.run(raising(UserError(letter * 100_000)), job({}), aws.services())
    assert 3000 < len(fake.last["failureDetails"]["message"]) <= 5000
    jobs.run(lambda job, services: Done(letter * 100_000), job({}), aws.services())
    assert len(fake.last["executionDetails"]["summary"]) == 2048
    jobs.run(lambda job, services: Done(""), job({}), aws.services())
    assert fake.last["executionDetails"]["summary"], "AWS takes no empty one"


def test_the_same_job_twice_is_told_once(aws: Aws, fake: FakePipelines, capsys: pytest.CaptureFixture[str]) -> None:
    event = job({})
    for _ in range(2):
        jobs.run(lambda job, services: Done("ok"), event, aws.services())
    jobs.run(raising(UserError("late")), event, aws.services())
    assert len(fake.told[id_of(event)]) == 1
    assert capsys.readouterr().out.count("the job was over already") == 2


def test_a_success_that_codepipeline_refuses_is_told_as_a_failure(aws: Aws, fake: FakePipelines) -> None:
    def trouble(operation: str) -> None:
        if operation == "PutJobSuccessResult":
            raise Refused("OutputVariablesSizeExceededException", 400)

    fake.trouble = trouble
    jobs.run(lambda job, services: Done("ok", {"Kind": "x"}), job({}), aws.services())
    assert "OutputVariablesSizeExceededException" in fake.last["failureDetails"]["message"]


@pytest.mark.parametrize("work", [lambda job, services: Done("ok"), raising(UserError("no"))])
def test_when_the_word_itself_is_lost_lambda_sends_the_event_again(aws: Aws, fake: FakePipelines, work: jobs.Work) -> None:
    def trouble(operation: str) -> None:
        raise Refused("InternalError", 500)

    fake.trouble = trouble
    event = job({})
    with pytest.raises((jobs.Unsaid, Unavailable)):
        jobs.run(work, event, aws.services())
    fake.trouble = lambda operation: None
    jobs.run(work, event, aws.services())
    assert len(fake.told[id_of(event)]) == 1


@pytest.mark.parametrize("event", [{}, {"CodePipeline.job": None}, {"CodePipeline.job": {}}, {"CodePipeline.job": {"id": 3}}, []])
def test_an_event_without_a_job_cannot_be_told_of(aws: Aws, event: Any) -> None:
    with pytest.raises(UserError, match="is no job of CodePipeline"):
        jobs.run(lambda job, services: Done("ok"), event, aws.services())


SHAPES: list[Any] = [
    None, [], "text", {}, {"actionConfiguration": None}, {"actionConfiguration": {"configuration": None}},
    {"actionConfiguration": {"configuration": {}}, "inputArtifacts": [{"name": "x"}]},
    {"actionConfiguration": {"configuration": {}}, "inputArtifacts": [None]},
    {"actionConfiguration": {"configuration": {}}, "inputArtifacts": 3},
]  # fmt: skip


@pytest.mark.parametrize("data", SHAPES)
def test_a_job_of_another_shape_fails_in_words(aws: Aws, fake: FakePipelines, data: Any) -> None:
    with_secrets = {**data, "artifactCredentials": SECRETS} if isinstance(data, dict) else data
    jobs.run(lambda job, services: Done("ok"), {"CodePipeline.job": {"id": "j", "data": with_secrets}}, aws.services())
    assert fake.last["failureDetails"]["message"].startswith("the job has another shape than is known here")


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "3", '{"to": "key", "time": "x", "to": "live"}', '{"a": {"b": 1, "b": 2}}'],
)
def test_parameters_are_an_object_that_says_each_thing_once(aws: Aws, fake: FakePipelines, text: str) -> None:
    """Whoever starts a pipeline gives it the variable EventTime: with a quote in it, it could say `to` again."""
    jobs.run(lambda job, services: Done("ok"), job(text), aws.services())
    assert "distinct members" in fake.last["failureDetails"]["message"]


@pytest.mark.parametrize("event", [job({"to": "live"}), job("{"), job({"to": 3})])
def test_credentials_are_never_printed_and_never_told(
    aws: Aws, fake: FakePipelines, event: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    for work in (lambda job, services: Done(job.text("to")), raising(KeyError("x"))):
        jobs.run(work, event, aws.services())
    broken = {"CodePipeline.job": {"id": "other", "data": {"artifactCredentials": SECRETS}}}
    jobs.run(lambda job, services: Done("ok"), broken, aws.services())
    said = "".join(capsys.readouterr()) + json.dumps(fake.told)
    assert not [secret for secret in SECRETS.values() if secret in said]


def test_a_parameter_or_an_artifact_that_is_missing_is_named() -> None:
    empty = Job("j", {"n": 3}, {}, {"a": Place("b", "k"), "c": Place("b", "k")})
    for name in ("n", "to"):
        with pytest.raises(UserError, match=f"parameters lack {name}"):
            empty.text(name)
    assert empty.text("folder", "x") == "x"
    with pytest.raises(UserError, match="0 input artifacts instead of one"):
        empty.input()
    with pytest.raises(UserError, match="2 output artifacts instead of one"):
        empty.output()
