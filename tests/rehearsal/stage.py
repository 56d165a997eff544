"""A site's stacks at work: moto, the KVS fake, the functions' processes, the machines and the edges, and what is done to them."""

from __future__ import annotations

import http.client
import io
import itertools
import json
import random
import threading
import time
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
from moto import mock_aws
from moto.s3.models import s3_backends

from tests.contracts.kvs import FakeKeyValueStore, LaggingEdge
from tests.rehearsal.aws import OPERATOR, PlayedAws
from tests.rehearsal.deliveries import Deliveries
from tests.rehearsal.edge import EdgeServer, PlayedDistribution
from tests.rehearsal.functions import Functions
from tests.rehearsal.iam import Policies
from tests.rehearsal.machines import Executor, machines
from tests.rehearsal.template import ACCOUNT, Deployed
from tests.rehearsal.wire import Answered, Sent
from toolkit.aws.objects import S3Objects
from toolkit.aws.target import AwsTarget
from toolkit.engine.ports import ObjectInfo

WHO = "rehearsal"
_CONFIG = {
    "stepfunctions": {"execute_state_machine": True},
    "lambda": {"use_docker": False},
    "core": {"mock_credentials": False, "reset_boto3_session": True, "passthrough": {"urls": [], "services": []}},
}
Act = Callable[[Sent], Answered | None]


@dataclass(frozen=True)
class Seen:
    """What a visitor got; header names in lower case, each once."""

    status: int
    headers: Mapping[str, str]
    text: str


