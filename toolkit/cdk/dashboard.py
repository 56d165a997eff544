"""One page about a site: what visitors get, what the edge does, how releases go."""

from __future__ import annotations

from aws_cdk import Aws, Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from toolkit.cdk.alarms import FUNCTION_METRICS, edge_metric
from toolkit.cdk.functions import HandlerFunction
from toolkit.cdk.site import StaticSite
from toolkit.cdk.workflow import ReleaseWorkflow

_HEIGHT, _WIDTH = 6, 8
_PERIOD = Duration.minutes(5)


class SiteDashboard(Construct):
    """A dashboard in the stack's region; CloudFront's metrics come from us-east-1 and are shown here all the same."""

    def __init__(self, scope: Construct, construct_id: str, *, hosting: StaticSite, workflow: ReleaseWorkflow, site: str) -> None:
        super().__init__(scope, construct_id)
        self.dashboard = cloudwatch.Dashboard(
            self,
            "Dashboard",
            # Names are the account's: the same site may stand in several regions.
            dashboard_name=f"toolkit-{site}-{Aws.REGION}",
            period_override=cloudwatch.PeriodOverride.INHERIT,
            widgets=[self._visitors(hosting), self._edge(hosting), self._releases(workflow)],
        )

    def _visitors(self, hosting: StaticSite) -> list[cloudwatch.IWidget]:
        distribution = hosting.distribution.distribution_id
        return [
            _graph("Requests", edge_metric("Requests", "Sum", period=_PERIOD, DistributionId=distribution)),
            _graph(
                "Errors, percent",
                edge_metric("4xxErrorRate", "Average", period=_PERIOD, label="4xx", DistributionId=distribution),
                edge_metric("5xxErrorRate", "Average", period=_PERIOD, label="5xx", DistributionId=distribution),
            ),
            _graph("Bytes to visitors", edge_metric("BytesDownloaded", "Sum", period=_PERIOD, DistributionId=distribution)),
        ]

    def _edge(self, hosting: StaticSite) -> list[cloudwatch.IWidget]:
        functions = {"request": hosting.request_function, "response": hosting.response_function}
        return [
            _graph(
                "Edge functions: share of the time they may take, percent",
                *[
                    edge_metric("FunctionComputeUtilization", "Maximum", period=_PERIOD, label=name, FunctionName=it.function_name)
                    for name, it in functions.items()
                ],
            ),
            _graph(
                "Edge functions: failures",
                *[
                    edge_metric(metric, "Sum", period=_PERIOD, label=f"{name} {metric}", FunctionName=it.function_name)
                    for name, it in functions.items()
                    for metric in FUNCTION_METRICS
                ],
            ),
            _graph(
                "Edge functions: calls",
                *[
                    edge_metric("FunctionInvocations", "Sum", period=_PERIOD, label=name, FunctionName=it.function_name)
                    for name, it in functions.items()
                ],
            ),
        ]

    def _releases(self, workflow: ReleaseWorkflow) -> list[cloudwatch.IWidget]:
        machine, watch = workflow.state_machine, workflow.watch
        steps: dict[str, HandlerFunction] = workflow.functions
        return [
            _graph(
                "Releases",
                machine.metric_succeeded(period=_PERIOD, label="went through"),
                machine.metric_failed(period=_PERIOD, label="failed"),
                machine.metric_timed_out(period=_PERIOD, label="ran out of time"),
                watch.metric_started(period=_PERIOD, label="watched"),
            ),
            _graph(
                "Steps: longest, milliseconds",
                *[it.function.metric_duration(period=_PERIOD, statistic="Maximum", label=name) for name, it in steps.items()],
            ),
            _graph(
                "Steps: errors",
                *[it.function.metric_errors(period=_PERIOD, label=name) for name, it in steps.items()],
            ),
        ]


def _graph(title: str, *metrics: cloudwatch.IMetric) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(title=title, left=list(metrics), height=_HEIGHT, width=_WIDTH)
