"""Alarms in us-east-1 that tests set off by hand."""

from __future__ import annotations

from tests.lambdas.support import Aws


def alarm(aws: Aws, name: str, state: str = "OK") -> None:
    client = aws.session.client("cloudwatch", region_name="us-east-1")
    client.put_metric_alarm(
        AlarmName=name,
        Namespace="AWS/CloudFront",
        MetricName="5xxErrorRate",
        Statistic="Average",
        Period=60,
        EvaluationPeriods=1,
        Threshold=5.0,
        ComparisonOperator="GreaterThanThreshold",
    )
    client.set_alarm_state(AlarmName=name, StateValue=state, StateReason=f"{name} is {state}")


def ring(aws: Aws, name: str) -> None:
    alarm(aws, name, "ALARM")
