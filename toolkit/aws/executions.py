"""Executions of a state machine: start one under a name that is given to one only, see how it is getting on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from toolkit.aws.errors import code
from toolkit.aws.session import STEADY, asking

# Of that name there was one before. While that runs and was told the same, Step Functions takes a second start for the first
# ("StartExecution", Step Functions API reference).
_THERE = "ExecutionAlreadyExists"
_WORDS = 1000
# What says by itself what is wrong: its text stands alone. Others are faults of a program, or AWS's, and go by their names.
_SPOKEN = ("UserError", "VerifyFailed", "Unavailable", "Conflict")


@dataclass(frozen=True)
class Execution:
    """`status` is "running", "succeeded", or how it ended otherwise; then `why` says so in words. `output` is that of a success."""

    status: str
    output: Mapping[str, Any] = field(default_factory=dict)
    why: str = ""


def arn(machine: str, name: str) -> str:
    """That of the machine's execution of this name."""
    return f"{machine.replace(':stateMachine:', ':execution:', 1)}:{name}"


def start(session: Any, machine: str, name: str, given: Mapping[str, Any]) -> None:
    """Start an execution, unless there is one of that name. UserError, Unavailable."""
    with asking(machine, "states:StartExecution"):
        try:
            session.client("stepfunctions", config=STEADY).start_execution(
                stateMachineArn=machine, name=name, input=json.dumps(given, ensure_ascii=False)
            )
        except ClientError as error:
            if code(error) != _THERE:
                raise


def look(session: Any, execution: str) -> Execution:
    """UserError, Unavailable."""
    with asking(execution, "states:DescribeExecution"):
        found = session.client("stepfunctions", config=STEADY).describe_execution(executionArn=execution)
    status = str(found["status"])
    if status == "SUCCEEDED" and found.get("output"):
        return Execution("succeeded", json.loads(found["output"]))
    # One that is about to be tried again goes on; so does one whose output is not written yet.
    if status in ("RUNNING", "PENDING_REDRIVE", "SUCCEEDED"):
        return Execution("running")
    ends = {"TIMED_OUT": "it took too long", "ABORTED": "somebody stopped it"}
    said = words(str(found.get("error") or ""), str(found.get("cause") or ""))
    return Execution(status.lower(), why=": ".join(part for part in (ends.get(status, ""), said) if part) or "nothing says why")


def words(error: str, cause: str) -> str:
    """What went wrong, by an error's name and its cause: text, or JSON of Step Functions, Lambda or CodeBuild, one in another."""
    told = _object(cause)
    if "Cause" in told or "Error" in told:
        return words(str(told.get("Error") or error), str(told.get("Cause") or ""))
    if "errorMessage" in told:
        return _named(str(told.get("errorType") or error), str(told["errorMessage"]))
    build = told.get("Build", told)
    if isinstance(build, dict) and "BuildStatus" in build:
        return _of_build(build)
    return _named(error, cause)


def _named(name: str, text: str) -> str:
    shown = text.strip() if len(text) <= _WORDS * 4 else f"{text[: _WORDS * 4].strip()} …"
    return ": ".join(part for part in ("" if name in _SPOKEN and shown else name, shown) if part)


def _of_build(build: Mapping[str, Any]) -> str:
    said = [str(one.get("Message") or "") for phase in build.get("Phases") or () for one in phase.get("Contexts") or ()]
    link = str((build.get("Logs") or {}).get("DeepLink") or "")
    ended = f"the build that publishes it {str(build['BuildStatus']).lower().replace('_', ' ')}"
    return ": ".join(part for part in (ended, "; ".join(filter(None, said))[:_WORDS], f"see {link}" if link else "") if part)


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
