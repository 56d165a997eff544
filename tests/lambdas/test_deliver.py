"""A pipeline's release, as the function that CodePipeline calls makes it: to which channel, in which order, told in which words."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import boto3
import pytest
from lambdas import deliver, jobs
from lambdas.common import Services
from moto import mock_aws

from tests.lambdas.pipelines import MACHINE, PIPELINE, FakePipelines, Refused, attached, id_of, job
from tests.lambdas.support import SITE, Aws

UPLOADS = "uploads-bucket"
GITHUB = {"FullRepositoryName": "acme/shop", "BranchName": "main", "CommitId": "abcdef0" * 5, "CommitMessage": "Mend it\n\nwell"}
RELEASED = {"outcome": "released", "channel": "live", "version": "20261120T231500Z-abcdef0", "release": 7, "message": ""}


class World:
    """One site's deliveries: `push` and `upload` make an execution, `run` calls the function for its release."""

    def __init__(self, aws: Aws) -> None:
        self.aws = aws
        self.services: Services = aws.services(RELEASE_ARN=MACHINE, UPLOAD_BUCKET=UPLOADS)
        self.fake = attached(self.services)
        self.started = aws.clock()
        self.s3 = aws.s3
        self.s3.create_bucket(Bucket=UPLOADS)
        self.s3.put_bucket_versioning(Bucket=UPLOADS, VersioningConfiguration={"Status": "Enabled"})

    def push(self, to: str = "live", **variables: str) -> tuple[dict[str, Any], str]:
        """The event of a push's release, and its action's id."""
        execution, own = self.fake.execution({**GITHUB, **variables}, started=self.started)
        return self.event(execution, to=to), own

    def put(self, key: str, **metadata: str) -> str:
        """A zip in the bucket; its version."""
        found = self.s3.put_object(Bucket=UPLOADS, Key=key, Body=b"zip", Metadata=metadata)
        return str(found["VersionId"])

    def upload(
        self, key: str, version: str, *, moment: str = "none", action: str = "Direct", **more: str
    ) -> tuple[dict[str, Any], str]:
        """The event of an upload's release, and its action's id."""
        variables = {"BucketName": UPLOADS, "ObjectKey": key, "VersionId": version, "ETag": "x"}
        execution, own = self.fake.execution(variables, action, started=self.started)
        return self.event(execution, to="key", action=action, prefix="uploads/", time=moment, **more), own

    def event(self, execution: str, *, token: str = "", action: str = "Release", **more: str) -> dict[str, Any]:
        given = {"pipeline": PIPELINE, "execution": execution, "action": action, **more}
        return job(given, inputs={"LiveSite": ("artifacts", "shop/LiveSite/AbC")}, token=token)

    def run(self, event: Mapping[str, Any]) -> dict[str, Any]:
        jobs.run(deliver.work, event, self.services)
        return self.fake.last

    def failure(self, event: Mapping[str, Any]) -> str:
        return str(self.run(event)["failureDetails"]["message"])


@pytest.fixture
def world(aws: Aws) -> World:
    return World(aws)


