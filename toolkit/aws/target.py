"""The AWS target: a bucket, a KeyValueStore and a distribution that are there already, found by their stack's outputs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from toolkit.aws import names
from toolkit.aws.deliveries import PipelineDeliveries
from toolkit.aws.errors import code
from toolkit.aws.objects import S3Objects
from toolkit.aws.routes import KeyValueRoutes
from toolkit.aws.session import STEADY, asking
from toolkit.engine import canary, channels
from toolkit.engine.model import Release
from toolkit.engine.ports import RouteStore
from toolkit.engine.target import EdgeRun, Server
from toolkit.errors import Unavailable, UsageError, UserError

# What a person or a build put live; a rollback goes to what has served before, and undoing that by itself would be worse.
_WATCHED = ("deploy", "push", "promote")
_CLOSED = "ExecutionAlreadyExists"


class AwsTarget:
    """One site's hosting. `outputs` are those of `aws.outputs.site_outputs`; `hosts` are the site's own.

    `edge` makes the routing functions run here over what they are given to read, for `explain`. Pushes to `branch` go live by
    themselves, or tags where `is_tagged`; `sleep` waits between two looks at that.
    """

    name = "aws"
    workers = 32

    def __init__(
        self,
        session: Any,
        outputs: Mapping[str, str],
        *,
        hosts: Sequence[str] = (),
        watch_minutes: int = 15,
        branch: str = "main",
        is_tagged: bool = False,
        sleep: Callable[[float], None] = time.sleep,
        edge: Callable[[Mapping[str, str] | RouteStore], EdgeRun],
    ) -> None:
        self.session = session
        self.outputs = dict(outputs)
        self.domain_name: str = outputs["DomainName"]
        self.names = names.aws_names(self.domain_name, hosts)
        self.objects = S3Objects(session, outputs["Bucket"])
        self.routes = KeyValueRoutes(session, outputs["KeyValueStoreArn"])
        self._watch_minutes = watch_minutes
        self._branch, self._is_tagged, self._sleep = branch, is_tagged, sleep
        self._edge = edge

    def url(self, host: str) -> str:
        return names.preview_link(host, self.domain_name)

    def start(self, *, address: str | None, port: int | None) -> Server:
        return self.server()

    def serve(self, *, address: str | None, port: int | None, descriptor: int | None, ready: Callable[[Server], None]) -> int:
        raise UsageError("in AWS nothing is to be started: CloudFront answers", "see `toolkit status`")

    def server(self) -> Server:
        """The distribution; that it is there is as much as its stack says."""
        return Server("running", f"CloudFront, {self.domain_name} ({self.outputs['DistributionId']})")

    def stop(self) -> bool:
        return False

    def edge(self, routes: Mapping[str, str] | None = None) -> EdgeRun:
        return self._edge(self.routes if routes is None else routes)

    def deliveries(self, site: str) -> PipelineDeliveries | None:
        found = PipelineDeliveries(
            self.session, self.outputs, site, branch=self._branch, is_tagged=self._is_tagged, sleep=self._sleep
        )
        return found if found.pipelines else None

    def released(self, record: Release) -> str:
        """Start the watch of a release to live. That it could not be started is said, as the release itself is made."""
        machine = self.outputs.get("WatchArn")
        if not machine or not self._watch_minutes or record.channel != channels.LIVE or not _is_new_to_visitors(record):
            return ""
        until = record.at + self._watch_minutes * 60
        shown = record.canary or record.version
        given = {"channel": record.channel, "release": record.number, "version": shown, "until": until}
        # Named after the release: to start it twice is to start it once.
        name = f"{record.site}-{record.number}-{record.token[:12]}"
        try:
            with asking(machine, "states:StartExecution"):
                try:
                    self.session.client("stepfunctions", config=STEADY).start_execution(
                        stateMachineArn=machine, name=name, input=json.dumps(given)
                    )
                except ClientError as error:
                    if code(error) != _CLOSED:
                        raise
                    return ""  # deployed once more, and nothing changed: its watch has ended
        except (UserError, Unavailable) as error:
            return f"nobody watches this release: {error}"
        return f"watched for {self._watch_minutes} minutes: an alarm flips it back"


def _is_new_to_visitors(record: Release) -> bool:
    """Whether some of them get what they did not before: also a canary that begins, gets another share, or is finished, and not one
    that is stopped."""
    return record.reason in _WATCHED or (record.reason == canary.REASON and (bool(record.canary) or not record.ended))
