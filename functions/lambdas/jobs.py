"""A job of CodePipeline: what it asks for, and the word about how it went.

CodePipeline invokes a function asynchronously and waits for that word: what raises, or says nothing, is an action that hangs for 20
minutes (docs.aws.amazon.com/codepipeline/latest/userguide/limits.html). So whatever goes wrong is told. An error leaves only where
the word itself did not arrive: Lambda then sends the same event again, and each piece of work here may be done twice.

The event holds credentials ("artifactCredentials"). It is never logged, and no error quotes it; the function's own role is used.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from toolkit.aws import pipelines
from toolkit.engine.errors import Unavailable, UserError

from . import common
from .common import Event, Services


@dataclass(frozen=True)
class Place:
    """An artifact's object in S3."""

    bucket: str
    key: str


@dataclass(frozen=True)
class Job:
    """`parameters` are the action's own (UserParameters); artifacts go by their names. `token` is what `GoOn` left, "" at first."""

    id: str
    parameters: Mapping[str, Any]
    inputs: Mapping[str, Place]
    outputs: Mapping[str, Place]
    token: str = ""

    def text(self, name: str, default: str | None = None) -> str:
        """A parameter. UserError when there is none and no default."""
        found = self.parameters.get(name, default)
        if not isinstance(found, str):
            raise UserError(f"the action's parameters lack {name}", "deploy the stack again")
        return found

    def input(self) -> Place:
        """The only input artifact."""
        return _only(self.inputs, "input")

    def output(self) -> Place:
        """The only output artifact."""
        return _only(self.outputs, "output")


@dataclass(frozen=True)
class Done:
    """`variables` are for later actions; `execution` names what ran elsewhere."""

    summary: str
    variables: Mapping[str, str] = field(default_factory=dict)
    execution: str = ""


@dataclass(frozen=True)
class GoOn:
    """Not done yet: come back with this token."""

    token: str
    summary: str
    execution: str = ""


class Failed(UserError):
    """The work went wrong elsewhere, in the execution of this name."""

    def __init__(self, what: str, execution: str) -> None:
        super().__init__(what)
        self.execution = execution


class Unsaid(Exception):
    """The word that a job went well did not arrive. Lambda sends the event again."""


Work = Callable[[Job, Services], Done | GoOn]


def run(work: Work, event: Event, services: Services | None = None) -> None:
    """Do a job and tell CodePipeline. UserError for an event that names no job, and when the word does not arrive."""
    services, begun = services or common.default_services(), time.monotonic()
    job_id = _id(event)
    about = {"step": work.__module__.rpartition(".")[2], "job": job_id}
    try:
        ended = work(_job(job_id, event), services)
        common.log("INFO", ended.summary, **about, seconds=round(time.monotonic() - begun, 3), done=isinstance(ended, Done))
        told = _tell(services, job_id, ended)
    except Unsaid:
        raise
    except Exception as error:
        message = _words(error)
        common.log("ERROR", message, **about, seconds=round(time.monotonic() - begun, 3))
        told = pipelines.fail(services.session, job_id, message, error.execution if isinstance(error, Failed) else "")
    if not told:
        common.log("WARNING", "the job was over already", **about)


def _tell(services: Services, job_id: str, ended: Done | GoOn) -> bool:
    """Unsaid when CodePipeline does not answer; what it refuses is for it to hear of as a failure."""
    try:
        if isinstance(ended, Done):
            return pipelines.succeed(services.session, job_id, ended.variables, ended.summary, ended.execution)
        return pipelines.go_on(services.session, job_id, ended.token, ended.summary, ended.execution)
    except Unavailable as error:
        raise Unsaid(str(error)) from error


def _words(error: Exception) -> str:
    """For whoever looks at the pipeline."""
    if isinstance(error, UserError):
        return common.cut(f"{error.what}: {error.fix}" if error.fix else error.what)
    if isinstance(error, Unavailable):
        return common.cut(f"AWS did not answer ({error}): try the stage again")
    return common.cut(f"a fault in this program, not in what was sent ({type(error).__name__}: {error}): please report it")


def _id(event: Event) -> str:
    try:
        found = event["CodePipeline.job"]["id"]
    except (KeyError, TypeError):
        found = None
    if not isinstance(found, str) or not found:
        raise UserError("the event is no job of CodePipeline", "let a pipeline invoke this function")
    return found


def _job(job_id: str, event: Event) -> Job:
    try:
        data = event["CodePipeline.job"]["data"]
        given = data["actionConfiguration"]["configuration"].get("UserParameters", "{}")
        places = [_places(data.get(name)) for name in ("inputArtifacts", "outputArtifacts")]
        token = data.get("continuationToken") or ""
    except (KeyError, TypeError, AttributeError):
        # Not `from error`: nothing of the event shall come into a log.
        raise UserError("the job has another shape than is known here", "update the toolkit and deploy the stack again") from None
    return Job(job_id, _parameters(given), places[0], places[1], token)


def _places(artifacts: Any) -> dict[str, Place]:
    found = {}
    for artifact in artifacts or ():
        place = artifact["location"]["s3Location"]
        found[artifact["name"]] = Place(place["bucketName"], place["objectKey"])
    return found


def _parameters(text: Any) -> dict[str, Any]:
    """UserError for a member that is there twice: a variable's value with a quote in it could be what says it again."""

    def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError
        return dict(pairs)

    try:
        found = json.loads(text, object_pairs_hook=distinct)
    except (ValueError, TypeError):
        found = None
    if not isinstance(found, dict):
        raise UserError("the action's UserParameters are no JSON object with distinct members", "deploy the stack again")
    return found


def _only(places: Mapping[str, Place], kind: str) -> Place:
    if len(places) != 1:
        raise UserError(f"the action has {len(places)} {kind} artifacts instead of one", "deploy the stack again")
    return next(iter(places.values()))