class Stage:
    """A site in the played account. `lag` is for how many seconds edges may not know of a write, once they are late (`is_late`)."""

    def __init__(self, site: str, stack: Deployed, alarms: Deployed, folder: Path, *, lag: float = 0) -> None:
        self.site, self.stack, self.alarms, self.folder = site, stack, alarms, folder
        _, distribution = stack.only("AWS::CloudFront::Distribution")
        self.hosts = tuple(distribution["DistributionConfig"].get("Aliases", ()))
        folder.mkdir(parents=True, exist_ok=True)
        self.outputs = stack.outputs()
        self._mock = mock_aws(config=_CONFIG)  # type: ignore[call-overload]
        self._mock.start()
        self.store = FakeKeyValueStore(arn=self.outputs["KeyValueStoreArn"])
        self.aws = PlayedAws(Policies([stack, alarms]), self.store, stack.region)
        self.session = boto3.Session(aws_access_key_id=OPERATOR, aws_secret_access_key="made-up", region_name=stack.region)
        self.aws.attach(self.session)
        boto3.setup_default_session(aws_access_key_id=OPERATOR, aws_secret_access_key="made-up", region_name=stack.region)
        self.aws.attach(boto3.DEFAULT_SESSION)
        for call in ("sfn.StartExecution", "codebuild.StartBuild"):
            boto3.DEFAULT_SESSION.events.register(f"before-parameter-build.{call}", as_the_api_has_them)
        self._make_resources()
        self._socket = self.aws.listen(str(folder / "aws.sock"))
        self.functions = Functions(stack, self.aws.key_of, str(folder / "aws.sock"), folder)
        self.aws.invoke, self.aws.build, self.aws.fetch = self.functions.invoke, self.functions.build, self._web
        self._steps = boto3.Session(aws_access_key_id="moto", aws_secret_access_key="made-up", region_name=stack.region)
        self.executor = Executor(self.aws, self._steps.client("stepfunctions"), machines(stack))
        self.lag, self.is_late = lag, False
        self.distributions = [self._distribution(number) for number in range(3 if lag else 1)]
        self.edges = [EdgeServer(one) for one in self.distributions]
        self.target = AwsTarget(self.session, self.outputs, hosts=self.hosts, edge=_no_edge)
        self._numbers = itertools.count(1)
        self.deliveries = Deliveries(stack, self.aws, self.functions, self.session, folder)

    def _make_resources(self) -> None:
        """What CloudFormation would make, of what moto needs to know."""
        s3, sns = self.session.client("s3"), self.session.client("sns")
        for logical_id in self.stack.within("AWS::S3::Bucket"):
            s3.create_bucket(
                Bucket=self.stack.name(logical_id), CreateBucketConfiguration={"LocationConstraint": self.stack.region}
            )
            if versioning := self.stack.properties(logical_id).get("VersioningConfiguration"):
                s3.put_bucket_versioning(Bucket=self.stack.name(logical_id), VersioningConfiguration=versioning)
        for logical_id in self.stack.within("AWS::SNS::Topic"):
            made = sns.create_topic(Name=self.stack.name(logical_id))
            assert made["TopicArn"] == self.stack.attribute(logical_id, "Arn")
        for name in self.alarms.within("AWS::CloudWatch::Alarm"):
            self._cloudwatch().put_metric_alarm(
                AlarmName=self.alarms.name(name),
                ComparisonOperator="GreaterThanThreshold",
                EvaluationPeriods=1,
                Threshold=1,
                Namespace="AWS/CloudFront",
                MetricName="5xxErrorRate",
                Period=60,
                Statistic="Average",
            )

    def _cloudwatch(self) -> Any:
        return self.session.client("cloudwatch", region_name="us-east-1")

    def _distribution(self, number: int) -> PlayedDistribution:
        folder = self.folder / f"edge-{number}"
        folder.mkdir()
        late = LaggingEdge(self.store, random.Random(number), spread=self.lag, is_steady=True)

        def read(key: str) -> str | None:
            return late.get(key) if self.is_late else self.store.pairs.get(key)

        return PlayedDistribution(self.stack, self.aws.policies, read, self._object, folder)

    def _object(self, bucket: str, key: str) -> tuple[ObjectInfo, bytes]:
        return S3Objects(self.session, bucket).get(key)

    # --- what visitors do

    def get(
        self, path: str, *, host: str = "", cookie: str = "", address: str = "192.0.2.1", method: str = "GET", edge: int = 0
    ) -> Seen:
        """A request of a visitor, over HTTP."""
        headers = {"host": host or self.outputs["DomainName"], "x-visitor-address": address, "user-agent": "rehearsal"}
        if cookie:
            headers["cookie"] = f"__Host-preview={cookie}"
        return self._http(edge, method, path, headers)

    def _http(self, edge: int, method: str, path: str, headers: Mapping[str, str]) -> Seen:
        connection = http.client.HTTPConnection("127.0.0.1", self.edges[edge].port, timeout=30)
        try:
            connection.request(method, path, headers=dict(headers))
            reply = connection.getresponse()
            found = {name.lower(): value for name, value in reply.getheaders()}
            return Seen(reply.status, found, reply.read().decode("utf-8", "replace"))
        finally:
            connection.close()

    def _web(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answered:
        """What functions ask of the web: the distribution's address leads to the edge, others nowhere."""
        parts = urlsplit(url)
        if parts.scheme != "https" or parts.hostname != self.outputs["DomainName"]:
            return Answered(0, {}, b"", f"nobody answers at {parts.scheme}://{parts.netloc}")
        sent = {name: value for name, value in headers.items() if name.lower() != "host"}
        target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        seen = self._http(0, method, target, {**sent, "host": parts.netloc})
        return Answered(seen.status, seen.headers, seen.text.encode())

    # --- what builds and people do

    def upload(self, files: Mapping[str, str], folders: int = 0) -> dict[str, Any]:
        """A built site as a zip in the bucket, as a release's `source`; with that many empty folders beside it."""
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            for name, text in files.items():
                archive.writestr(name, text)
            for number in range(folders):
                archive.mkdir(f"empty/{number}")
        key = f"{self.site}/uploads/{next(self._numbers)}.zip"
        S3Objects(self.session, self.outputs["Bucket"]).put(key, content.getvalue())
        texts = {"version": "", "commit": "", "branch": "", "message": ""}
        return {"kind": "zip", "bucket": self.outputs["Bucket"], "key": key, "time": time.time(), **texts}

    def start(self, files: Mapping[str, str], *, channel: str = "live", folders: int = 0) -> str:
        """Start a release of a build that ends now; the execution's ARN."""
        given = {"channel": channel, "source": self.upload(files, folders), "who": WHO}
        return self.executor.start(self.outputs["ReleaseArn"], f"run-{next(self._numbers)}", given)

    def ended(self, execution: str) -> dict[str, Any]:
        """How a release ended: its output with `status`; and what failed on the way."""
        found = self.executor.wait(execution)
        said = json.loads(found.get("output") or "{}")
        run = execution.rpartition(":")[2]
        failures = self.executor.failures(execution)
        return {**said, "run": run, "status": found["status"], "error": found.get("error", ""), "failures": failures}

    def release(self, files: Mapping[str, str], **given: Any) -> dict[str, Any]:
        return self.ended(self.start(files, **given))

    def alarm(self, state: str) -> None:
        """Let the first alarm go to ALARM or OK."""
        name = self.alarms.name(next(self.alarms.within("AWS::CloudWatch::Alarm")))
        self._cloudwatch().set_alarm_state(AlarmName=name, StateValue=state, StateReason="rehearsal")

    def upkeep(self) -> dict[str, Any]:
        """What the daily rule calls."""
        (rule,) = (one for one in self.stack.of("AWS::Events::Rule").values() if "ScheduleExpression" in one)
        (target,) = rule["Targets"]
        answered = self.functions.run(self.functions.named(target["Arn"]), {"source": "aws.events"})
        assert "result" in answered, f"upkeep failed: {answered}"
        result: dict[str, Any] = answered["result"]
        return result

    def notes(self) -> list[str]:
        """What was published to the topic."""
        return [parse_qs(sent.body.decode())["Message"][0] for sent in self.aws.seen if sent.operation == "Publish"]

    def age(self, days: float) -> None:
        """Time passes for all that is in the bucket, and for what has served."""
        bucket = s3_backends[ACCOUNT]["aws"].buckets[self.outputs["Bucket"]]
        for key in bucket.keys.values():
            key.last_modified -= timedelta(days=days)
        for info in list(self.target.objects.list(f"{self.site}/releases/")):
            text = self.target.objects.get(info.key)[1].decode()
            self.target.objects.put(info.key, earlier(text, days).encode(), {"content-type": "application/json"})
        found = {key: earlier(value, days) for key, value in self.store.pairs.items() if key.startswith(("c:", "v:"))}
        self.target.routes.update(found, [], if_match=self.target.routes.etag())

    # --- what goes wrong

    def on(self, step: str, operation: str, act: Act, *, when: Callable[[Sent], bool] = lambda sent: True) -> threading.Event:
        """The next time that the function of this step is about to do this, `act` first. The event that is set then."""
        role, done, lock = self.functions.with_handler(f"lambdas.{step}.handler").role, threading.Event(), threading.Lock()
        further = self.aws.before

        def before(sent: Sent) -> Answered | None:
            caller = self.aws.keys.get(sent.access_key)
            if caller and caller.arn == role and sent.operation == operation and when(sent):
                with lock:
                    is_first = not done.is_set()
                    done.set()
                if is_first:
                    return act(sent)
            return further(sent)

        self.aws.before = before
        return done

    def calm(self) -> None:
        """Nothing goes wrong any more."""
        self.aws.before = lambda sent: None
        self.store.heal()

    def close(self) -> None:
        self.deliveries.close()
        for edge in self.edges:
            edge.close()
        self._socket.close()
        self.functions.end()
        self._mock.stop()


def as_the_api_has_them(params: dict[str, Any], **_: object) -> None:
    """moto hands `StateMachineArn` of a definition on as it is, where the API says `stateMachineArn`."""
    for name in list(params):
        value = params[name[0].lower() + name[1:]] = params.pop(name)
        for item in value if isinstance(value, list) else ():
            as_the_api_has_them(item)


def earlier(record: str, days: float) -> str:
    """A record as if it had been written that long before."""
    made = json.loads(record)
    moments = {name: made[name] - days * 86400 for name in ("at", "written") if name in made}
    return json.dumps({**made, **moments}, separators=(",", ":"))


def _no_edge(routes: Any) -> Any:
    raise AssertionError("the rehearsal asks over HTTP only")
