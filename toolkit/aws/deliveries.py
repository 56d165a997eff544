"""The deliveries of a site in AWS: executions of its pipelines, read from CodePipeline, CodeBuild and Step Functions.

A delivery's id is `<key of the pipeline>/<id of the execution>`. Cost of a look: one request for the execution, one for its actions
and one for the steps of its release, each with its pages.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from itertools import islice
from typing import Any

from botocore.exceptions import ClientError

from toolkit.aws import deliveries_stages as stages
from toolkit.aws import deliveries_upload, executions
from toolkit.aws.deliveries_logs import BuildLogs
from toolkit.aws.errors import code
from toolkit.aws.outputs import pipelines
from toolkit.aws.session import STEADY, asking
from toolkit.engine import channels
from toolkit.engine import pipelines as names
from toolkit.engine.deliveries import Delivery, Stage, Upload, patiently
from toolkit.errors import UserError

_PAUSE_SECONDS = 3.0
# EventBridge delivers within seconds; after this long something is switched off.
_STARTS_WITHIN_SECONDS = 60.0
# How many executions are looked through for one that built something, or for the last of a branch.
_LOOK_BACK = 10
# As many executions run side by side (docs.aws.amazon.com/codepipeline/latest/userguide/limits.html).
_AT_ONCE = 50
# What CodePipeline just started it may not find at once.
_TRIES = 5
_CONSOLES = {"aws-cn": "console.amazonaws.cn", "aws-us-gov": "console.amazonaws-us-gov.com"}


class PipelineDeliveries:
    """`outputs` are the site's (`aws.outputs`). Pushes to `branch` go live, or tags where `is_tagged`; `sleep` waits for AWS."""

    def __init__(
        self,
        session: Any,
        outputs: Mapping[str, str],
        site: str,
        *,
        branch: str = "main",
        is_tagged: bool = False,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.pipelines = pipelines(outputs)
        self._session, self._outputs, self._site = session, outputs, site
        self._branch, self._is_tagged, self._sleep = branch, is_tagged, sleep

    def recent(self, count: int) -> list[Delivery]:
        return [self._delivery(key, summary) for key, summary in self._newest(count)]

    def one(self, id: str) -> Delivery:
        key, execution = self._parsed(id)
        return self._delivery(key, self._execution(key, execution))

    def last_build(self) -> Delivery | None:
        ended = None
        for key, summary in self._newest(_LOOK_BACK):
            actions = self._actions(key, summary["pipelineExecutionId"])
            builds = names.BUILD in actions
            if builds and actions[names.BUILD]["status"] == "InProgress":
                return self._delivery(key, summary)
            if builds and ended is None:
                ended = key, summary
        return self._delivery(*ended) if ended else None

    def log(self, id: str, *, follow: bool) -> Iterator[str]:
        key, execution = self._parsed(id)
        while True:
            found, actions = patiently(lambda: (self._execution(key, execution), self._actions(key, execution)), self.wait)
            action = actions.get(names.BUILD)
            if action and (build := stages.build_of(action)):
                yield from BuildLogs(self._session, self._sleep).lines(build, follow=follow)
                return
            if action and action["status"] != "InProgress":
                said = stages.of_action(names.BUILD, action).says
                raise UserError(f"the build of {id} did not begin: {said}", "see `toolkit status`, then `toolkit doctor`")
            # What is released without a build comes to none, however long it takes.
            is_over = found["status"] not in ("InProgress", "Stopping") or any(name in actions for name in names.RELEASES)
            if not follow or is_over:
                raise UserError(f"{id} has built nothing", "see `toolkit status` for how far it came")
            self.wait()

    def upload(self, upload: Upload, progress: Callable[[int], None]) -> str:
        bucket, prefix = self._outputs.get(names.UPLOAD_BUCKET, ""), self._outputs.get(names.UPLOAD_PREFIX, "")
        if names.UPLOAD not in self.pipelines or not bucket:
            raise UserError(f"the site {self._site} takes no uploads", "add [aws.uploads] to site.toml, then run `toolkit up`")
        key = deliveries_upload.key_for(prefix, upload)
        known = {str(one["pipelineExecutionId"]): "" for one in self._summaries(names.UPLOAD, _AT_ONCE)}
        version = deliveries_upload.send(self._session, bucket, key, upload, progress)
        waited = 0.0
        while not (found := patiently(lambda: self._started_by(key, version, known), self.wait)):
            if waited >= _STARTS_WITHIN_SECONDS:
                raise _nothing_began(f"s3://{bucket}/{key} is there, but within {waited:.0f} s nothing", known)
            self.wait()
            waited += _PAUSE_SECONDS
        return f"{names.UPLOAD}/{found}"

    def trigger(self, branch: str) -> str:
        if branch and branch != self._branch:
            # `COMMIT_ID` starts a pipeline at any commit, but nothing tells it the branch, which names the preview
            # (docs.aws.amazon.com/codepipeline/latest/userguide/pipelines-trigger-source-overrides.html).
            raise UserError(
                f"only a push can start the preview of {branch}: CodePipeline takes the branch's name from it",
                f'git commit --allow-empty -m "Build again" && git push origin {branch}',
            )
        if names.LIVE in self.pipelines:
            return self._start(names.LIVE, self._commit() if self._is_tagged else {})
        if names.UPLOAD in self.pipelines:
            return self._start(names.UPLOAD, self._last_upload())
        raise UserError(f"no pipeline of {self._site} releases to live", "add [aws.github] to site.toml, then run `toolkit up`")

    def wait(self) -> None:
        self._sleep(_PAUSE_SECONDS)

    @cached_property
    def _client(self) -> Any:
        with asking("AWS", "codepipeline:ListPipelineExecutions"):
            return self._session.client("codepipeline", config=STEADY)

    def _parsed(self, id: str) -> tuple[str, str]:
        key, _, execution = id.partition("/")
        if key not in self.pipelines or not execution:
            raise UserError(f"{self._site} has no delivery {id!r}", "see `toolkit status --json` for their ids")
        return key, execution

    def _newest(self, count: int) -> list[tuple[str, Mapping[str, Any]]]:
        """The last executions of all pipelines, newest first."""
        found = [(key, summary) for key in self.pipelines for summary in self._summaries(key, count)]
        return sorted(found, key=lambda one: stages.seconds_of(one[1].get("startTime")), reverse=True)[:count]

    def _summaries(self, key: str, count: int) -> Iterator[Mapping[str, Any]]:
        """The last executions of one pipeline that deliver something, newest first."""
        name = self.pipelines[key]
        with asking(f"the pipeline {name}", "codepipeline:ListPipelineExecutions"):
            pages = self._client.get_paginator("list_pipeline_executions").paginate(
                pipelineName=name, PaginationConfig={"PageSize": min(count, 100)}
            )
            found = (one for page in pages for one in page["pipelineExecutionSummaries"])
            yield from islice((one for one in found if not self._is_idle(key, one)), count)

    def _is_idle(self, key: str, summary: Mapping[str, Any]) -> bool:
        """Whether it is the run that a pipeline begins by itself when it is made, and that comes to nothing.

        There is no zip then, and the branch of the other pipelines goes live; where tags do, it has a preview.
        """
        is_first = summary.get("trigger", {}).get("triggerType") == "CreatePipeline"
        return is_first and (key in (names.UPLOAD, names.CLOSED) or (key != names.LIVE and not self._is_tagged))

    def _execution(self, key: str, execution: str) -> Mapping[str, Any]:
        name = self.pipelines[key]
        for attempt in range(_TRIES):
            with asking(f"the pipeline {name}", "codepipeline:GetPipelineExecution"):
                try:
                    reply = self._client.get_pipeline_execution(pipelineName=name, pipelineExecutionId=execution)
                    found: Mapping[str, Any] = reply["pipelineExecution"]
                    return found
                except ClientError as error:
                    if code(error) != "PipelineExecutionNotFoundException":
                        raise
            if attempt < _TRIES - 1:
                self.wait()
        raise UserError(f"{self._site} has no delivery {key}/{execution}", "see `toolkit status --json` for their ids")

    def _actions(self, key: str, execution: str) -> dict[str, stages.Action]:
        name = self.pipelines[key]
        with asking(f"the pipeline {name}", "codepipeline:ListActionExecutions"):
            pages = self._client.get_paginator("list_action_executions").paginate(
                pipelineName=name, filter={"pipelineExecutionId": execution}
            )
            return stages.latest(one for page in pages for one in page["actionExecutionDetails"])

    def _delivery(self, key: str, execution: Mapping[str, Any]) -> Delivery:
        id = execution["pipelineExecutionId"]
        actions = self._actions(key, id)
        steps = [step for name in names.RELEASES if name in actions for step in self._steps(actions[name])]
        found = stages.delivery(key, execution, actions, steps, self._outputs.get(names.UPLOAD_PREFIX, ""), self._link(key, id))
        return stages.so_far(found, time.time())

    def _steps(self, action: stages.Action) -> list[Stage]:
        """Those of the release that an action started; none before that."""
        machine = self._outputs.get("ReleaseArn")
        if not machine:
            return []
        with asking(machine, "states:GetExecutionHistory"):
            try:
                pages = self._states.get_paginator("get_execution_history").paginate(
                    # The release has the name of the action's run (functions/lambdas/deliver.py).
                    executionArn=executions.arn(machine, action["actionExecutionId"]),
                    includeExecutionData=False,
                )
                events = [event for page in pages for event in page["events"]]
            except ClientError as error:
                if code(error) != "ExecutionDoesNotExist":
                    raise
                return []
        return stages.steps_of(events, stages.of_action(names.RELEASE, action).says)

    @cached_property
    def _states(self) -> Any:
        return self._session.client("stepfunctions", config=STEADY)

    def _link(self, key: str, execution: str) -> str:
        region = self._session.region_name
        console = _CONSOLES.get(self._session.get_partition_for_region(region), "console.aws.amazon.com")
        where = f"{self.pipelines[key]}/executions/{execution}/timeline?region={region}"
        return f"https://{region}.{console}/codesuite/codepipeline/pipelines/{where}"

    def _started_by(self, key: str, version: str, known: dict[str, str]) -> str:
        """The execution that an upload started, "" as long as there is none.

        `known` are those of other uploads, to which more are added; of one whose source failed, which does not tell its key, why.
        """
        for summary in self._summaries(names.UPLOAD, _AT_ONCE):
            id = summary["pipelineExecutionId"]
            if id in known:
                continue
            if version in {revision.get("revisionId") for revision in summary.get("sourceRevisions", ())}:
                return str(id)
            source = self._actions(names.UPLOAD, id).get(names.SOURCE, {})
            found = stages.variables_of(source)
            if (found.get("ObjectKey"), found.get("VersionId")) == (key, version):
                return str(id)
            if found or source.get("status") in ("Failed", "Abandoned"):
                known[id] = "" if found else stages.of_action(names.SOURCE, source).says or "no reason was given"
        return ""

    def _start(self, key: str, revisions: Mapping[str, str]) -> str:
        name = self.pipelines[key]
        given = [{"actionName": names.SOURCE, "revisionType": kind, "revisionValue": value} for kind, value in revisions.items()]
        with asking(f"the pipeline {name}", "codepipeline:StartPipelineExecution"):
            reply = self._client.start_pipeline_execution(name=name, **({"sourceRevisions": given} if given else {}))
        return f"{key}/{reply['pipelineExecutionId']}"

    def _commit(self) -> dict[str, str]:
        """The commit of the last tag: started by itself, the pipeline would take the branch, of which nothing goes live."""
        for source in self._sources(names.LIVE):
            if commit := source.get("CommitId"):
                return {"COMMIT_ID": commit}
        raise UserError(f"no tag of {self._site} was delivered yet", "push one: git tag v1 && git push origin v1")

    def _last_upload(self) -> dict[str, str]:
        prefix = self._outputs.get(names.UPLOAD_PREFIX, "")
        for source in self._sources(names.UPLOAD):
            key, version = source.get("ObjectKey", ""), source.get("VersionId", "")
            if key and version and "/" not in key.removeprefix(prefix):
                return {"S3_OBJECT_KEY": key, "S3_OBJECT_VERSION_ID": version}
        raise UserError(f"nothing was uploaded to {channels.LIVE} of {self._site} lately", "upload it: toolkit upload site.zip")

    def _sources(self, key: str) -> Iterator[Mapping[str, str]]:
        """What the last deliveries of a pipeline were of."""
        for summary in self._summaries(key, _LOOK_BACK):
            yield stages.variables_of(self._actions(key, summary["pipelineExecutionId"]).get(names.SOURCE, {}))


def _nothing_began(what: str, seen: Mapping[str, str]) -> UserError:
    for id, says in seen.items():
        if says:
            return UserError(f"{what} took it; meanwhile upload/{id} failed at its source: {says}", "see `toolkit status`")
    return UserError(
        f"{what} began to deliver it",
        "run `toolkit doctor`: EventBridge notifications of the bucket may be off, or the rule be changed or disabled",
    )