def moment(seconds: float) -> str:
    """As EventBridge writes it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# --- what is started


def test_a_push_starts_the_release_of_what_was_built(world: World) -> None:
    event, own = world.push()
    said = world.run(event)
    assert world.fake.starts == [own] and said["continuationToken"] == own
    assert world.fake.given(own) == {
        "channel": "live",
        "source": {
            "kind": "zip", "bucket": "artifacts", "key": "shop/LiveSite/AbC", "version": "", "folder": "", "wrapped": False,
            "time": pytest.approx(world.started, abs=1e-3), "commit": GITHUB["CommitId"], "branch": "main",
            "message": "Mend it\n\nwell",
        },
        "who": "GitHub acme/shop",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("to", "branch", "channel"),
    [
        ("live", "anything", "live"),
        ("preview", "feature/a", "preview/feature/a"),
        ("preview", "live", "preview/live"),
        ("preview", "main", "preview/main"),
        ("preview", "pr/x", "preview/branch/pr/x"),
        ("pull", "x", "preview/pr/x"),
        ("pull", "main", "preview/pr/main"),
        ("preview", '"},{"channel":"live', 'preview/"},{"channel":"live'),
        ("preview", '\\","to":"live', 'preview/\\","to":"live'),
        ("preview", "größe-漢字", "preview/größe-漢字"),
    ],
)
def test_the_pipeline_decides_on_the_channel_and_a_branch_s_name_is_but_a_name(
    world: World, to: str, branch: str, channel: str
) -> None:
    event, own = world.push(to, BranchName=branch)
    world.run(event)
    given = world.fake.given(own)
    assert given["channel"] == channel and given["source"]["branch"] == branch and set(given) == {"channel", "source", "who"}


@pytest.mark.parametrize(
    ("to", "branch", "said"),
    [
        ("preview", "b" * 300, "is too long for a channel: use a shorter branch name"),
        ("pull", "漢" * 100, "is too long for a channel"),
        ("preview", "", "a preview needs a name"),
        ("preview", "a\nb", "holds a control character"),
        ("elsewhere", "main", "the action's parameters say to 'elsewhere'"),
    ],
)
def test_what_can_have_no_channel_fails_before_anything_is_started(world: World, to: str, branch: str, said: str) -> None:
    event, _ = world.push(to, BranchName=branch)
    assert said in world.failure(event) and not world.fake.starts


@pytest.mark.parametrize(
    ("first", "trigger", "released"),
    [
        ("skip", "CreatePipeline", False),
        ("skip", "WebhookV2", True),
        ("skip", "StartPipelineExecution", True),
        ("", "CreatePipeline", True),
    ],
)
def test_the_run_that_a_pipeline_begins_by_itself_is_released_unless_that_is_said(
    world: World, first: str, trigger: str, released: bool
) -> None:
    execution, own = world.fake.execution(GITHUB, started=world.started)
    world.fake.trigger = trigger
    said = world.run(world.event(execution, to="live", **({"first": first} if first else {})))
    assert world.fake.starts == ([own] if released else [])
    if not released:
        assert said["outputVariables"] == {"Outcome": "skipped", "Version": "none", "Channel": "none"}
        assert "nothing was pushed yet" in said["executionDetails"]["summary"]


def test_texts_of_any_length_are_cut(world: World) -> None:
    event, own = world.push(CommitMessage="because " * 50_000, FullRepositoryName="r" * 5000, CommitId="c" * 5000)
    world.run(event)
    assert len(world.fake.executions[own]["input"]) < 3000


def test_what_an_uploader_says_is_kept_and_decoded(world: World) -> None:
    said = {"who": "Zoë 漢\nx", "message": "first\nsecond %", "commit": "abcdef0123", "branch": "feature/ä"}
    version = world.put("uploads/site.zip", **{name: quote(text, safe="") for name, text in said.items()})
    event, own = world.upload("uploads/site.zip", version, folder="dist")
    world.run(event)
    given = world.fake.given(own)
    assert (given["who"], given["channel"]) == ("Zoë 漢 x", "live")
    source = given["source"]
    assert {name: source[name] for name in ("message", "commit", "branch", "folder", "wrapped")} == {
        "message": "first\nsecond %", "commit": "abcdef0123", "branch": "feature/ä", "folder": "dist", "wrapped": True,
    }  # fmt: skip


@pytest.mark.parametrize("commit", ["main", "../../x", "abcdef", "ABCDEF0", "feature/abcdef0", "a" * 65])
def test_what_is_no_commit_does_not_become_part_of_a_version_s_id(world: World, commit: str) -> None:
    version = world.put("uploads/site.zip", commit=quote(commit, safe=""))
    event, own = world.upload("uploads/site.zip", version)
    world.run(event)
    assert world.fake.given(own)["source"]["commit"] == ""
    assert (world.fake.given(own)["who"], world.fake.given(own)["source"]["message"]) == ("upload", "uploads/site.zip")


def test_what_was_built_of_an_upload_has_no_folder_around_it(world: World) -> None:
    event, own = world.upload("uploads/preview/pr-1/x.zip", world.put("uploads/preview/pr-1/x.zip"), action="Release")
    world.run(event)
    assert world.fake.given(own)["source"]["wrapped"] is False and world.fake.given(own)["channel"] == "preview/pr-1"


@pytest.mark.parametrize("key", ["uploads/a/x.zip", "other/x.zip"])
def test_a_key_that_says_no_channel_is_refused(world: World, key: str) -> None:
    event, _ = world.upload(key, world.put(key))
    assert "says neither live nor a preview" in world.failure(event) and not world.fake.starts


def test_an_upload_that_was_taken_back_is_not_released(world: World) -> None:
    version = world.put("uploads/site.zip")
    world.s3.delete_object(Bucket=UPLOADS, Key="uploads/site.zip", VersionId=version)
    event, _ = world.upload("uploads/site.zip", version)
    assert "was removed since it was uploaded" in world.failure(event) and not world.fake.starts


# --- order


def test_an_upload_s_time_is_the_event_s(world: World) -> None:
    """Not when the pipeline came to it: of two that wait, the one that was uploaded later is newer."""
    version = world.put("uploads/site.zip")
    event, own = world.upload("uploads/site.zip", version, moment=moment(world.started - 100))
    world.run(event)
    assert world.fake.given(own)["source"]["time"] == int(world.started - 100) + 0.5


@pytest.mark.parametrize("text", ["none", "", "yesterday", "2026-11-20T12:00:00", "1e9"])
def test_an_execution_that_nobody_uploaded_for_counts_from_its_own_start(world: World, text: str) -> None:
    event, own = world.upload("uploads/site.zip", world.put("uploads/site.zip"), moment=text)
    world.run(event)
    assert world.fake.given(own)["source"]["time"] == pytest.approx(world.started + 0.5, abs=1e-3)


def test_of_two_uploads_of_one_key_in_one_second_the_second_is_newer(world: World) -> None:
    first, second = world.put("uploads/site.zip"), world.put("uploads/site.zip")
    times = {}
    for version in (second, first):
        event, own = world.upload("uploads/site.zip", version, moment=moment(world.started))
        world.run(event)
        times[version] = world.fake.given(own)["source"]["time"]
    assert times[second] - times[first] == 0.5


def test_one_that_was_deleted_since_is_not_the_newest(world: World) -> None:
    version = world.put("uploads/site.zip")
    world.s3.delete_object(Bucket=UPLOADS, Key="uploads/site.zip")
    event, own = world.upload("uploads/site.zip", version, moment=moment(world.started))
    world.run(event)
    assert world.fake.given(own)["source"]["time"] == int(world.started)


def test_a_commit_s_own_time_decides_nothing(world: World) -> None:
    event, own = world.push(AuthorDate="2099-01-01T00:00:00Z")
    world.run(event)
    assert world.fake.given(own)["source"]["time"] == pytest.approx(world.started, abs=1e-3)


# --- once, and told


def test_the_same_event_twice_starts_one_execution(world: World) -> None:
    event, own = world.push()
    for _ in range(2):
        world.run(event)
    assert list(world.fake.executions) == [own]
    assert len(world.fake.told[id_of(event)]) == 1


def test_an_event_that_comes_again_after_the_end_finds_it(world: World) -> None:
    """Step Functions gives a name to one execution only, and refuses it for another."""
    event, own = world.push()
    world.run(event)
    world.fake.end(own, status="SUCCEEDED", output=json.dumps(RELEASED))
    world.fake.over.clear()
    assert world.run(event)["outputVariables"]["Outcome"] == "released" and world.fake.starts == [own]


def test_a_stage_that_is_tried_again_starts_another_execution(world: World) -> None:
    execution, own = world.fake.execution(GITHUB, started=world.started)
    world.run(world.event(execution, to="live"))
    world.fake.end(own, status="FAILED", error="UserError", cause="x")
    other = world.fake.again(execution)
    world.run(world.event(execution, to="live"))
    assert world.fake.starts == [own, other]
    assert world.fake.given(own) == world.fake.given(other), "the order between releases is the source's, not the try's"


def test_an_action_that_is_not_listed_yet_is_waited_for(world: World) -> None:
    execution, own = world.fake.execution(GITHUB, started=world.started)
    hidden = world.fake.listed[execution].pop(0)
    slept = world.aws.slept

    def trouble(operation: str) -> None:
        if world.aws.slept > slept + 3 and hidden not in world.fake.listed[execution]:
            world.fake.listed[execution].append(hidden)

    world.fake.trouble = trouble
    world.run(world.event(execution, to="live"))
    assert world.fake.starts == [own]


def test_an_action_whose_id_has_another_form_is_followed_as_well(world: World) -> None:
    execution, _ = world.fake.execution(GITHUB, started=world.started, own="action/2026.11")
    first = world.run(world.event(execution, to="live"))
    world.run(world.event(execution, to="live"))
    assert set(world.fake.starts) == {first["continuationToken"]}
    world.fake.end(first["continuationToken"], status="SUCCEEDED", output=json.dumps(RELEASED))
    back = world.run(world.event(execution, to="live", token=first["continuationToken"]))
    assert back["outputVariables"]["Outcome"] == "released"


def test_one_that_is_never_listed_goes_by_its_job(world: World) -> None:
    execution, _ = world.fake.execution(GITHUB, started=world.started)
    del world.fake.listed[execution][0]
    event = world.event(execution, to="live")
    assert world.run(event)["continuationToken"] == id_of(event) and world.fake.starts == [id_of(event)]


@pytest.mark.parametrize("status", ["Succeeded", "Failed", "Abandoned"])
def test_an_event_that_comes_after_its_action_is_over_releases_nothing(world: World, status: str) -> None:
    """Lambda may send one twice, or hours late: what somebody stopped, or CodePipeline gave up, is not to go live then."""
    event, _ = world.push()
    for listed in world.fake.listed.values():
        listed[0]["status"] = status
    assert "is over" in world.failure(event) and not world.fake.starts


@pytest.mark.parametrize("status", ["InProgress", "Failed", "Abandoned", None])
def test_without_a_source_nothing_is_released(world: World, status: str | None) -> None:
    execution, _ = world.fake.execution(GITHUB, started=world.started)
    found = world.fake.listed[execution]
    world.fake.listed[execution] = [one for one in found if one["stageName"] != "Source" or status]
    for one in world.fake.listed[execution]:
        one["status"] = status if one["stageName"] == "Source" else one["status"]
    assert "does not say what its execution" in world.failure(world.event(execution, to="live")) and not world.fake.starts


def test_it_comes_back_until_the_release_is_over(world: World) -> None:
    event, own = world.push()
    begun = world.aws.slept
    token = world.run(event)["continuationToken"]
    assert 15 < world.aws.slept - begun <= deliver.PATIENCE_SECONDS, "one event stays below the function's minute"
    execution = event["CodePipeline.job"]["data"]["actionConfiguration"]["configuration"]["UserParameters"]
    name = json.loads(execution)["execution"]
    assert world.run(world.event(name, to="live", token=token))["continuationToken"] == own
    world.fake.end(own, status="SUCCEEDED", output=json.dumps(RELEASED))
    said = world.run(world.event(name, to="live", token=token))
    assert said["outputVariables"] == {"Outcome": "released", "Version": RELEASED["version"], "Channel": "live"}
    assert said["executionDetails"] == {
        "summary": "live serves 20261120T231500Z-abcdef0 (release 7)",
        "externalExecutionId": f"{MACHINE.replace('stateMachine', 'execution')}:{own}",
    }
    assert world.fake.starts == [own], "who comes back starts nothing"


def test_a_release_that_ends_meanwhile_is_told_at_once(world: World) -> None:
    event, own = world.push()

    def trouble(operation: str) -> None:
        if operation == "DescribeExecution":
            world.fake.end(own, status="SUCCEEDED", output=json.dumps(RELEASED))

    world.fake.trouble = trouble
    begun = world.aws.slept
    assert "continuationToken" not in world.run(event) and world.aws.slept - begun < 1


def test_a_superseded_release_is_no_failure_and_says_so(world: World) -> None:
    event, own = world.push()
    message = "v was published but not released: live of shop already has w, which is newer; to serve it: toolkit promote v"
    token = world.run(event)["continuationToken"]
    world.fake.end(own, status="SUCCEEDED", output=json.dumps({**RELEASED, "outcome": "superseded", "message": message}))
    said = world.run(world.event("any", to="live", token=token))
    assert said["outputVariables"]["Outcome"] == "superseded" and said["executionDetails"]["summary"] == f"superseded: {message}"


@pytest.mark.parametrize("token", ["x", "", MACHINE, "0" * 36, "abcdef01-2345-6789-abcd-ef0123456789 "])
def test_a_token_of_somebody_else_is_refused(world: World, token: str) -> None:
    event = world.event("any", to="live", token=token or " ")
    assert "a token that is not of this function" in world.failure(event) and not world.fake.starts


def test_a_token_of_no_execution_fails(world: World) -> None:
    assert "ExecutionDoesNotExist" in world.failure(world.event("any", to="live", token="abcdef01-2345-6789-abcd-ef0123456789"))


LAMBDA = {"errorMessage": "site.zip has no index.html: deploy its folder dist instead", "errorType": "UserError", "stackTrace": []}
CAUSED = {"Error": "UserError", "Cause": json.dumps(LAMBDA)}
BUILD = {
    "Build": {
        "Arn": "arn:aws:codebuild:us-east-1:123456789012:build/large:1", "BuildStatus": "FAILED",
        "Phases": [{"PhaseType": "BUILD", "Contexts": [{"StatusCode": "COMMAND", "Message": "exit status 1"}]}, {"Contexts": None}],
        "Logs": {"DeepLink": "https://console/log"},
    }
}  # fmt: skip
SPOKEN = "the release failed: site.zip has no index.html: deploy its folder dist instead. What was serving still serves."


@pytest.mark.parametrize(
    ("ended", "said"),
    [
        ({"status": "FAILED", "error": "UserError", "cause": json.dumps(CAUSED)}, SPOKEN),
        ({"status": "FAILED", "error": "UserError", "cause": json.dumps(LAMBDA)}, SPOKEN),
        ({"status": "TIMED_OUT"}, "the release failed: it took too long. What"),
        ({"status": "TIMED_OUT", "error": "States.Timeout"}, "the release failed: it took too long: States.Timeout. What"),
        ({"status": "ABORTED", "cause": "by hand"}, "the release failed: somebody stopped it: by hand. What"),
        ({"status": "FAILED"}, "the release failed: nothing says why. What"),
        (
            {"status": "FAILED", "error": "States.TaskFailed", "cause": json.dumps({"Error": "x", "Cause": json.dumps(BUILD)})},
            "the release failed: the build that publishes it failed: exit status 1: see https://console/log. What",
        ),
        ({"status": "FAILED", "error": "KeyError", "cause": json.dumps({"errorMessage": "'x'"})}, "failed: KeyError: 'x'. What"),
        ({"status": "FAILED", "error": "x", "cause": "[" * 32_000}, "the release failed: x: [[["),
        (
            {"status": "FAILED", "error": "Sandbox.Timedout", "cause": '{"errorMessage": "after 900 s"}'},
            "Sandbox.Timedout: after 900 s",
        ),
    ],
)
def test_a_failed_release_fails_the_action_in_words(world: World, ended: dict[str, Any], said: str) -> None:
    event, own = world.push()
    token = world.run(event)["continuationToken"]
    world.fake.end(own, **ended)
    message = world.failure(world.event("any", to="live", token=token))
    assert said in message and "errorMessage" not in message
    assert world.fake.last["failureDetails"]["externalExecutionId"].endswith(own)


def test_a_look_that_gets_no_answer_is_no_failed_release(world: World) -> None:
    def trouble(operation: str) -> None:
        if operation == "DescribeExecution":
            raise Refused("ThrottlingException", 400)

    world.fake.trouble = trouble
    event, own = world.push()
    assert world.run(event)["continuationToken"] == own


def test_nothing_may_be_asked_without_the_right_to_it(world: World) -> None:
    def trouble(operation: str) -> None:
        if operation == "ListActionExecutions":
            raise Refused("AccessDeniedException", 403)

    world.fake.trouble = trouble
    event, _ = world.push()
    assert "allow them codepipeline:ListActionExecutions there" in world.failure(event)


# --- with the state machines of moto


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws(config={"stepfunctions": {"execute_state_machine": True}}):
        yield Aws()


@pytest.mark.parametrize(
    ("last", "said"),
    [
        ({"Type": "Pass", "Result": RELEASED, "End": True}, "live serves 20261120T231500Z-abcdef0 (release 7)"),
        ({"Type": "Fail", "ErrorPath": "$.failure.Error", "CausePath": "States.JsonToString($.failure)"}, SPOKEN),
    ],
)
def test_what_a_state_machine_leaves_is_understood(played: Aws, last: dict[str, Any], said: str) -> None:
    """Ended as the release workflow ends."""
    states = {"Begin": {"Type": "Pass", "Result": CAUSED, "ResultPath": "$.failure", "Next": "Last"}, "Last": last}
    client: Any = boto3.client("stepfunctions", region_name="us-east-1")
    role = "arn:aws:iam::123456789012:role/release"
    definition = json.dumps({"StartAt": "Begin", "States": states})
    machine = client.create_state_machine(name="release", definition=definition, roleArn=role)["stateMachineArn"]
    fake = FakePipelines()
    services = Services({"SITE": SITE, "RELEASE_ARN": machine}, played.session, sleep=lambda seconds: time.sleep(min(seconds, 0.1)))
    fake.attach(services.session, "codepipeline")
    execution, own = fake.execution(GITHUB, started=time.time())
    parameters = {"pipeline": PIPELINE, "execution": execution, "action": "Release", "to": "live"}
    jobs.run(deliver.work, job(parameters, inputs={"LiveSite": ("artifacts", "k")}), services)
    told = fake.last
    assert said == (told.get("executionDetails") or told["failureDetails"]).get(
        "summary", told.get("failureDetails", {}).get("message")
    )
    (there,) = client.list_executions(stateMachineArn=machine)["executions"]
    assert there["name"] == own
