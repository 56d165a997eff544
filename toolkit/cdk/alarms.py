"""What makes a release flip back: visitors get errors. CloudFront reports to us-east-1 only, so they stand there. (F34)"""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from constructs import Construct

from toolkit.cdk.domains import check_arn
from toolkit.engine.stacks import EDGE_REGION

# Fewer errors in a minute than this are somebody's bad luck, not a release's.
LEAST_ERRORS = 5
PERCENT = 5
TOPIC_PATTERN = rf"^arn:[a-z-]+:sns:{EDGE_REGION}:[0-9]{{12}}:[A-Za-z0-9_-]{{1,256}}$"
FUNCTION_METRICS = ("FunctionExecutionErrors", "FunctionValidationErrors", "FunctionThrottles")
_MINUTE = Duration.minutes(1)


def alarm_names(distribution_id: str) -> tuple[str, str]:
    """Of a distribution's two alarms; whoever reads them in another region knows them by these."""
    return f"{distribution_id}-5xx", f"{distribution_id}-function-errors"


def edge_metric(name: str, statistic: str, *, period: Duration = _MINUTE, label: str = "", **dimensions: str) -> cloudwatch.Metric:
    """A metric of CloudFront's (docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/programming-cloudwatch-metrics.html)."""
    return cloudwatch.Metric(
        namespace="AWS/CloudFront",
        metric_name=name,
        dimensions_map={"Region": "Global", **dimensions},
        statistic=statistic,
        period=period,
        region=EDGE_REGION,
        label=label or None,
    )


class SiteAlarms(Construct):
    """The alarms of one distribution, in a stack of the region us-east-1. Nothing to report is nothing wrong.

    request_function, response_function: names of the two CloudFront Functions.
    topic_arn: a topic of the same region that hears of both alarms, when they go off and when they are over. None is made here: one
    that alarms may write to and that is encrypted needs a key of its own, which costs more than the rest of a small site.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        distribution_id: str,
        request_function: str,
        response_function: str,
        topic_arn: str | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        check_arn("topic_arn", topic_arn, TOPIC_PATTERN)
        self._topic = sns.Topic.from_topic_arn(self, "Topic", topic_arn) if topic_arn else None
        errors, functions = alarm_names(distribution_id)
        rate = edge_metric("5xxErrorRate", "Average", DistributionId=distribution_id)
        requests = edge_metric("Requests", "Sum", DistributionId=distribution_id)
        self.errors = self._alarm(
            "Errors",
            errors,
            f"more than {PERCENT} % of the answers are 5xx, and at least {LEAST_ERRORS} a minute",
            cloudwatch.MathExpression(
                expression=f"IF(requests * rate / 100 >= {LEAST_ERRORS}, rate, 0)",
                using_metrics={"requests": requests, "rate": rate},
                label="5xx answers, percent",
                period=_MINUTE,
            ),
            PERCENT,
        )
        self.functions = self._alarm(
            "Functions",
            functions,
            f"the edge functions failed more than {LEAST_ERRORS} times a minute",
            self._function_errors([request_function, response_function]),
            LEAST_ERRORS,
        )

    def _function_errors(self, names: Sequence[str]) -> cloudwatch.MathExpression:
        """A metric without data counts as nothing; otherwise one silent function would hide the other."""
        metrics: dict[str, cloudwatch.IMetric] = {
            f"m{at}{kind}": edge_metric(metric, "Sum", FunctionName=name)
            for at, name in enumerate(names)
            for kind, metric in enumerate(FUNCTION_METRICS)
        }
        terms = " + ".join(f"FILL({name}, 0)" for name in metrics)
        return cloudwatch.MathExpression(
            expression=terms, using_metrics=metrics, label="failures of edge functions", period=_MINUTE
        )

    def _alarm(
        self, construct_id: str, name: str, description: str, metric: cloudwatch.IMetric, threshold: float
    ) -> cloudwatch.Alarm:
        alarm = cloudwatch.Alarm(
            self,
            construct_id,
            alarm_name=name,
            alarm_description=description,
            metric=metric,
            threshold=threshold,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            # Two bad minutes of three: quick enough to flip back, and one bad minute is none.
            evaluation_periods=3,
            datapoints_to_alarm=2,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        if self._topic:
            action = actions.SnsAction(self._topic)
            alarm.add_alarm_action(action)
            alarm.add_ok_action(action)
        return alarm
