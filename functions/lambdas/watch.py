"""Look after a release for a while: when an alarm goes off that was quiet before it, the channel goes back by itself.

Only from the release that is watched: whatever came after it is a decision that nobody overrides. One look per event; the state
machine waits between them and begins again while the outcome is "watching".
"""

from __future__ import annotations

from toolkit.aws.alarms import alarms
from toolkit.engine import gates, release, rollback

from . import common
from .common import Event, Result, Services

WHO = "watch"


def handler(event: Event, context: object) -> Result:
    return common.handle(step, event)


def step(event: Event, services: Services) -> Result:
    """`{"channel", "release", "version", "until"}` → the same, `outcome`, `serving` and `message`.

    `serving` is the version that serves now, "" when nobody asked.

    `outcome`: "watching", "quiet" (the time is over), "overtaken", "flipped back", "alarm, nothing to flip back to".
    """
    channel, number = common.given(event, "channel", str), common.given(event, "release", int)
    names = services.json("ALARMS", "[]")
    found = alarms(services.session, names)
    if missing := sorted(set(names) - {alarm.name for alarm in found}):
        common.log("WARNING", f"there is no alarm {', '.join(missing)}: deploy the stack of the alarms", channel=channel)
    until = common.given(event, "until", float)
    over = services.clock() >= until
    if not over and not any(alarm.is_on for alarm in found):
        # The store is asked when there is something to decide: its requests would be most of what a watch costs.
        return _result(event, "watching", "", "")
    there = release.last(services.routes, services.site, channel)
    if there and there.token == _token(channel, number):  # an earlier attempt went back, and came no further
        return _back(event, services, there.note)
    if there is None or there.number != number:
        return _result(event, "overtaken", there.version if there else "", "another release came meanwhile")
    # What begins later is not this release's: one that is deployed again unchanged has a watch that is over from the start.
    rung = [alarm for alarm in found if alarm.is_on and there.at < alarm.since <= until]
    if rung and gates.read(services.routes.get, services.site, channel).maintenance:
        # A closed site answers 503 to everybody. The alarm stays on for a while after it is open again, so the watch ends here.
        return _result(event, "overtaken", there.version, "the channel is closed for maintenance: whoever closed it looks after it")
    if rung:
        return _back(event, services, "; ".join(f"{alarm.name}: {alarm.reason}" for alarm in rung))
    return _result(event, "quiet" if over else "watching", there.version, "")


def _token(channel: str, number: int) -> str:
    return f"{WHO}-{channel}-{number}"


def _back(event: Event, services: Services, note: str) -> Result:
    channel, number = event["channel"], event["release"]
    try:
        done = rollback.roll_back(
            services.objects,
            services.routes,
            services.site,
            channel,
            only_if=number,
            who=WHO,
            note=note,
            token=_token(channel, number),
            clock=services.clock,
            sleep=services.sleep,
        )
    except rollback.Overtaken as error:
        there = release.last(services.routes, services.site, channel)
        return _result(event, "overtaken", there.version if there else "", error.what)
    except rollback.NothingBefore as error:
        return _result(event, "alarm, nothing to flip back to", event["version"], f"{note}; {error.what}")
    return _result(event, "flipped back", done.version, note)


def _result(event: Event, outcome: str, serving: str, message: str) -> Result:
    kept = {name: event.get(name) for name in ("channel", "release", "version", "until")}
    return {**kept, "outcome": outcome, "serving": serving, "message": message}
