"""What the two state machines do, as plain Amazon States Language (states-language.net, JSONPath).

Names in `${…}` are filled in by CloudFormation (DefinitionSubstitutions). Every task has a time, says what is worth another try,
and where to go when it failed. Nothing but names and numbers goes through the machines: files stay in S3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

State = dict[str, Any]

# What the handlers call passing, and what Lambda says when it did not run them
# (docs.aws.amazon.com/step-functions/latest/dg/bp-lambda-serviceexception.html).
_PASSING = ("Unavailable", "Conflict")
_LAMBDA = (
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
)
# What becomes of a function that ran out of time or memory
# (docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html). It may have flipped by then: only the step itself,
# run again, finds out, writes what is missing of the ledger and goes on. Looks may flip, too. Publishing would take as long again.
_KILLED = ("Lambda.Unknown", "Sandbox.Timedout", "States.Timeout")
_CODEBUILD = ("CodeBuild.AccountLimitExceededException", "CodeBuild.CodeBuildException", "CodeBuild.SdkClientException")
# Under the same name a second start of the same execution is the first one.
_STATES = ("StepFunctions.AWSStepFunctionsException", "StepFunctions.SdkClientException", "StepFunctions.ThrottlingException")
# More than a function's own time: Step Functions must not give up on one that still works.
_SPARE_SECONDS = 60
_LOOK_SECONDS = 30
# An execution may have 25,000 events (docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html); a look takes nine.
_MOST_LOOKS = 2000
_RUN = "$$.Execution.Name"
# What the answers of `flip` and `watch` say of a release, as the next step is told.
_RELEASE = {"channel.$": "$.channel", "release.$": "$.release", "version.$": "$.version"}
_WATCHED = {**_RELEASE, "until.$": "$.until"}


@dataclass(frozen=True)
class Definitions:
    """`partition` of the ARNs; `seconds`: how long each function may take, by its name in `${…}`."""

    partition: str
    seconds: Mapping[str, int]

    def release(self, *, large_seconds: int, watched: bool) -> dict[str, Any]:
        """Publish → verify → flip → start the watch (if releases are `watched`) → notify.

        A release that fails says so and ends as one; the channel then serves what it served before. What fails after the flip
        changes nothing that visitors see: a release that could not be announced is one all the same.
        """
        given = {"run.$": _RUN, "channel.$": "$.channel", "source.$": "$.source", "who.$": "$.who"}
        run = {"run.$": "$.run"}
        published = {"large.$": "$.Payload.large", "event.$": "$.Payload.event"}
        flipped = "To be watched" if watched else "Notify"
        states = {
            "Begin": {"Type": "Pass", "Parameters": given, "Next": "Publish"},
            "Publish": self._function("Publish", "$", to="Too large", ResultSelector=published, ResultPath="$.published"),
            "Too large": _choice({"Variable": "$.published.large", "BooleanEquals": True, "Next": "Publish large"}, "Verify"),
            "Publish large": self._publish_large(large_seconds),
            "Verify": self._function("Verify", run, to="Flip", ResultPath=None),
            "Flip": self._function("Flip", run, to=flipped, passing=_KILLED, OutputPath="$.Payload"),
            **(self._start_watch() if watched else {}),
            **self._ends("failed", {"previous.$": "$.previous"}, {"channel.$": "$.channel"}),
        }
        longest = large_seconds + sum(self.seconds.values())
        return {"Comment": "Releases an artifact", "StartAt": "Begin", "TimeoutSeconds": 2 * longest, "States": states}

    def watch(self, *, watch_seconds: int) -> dict[str, Any]:
        """Look until the time is over, somebody else released, or an alarm made it flip back.

        Every 30 seconds, less often when that is for more than 16 hours.
        """
        found = {"watching": "Wait", "quiet": "Done", "overtaken": "Done"}
        choices = [{"Variable": "$.outcome", "StringEquals": outcome, "Next": to} for outcome, to in found.items()]
        states = {
            "Wait": {"Type": "Wait", "Seconds": max(_LOOK_SECONDS, watch_seconds // _MOST_LOOKS), "Next": "Look"},
            "Look": self._function("Watch", _WATCHED, to="What now", passing=_KILLED, OutputPath="$.Payload"),
            "What now": {"Type": "Choice", "Choices": choices, "Default": "Notify"},
            **self._ends("watch failed", {"serving.$": "$.serving"}, _RELEASE),
        }
        # A look that fails is tried again: that comes on top.
        longest = watch_seconds + 10 * sum(self.seconds.values())
        return {"Comment": "Flips back when an alarm goes off", "StartAt": "Wait", "TimeoutSeconds": longest, "States": states}

    def _publish_large(self, seconds: int) -> State:
        event = {"Name": "EVENT", "Type": "PLAINTEXT", "Value.$": "$.published.event"}
        parameters = {"ProjectName": "${PublishLarge}", "EnvironmentVariablesOverride": [event]}
        return self._task("codebuild:startBuild.sync", parameters, seconds, _CODEBUILD, to="Verify", ResultPath=None)

    def _start_watch(self) -> dict[str, State]:
        """Previews are not watched: the alarms are about what visitors get. Nobody waits for the end of it.

        A release whose watch does not start is one all the same: visitors have it. The message about it says that nobody watches.
        """
        live = [{"Variable": "$.outcome", "StringEquals": "released"}, {"Variable": "$.channel", "StringEquals": "live"}]
        parameters = {"StateMachineArn": "${WatchMachine}", "Name.$": _RUN, "Input": _WATCHED}
        missing: dict[str, Any] = {"failed": "Not watched", "failure_path": "$.unwatched", "ResultPath": None}
        said = "States.Format('Nobody watches it: {}. {}', $.unwatched.Error, $.message)"
        kept = {name: f"$.{name.removesuffix('.$')}" for name in (*_RELEASE, "outcome.$", "previous.$")}
        return {
            "To be watched": _choice({"And": live, "Next": "Start watch"}, "Notify"),
            "Start watch": self._task("states:startExecution", parameters, _SPARE_SECONDS, _STATES, to="Notify", **missing),
            "Not watched": {"Type": "Pass", "Parameters": {**kept, "message.$": said}, "Next": "Notify"},
        }

    def _ends(self, failure: str, more: Mapping[str, Any], failed: Mapping[str, Any]) -> dict[str, State]:
        """Say how it went and be done; or say that it failed (`failure`), and fail with the error of the step that did."""
        went = {"event.$": "$.outcome", "run.$": _RUN, "message.$": "$.message", **_RELEASE, **more}
        error = {"event": failure, "run.$": _RUN, "error.$": "$.failure", **failed}
        # Each try may repeat what did arrive, at the topic or at the webhook.
        unsaid: dict[str, Any] = {"failure_path": "$.unsaid", "tries": 2, "ResultPath": None}
        return {
            "Notify": self._function("Notify", went, to="Done", failed="Done", **unsaid),
            "Done": {"Type": "Succeed"},
            "Notify failure": self._function("Notify", error, to="Failed", failed="Failed", **unsaid),
            # An error has a name; what ran out of time may have no cause.
            "Failed": {"Type": "Fail", "ErrorPath": "$.failure.Error", "CausePath": "States.JsonToString($.failure)"},
        }

    def _function(self, name: str, payload: str | Mapping[str, Any], *, to: str, passing: Sequence[str] = (), **rest: Any) -> State:
        """Call the function `${name}` with `payload`: a JSONPath, or an object. `passing`: what else is worth another try."""
        given = {"Payload.$": payload} if isinstance(payload, str) else {"Payload": payload}
        parameters = {"FunctionName": f"${{{name}}}", **given}
        return self._task(
            "lambda:invoke", parameters, self.seconds[name] + _SPARE_SECONDS, (*_PASSING, *_LAMBDA, *passing), to=to, **rest
        )

    def _task(
        self,
        action: str,
        parameters: Mapping[str, Any],
        seconds: int,
        passing: Sequence[str],
        *,
        to: str,
        failed: str = "Notify failure",
        failure_path: str = "$.failure",
        tries: int = 5,
        **rest: Any,
    ) -> State:
        again = {"IntervalSeconds": 2, "BackoffRate": 2, "MaxAttempts": tries, "MaxDelaySeconds": 60, "JitterStrategy": "FULL"}
        return {
            "Type": "Task",
            "Resource": f"arn:{self.partition}:states:::{action}",
            "Parameters": parameters,
            "TimeoutSeconds": seconds,
            "Retry": [{"ErrorEquals": list(passing), **again}],
            "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": failure_path, "Next": failed}],
            **rest,
            "Next": to,
        }


def _choice(rule: Mapping[str, Any], otherwise: str) -> State:
    return {"Type": "Choice", "Choices": [rule], "Default": otherwise}
