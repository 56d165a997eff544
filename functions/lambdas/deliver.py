"""Release what a pipeline brought: start the ReleaseWorkflow, and tell the pipeline how it went.

Where it goes is decided by the action's own parameters (`to`), never by what a build made; who is newer by CodePipeline's and
EventBridge's clocks. An execution has the name of the action that started it, so that the same event twice starts it once.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from toolkit.aws import executions, pipelines
from toolkit.aws.pipelines import Action, SourceFacts
from toolkit.aws.uploaded import uploaded
from toolkit.engine import channels, layout
from toolkit.engine.errors import Unavailable, UserError
from toolkit.engine.pipelines import DIRECT

from . import common, jobs
from .common import Event, Services
from .jobs import Done, Failed, GoOn, Job

# How long one event is spent on looking: most releases are over by then, and CodePipeline comes back at its leisure.
PATIENCE_SECONDS = 20.0
_PAUSE_SECONDS = 2.0
# How long CodePipeline may take to list an action that it runs already.
_LISTED_SECONDS = 10.0
# EventBridge counts whole seconds: of two uploads of one key within one, that which is there now is the newer.
NEWEST_SECONDS = 0.5
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def handler(event: Event, context: object) -> None:
    jobs.run(work, event)


def work(job: Job, services: Services) -> Done | GoOn:
    """Parameters: `pipeline`, `execution`, `action`, `to`; for uploads `prefix` and `time`; perhaps the artifact's `folder`, and
    `first`: "skip" where the run that a pipeline begins by itself is not to be released.

    Variables: Outcome ("released", "superseded" or "skipped"), Version, Channel.
    """
    if not job.token and _is_skipped(job, services):
        told = {"Outcome": "skipped", "Version": "none", "Channel": "none"}
        return Done("nothing to release: the pipeline was made, and nothing was pushed yet", told)
    name = _begun(job) if job.token else _begin(job, services)
    return _followed(name, services)


def _is_skipped(job: Job, services: Services) -> bool:
    asked = job.text("first", "") == "skip"
    return asked and pipelines.is_first_run(services.session, job.text("pipeline"), job.text("execution"))


def _begun(job: Job) -> str:
    if not _ID.fullmatch(job.token):
        raise UserError("the action came back with a token that is not of this function", "try the stage again")
    return job.token


def _begin(job: Job, services: Services) -> str:
    """Start the execution; its name."""
    facts, name = _listed(job, services)
    channel = _channel(job, facts)
    layout.channel_key(services.site, channel)  # refuses a name that is too long before anything is published
    place = job.input()
    said = _of_upload(job, facts, services) if job.text("to") == "key" else _of_push(facts)
    who = said.pop("who")
    source = {
        "kind": "zip",
        "bucket": place.bucket,
        "key": place.key,
        "version": "",
        "folder": job.text("folder", ""),
        # Only what somebody zipped may have a folder around it; what a build or a repository gives has not.
        "wrapped": job.text("action") == DIRECT,
        **said,
    }
    executions.start(services.session, services.value("RELEASE_ARN"), name, {"channel": channel, "source": source, "who": who})
    return name


def _listed(job: Job, services: Services) -> tuple[SourceFacts, str]:
    """What the source brought, and the id of this action. One that is not listed for long goes by the job's id.

    UserError when it has ended: Lambda keeps events for hours, and what was given up or stopped meanwhile is not to be released.
    """
    pipeline, execution, action = job.text("pipeline"), job.text("execution"), job.text("action")
    until = services.clock() + _LISTED_SECONDS
    while True:
        found: Sequence[Action] = pipelines.actions(services.session, pipeline, execution)
        facts, own = pipelines.source(found), pipelines.running(found, action)
        if facts and own:
            return facts, _execution_name(own)
        if services.clock() >= until:
            break
        services.sleep(_PAUSE_SECONDS)
    if facts is None:
        raise UserError(f"{pipeline} does not say what its execution {execution} is about", "start the pipeline again")
    if pipelines.is_over(found, action):
        raise UserError(f"the action {action} of the execution {execution} is over", "try the stage again")
    return facts, job.id


def _execution_name(action: str) -> str:
    """An action's id, which no page says the form of: the function may look at executions named by ids of jobs' form only."""
    return action if _ID.fullmatch(action) else str(uuid.uuid5(uuid.NAMESPACE_OID, action))


def _channel(job: Job, facts: SourceFacts) -> str:
    to = job.text("to")
    if to == "live":
        return channels.LIVE
    if to == "preview":
        return channels.of_preview(facts.branch)
    if to == "pull":
        return channels.of_pull(facts.branch)
    if to == "key":
        return channels.of_upload(facts.key, job.text("prefix"))
    raise UserError(f"the action's parameters say to {to!r}", "deploy the stack again")


def _of_push(facts: SourceFacts) -> dict[str, Any]:
    """By when CodePipeline began with it: a commit's own time is what its author says."""
    return {
        "time": facts.started,
        "commit": common.cut(facts.commit, common.WORDS_LENGTH),
        "branch": common.cut(facts.branch, common.WORDS_LENGTH),
        "message": common.cut(facts.message, common.MESSAGE_LENGTH),
        "who": common.cut(f"GitHub {facts.repository}".strip(), common.WORDS_LENGTH),
    }


def _of_upload(job: Job, facts: SourceFacts, services: Services) -> dict[str, Any]:
    found = uploaded(services.session, services.value("UPLOAD_BUCKET"), facts.key, facts.version)
    moment = _moment(job.text("time", "none"), facts.started)
    return {
        "time": moment + NEWEST_SECONDS if found.is_newest else moment,
        "commit": found.commit,
        "branch": common.cut(found.branch, common.WORDS_LENGTH),
        "message": common.cut(found.message or facts.key, common.MESSAGE_LENGTH),
        "who": common.cut(found.who or "upload", common.WORDS_LENGTH),
    }


def _moment(text: str, otherwise: float) -> float:
    """EventBridge's `time` in seconds since the epoch; an execution that somebody started by hand has none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return otherwise
    return moment.timestamp() if moment.tzinfo else otherwise


def _followed(name: str, services: Services) -> Done | GoOn:
    """Look until the execution is over, for a while."""
    execution = executions.arn(services.value("RELEASE_ARN"), name)
    until = services.clock() + PATIENCE_SECONDS
    while True:
        try:
            found = executions.look(services.session, execution)
        except Unavailable:  # it goes on, whether it is seen or not
            found = executions.Execution("running")
        if found.status == "succeeded":
            return _done(found, execution)
        if found.status != "running":
            raise Failed(f"the release failed: {found.why}. What was serving still serves.", execution)
        if services.clock() + _PAUSE_SECONDS > until:
            return GoOn(name, "the release is under way", execution)
        services.sleep(_PAUSE_SECONDS)


def _done(found: executions.Execution, execution: str) -> Done:
    told = {name: str(found.output.get(name) or "none") for name in ("outcome", "version", "channel")}
    if told["outcome"] == "released":
        summary = f"{told['channel']} serves {told['version']} (release {found.output.get('release')})"
    else:
        summary = f"{told['outcome']}: {found.output.get('message') or told['version']}"
    return Done(summary, {name.capitalize(): text for name, text in told.items()}, execution)
