"""Look after a release for a while: when an alarm goes off that was quiet before it, the channel goes back by itself.

Only from the release that is watched: whatever came after it is a decision that nobody overrides. One look per event; the state
machine waits between them and begins again while the outcome is "watching".
"""

from __future__ import annotations

from toolkit.aws.alarms import Alarm, alarms
from toolkit.engine import release, rollback
from toolkit.engine.model import Release

from . import common
from .common import Event, Result, Services

WHO = "watch"


def handler(event: Event, context: object) -> Result:
    return common.handle(step, event)


def step(event: Event, services: Services) -> Result:
    """`{"channel", "release", "version", "until"}` → the same, `outcome`, `serving` (the version that serves now) and `message`.

    `outcome`: "watching", "quiet" (the time is over), "overtaken", "flipped back", "alarm, nothing to flip back to".
    """
    channel, number = common.given(event, "channel", str), common.given(event, "release", int)
    there = release.last(services.routes, services.site, channel)
    token = f"{WHO}-{channel}-{number}"
    if there and there.token == token:  # an earlier attempt, whose answer was lost
        return _result(event, "flipped back", there.version, there.note)
    if there is None or there.number != number:
        return _result(event, "overtaken", there.version if there else "", "another release came meanwhile")
    names = services.json("ALARMS", "[]")
    found = alarms(services.session, names)
    if missing := sorted(set(names) - {alarm.name for alarm in found}):
        common.log("WARNING", f"there is no alarm {', '.join(missing)}: deploy the stack of the alarms", channel=channel)
    rung = [alarm for alarm in found if alarm.is_on and alarm.since > there.at]
    if rung:
        return _back(event, services, there, rung, token)
    over = services.clock() >= common.given(event, "until", float)
    return _result(event, "quiet" if over else "watching", there.version, "")


def _back(event: Event, services: Services, there: Release, rung: list[Alarm], token: str) -> Result:
    note = "; ".join(f"{alarm.name}: {alarm.reason}" for alarm in rung)
    try:
        done = rollback.roll_back(
            services.objects,
            services.routes,
            services.site,
            there.channel,
            only_if=there.number,
            who=WHO,
            note=note,
            token=token,
            clock=services.clock,
            sleep=services.sleep,
        )
    except rollback.Overtaken as error:
        return _result(event, "overtaken", there.version, error.what)
    except rollback.NothingBefore as error:
        return _result(event, "alarm, nothing to flip back to", there.version, f"{note}; {error.what}")
    return _result(event, "flipped back", done.version, note)


def _result(event: Event, outcome: str, serving: str, message: str) -> Result:
    kept = {name: event.get(name) for name in ("channel", "release", "version", "until")}
    return {**kept, "outcome": outcome, "serving": serving, "message": message}
