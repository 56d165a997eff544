"""A site's pipelines at work on a stage: the bus that uploads reach, the repository that is pushed to, builds, executions."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.rehearsal.actions import GitHubSource, Jobs, LambdaInvoke, S3Source
from tests.rehearsal.aws import PlayedAws
from tests.rehearsal.builds import Builds
from tests.rehearsal.eventbus import Bus, Target, object_created
from tests.rehearsal.executions import CodePipeline, Execution
from tests.rehearsal.functions import Functions
from tests.rehearsal.github import Repository
from tests.rehearsal.pipeline_api import PipelineApi
from tests.rehearsal.sites import SECRET_VALUE
from tests.rehearsal.template import Deployed
from tests.rehearsal.wire import Answered, Sent, s3_address


class Deliveries:
    """What a push and an upload set going. `started` are executions, oldest first."""

    def __init__(self, stack: Deployed, aws: PlayedAws, functions: Functions, session: Any, folder: Path) -> None:
        self._stack, self._session = stack, session
        self._kept: list[dict[str, Any]] | None = None
        self.outputs = stack.outputs()
        self.builds = Builds(stack, aws, folder / "builds")
        jobs, repository = Jobs(), folder / "repository"
        self.pipelines = CodePipeline(
            stack,
            aws,
            {
                "S3": S3Source(),
                "CodeStarSourceConnection": GitHubSource(aws, repository),
                "CodeBuild": self.builds,
                "Lambda": LambdaInvoke(aws, functions, stack, jobs),
            },
        )
        aws.pipelines = PipelineApi(self.pipelines, jobs)
        self.bus = Bus(stack, aws.policies, self._triggered)
        aws.stored = self._stored
        self._telling = {stack.name(one) for one in stack.within("AWS::S3::Bucket") if _tells_events(stack.properties(one))}
        self.repository = Repository(repository, self._repository_name(), self.pipelines)
        for place in sorted({one for _, one in self.builds.parameters()}):
            session.client("ssm").put_parameter(Name=place, Value=SECRET_VALUE, Type="SecureString")

    def _repository_name(self) -> str:
        found = {one.source.configuration.get("FullRepositoryId", "") for one in self.pipelines.pipelines.values()}
        return max(found, default="")

    # --- uploads

    def put(self, key: str, body: bytes, *, tags: str = "", **metadata: str) -> str:
        """Put an object into the upload bucket, as `toolkit upload` or anybody may; its version id."""
        told = {name: quote(value) for name, value in metadata.items()}
        more = {"Tagging": tags} if tags else {}
        found = self._session.client("s3").put_object(
            Bucket=self.outputs["UploadBucket"], Key=key, Body=body, Metadata=told, **more
        )
        return str(found["VersionId"])

    def started_by(self, act: Callable[[], Any]) -> list[Execution]:
        """The executions that something starts."""
        before = len(self.pipelines.executions)
        act()
        return self.pipelines.executions[before:]

    def _stored(self, sent: Sent, answered: Answered) -> None:
        """S3 tells EventBridge of each object in a bucket where that is switched on."""
        bucket, key = s3_address(sent)
        if bucket in self._telling:
            headers = {name.lower(): value for name, value in answered.headers.items()}
            version, etag = headers.get("x-amz-version-id", ""), headers.get("etag", "").strip('"')
            event = object_created(bucket, key, version, len(sent.body), etag, self._stack.region)
            if self._kept is None:
                self.bus.put(event)
            else:
                self._kept.append(event)

    @contextmanager
    def late(self) -> Iterator[list[dict[str, Any]]]:
        """Events come when this is over, in the order of the list."""
        self._kept = kept = []
        try:
            yield kept
        finally:
            self._kept = None
        for event in kept:
            self.bus.put(event)

    def _triggered(self, target: Target) -> None:
        """StartPipelineExecution with what the rule made of the event."""
        given = json.loads(target.given)
        (name,) = (one.name for one in self.pipelines.pipelines.values() if one.arn == target.arn)
        unknown = set(given) - {"sourceRevisions", "variables", "clientRequestToken"}
        assert not unknown, f"StartPipelineExecution knows no {unknown}"
        variables = {one["name"]: one["value"] for one in given.get("variables", ())}
        self.pipelines.start(name, variables=variables, revisions=given.get("sourceRevisions", ()), trigger="CloudWatchEvent")

    def close(self) -> None:
        self.pipelines.close()
        deadline = time.monotonic() + 5
        while any(one.status == "InProgress" for one in self.pipelines.executions) and time.monotonic() < deadline:
            time.sleep(0.1)


def _tells_events(properties: Mapping[str, Any]) -> bool:
    found = properties.get("NotificationConfiguration", {}).get("EventBridgeConfiguration", {})
    return found.get("EventBridgeEnabled") in (True, "true")


def zipped(files: Mapping[str, str | bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return content.getvalue()
