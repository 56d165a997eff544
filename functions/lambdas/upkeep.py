"""Once a day: previews whose time is over go, then versions and files that nobody needs, then what runs have left behind."""

from __future__ import annotations

from toolkit.engine import expiry, probe, prune
from toolkit.engine.errors import Busy

from . import common, runs
from .common import Event, Result, Services

WHO = "upkeep"


def handler(event: Event, context: object) -> Result:
    return common.handle(step, event)


def step(event: Event, services: Services) -> Result:
    """→ `{"outcome": "done" | "later", "expired", "versions", "files", "bytes", "tables", "message"}`.

    "later": a deploy was under way, or began meanwhile; the rest is left for the next time.
    """
    objects, routes, site, now = services.objects, services.routes, services.site, services.clock()
    days, hours = float(services.value("PREVIEW_DAYS", "30")), float(services.value("GRACE_HOURS", "24"))
    gone: list[str] = []
    try:
        ended = expiry.expire(objects, routes, site, days=days, who=WHO, clock=services.clock, sleep=services.sleep)
        gone += [record.channel for record in ended]
        probe.clear(routes, site, now, services.sleep)
        runs.clear(objects, site, now)
        keep = int(services.value("KEEP", "10"))
        done = prune.prune(objects, routes, site, keep=keep, grace_seconds=hours * 3600, clock=services.clock)
    except Busy as error:
        return _result("later", gone, prune.Pruned((), 0, 0, (), True), error.what)
    return _result("later" if done.stopped else "done", gone, done, "a deploy began meanwhile" if done.stopped else "")


def _result(outcome: str, expired: list[str], done: prune.Pruned, message: str) -> Result:
    return {
        "outcome": outcome,
        "expired": expired,
        "versions": sum(1 for verdict in done.verdicts if not verdict.keep),
        "files": done.blobs,
        "bytes": done.bytes,
        "tables": len(done.tables),
        "message": message,
    }
