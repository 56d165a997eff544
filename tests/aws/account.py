"""An AWS account for the command line: moto, and stand-ins of our own for CloudFormation and the KeyValueStore's data plane."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore.session
from botocore.loaders import create_loader

from tests.aws import assemblies, cloudformation
from tests.aws.cloudformation import ACCOUNT, FakeCloudFormation
from tests.aws.support import no_sleep
from tests.contracts.kvs import ARN, FakeKeyValueStore
from toolkit.config import SiteConfig
from toolkit.errors import Unavailable
from toolkit.targets import Ways

REGION = "eu-west-1"
DOMAIN = "d111111abcdef8.cloudfront.net"
BUCKET = "toolkit-site-blog-bucket"
OUTPUTS = {"Bucket": BUCKET, "KeyValueStoreArn": ARN, "DistributionId": "E123EXAMPLE", "DomainName": DOMAIN}


# What it has read of the services' descriptions stays for the next session: reading takes longer than asking.
_LOADER = create_loader()


def assets_bucket(region: str = REGION) -> str:
    return f"cdk-hnb659fds-assets-{ACCOUNT}-{region}"


class FakeAccount:
    """`connect` is what a verb gets for its session; moto's `mock_aws` has to be on."""

    def __init__(self) -> None:
        self.store = FakeKeyValueStore()
        self.regions: dict[str, FakeCloudFormation] = {}
        self.connected: list[tuple[str, str]] = []
        self.dns: dict[tuple[str, str], tuple[str, ...]] = {}
        self.templates = assemblies.templates()
        self.files: dict[str, bytes] = {}
        self.no_roles = False
        self._model = botocore.session.get_session().get_service_model("cloudformation")

    @property
    def ways(self) -> Ways:
        return Ways(connect=self.connect, lookup=self.lookup, synthesise=self.synthesise, sleep=no_sleep)

    def lookup(self, name: str, kind: str) -> tuple[str, ...]:
        """DNS as the test has it; "?" is a name for which it does not answer."""
        found = self.dns.get((name, kind), ())
        if "?" in found:
            raise Unavailable(f"DNS did not say the {kind} records of {name}")
        return found

    def synthesise(self, config: SiteConfig, folder: Path) -> None:
        assemblies.write(folder, self.templates, self.files)

    def cloudformation(self, region: str = REGION) -> FakeCloudFormation:
        return self.regions.setdefault(region, FakeCloudFormation(region, self._template))

    def connect(self, region: str, profile: str) -> boto3.Session:
        self.connected.append((region, profile))
        inner = botocore.session.get_session()
        inner.register_component("data_loader", _LOADER)
        keys = {"aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "secret"}
        session = boto3.Session(**keys, region_name=region or REGION, botocore_session=inner)
        self.store.attach(session)
        session.events.register_first("before-send.cloudformation.*", self._send)
        session.events.register_first("before-send.sts.AssumeRole", self._assume)
        return session

    def bootstrap(self, version: str = "21", home: str = REGION) -> None:
        """What `cdk bootstrap` leaves, in both regions."""
        for region in (home, "us-east-1"):
            session = self.connect(region, "")
            name = "/cdk-bootstrap/hnb659fds/version"
            session.client("ssm").put_parameter(Name=name, Value=version, Type="String", Overwrite=True)
            where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
            session.client("s3").create_bucket(Bucket=assets_bucket(region), **where)
        self.cloudformation().outputs["toolkit-site-blog"] = dict(OUTPUTS)

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

    def _assume(self, request: Any, **_: object) -> Any:
        """The answer when nobody may assume the bootstrap's roles, else none, and moto's counts."""
        return cloudformation.reply(request.url, 403, cloudformation.error("AccessDenied", "no")) if self.no_roles else None

    def _template(self, url: str) -> str:
        bucket, _, key = urlsplit(url).path.lstrip("/").partition("/")
        body = self.connect("us-east-1", "").client("s3").get_object(Bucket=bucket, Key=key)["Body"]
        return str(body.read().decode())
