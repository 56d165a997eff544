"""Actions as CodePipeline runs them: the two sources, and Lambda functions with their jobs. Builds are in `builds.py`."""

from __future__ import annotations

import subprocess
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from botocore.exceptions import ClientError

from tests.rehearsal.aws import PlayedAws
from tests.rehearsal.executions import ActionFailed, Turn
from tests.rehearsal.functions import Functions
from tests.rehearsal.iam import Call, Caller
from tests.rehearsal.template import ACCOUNT, Deployed
from tests.rehearsal.wire import TLS

# CodePipeline calls a function that goes on again after a while, here sooner; and not for ever.
_POLL_SECONDS = 0.2
_MOST_CALLS = 600


class S3Source:
    """The zip of a key and a version, copied into the artifact as it is, with its tags."""

    def __call__(self, turn: Turn) -> None:
        given, overrides = turn.run.configuration, turn.execution.overrides.get(turn.run.action.name, {})
        if given.get("PollForSourceChanges") != "false":
            raise ActionFailed("it would poll, and start for every change")
        if "S3_OBJECT_KEY" in overrides and given.get("AllowOverrideForS3ObjectKey") != "true":
            raise ActionFailed("the key cannot be overridden: AllowOverrideForS3ObjectKey is not true")
        bucket, key = given["S3Bucket"], overrides.get("S3_OBJECT_KEY", given["S3ObjectKey"])
        client = turn.session.client("s3")
        if client.get_bucket_versioning(Bucket=bucket).get("Status") != "Enabled":
            raise ActionFailed(f"the bucket {bucket} is not versioned")
        version = {"VersionId": overrides["S3_OBJECT_VERSION_ID"]} if "S3_OBJECT_VERSION_ID" in overrides else {}
        try:
            found = client.get_object(Bucket=bucket, Key=key, **version)
        except ClientError as error:
            raise ActionFailed(f"{key}: {error}") from error
        tags = client.get_object_tagging(Bucket=bucket, Key=key, VersionId=found["VersionId"])["TagSet"]
        more = {"Tagging": urlencode({one["Key"]: one["Value"] for one in tags})} if tags else {}
        (name,) = turn.run.action.outputs
        turn.write(name, found["Body"].read(), **more)
        turn.run.variables = {"BucketName": bucket, "ObjectKey": key, "VersionId": found["VersionId"], "ETag": found["ETag"]}


class GitHubSource:
    """A commit of a local repository that stands in for the one at GitHub, as a zip without its history."""

    def __init__(self, aws: PlayedAws, repository: Path) -> None:
        self._aws, self._repository = aws, repository

    def __call__(self, turn: Turn) -> None:
        given, action = turn.run.configuration, turn.run.action
        connection, name = given["ConnectionArn"], given["FullRepositoryId"]
        if given.get("OutputArtifactFormat", "CODE_ZIP") != "CODE_ZIP":
            raise ActionFailed("a full clone needs more rights than the build has")
        service = connection.split(":")[2]
        call = Call(f"{service}:UseConnection", connection, {f"{service}:fullrepositoryid": name})
        if not self._aws.policies.allow(Caller(arn=action.role), call):
            raise ActionFailed(f"{action.role} may not {call}")
        overrides = turn.execution.overrides.get(action.name, {})
        branch = overrides.get("BRANCH", given["BranchName"])
        commit = overrides.get("COMMIT_ID") or self._git("rev-parse", f"refs/heads/{branch}").decode().strip()
        (output,) = action.outputs
        # With an ACL, which takes a right of its own (github.com/aws/aws-cdk/issues/13557).
        turn.write(output, self._git("archive", "--format=zip", commit), ACL="bucket-owner-full-control")
        said = self._git("show", "-s", "--format=%aI%x00%B", commit).decode().split("\0")
        turn.run.variables = {
            "AuthorDate": said[0],
            "BranchName": branch,
            "CommitId": commit,
            "CommitMessage": said[1].strip(),
            "ConnectionArn": connection,
            "FullRepositoryName": name,
        }

    def _git(self, *words: str) -> bytes:
        return subprocess.run(["git", "-C", str(self._repository), *words], capture_output=True, check=True).stdout


