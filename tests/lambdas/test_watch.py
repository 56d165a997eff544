"""After a release: an alarm that it set off takes it back, and nothing else does."""

from __future__ import annotations

from typing import Any

import pytest
from lambdas import flip, watch
from lambdas.common import Result

from tests.lambdas.alarms import alarm, ring
from tests.lambdas.support import SITE, Aws
from toolkit.engine import access, canary, release, rollback
from toolkit.engine.errors import UserError


def event(done: Result) -> dict[str, Any]:
    return {name: done[name] for name in ("channel", "release", "version", "until")}


@pytest.fixture
def old(aws: Aws) -> Result:
    return aws.deploy("old")


@pytest.fixture
def new(aws: Aws, old: Result) -> Result:
    return aws.deploy("new")


def test_it_goes_on_while_all_is_quiet_and_ends_when_the_time_is_over(aws: Aws, new: Result) -> None:
    alarm(aws, "5xx")
    asked = len(aws.store.calls)
    watching = aws.run(watch.step, event(new))
    assert watching == {**event(new), "outcome": "watching", "serving": "", "message": ""}
    assert not aws.store.calls[asked:], "a look costs nothing of the store while nothing rings"
    assert aws.run(watch.step, watching)["outcome"] == "watching", "its answer is the next look's event"
    aws.sleep(new["until"] - aws.clock())
    assert aws.run(watch.step, watching)["outcome"] == "quiet"
    assert aws.page() == (200, "<title>new</title>")


def test_an_alarm_takes_the_release_back_and_says_so(aws: Aws, old: Result, new: Result) -> None:
    ring(aws, "5xx")
    done = aws.run(watch.step, event(new))
    assert done == {**event(new), "outcome": "flipped back", "serving": old["version"], "message": "5xx: 5xx is ALARM"}
    assert aws.page() == (200, "<title>old</title>")
    live = aws.live()
    assert live and (live.number, live.who, live.reason, live.note) == (3, "watch", "rollback", "5xx: 5xx is ALARM")
    assert aws.run(watch.step, event(new)) == done, "once more, after a lost answer"
    assert aws.live() == live


def test_an_alarm_from_before_the_release_does_not_count(aws: Aws, old: Result) -> None:
    ring(aws, "5xx")
    aws.sleep(7200)
    new = aws.deploy("new")
    assert aws.run(watch.step, event(new))["outcome"] == "watching"
    assert aws.page() == (200, "<title>new</title>")


def test_an_alarm_from_after_the_watch_does_not_count(aws: Aws, new: Result) -> None:
    """A build that is started once more hours later is the release that there is: its time is over."""
    again = aws.run(flip.step, {"run": "run-new"}, WATCH_MINUTES="1")
    assert (again["release"], again["until"]) == (new["release"], new["at"] + 60)
    aws.sleep(3600)
    ring(aws, "5xx")
    assert aws.run(watch.step, event(again))["outcome"] == "quiet"
    live = aws.live()
    assert live and live.number == new["release"]


def test_an_alarm_that_is_over_or_is_another_s_does_not_count(aws: Aws, new: Result) -> None:
    ring(aws, "5xx")
    alarm(aws, "5xx", "INSUFFICIENT_DATA")
    ring(aws, "of another site")
    assert aws.run(watch.step, event(new))["outcome"] == "watching"


def test_whoever_released_meanwhile_is_not_overruled(aws: Aws, new: Result) -> None:
    newest = aws.deploy("newest")
    over = {**event(new), "until": aws.clock()}
    assert aws.run(watch.step, over)["outcome"] == "overtaken", "at the end, too"
    ring(aws, "5xx")
    assert aws.run(watch.step, event(new))["outcome"] == "overtaken"
    assert aws.run(watch.step, event(newest))["serving"] == new["version"]


def test_a_release_between_the_look_and_the_flip_is_seen(aws: Aws, old: Result, new: Result) -> None:
    """Somebody rolls back by hand just as the alarm is read: that is not undone."""
    ring(aws, "5xx")

    def meanwhile(operation: str) -> None:
        if operation == "UpdateKeys":
            aws.store.before = lambda name: None
            rollback.roll_back(aws.objects, aws.routes, SITE, "live", only_if=None, who="sue", clock=aws.clock, sleep=aws.sleep)

    aws.store.before = meanwhile
    done = aws.run(watch.step, event(new))
    assert (done["outcome"], done["message"].split(" (")[0]) == ("overtaken", "live of shop has another release than 2 by now")
    live = aws.live()
    assert live and (live.number, live.who, live.version) == (3, "sue", old["version"])


def test_a_first_release_has_nothing_to_go_back_to(aws: Aws, old: Result) -> None:
    ring(aws, "functions")
    done = aws.run(watch.step, event(old))
    assert done["outcome"] == "alarm, nothing to flip back to" and done["message"].startswith("functions: functions is ALARM; ")
    assert aws.page() == (200, "<title>old</title>")


def test_a_canary_s_alarm_takes_the_canary_away(aws: Aws, old: Result, new: Result) -> None:
    step = canary.Step(SITE, "live", "sue")
    started = canary.start(aws.objects, aws.routes, step, old["version"], 50, clock=aws.clock, sleep=aws.sleep)
    ring(aws, "5xx")
    given = {"channel": "live", "release": started.number, "version": started.canary, "until": aws.clock() + 900}
    assert aws.run(watch.step, given)["outcome"] == "flipped back"
    live = aws.live()
    assert live and (live.version, live.canary, live.ended) == (new["version"], "", old["version"])


def test_errors_of_a_site_that_is_closed_for_maintenance_take_nothing_back(aws: Aws, new: Result) -> None:
    access.maintenance(aws.objects, aws.routes, SITE, "live", True, sleep=aws.sleep)
    ring(aws, "5xx")
    done = aws.run(watch.step, event(new))
    assert (done["outcome"], done["serving"]) == ("overtaken", new["version"]) and "maintenance" in done["message"]
    live = aws.live()
    assert live and live.number == new["release"]


def test_a_removed_channel_is_left_alone(aws: Aws) -> None:
    aws.deploy("old", channel="preview/a")
    done = aws.deploy("new", channel="preview/a")
    ring(aws, "5xx")
    request = release.Request(SITE, "preview/a", "", (), aws.clock(), "sue", "remove")
    release.remove(aws.objects, aws.routes, request, clock=aws.clock, sleep=aws.sleep)
    assert aws.run(watch.step, event(done))["outcome"] == "overtaken"


def test_alarms_that_are_not_deployed_are_told_in_the_log(aws: Aws, old: Result, capsys: pytest.CaptureFixture[str]) -> None:
    assert aws.run(watch.step, event(old))["outcome"] == "watching"
    assert "there is no alarm 5xx, functions: deploy the stack of the alarms" in capsys.readouterr().out


def test_an_event_without_an_end_is_refused(aws: Aws, old: Result) -> None:
    with pytest.raises(UserError, match="'until'"):
        aws.run(watch.step, {**event(old), "until": None})
