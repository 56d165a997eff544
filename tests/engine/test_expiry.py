"""Previews whose time is over go; nothing else does, whatever happens meanwhile."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.stores import HookedRoutes, Once, lost
from tests.engine.support import SITE
from tests.engine.world import World, check_invariants, check_ledger
from toolkit.engine import access, expiry, gates, prune, release
from toolkit.engine.expiry import DAY
from toolkit.engine.model import Release
from toolkit.engine.ports import RouteStore

PREVIEWS = ("preview/a", "preview/b", "preview/feature/c")


def page(body: str) -> dict[str, str]:
    return {"index.html": body}


def run(world: World, days: float = 30, routes: RouteStore | None = None) -> list[str]:
    gone = expiry.expire(
        world.objects, routes or world.routes, SITE, days=days, who="upkeep", clock=world.clock, sleep=world.clock.sleep
    )
    return [record.channel for record in gone]


def serving(world: World) -> set[str]:
    return {record.channel for record in release.channels(world.routes, SITE)}


@pytest.fixture
def world() -> World:
    made = World()
    made.deploy(page("live"))
    for channel in PREVIEWS:
        made.deploy(page(channel), channel)
        made.clock.now += DAY
    return made


def test_a_preview_ends_after_its_days_and_says_so_in_the_ledger(world: World) -> None:
    world.clock.now += 27.5 * DAY
    assert run(world) == ["preview/a"]
    assert serving(world) == {"live", *PREVIEWS[1:]}
    assert world.routes.get("h:a--shop.localhost") is None
    entry = check_ledger(world.objects, SITE, "preview/a")[0]
    assert (entry.version, entry.reason, entry.who, entry.note) == ("", "expire", "upkeep", "no release for 30 days")
    assert run(world) == [], "what is gone is not removed again"
    check_invariants(world.objects, world.routes)


def test_live_never_ends_and_no_days_are_for_ever(world: World) -> None:
    world.clock.now += 1000 * DAY
    assert run(world, 0) == []
    assert run(world, 0.5) == list(PREVIEWS)
    assert serving(world) == {"live"}


def test_a_preview_from_the_future_has_not_ended(world: World) -> None:
    world.clock.now -= 400 * DAY
    assert run(world) == []


def test_what_is_released_to_again_has_its_days_again(world: World) -> None:
    world.clock.now += 26.5 * DAY
    world.deploy(page("again"), "preview/a")
    world.clock.now += 2 * DAY
    assert run(world) == ["preview/b"]


def test_another_site_s_previews_stay(world: World) -> None:
    other = World("other", clock=world.clock, objects=world.objects, routes=world.routes)
    other.deploy(page("other"), "preview/a")
    world.clock.now += 100 * DAY
    run(world)
    assert other.serving("preview/a")


@pytest.mark.parametrize("call", ["etag", "get", "update"])
def test_one_that_is_pushed_between_look_and_removal_stays(world: World, call: str) -> None:
    world.clock.now += 100 * DAY
    pushed: list[Release] = []
    part = "c:shop/preview/a" if call != "etag" else ""
    routes = HookedRoutes(world.routes, before=Once(call, part, lambda: pushed.append(world.deploy(page("new"), "preview/a"))))
    assert run(world, routes=routes) == ["preview/b", "preview/feature/c"]
    assert world.serving("preview/a") == pushed[0].version
    check_invariants(world.objects, world.routes)


def test_a_build_that_was_under_way_goes_live_after_the_removal(world: World) -> None:
    world.clock.now += 100 * DAY
    began = world.publish(world.plan(page("slow"), channel="preview/a"))
    world.clock.now += 60
    assert "preview/a" in run(world)
    done = world.release(world.request(began.version, "preview/a", order=began.source.time))
    assert world.serving("preview/a") == done.version == began.version


def test_a_push_that_is_older_than_what_ended_stays_out(world: World) -> None:
    old = world.publish(world.plan(page("old"), channel="preview/a", moment=world.clock() - 50 * DAY))
    world.clock.now += 100 * DAY
    run(world)
    with pytest.raises(release.Superseded):
        world.release(world.request(old.version, "preview/a", order=old.source.time))


def test_a_password_outlives_the_end(world: World) -> None:
    access.protect(world.objects, world.routes, SITE, "preview/a", "preview", "correct horse", sleep=world.clock.sleep)
    world.clock.now += 100 * DAY
    run(world)
    world.deploy(page("again"), "preview/a")
    assert gates.own(world.routes.get, SITE, "preview/a").password
    assert world.value("preview/a").split("|")[-1].startswith("p")
    world.remove("preview/a")
    assert not gates.own(world.routes.get, SITE, "preview/a").password, "who removes it, means it"


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_lost_reply_is_no_trouble(world: World, moment: str) -> None:
    world.clock.now += 100 * DAY
    routes = HookedRoutes(world.routes, **{moment: lost(times=2)})
    assert run(world, routes=routes) == list(PREVIEWS)
    for channel in PREVIEWS:
        assert [entry.reason for entry in check_ledger(world.objects, SITE, channel)] == ["expire", "deploy"]


def test_a_canary_s_end_is_counted_from_its_last_step(world: World) -> None:
    world.clock.now += 26.5 * DAY
    other = world.publish(world.plan(page("other"), channel="preview/a"))
    world.canary("start", "preview/a", other.version, 10.0, "")
    world.clock.now += 2 * DAY
    assert run(world) == ["preview/b"]


def test_its_versions_stay_for_their_grace_and_then_go(world: World) -> None:
    world.clock.now += 100 * DAY
    version = world.serving("preview/a")
    run(world)

    def pruned() -> list[str]:
        done = prune.prune(world.objects, world.routes, SITE, keep=0, grace_seconds=DAY, clock=world.clock)
        return [verdict.version for verdict in done.verdicts if not verdict.keep]

    assert pruned() == []
    world.clock.now += 2 * DAY
    assert version in pruned()


Step = tuple[str, str, float]
CHANNELS = st.sampled_from(["live", *PREVIEWS])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("deploy"), CHANNELS, st.just(0.0)),
        st.tuples(st.just("wait"), st.just(""), st.floats(0, 20)),
        # Clocks of different machines are apart, and one may be set right.
        st.tuples(st.just("skew"), st.just(""), st.floats(-5, 5)),
        st.tuples(st.just("expire"), CHANNELS, st.sampled_from([0.0, 1.0, 7.0, 30.0])),
        st.tuples(st.just("remove"), st.sampled_from(PREVIEWS), st.just(0.0)),
    ),
    max_size=14,
)


@settings(max_examples=150, deadline=None)
@given(STEPS, st.sampled_from(["etag", "get", "update", "items", ""]))
def test_nothing_ends_but_what_has_had_its_days(steps: list[Step], meanwhile: str) -> None:
    """At each expiry another machine pushes to one channel, before the first call of the kind `meanwhile`."""
    world = World()
    at: dict[str, float] = {}
    number = 0

    def deploy(channel: str) -> Callable[[], None]:
        def push() -> None:
            nonlocal number
            number += 1
            # By an explicit release: what is asked here is not the order of builds.
            version = world.publish(world.plan(page(f"{channel} {number}"), channel=channel)).version
            at[channel] = world.release(world.request(version, channel, explicit=True)).at

        return push

    for kind, channel, amount in steps:
        if kind in ("wait", "skew"):
            world.clock.now += amount * DAY
        elif kind == "deploy":
            deploy(channel)()
        elif kind == "remove" and channel in at:
            world.remove(channel)
            del at[channel]
        elif kind == "expire":
            began, before = world.clock.now, dict(at)
            push = Once(meanwhile, "", deploy(channel))
            gone = run(world, amount, HookedRoutes(world.routes, before=push) if meanwhile else None)
            for name in gone:
                assert name != "live" and amount and before[name] + amount * DAY < world.clock.now
                assert not (push.done and name == channel and at[name] != before.get(name)), "pushed to meanwhile"
                del at[name]
            left = {name for name, moment in at.items() if name != "live" and amount and moment + amount * DAY < began}
            assert not left, "over before the look, and still there"
        assert serving(world) == set(at)
        check_invariants(world.objects, world.routes)
