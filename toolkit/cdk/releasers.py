"""The functions that pipelines call: one looks into zips, one starts releases and waits for them, one removes previews."""

from __future__ import annotations

import json
from collections.abc import Mapping

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from constructs import Construct

from toolkit.cdk import functions, roles
from toolkit.cdk.functions import HandlerFunction
from toolkit.cdk.pipelines import CLOSED, LIVE, UPLOAD, Flow
from toolkit.cdk.workflow import ReleaseWorkflow

# The shape of an id of CodePipeline.
_ID = "-".join("?" * length for length in (8, 4, 4, 4, 12))


class Releasers(Construct):
    """`deliver`, `inspect` (for zips) and `retire` (for closed pull requests), each with the rights that it needs.

    pipelines: their ARNs by key. tags: whether only tags go live. uploads: the bucket of zips and the folder in it.
    idle_output: where the site is in what is not built ("" for all of it); None when there is something to build.
    None of them may reach a site's bucket or routing data but `retire`, which may what a release may.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        workflow: ReleaseWorkflow,
        artifacts: s3.IBucket,
        pipelines: Mapping[str, str],
        tags: bool,
        uploads: tuple[s3.IBucket, str] | None,
        idle_output: str | None,
    ) -> None:
        super().__init__(scope, construct_id)
        self._workflow, self._artifacts, self._pipelines = workflow, artifacts, pipelines
        self.jobs = self._jobs()
        self.functions: dict[str, HandlerFunction] = {"deliver": self._deliver(uploads, tags)}
        if UPLOAD.key in pipelines and uploads:
            self.functions["inspect"] = self._inspect(uploads[1], idle_output)
        if CLOSED.key in pipelines:
            self.functions["retire"] = self._retire()
        for made in self.functions.values():
            made.role.add_managed_policy(self.jobs)

    @property
    def deliver(self) -> lambda_.IFunction:
        return self.functions["deliver"].function

    @property
    def inspect(self) -> lambda_.IFunction:
        return self.functions["inspect"].function

    @property
    def retire(self) -> lambda_.IFunction:
        return self.functions["retire"].function

    def of(self, flow: Flow) -> list[lambda_.IFunction]:
        """Those that a kind of pipeline calls."""
        names = {CLOSED.key: ("retire",), UPLOAD.key: ("inspect", "deliver")}.get(flow.key, ("deliver",))
        return [self.functions[name].function for name in names]

    def _jobs(self) -> iam.ManagedPolicy:
        """One policy, which pipelines and their functions share, for the rights that AWS knows for all resources only.

        A function ends its action by the id of a job, which nobody else knows (docs.aws.amazon.com/service-authorization/latest/
        reference/list_awscodepipeline.html). CodePipeline lists functions before it calls one (docs.aws.amazon.com/codepipeline/
        latest/userguide/actions-invoke-lambda-function.html, …/list_awslambda.html): that is not for code in a function.
        """
        ends = ["codepipeline:PutJobFailureResult", "codepipeline:PutJobSuccessResult"]
        not_from_code = {"Null": {"lambda:SourceFunctionArn": "true"}}
        statements = [
            iam.PolicyStatement(sid="Jobs", actions=ends, resources=["*"]),
            iam.PolicyStatement(sid="Lists", actions=["lambda:ListFunctions"], resources=["*"], conditions=not_from_code),
        ]
        return iam.ManagedPolicy(self, "Jobs", description="Finds functions, and ends actions of pipelines", statements=statements)

    def _looks_up(self, *keys: str) -> iam.PolicyStatement:
        arns = [arn for key, arn in self._pipelines.items() if not keys or key in keys]
        return iam.PolicyStatement(sid="Executions", actions=["codepipeline:ListActionExecutions"], resources=arns)

    def _deliver(self, uploads: tuple[s3.IBucket, str] | None, tags: bool) -> HandlerFunction:
        machine = self._workflow.state_machine
        executions = Stack.of(self).format_arn(
            service="states",
            resource="execution",
            # Those that this function starts, which have the id of its action: no others, such as a build's of one's own.
            resource_name=f"{machine.state_machine_name}:{_ID}",
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        statements = [
            iam.PolicyStatement(sid="Start", actions=["states:StartExecution"], resources=[machine.state_machine_arn]),
            iam.PolicyStatement(sid="Wait", actions=["states:DescribeExecution"], resources=[executions]),
            self._looks_up(*(key for key in self._pipelines if key != CLOSED.key)),
        ]
        if tags:
            asks = ["codepipeline:GetPipelineExecution"]
            statements.append(iam.PolicyStatement(sid="FirstRun", actions=asks, resources=[self._pipelines[LIVE.key]]))
        environment = {"SITE": self._workflow.facts.site, "RELEASE_ARN": machine.state_machine_arn}
        if uploads:
            environment["UPLOAD_BUCKET"] = uploads[0].bucket_name
        return self._make("deliver", "starts a release and waits for its end", functions.DELIVER, environment, statements)

    def _inspect(self, prefix: str, idle_output: str | None) -> HandlerFunction:
        environment = {
            "SITE": self._workflow.facts.site,
            "PREFIX": prefix,
            "IDLE": json.dumps(idle_output is not None),
            "OUTPUT": idle_output or "",
        }
        made = self._make(
            "inspect_zip", "looks into zips that were uploaded", functions.INSPECT, environment, [self._looks_up(UPLOAD.key)]
        )
        for sid, action, name in (("InspectReads", "GetObject", UPLOAD.source), ("InspectWrites", "PutObject", UPLOAD.project)):
            statement = iam.PolicyStatement(
                sid=sid,
                principals=[iam.ArnPrincipal(made.role.role_arn)],
                actions=[f"s3:{action}"],
                resources=[self._artifacts.arn_for_objects(f"*/{name}/*")],
            )
            self._artifacts.add_to_resource_policy(statement)
        return made

    def _retire(self) -> HandlerFunction:
        facts = self._workflow.facts
        store = roles.uses_store(facts.hosting.store.key_value_store_arn)
        made = self._make(
            "retire",
            "removes the previews of closed pull requests",
            functions.FLIP,
            facts.stores(),
            [store, self._looks_up(CLOSED.key)],
        )
        roles.allow_in_bucket(facts.hosting.bucket, facts.site, "Retire", [made.role], roles.RELEASE)
        return made

    def _make(
        self,
        name: str,
        description: str,
        measure: functions.Measure,
        environment: Mapping[str, str],
        statements: list[iam.PolicyStatement],
    ) -> HandlerFunction:
        return self._workflow.maker.make(
            self, name, description=description, measure=measure, environment=environment, statements=statements
        )
