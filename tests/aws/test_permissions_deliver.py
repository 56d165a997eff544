"""The policies of `toolkit permissions deliver`: what upload, trigger, logs and status ask of pipelines is allowed, and no more."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.aws.account import REGION, FakeAccount
from tests.aws.calls import ACCOUNT, Call, Recorder, allowed
from tests.aws.conftest import Cli
from tests.aws.pipelines import Build, Execution, FakePipelines, task
from toolkit.aws import permissions
from toolkit.engine.advice import PipelineFacts, Policy, SiteFacts
from toolkit.targets import Ways

CONNECTION = f"arn:aws:codeconnections:{REGION}:{ACCOUNT}:connection/0f1e2d3c-aaaa-bbbb-cccc-0123456789ab"
FACTS = SiteFacts(site="blog", region=REGION, pipelines=PipelineFacts("ada/blog", CONNECTION, uploads=True))
LIVE, UPLOAD, UPLOADS = "toolkit-site-blog-live-0a1b2c3d", "toolkit-site-blog-upload-0a1b2c3d", "toolkit-site-blog-uploads-x"
MACHINE = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:ReleaseMachine0A1B-x"
SERVED = {"Outcome": "released", "Version": "20261120T231500Z-1a2b3c4", "Channel": "live"}
# What CloudFormation names the builds' log group, and their project.
GROUP, PROJECT = "toolkit-site-blog-PipelineLiveBuildLogs-x", "PipelineLiveBuildProject-x"


class Heard:
    """The command line on an account with pipelines; `calls` is what it asked for."""

    def __init__(self, cli: Cli, account: FakeAccount, pipelines: FakePipelines) -> None:
        self.pipelines = pipelines
        self._cli, self._account, self._recorder = cli, account, Recorder()

    def run(self, *words: str | Path) -> None:
        ways = Ways(connect=self._connect, sleep=self.pipelines.sleep)
        outcome = self._cli(*words, ways=ways)
        assert outcome.code == 0, outcome.out + outcome.err

    def calls(self) -> set[Call]:
        return self._recorder.own() | {
            Call(f"{SERVICES[name]}:{name}", resource(name, said), True) for name, said in self.pipelines.asked
        }

    def _connect(self, region: str, profile: str) -> Any:
        return self.pipelines.attach(self._recorder.listen(self._account.connect(region, profile)))


SERVICES = {
    "BatchGetBuilds": "codebuild",
    "GetLogEvents": "logs",
    "GetExecutionHistory": "states",
    "StartPipelineExecution": "codepipeline",
    "ListPipelineExecutions": "codepipeline",
    "ListActionExecutions": "codepipeline",
    "GetPipelineExecution": "codepipeline",
}


def resource(name: str, said: Mapping[str, Any]) -> str:
    """What IAM would look at; names that the account here gives are those that CloudFormation would."""
    if name == "BatchGetBuilds":
        return f"arn:aws:codebuild:{REGION}:{ACCOUNT}:project/{PROJECT}"
    if name == "GetLogEvents":
        return f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{GROUP}:log-stream:{said['logStreamName']}"
    if name == "GetExecutionHistory":
        return str(said["executionArn"])
    return f"arn:aws:codepipeline:{REGION}:{ACCOUNT}:{said.get('pipelineName') or said['name']}"


@pytest.fixture
def heard(cli: Cli, account: FakeAccount, pipelines: FakePipelines) -> Iterator[Heard]:
    names = {"LivePipeline": LIVE, "UploadPipeline": UPLOAD, "UploadBucket": UPLOADS, "UploadPrefix": "uploads/"}
    account.set_up(ReleaseArn=MACHINE, **names)
    s3 = account.connect(REGION, "").client("s3")
    s3.create_bucket(Bucket=UPLOADS, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_bucket_versioning(Bucket=UPLOADS, VersioningConfiguration={"Status": "Enabled"})
    yield Heard(cli, account, pipelines)


@pytest.fixture
def site_zip(project: Path) -> Path:
    with zipfile.ZipFile(project / "site.zip", "w") as archive:
        archive.write(project / "dist" / "index.html", "index.html")
    return project / "site.zip"


def of(*names: str, step: str = "deliver") -> list[Policy]:
    return [one for one in permissions.policies(step, FACTS, ACCOUNT) if not names or one.name in names]


def refused(heard: Heard, policies: list[Policy]) -> list[str]:
    return sorted({f"{call.action} {call.resource}" for call in heard.calls() if not allowed(call, policies)})


def released(heard: Heard, made: Execution) -> None:
    made.act("Release", began=14, ended=20, id="run-1", variables=SERVED)
    heard.pipelines.history(MACHINE, "run-1", task("Publish", 14, 18), task("Verify", 18, 19), task("Flip", 19, 20))
    made.status = "Succeeded"


def upload(heard: Heard, site_zip: Path, account: FakeAccount) -> None:
    """A zip that is a project, sent and followed until it serves."""

    def starts() -> None:
        s3 = account.connect(REGION, "").client("s3")
        (there,) = s3.list_object_versions(Bucket=UPLOADS)["Versions"]
        made = heard.pipelines.execution(UPLOAD, "e1", 10.0)
        made.act("Source", began=10, ended=12, variables={"ObjectKey": there["Key"], "VersionId": there["VersionId"]})

    heard.pipelines.then(starts, lambda: released(heard, heard.pipelines.executions[0]))
    heard.run("upload", site_zip)


def build(heard: Heard) -> None:
    made = heard.pipelines.execution(LIVE, "e2", 1.0, status="Succeeded")
    made.act("Source", variables={"BranchName": "main", "CommitId": "1a2b3c4"})
    made.act("Build", began=1, ended=2, result={"externalExecutionId": "blog:b1"})
    heard.pipelines.builds["blog:b1"] = Build("blog:b1", ["one", "two"], "SUCCEEDED")


def test_upload(heard: Heard, site_zip: Path, account: FakeAccount) -> None:
    upload(heard, site_zip, account)
    assert refused(heard, of("toolkit-upload", "toolkit-follow")) == []
    assert refused(heard, of("toolkit-follow")), "reading alone sends nothing"


def test_trigger(heard: Heard) -> None:
    heard.pipelines.then(lambda: released(heard, heard.pipelines.executions[0]))
    heard.run("trigger")
    assert refused(heard, of("toolkit-trigger", "toolkit-follow")) == []
    assert refused(heard, of("toolkit-upload", "toolkit-follow"))


def test_logs_of_the_last_build_and_of_a_delivery(heard: Heard) -> None:
    build(heard)
    heard.run("logs")
    heard.run("logs", "--delivery", "live/e2")
    assert refused(heard, [*of("toolkit-follow"), *of(step="deploy")]) == []


def test_status(heard: Heard) -> None:
    build(heard)
    released(heard, heard.pipelines.executions[0])
    heard.run("status")
    assert refused(heard, [*of("toolkit-follow"), *of(step="deploy")]) == []


def test_nothing_is_allowed_that_nobody_asks(heard: Heard, site_zip: Path, account: FakeAccount) -> None:
    upload(heard, site_zip, account)
    build(heard)
    heard.run("logs")
    heard.run("status")
    heard.run("trigger", "--no-follow")
    granted = {action for policy in of() for one in policy.statements for action in one.actions}
    # Only a large zip is sent in parts, which are taken away when it fails.
    assert granted - {call.action for call in heard.calls()} == {"s3:AbortMultipartUpload"}
