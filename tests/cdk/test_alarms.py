"""The alarms that flip a release back, and the page that shows how a site is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cdk.templates import ALARM_TOPIC, Template, text

DISTRIBUTION = [{"Name": "DistributionId", "Value": "${DistributionId}"}, {"Name": "Region", "Value": "Global"}]


def alarm(templates: dict[str, Template], within: str) -> dict[str, Any]:
    found: dict[str, Any] = text(templates["alarms-plain"].properties("AWS::CloudWatch::Alarm", f"Alarms{within}"))
    return found


def metrics(found: dict[str, Any]) -> dict[str, Any]:
    return {it["Id"]: it["MetricStat"] for it in found["Metrics"] if "MetricStat" in it}


def expression(found: dict[str, Any]) -> str:
    (formula,) = [it["Expression"] for it in found["Metrics"] if "Expression" in it]
    return str(formula)


def rings(formula: str, threshold: float, values: dict[str, float]) -> bool:
    """What CloudWatch makes of one minute: the formula in Python's words, with those values."""
    python = {"IF": lambda condition, one, other: one if condition else other, "FILL": lambda value, filler: value}
    return bool(eval(formula, {"__builtins__": {}}, {**python, **values}) > threshold)


def test_they_go_off_after_two_bad_minutes_of_three_and_not_for_want_of_data(templates: dict[str, Template]) -> None:
    for within in ("Errors", "Functions"):
        found = alarm(templates, within)
        assert (found["EvaluationPeriods"], found["DatapointsToAlarm"]) == (3, 2)
        assert found["TreatMissingData"] == "notBreaching"
        assert found["ComparisonOperator"] == "GreaterThanThreshold"
        assert {it["Period"] for it in metrics(found).values()} == {60}


def test_errors_are_counted_for_the_distribution(templates: dict[str, Template]) -> None:
    found = alarm(templates, "Errors")
    used = metrics(found)
    assert {name: it["Metric"]["MetricName"] for name, it in used.items()} == {"requests": "Requests", "rate": "5xxErrorRate"}
    assert {name: it["Stat"] for name, it in used.items()} == {"requests": "Sum", "rate": "Average"}
    for it in used.values():
        assert it["Metric"]["Namespace"] == "AWS/CloudFront"
        assert sorted(it["Metric"]["Dimensions"], key=str) == sorted(DISTRIBUTION, key=str)


def test_one_error_at_night_is_no_alarm_and_an_outage_is(templates: dict[str, Template]) -> None:
    found = alarm(templates, "Errors")
    formula, threshold = expression(found), found["Threshold"]
    assert not rings(formula, threshold, {"requests": 1, "rate": 100.0})
    assert not rings(formula, threshold, {"requests": 40, "rate": 10.0}), "four errors"
    assert not rings(formula, threshold, {"requests": 10_000, "rate": 1.0}), "a hundred errors, one in a hundred"
    assert rings(formula, threshold, {"requests": 20, "rate": 50.0})
    assert rings(formula, threshold, {"requests": 10_000, "rate": 6.0})


def test_failures_of_both_functions_count_also_when_one_is_silent(templates: dict[str, Template]) -> None:
    found = alarm(templates, "Functions")
    used = metrics(found)
    counted = {(dimension["Value"], it["Metric"]["MetricName"]) for it in used.values() for dimension in it["Metric"]["Dimensions"]}
    kinds = ("FunctionExecutionErrors", "FunctionValidationErrors", "FunctionThrottles")
    assert {(name, kind) for name in ("${RequestFunction}", "${ResponseFunction}") for kind in kinds} <= counted
    formula, threshold = expression(found), found["Threshold"]
    assert all(f"FILL({name}, 0)" in formula for name in used)
    assert not rings(formula, threshold, dict.fromkeys(used, 0.0))
    assert all(rings(formula, threshold, {**dict.fromkeys(used, 0.0), name: 6.0}) for name in used)


def test_their_stack_is_given_what_the_site_s_stack_says(templates: dict[str, Template]) -> None:
    parameters = set(templates["alarms-plain"].body["Parameters"]) - {"BootstrapVersion"}
    assert parameters == {"DistributionId", "RequestFunction", "ResponseFunction"}
    assert parameters <= set(templates["plain"].body["Outputs"])


def test_a_topic_of_the_user_s_hears_of_alarms_and_of_their_end(templates: dict[str, Template]) -> None:
    kind = "AWS::CloudWatch::Alarm"
    for name, heard in (("alarms-full", [ALARM_TOPIC]), ("alarms-plain", None)):
        template = templates[name]
        assert len(template.ids(kind)) == 2
        for it in template.ids(kind):
            found = template.body["Resources"][it]["Properties"]
            assert (found.get("AlarmActions"), found.get("OKActions")) == (heard, heard)


def test_a_topic_of_another_region_is_refused() -> None:
    from aws_cdk import Stack

    from toolkit.cdk.alarms import SiteAlarms
    from toolkit.cdk.errors import PropertyError

    names = {"distribution_id": "E1", "request_function": "a", "response_function": "b"}
    with pytest.raises(PropertyError, match="topic_arn"):
        SiteAlarms(Stack(), "Alarms", **names, topic_arn="arn:aws:sns:eu-west-1:111122223333:alarms")


def test_the_dashboard_shows_the_edge_from_another_region(plain: Template) -> None:
    dashboard = text(plain.properties("AWS::CloudWatch::Dashboard"))
    assert dashboard["DashboardName"] == "toolkit-plain-${AWS::Region}"
    widgets = json.loads(dashboard["DashboardBody"])["widgets"]
    assert len(widgets) == 9
    shown = {str(metric[1]): widget["properties"] for widget in widgets for metric in widget["properties"]["metrics"]}
    assert {"Requests", "5xxErrorRate", "FunctionExecutionErrors", "ExecutionsFailed", "Errors"} <= set(shown)
    for widget in widgets:
        for metric in widget["properties"]["metrics"]:
            options = metric[-1] if isinstance(metric[-1], dict) else {}
            assert (options.get("region") == "us-east-1") == (metric[0] == "AWS/CloudFront"), metric
