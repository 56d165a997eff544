"""`ReleaseWorkflow`: releases of a site inside the account, as Step Functions over thin functions."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Aws, CfnOutput, Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from toolkit import bundle
from toolkit.cdk import functions, roles
from toolkit.cdk.definition import Definitions
from toolkit.cdk.errors import PropertyError
from toolkit.cdk.functions import FunctionMaker, ReleaseFacts
from toolkit.cdk.large import LargePublish
from toolkit.cdk.machines import Machine
from toolkit.cdk.notifications import Notifications
from toolkit.cdk.roles import Telemetry, uses_store
from toolkit.cdk.site import StaticSite
from toolkit.cdk.upkeep import Upkeep
from toolkit.cdk.watch import ReleaseWatch
from toolkit.engine.layout import check_site
from toolkit.engine.model import Settings

# An artifact that was put into the site's own bucket.
UPLOAD_DAYS = 7
MOST_WATCH_MINUTES = 1440


class ReleaseWorkflow(Construct):
    """A state machine that publishes an artifact and releases it: publish → verify → flip → watch, with upkeep once a day.

    hosting: where the site is served from; one workflow for each. site: its name, as in site.toml.
    hosts, canonical: its own hosts, and the one of them that the others redirect to.
    settings: how versions answer, as in site.toml. strict: refuse versions with rules that do not apply.
    artifacts: buckets that zips of built sites are read from; `<site>/uploads/` in the site's own bucket is read in any case.
    keep, grace_hours, preview_days: what upkeep leaves: the last versions, what was replaced so recently, previews (0: for ever).
    watch_minutes: how long after a release an alarm makes it flip back (0: not at all).
    webhook_secret: a secret whose text is the URL of a webhook as Slack has them; releases are announced there too.

    Attributes: `state_machine` (started with `{"channel", "source", "who"}`), `watch`, `topic`, and `outputs` by name; `facts` and
    `maker`, by which a `SitePipeline` makes functions that know the same.
    PropertyError for values that do not fit; UserError when the functions' code was not bundled (`make bundle`).
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        hosting: StaticSite,
        site: str,
        hosts: Sequence[str] = (),
        canonical: str = "",
        settings: Settings | None = None,
        artifacts: Sequence[s3.IBucket] = (),
        keep: int = 10,
        grace_hours: float = 24.0,
        preview_days: int = 30,
        watch_minutes: int = 15,
        strict: bool = False,
        webhook_secret: secretsmanager.ISecret | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        check_site(site)
        _check(hosts, canonical, keep=keep, grace_hours=grace_hours, preview_days=preview_days, watch_minutes=watch_minutes)
        self.pipeline: Construct | None = None
        self.facts = ReleaseFacts(
            hosting, site, hosts, canonical, settings or Settings(), keep, grace_hours, preview_days, watch_minutes, strict
        )
        found = bundle.find()
        self.telemetry = Telemetry(self, "Telemetry")
        self.maker = FunctionMaker(self, found, self.telemetry)
        self._make_steps(found)
        announcing = Notifications(self, "Notifications", facts=self.facts, maker=self.maker, webhook_secret=webhook_secret)
        self.topic, self.notify = announcing.topic, announcing.notify
        self._watch = ReleaseWatch(
            self,
            "Watch",
            facts=self.facts,
            maker=self.maker,
            notify=self.notify,
            telemetry=self.telemetry,
        )
        self.watch = self._watch.state_machine
        self.upkeep = Upkeep(self, "Upkeep", facts=self.facts, maker=self.maker, topic=self.topic)
        self.state_machine = self._machine().machine
        self._allow_storage(artifacts)
        self.functions = {**self.steps, "watch": self._watch.function, "upkeep": self.upkeep.function, "notify": self.notify}
        self.outputs = self._outputs()

    def _make_steps(self, found: bundle.Bundle) -> None:
        store = self.facts.hosting.store.key_value_store_arn
        publishing = self.facts.publishing()
        steps = (
            ("publish", "publishes a version from an artifact", functions.PUBLISH, publishing),
            ("verify", "asks the distribution for a candidate", functions.VERIFY, self.facts.verifying()),
            ("flip", "moves a channel to a verified version", functions.FLIP, self.facts.flipping()),
        )
        self.steps = {
            name: self.maker.make(
                self, name, description=text, measure=measure, environment=environment, statements=[uses_store(store)]
            )
            for name, text, measure, environment in steps
        }
        self.large = LargePublish(self, "Large", bundle=found, environment=publishing, store_arn=store)

    def _machine(self) -> Machine:
        called = {name.capitalize(): made for name, made in {**self.steps, "notify": self.notify}.items()}
        measures = {"Publish": functions.PUBLISH, "Verify": functions.VERIFY, "Flip": functions.FLIP, "Notify": functions.NOTIFY}
        rule = f"arn:{Aws.PARTITION}:events:{Aws.REGION}:{Aws.ACCOUNT_ID}:rule/StepFunctionsGetEventForCodeBuildStartBuildRule"
        start_watch = iam.PolicyStatement(
            sid="StartWatch", actions=["states:StartExecution"], resources=[self.watch.state_machine_arn]
        )
        definitions = Definitions(Aws.PARTITION, {name: measure.seconds for name, measure in measures.items()})
        return Machine(
            self,
            "Machine",
            description=f"releases {self.facts.site}",
            definition=definitions.release(large_seconds=self.large.seconds, watched=self.facts.watch_minutes > 0),
            functions=called,
            telemetry=self.telemetry,
            values={"PublishLarge": self.large.project.project_name, "WatchMachine": self.watch.state_machine_arn},
            statements=[*self.large.may_start(rule), start_watch],
        )

    def _allow_storage(self, artifacts: Sequence[s3.IBucket]) -> None:
        bucket, site = self.facts.hosting.bucket, self.facts.site
        publishing = [self.steps["publish"].role, self.large.role]
        roles.allow_in_bucket(bucket, site, "Publish", publishing, roles.PUBLISH)
        roles.allow_in_bucket(bucket, site, "Verify", [self.steps["verify"].role], roles.VERIFY)
        roles.allow_in_bucket(bucket, site, "Release", [self.steps["flip"].role, self._watch.function.role], roles.RELEASE)
        roles.allow_in_bucket(bucket, site, "Flip", [self.steps["flip"].role], roles.FLIP)
        roles.allow_in_bucket(bucket, site, "Watch", [self._watch.function.role], roles.WATCH)
        roles.allow_in_bucket(bucket, site, "Upkeep", [self.upkeep.function.role], roles.UPKEEP)
        bucket.add_lifecycle_rule(id="uploads", prefix=f"{site}/uploads/", expiration=Duration.days(UPLOAD_DAYS))
        for artifact in artifacts:
            roles.allow_artifacts(artifact, publishing)

    def allow_artifacts(self, bucket: s3.IBucket, keys: Sequence[str] = ("*",)) -> None:
        """Let artifacts be read from a bucket, those whose keys are like one of `keys` (`*` stands for anything)."""
        roles.allow_artifacts(bucket, [self.steps["publish"].role, self.large.role], keys)

    def take_pipeline(self, pipeline: Construct) -> None:
        """Be the workflow of a `SitePipeline`. PropertyError when there is one already: rights and names are made for one."""
        if self.pipeline is not None:
            raise PropertyError(
                f"{self.node.path} has the pipeline {self.pipeline.node.path} already", "give that one github and uploads"
            )
        self.pipeline = pipeline

    def _outputs(self) -> dict[str, CfnOutput]:
        """What a target needs to release here, beside the outputs of `StaticSite`."""
        values = {
            "ReleaseArn": (self.state_machine.state_machine_arn, "the state machine that releases an artifact"),
            "WatchArn": (self.watch.state_machine_arn, "the state machine that watches a release"),
            "TopicArn": (self.topic.topic_arn, "the topic that hears of releases"),
        }
        outputs = Construct(self, "Outputs")
        return {name: CfnOutput(outputs, name, value=value, description=text) for name, (value, text) in values.items()}


def _check(hosts: Sequence[str], canonical: str, **numbers: float) -> None:
    if canonical and canonical not in hosts:
        raise PropertyError(
            f"canonical is {canonical}, hosts has {', '.join(hosts) or 'none'}", "add it to hosts, or name one of them"
        )
    most = {"watch_minutes": MOST_WATCH_MINUTES}
    wrong = [f"{name} is {value}" for name, value in numbers.items() if not 0 <= value <= most.get(name, value)]
    if wrong:
        raise PropertyError(", ".join(wrong), f"say 0 or more, and {MOST_WATCH_MINUTES} minutes of watching at most")
