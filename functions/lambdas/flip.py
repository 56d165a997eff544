"""Release a verified version: the switch itself, in one conditional write. Its token is the run's name: a retry is harmless."""

from __future__ import annotations

from toolkit.aws.names import aws_names
from toolkit.engine import channels, release
from toolkit.engine.errors import Superseded
from toolkit.engine.model import Release

from . import common, runs
from .common import Event, Result, Services

REASON = "deploy"


def handler(event: Event, context: object) -> Result:
    return common.handle(step, event)


def step(event: Event, services: Services) -> Result:
    """`{"run"}` → `{"outcome": "released" | "superseded", "channel", "version", "release", "previous", "message", "at", "until"}`.

    Of a superseded version `release` and `previous` are the release that holds it back, and what that serves. `until` is when the
    watch of the release ends (seconds since the epoch).
    """
    name = common.given(event, "run", str)
    run = runs.read(services.objects, services.site, name)
    try:
        done = release.release(
            services.objects, services.routes, _request(name, run, services), clock=services.clock, sleep=services.sleep
        )
    except Superseded as error:
        there = release.last(services.routes, services.site, run.channel)
        number, version = (there.number, there.version) if there else (0, "")
        now = services.clock()
        return _result("superseded", run, number, version, f"{error.what}; {error.fix}", now, services)
    return _result("released", run, done.number, _previous(services, done), run.message, done.at, services)


def _request(name: str, run: runs.Run, services: Services) -> release.Request:
    hosts = services.json("HOSTS", "[]")
    names = aws_names(services.value("DOMAIN_NAME"), hosts)
    return release.Request(
        site=services.site,
        channel=run.channel,
        version=run.version,
        hosts=channels.hosts(services.site, run.channel, names, tuple(hosts)),
        order=run.order,
        who=run.who,
        reason=REASON,
        commit=run.commit,
        note=run.message,
        token=name,
        canonical=services.value("CANONICAL", ""),
    )


def _previous(services: Services, done: Release) -> str:
    """What the channel served before, by the ledger: on a retry the present record is our own."""
    entries = release.served(services.objects, services.routes, services.site, done.channel)
    return next((entry.version for entry in entries if entry.number < done.number), "")


def _result(outcome: str, run: runs.Run, number: int, previous: str, message: str, at: float, services: Services) -> Result:
    return {
        "outcome": outcome,
        "channel": run.channel,
        "version": run.version,
        "release": number,
        "previous": previous,
        "message": message,
        "at": at,
        "until": at + 60 * float(services.value("WATCH_MINUTES", "15")),
    }
