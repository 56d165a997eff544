"""Take down the previews of a pull request that was closed, if they still show the very commit that it ended with.

A merge closes a pull request too. What was pushed since, or is being built, stays until its days are over.
"""

from __future__ import annotations

from toolkit.aws import pipelines
from toolkit.aws.pipelines import SourceFacts
from toolkit.engine import channels, release
from toolkit.engine.errors import Superseded, UserError

from . import jobs
from .common import Event, Services
from .jobs import Done, Job

REASON, WHO = "remove", "pull request"


def handler(event: Event, context: object) -> None:
    jobs.run(work, event)


def work(job: Job, services: Services) -> Done:
    """Parameters: `pipeline`, `execution`. Variables: Removed, channels with spaces between them, or "none"."""
    facts = pipelines.source(pipelines.actions(services.session, job.text("pipeline"), job.text("execution")))
    if facts is None or not facts.branch or not facts.commit:
        raise UserError(f"{job.text('pipeline')} does not say which pull request was closed", "previews end by themselves")
    found = [channel for channel in (channels.of_preview(facts.branch), channels.of_pull(facts.branch))]
    gone = [channel for channel in found if _removed(channel, facts, services)]
    return Done(f"removed {', '.join(gone)}" if gone else "no preview shows that commit", {"Removed": " ".join(gone) or "none"})


def _removed(channel: str, facts: SourceFacts, services: Services) -> bool:
    objects, routes, site = services.objects, services.routes, services.site
    there = release.current(routes, site, channel)
    if there is None or there.commit != facts.commit:
        return False
    note = f"the pull request of {facts.branch} was closed"
    # It yields, as a preview does that expires: the branch may be pushed again, and then shows to nobody else what it had hidden.
    request = release.Request(site, channel, "", (), there.order, WHO, REASON, note=note, yields=True)
    try:
        release.remove(objects, routes, request, only_if=there.number, clock=services.clock, sleep=services.sleep)
    except Superseded:  # somebody pushed meanwhile
        return False
    return True
