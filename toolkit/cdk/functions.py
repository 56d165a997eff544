"""The Lambda functions of a release: their code, how large each one is, and what it is told.

All run the same code; a layer holds its libraries, which change less often. A function gets the variables, the rights and the log
group that it needs and no others.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from aws_cdk import Duration, RemovalPolicy, Size
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from toolkit.bundle import Bundle
from toolkit.cdk.roles import Telemetry, service_role, writes_logs
from toolkit.cdk.site import StaticSite
from toolkit.engine.model import Settings

RUNTIME = lambda_.Runtime.PYTHON_3_14
LOG_RETENTION = logs.RetentionDays.THREE_MONTHS
# From 1,769 MB on a function has a whole processor (docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html).
ONE_CPU = 1769


@dataclass(frozen=True)
class ReleaseFacts:
    """What the functions know of the site; the fields are those of `ReleaseWorkflow`."""

    hosting: StaticSite
    site: str
    hosts: Sequence[str] = ()
    canonical: str = ""
    settings: Settings = field(default_factory=Settings)
    keep: int = 10
    grace_hours: float = 24.0
    preview_days: int = 30
    watch_minutes: int = 15
    strict: bool = False

    def stores(self) -> dict[str, str]:
        """Where the engine's two stores are."""
        return {"SITE": self.site, "BUCKET": self.hosting.bucket.bucket_name, "STORE_ARN": self.hosting.store.key_value_store_arn}

    def publishing(self) -> dict[str, str]:
        return {**self.stores(), "SETTINGS": json.dumps(asdict(self.settings)), "STRICT": json.dumps(self.strict)}

    def names(self) -> dict[str, str]:
        """Where the site answers."""
        hosts = json.dumps(list(self.hosts))
        return {"DOMAIN_NAME": self.hosting.distribution.distribution_domain_name, "HOSTS": hosts, "CANONICAL": self.canonical}

    def verifying(self) -> dict[str, str]:
        return {**self.stores(), "DOMAIN_NAME": self.hosting.distribution.distribution_domain_name}

    def flipping(self) -> dict[str, str]:
        return {**self.stores(), **self.names(), "WATCH_MINUTES": str(self.watch_minutes)}

    def upkeep(self) -> dict[str, str]:
        numbers = {"KEEP": self.keep, "GRACE_HOURS": self.grace_hours, "PREVIEW_DAYS": self.preview_days}
        return {**self.stores(), **{name: str(value) for name, value in numbers.items()}}


@dataclass(frozen=True)
class Measure:
    """How large a function is: memory and /tmp in MiB, time in seconds."""

    seconds: int
    memory: int
    tmp: int = 512


# An artifact of up to 1 GB is fetched and unpacked in /tmp; 15 minutes are the most that Lambda gives.
PUBLISH = Measure(seconds=900, memory=ONE_CPU, tmp=3072)
# Up to 90 seconds while edges learn of the candidate, before that a look at every blob; its table may have to be compiled.
VERIFY = Measure(seconds=300, memory=ONE_CPU)
# A version whose table is gone has it compiled again: seconds of one processor for 50,000 routes, then some 30 updates.
FLIP = Measure(seconds=300, memory=ONE_CPU)
# Lists everything that the site has; a stop in the middle is harmless, the next day goes on.
UPKEEP = Measure(seconds=900, memory=1024)
NOTIFY = Measure(seconds=60, memory=256)
# Starts a release and looks at it; CodePipeline calls it again until that has ended.
DELIVER = Measure(seconds=60, memory=256)
# Unpacks what may be as large as what is published, and packs it again.
INSPECT = Measure(seconds=600, memory=ONE_CPU, tmp=3072)


def log_group(scope: Construct, construct_id: str, name: str | None = None) -> logs.LogGroup:
    """A log group that forgets, and goes with its stack."""
    return logs.LogGroup(scope, construct_id, log_group_name=name, retention=LOG_RETENTION, removal_policy=RemovalPolicy.DESTROY)


class FunctionMaker:
    """Makes functions of one bundle, which share a layer and the right to write traces."""

    def __init__(self, scope: Construct, bundle: Bundle, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._code = lambda_.Code.from_asset(str(bundle.code))
        self._layer = lambda_.LayerVersion(
            scope,
            "Dependencies",
            code=lambda_.Code.from_asset(str(bundle.dependencies)),
            compatible_architectures=[lambda_.Architecture.ARM_64],
            compatible_runtimes=[RUNTIME],
            description="libraries of the functions",
        )

    def make(
        self,
        scope: Construct,
        name: str,
        *,
        description: str,
        measure: Measure,
        environment: Mapping[str, str],
        statements: Sequence[iam.PolicyStatement] = (),
    ) -> HandlerFunction:
        """The function whose handler is in `lambdas.<name>`."""
        return HandlerFunction(
            scope,
            name.capitalize(),
            handler=f"lambdas.{name}.handler",
            description=description,
            measure=measure,
            environment=environment,
            statements=statements,
            code=self._code,
            layer=self._layer,
            telemetry=self._telemetry,
        )


class HandlerFunction(Construct):
    """A function with its own role and log group."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        handler: str,
        description: str,
        measure: Measure,
        environment: Mapping[str, str],
        statements: Sequence[iam.PolicyStatement],
        code: lambda_.Code,
        layer: lambda_.ILayerVersion,
        telemetry: Telemetry,
    ) -> None:
        super().__init__(scope, construct_id)
        group = log_group(self, "Logs")
        self.role = service_role(
            self,
            "Role",
            service="lambda.amazonaws.com",
            description=description,
            statements=[writes_logs(group), *statements],
            managed_policies=[telemetry.policy],
        )
        self.function = lambda_.Function(
            self,
            "Function",
            code=code,
            handler=handler,
            runtime=RUNTIME,
            architecture=lambda_.Architecture.ARM_64,
            layers=[layer],
            description=description,
            memory_size=measure.memory,
            timeout=Duration.seconds(measure.seconds),
            ephemeral_storage_size=Size.mebibytes(measure.tmp),
            environment=dict(environment),
            # The CDK would add rights of its own, some with wildcards.
            role=self.role.without_policy_updates(),
            log_group=group,
            logging_format=lambda_.LoggingFormat.JSON,
            tracing=lambda_.Tracing.ACTIVE,
        )