@dataclass
class Job:
    """What a function said of its job: "" until then, `Succeeded`, `Failed`, or `Continued` with a token."""

    state: str = ""
    token: str = ""
    says: str = ""
    variables: dict[str, str] = field(default_factory=dict)


class Jobs:
    """The jobs of all actions; functions report them through the API."""

    def __init__(self) -> None:
        self.found: dict[str, Job] = {}
        self._lock = threading.Lock()

    def new(self) -> tuple[str, Job]:
        made = str(uuid.uuid4())
        self.found[made] = Job()
        return made, self.found[made]

    def report(self, operation: str, given: Mapping[str, Any]) -> str:
        """The name of the error, or ""."""
        with self._lock:
            job = self.found.get(given["jobId"])
            if job is None:
                return "JobNotFoundException"
            if job.state:
                return "InvalidJobStateException"
            if operation == "PutJobFailureResult":
                job.state, job.says = "Failed", given["failureDetails"]["message"]
                # docs.aws.amazon.com/codepipeline/latest/APIReference/API_FailureDetails.html
                return "ValidationException" if len(job.says) > 5000 or not job.says else ""
            job.variables, job.says = dict(given.get("outputVariables", {})), given.get("executionDetails", {}).get("summary", "")
            job.token = given.get("continuationToken", "")
            job.state = "Continued" if job.token else "Succeeded"
            return ""


class LambdaInvoke:
    """A function is called with a job, again while it asks for that, and says itself how the job went."""

    def __init__(self, aws: PlayedAws, functions: Functions, stack: Deployed, jobs: Jobs) -> None:
        self._aws, self._functions, self._stack, self._jobs = aws, functions, stack, jobs

    def __call__(self, turn: Turn) -> None:
        function = self._functions.named(turn.run.configuration["FunctionName"])
        # It looks for the function's name first, and fails without that right, which knows no resource.
        for call in (Call("lambda:ListFunctions", "*", TLS), Call("lambda:InvokeFunction", function.arn, TLS)):
            if not self._aws.policies.allow(Caller(arn=turn.run.action.role), call):
                raise ActionFailed(f"{turn.run.action.role} may not {call}")
        outputs = {name: turn.place(name) for name in turn.run.action.outputs}
        token = ""
        for _ in range(_MOST_CALLS):
            job_id, job = self._jobs.new()
            answered = self._functions.run(function, event(turn, job_id, outputs, token))
            if not job.state:
                raise ActionFailed(f"the job of {function.handler} was never reported: it would hang for an hour ({answered})")
            turn.run.summary, turn.run.variables = job.says, job.variables
            if job.state == "Failed":
                raise ActionFailed(job.says)
            if job.state == "Succeeded":
                return
            token = job.token
            if turn.stop.wait(_POLL_SECONDS):
                raise ActionFailed("the rehearsal is over")
        raise ActionFailed(f"{function.handler} never ends")


def event(turn: Turn, job_id: str, outputs: Mapping[str, tuple[str, str]], token: str) -> dict[str, Any]:
    """What the function gets (docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-Lambda.html)."""
    given = turn.run.configuration
    configuration = {name: given[name] for name in ("FunctionName", "UserParameters") if name in given}
    inputs = {name: turn.execution.artifacts[name] for name in turn.run.action.inputs}
    data = {
        "actionConfiguration": {"configuration": configuration},
        "inputArtifacts": [_located(name, place) for name, place in inputs.items()],
        "outputArtifacts": [_located(name, place) for name, place in outputs.items()],
        "artifactCredentials": {"accessKeyId": "ASIAOFTHEJOB", "secretAccessKey": "made-up", "sessionToken": "made-up"},
        **({"continuationToken": token} if token else {}),
    }
    return {"CodePipeline.job": {"id": job_id, "accountId": ACCOUNT, "data": data}}


def _located(name: str, place: tuple[str, str]) -> dict[str, Any]:
    bucket, key = place
    return {"name": name, "revision": None, "location": {"type": "S3", "s3Location": {"bucketName": bucket, "objectKey": key}}}
