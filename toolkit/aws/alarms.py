"""CloudWatch's alarms on a distribution. CloudFront's metrics, and so the alarms on them, are in us-east-1 only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from toolkit.aws.session import asking
from toolkit.engine.stacks import EDGE_REGION


@dataclass(frozen=True)
class Alarm:
    """An alarm's state: whether it `is_on`, `since` when it has that state (seconds since the epoch), and why, in AWS's words."""

    name: str
    is_on: bool
    since: float
    reason: str


def alarms(session: Any, names: Sequence[str]) -> list[Alarm]:
    """Those of the named alarms that are there. UserError, Unavailable."""
    if not names:
        return []
    with asking(f"CloudWatch in {EDGE_REGION}", "cloudwatch:DescribeAlarms"):
        found = session.client("cloudwatch", region_name=EDGE_REGION).describe_alarms(AlarmNames=list(names))["MetricAlarms"]
    return [_alarm(one) for one in found]


def _alarm(found: dict[str, Any]) -> Alarm:
    # The update's time also moves when only the reason does.
    since = found.get("StateTransitionedTimestamp") or found["StateUpdatedTimestamp"]
    return Alarm(found["AlarmName"], found["StateValue"] == "ALARM", since.timestamp(), found.get("StateReason", ""))
