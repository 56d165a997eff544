"""An AWS account for the command line: moto, and stand-ins of our own for CloudFormation and the KeyValueStore's data plane."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore.session

from tests.aws.cloudformation import FakeCloudFormation
from tests.contracts.kvs import ARN, FakeKeyValueStore
from toolkit.targets import Ways

REGION = "eu-west-1"
DOMAIN = "d111111abcdef8.cloudfront.net"
BUCKET = "toolkit-site-blog-bucket"
OUTPUTS = {"Bucket": BUCKET, "KeyValueStoreArn": ARN, "DistributionId": "E123EXAMPLE", "DomainName": DOMAIN}


class FakeAccount:
    """`connect` is what a verb gets for its session; moto's `mock_aws` has to be on."""

    def __init__(self) -> None:
        self.store = FakeKeyValueStore()
        self.regions: dict[str, FakeCloudFormation] = {}
        self.connected: list[tuple[str, str]] = []
        self._model = botocore.session.get_session().get_service_model("cloudformation")

    @property
    def ways(self) -> Ways:
        return Ways(connect=self.connect)

    def cloudformation(self, region: str = REGION) -> FakeCloudFormation:
        return self.regions.setdefault(region, FakeCloudFormation(region, self._template))

    def connect(self, region: str, profile: str) -> boto3.Session:
        self.connected.append((region, profile))
        session = boto3.Session(aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key="secret", region_name=region or REGION)
        self.store.attach(session)
        session.events.register_first("before-send.cloudformation.*", self._send)
        return session

    def set_up(self, site: str = "blog", **more: str) -> None:
        """The site's stack and its bucket, as `toolkit up` leaves them."""
        session = self.connect(REGION, "")
        session.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        self.cloudformation().put(f"toolkit-site-{site}", {**OUTPUTS, **more}, toolkit_site=site)

    def machine(self) -> str:
        """A state machine that can be started; its ARN."""
        definition = json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}})
        client = self.connect(REGION, "").client("stepfunctions")
        role = "arn:aws:iam::123456789012:role/watch"
        return str(client.create_state_machine(name="watch", definition=definition, roleArn=role)["stateMachineArn"])

    def _send(self, request: Any, event_name: str, **_: object) -> Any:
        region = urlsplit(request.url).netloc.split(".")[1]
        return self.cloudformation(region).answer(event_name.rpartition(".")[2], request, self._model)

    def _template(self, url: str) -> str:
        bucket, _, key = urlsplit(url).path.lstrip("/").partition("/")
        body = self.connect("us-east-1", "").client("s3").get_object(Bucket=bucket, Key=key)["Body"]
        return str(body.read().decode())
