"""A canary: some visitors get another version, the same ones as long as it runs, and everything else goes on as before."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.engine.stores import HookedRoutes, Once, lost
from tests.engine.support import SITE, START
from tests.engine.visitors import identity, is_next, share, visitors
from tests.engine.world import World, check_ledger
from toolkit.engine import canary, hosts, layout, limits, pointers, prune, release, tables
from toolkit.engine.errors import Conflict, Superseded, UserError
from toolkit.engine.release import Request

DAY = 86400.0


@pytest.fixture
def world() -> World:
    return World()


def page(body: str) -> dict[str, str]:
    return {"index.html": body}


def two(world: World) -> tuple[str, str]:
    """A version that is live and a newer one that is only published."""
    first = world.deploy(page("one")).version
    return first, world.publish(world.plan(page("two"))).version


def versions(world: World, channel: str = "live") -> list[str]:
    """The stable version and the canary's, as the host's value names them."""
    return [line.version for line in pointers.read(world.value(channel))]


# --- visitors ----------------------------------------------------------------------------------------------------------------


def test_of_100_000_visitors_the_share_is_right_each_stays_and_a_larger_share_moves_them_one_way(world: World) -> None:
    _, second = two(world)
    everyone = [identity(*one) for one in visitors(100_000)]
    inside: set[str] = set()
    for percent in (0.5, 1, 5, 10, 25, 33.33, 50, 75, 90, 99.5):
        world.canary("start", "live", second, percent)
        value = world.value()
        now = {who for who in everyone if is_next(value, who)}
        assert abs(100 * len(now) / len(everyone) - percent) <= 0.5
        assert inside <= now, "a larger share moved somebody back"
        inside = now
    world.canary("set_percent", "live", 20)
    assert {who for who in everyone if is_next(world.value(), who)} < inside, "a smaller share moved somebody there"


def test_neighbours_of_one_browser_are_divided_too(world: World) -> None:
    _, second = two(world)
    world.canary("start", "live", second, 10)
    everyone = [identity(f"192.0.2.{number}", "curl/8.5.0") for number in range(256)]
    assert 4 < share(world.value(), everyone) < 18


def test_another_canary_picks_other_visitors(world: World) -> None:
    _, second = two(world)
    third = world.publish(world.plan(page("three"))).version
    everyone = [identity(*one) for one in visitors(20_000)]
    world.canary("start", "live", second, 50)
    value = world.value()
    first = [who for who in everyone if is_next(value, who)]
    world.canary("start", "live", third, 50)
    assert abs(share(world.value(), first) - 50) < 2, "who has had the last one is not picked again for that"
    world.canary("start", "live", second, 50)
    assert world.value() == value, "and the same canary picks the same ones, whenever it is started"


# --- steps -------------------------------------------------------------------------------------------------------------------


def test_start_more_and_finish(world: World) -> None:
    first, second = two(world)
    started = world.canary("start", "live", second, 12.5)
    assert (started.number, started.version, started.canary, started.percent) == (2, first, second, 12.5)
    assert versions(world) == [first, second] and world.value().split("\n")[1].startswith("1250.")
    assert world.serving() == first and world.body("/") in (b"one", b"two")
    more = world.canary("set_percent", "live", 50)
    assert (more.number, more.version, more.canary, more.percent) == (3, first, second, 50)
    done = world.canary("finish")
    assert (done.number, done.version, done.canary, done.reason) == (4, second, "", "canary")
    assert versions(world) == [second] and world.body("/") == b"two"
    assert [entry.note for entry in check_ledger(world.objects, SITE, "live")][:3] == [
        "finished from 50 %", f"50 % get {second}", f"12.5 % get {second}",
    ]  # fmt: skip
    world.check()


def test_stop_gives_everybody_the_stable_version(world: World) -> None:
    first, second = two(world)
    world.canary("start", "live", second, 99.99)
    done = world.canary("stop")
    assert (done.version, done.canary, done.ended) == (first, "", second)
    assert versions(world) == [first] and world.body("/") == b"one"
    world.check()


def test_a_canary_of_a_preview_leaves_live_alone(world: World) -> None:
    live = world.deploy(page("live"))
    world.deploy(page("one"), "preview/x")
    second = world.publish(world.plan(page("two"), channel="preview/x")).version
    world.canary("start", "preview/x", second, 50)
    assert versions(world) == [live.version] and versions(world, "preview/x")[1] == second
    world.remove("preview/x")
    assert world.ask("/", "preview/x").status == 404
    world.check()


def test_the_cookie_stays_until_another_is_named(world: World) -> None:
    _, second = two(world)
    assert world.canary("start", "live", second, 10, "session").cookie == "session"
    assert world.value().split("\n")[1].endswith(".session")
    assert world.canary("start", "live", second, 20).cookie == "session"
    assert world.canary("set_percent", "live", 30).cookie == "session"
    assert world.canary("set_percent", "live", 30, "").cookie == ""
    world.canary("set_percent", "live", 30, "session")
    third = world.publish(world.plan(page("three"))).version
    assert world.canary("start", "live", third, 10).cookie == "", "it was the other canary's"


@pytest.mark.parametrize("percent", [0, -1, 100, 100.01, 0.001, 12.345, float("nan"), float("inf")])
def test_percentages_that_are_none(world: World, percent: float) -> None:
    _, second = two(world)
    with pytest.raises(UserError, match="cannot get"):
        world.canary("start", "live", second, percent)
    assert len(world.ledger()) == 1


@pytest.mark.parametrize(("percent", "threshold"), [(0.01, 1), (0.29, 29), (1.1, 110), (33.33, 3333), (57.43, 5743), (99.99, 9999)])
def test_two_decimals_are_kept_exactly(percent: float, threshold: int) -> None:
    assert hosts.threshold(canary.check_percent(percent)) == threshold


@pytest.mark.parametrize("cookie", ["a.b", "a|b", "a\nb", "a b", "a=b", "ä", "x" * 65, "constructor", "__proto__", "toString"])
def test_cookies_that_no_canary_can_go_by(world: World, cookie: str) -> None:
    _, second = two(world)
    with pytest.raises(UserError, match="by the cookie"):
        world.canary("start", "live", second, 10, cookie)
    assert len(world.ledger()) == 1


def test_what_cannot_be_is_said_and_changes_nothing(world: World) -> None:
    with pytest.raises(UserError, match="serves nothing yet"):
        world.canary("start", "live", "20231114T221320Z-abcdef0", 10)
    first, _ = two(world)
    for action in ("stop", "finish"):
        with pytest.raises(UserError, match="no canary runs on live of shop"):
            world.canary(action)
    with pytest.raises(UserError, match="no canary runs"):
        world.canary("set_percent", "live", 10)
    with pytest.raises(UserError, match="to everybody"):
        world.canary("start", "live", first, 10)
    with pytest.raises(UserError, match="has no version"):
        world.canary("start", "live", "20200101T000000Z-0000000", 10)
    assert versions(world) == [first] and len(world.ledger()) == 1


# --- other releases while one runs -------------------------------------------------------------------------------------------


def test_a_newer_deploy_ends_the_canary_and_says_so(world: World) -> None:
    _, second = two(world)
    world.canary("start", "live", second, 50)
    third = world.deploy(page("three"))
    assert (third.ended, third.canary) == (second, "")
    assert versions(world) == [third.version] and world.deploy(page("four")).ended == ""


def test_a_rollback_ends_the_canary(world: World) -> None:
    zero = world.deploy(page("zero")).version
    first, second = two(world)
    world.canary("start", "live", second, 50)
    back = world.rollback(zero)
    assert (back.ended, versions(world)) == (second, [zero])
    world.canary("start", "live", second, 50)
    assert world.rollback(zero).ended == second, "to the stable version as well"
    assert versions(world) == [zero] and first


def test_to_promote_the_canary_is_to_finish_it(world: World) -> None:
    _, second = two(world)
    world.canary("start", "live", second, 50)
    done = world.rollback(second)
    assert (done.version, done.ended, versions(world)) == (second, "", [second])


def test_builds_that_began_before_it_do_not_end_it(world: World) -> None:
    _, second = two(world)
    moment = world.clock()
    building = world.publish(world.plan(page("three"), moment=moment))
    world.canary("start", "live", second, 50)
    with pytest.raises(Superseded):
        world.release(world.request(building.version, order=moment))
    assert versions(world)[1] == second


def test_another_share_decides_nothing_about_builds_that_are_under_way(world: World) -> None:
    """Whoever raises the share every minute would otherwise keep every push from going live."""
    _, second = two(world)
    world.canary("start", "live", second, 5)
    moment = world.clock()
    building = world.publish(world.plan(page("three"), moment=moment))
    world.canary("set_percent", "live", 10)
    assert world.release(world.request(building.version, order=moment)).ended == second


@pytest.mark.parametrize("action", ["stop", "finish"])
def test_the_end_of_a_canary_holds_against_builds_that_began_before(world: World, action: str) -> None:
    _, second = two(world)
    world.canary("start", "live", second, 5)
    moment = world.clock()
    building = world.publish(world.plan(page("three"), moment=moment))
    world.canary(action)
    with pytest.raises(Superseded):
        world.release(world.request(building.version, order=moment))


def test_a_repeated_deploy_of_the_stable_version_leaves_the_canary(world: World) -> None:
    done = world.deploy(page("one"))
    second = world.publish(world.plan(page("two"))).version
    started = world.canary("start", "live", second, 5)
    assert world.release(world.request(done.version, order=done.order)) == started
    assert versions(world) == [done.version, second]


# --- what it needs stays -----------------------------------------------------------------------------------------------------


def test_both_tables_and_both_versions_stay(world: World) -> None:
    old = world.deploy(page("old")).version
    world.deploy(page("zero"))
    first, second = two(world)
    world.canary("start", "live", old, 10)
    world.clock.now += 30 * DAY
    verdicts = prune.prune(world.objects, world.routes, SITE, keep=0, grace_seconds=DAY, clock=world.clock).verdicts
    assert {one.version: one.reason for one in verdicts if one.keep} == {first: "serving live", old: "canary of live"}
    assert second in [one.version for one in verdicts if not one.keep]
    tables.drop_unneeded(world.routes, world.clock(), world.clock.sleep)
    world.check()
    world.canary("stop")
    world.clock.now += 2 * DAY
    prune.prune(world.objects, world.routes, SITE, keep=0, grace_seconds=DAY, clock=world.clock)
    assert prune.versions_of(world.objects, SITE) == [first]


def test_a_version_that_was_a_canary_lately_is_in_its_grace_period(world: World) -> None:
    first, second = two(world)
    world.canary("start", "live", second, 10)
    world.clock.now += 30 * DAY
    world.canary("stop")
    verdicts = prune.judge(world.objects, world.routes, SITE, keep=0, grace_seconds=DAY, now=world.clock())
    assert {one.version: one.reason for one in verdicts} == {first: "serving live", second: "in its grace period"}


def test_a_table_that_was_dropped_is_written_again(world: World) -> None:
    first = world.deploy(page("one")).version
    world.clock.now += 1000
    world.deploy(page("two"))
    world.clock.now += 1000
    world.deploy(page("three"))
    world.clock.now += tables.GRACE_SECONDS + 1
    drop = Once("update", "h:", lambda: tables.drop_unneeded(world.routes, world.clock(), world.clock.sleep))
    step = canary.Step(SITE, "live", "tester")
    hooked = HookedRoutes(world.routes, before=drop)
    canary.start(world.objects, hooked, step, first, 50, clock=world.clock, sleep=world.clock.sleep)
    assert drop.done and versions(world)[1] == first
    world.check()


def spread(world: World) -> list[str]:
    return [line.previous for line in pointers.read(world.value())]


def table(world: World, version: str) -> str:
    record = tables.read_record(world.routes, SITE, version)
    return record["ref"] if record else ""


def test_an_edge_without_the_canarys_table_has_the_stable_one(world: World) -> None:
    first, second = two(world)
    world.clock.now += hosts.SPREAD_SECONDS + 1
    world.canary("start", "live", second, 50)
    assert spread(world) == ["-", table(world, first)]
    world.clock.now += 5
    world.canary("set_percent", "live", 60)
    assert spread(world) == ["-", table(world, first)]
    world.clock.now += 5
    world.canary("finish")
    assert spread(world) == [table(world, first)]


def test_a_canary_right_after_a_deploy_falls_back_to_what_has_spread(world: World) -> None:
    first = world.deploy(page("one")).version
    world.clock.now += hosts.SPREAD_SECONDS + 1
    world.deploy(page("two"))
    third = world.publish(world.plan(page("three"))).version
    world.clock.now += 5
    world.canary("start", "live", third, 50)
    assert spread(world) == [table(world, first), table(world, first)]
    world.clock.now += hosts.SPREAD_SECONDS + 1
    world.canary("stop")
    assert spread(world) == ["-"]


# --- several at once, and faults ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", ["before", "after"])
@pytest.mark.parametrize("action", ["start", "set_percent", "stop", "finish"])
def test_a_lost_reply_is_harmless(world: World, action: str, at: str) -> None:
    _, second = two(world)
    if action != "start":
        world.canary("start", "live", second, 10)
    before = len(world.ledger())
    what = {"start": (second, 10), "set_percent": (20,)}.get(action, ())
    done = world.canary(action, "live", *what, routes=HookedRoutes(world.routes, **{at: lost("update", "h:")}))
    assert done.number == before + 1 == len(check_ledger(world.objects, SITE, "live"))


def test_a_retry_with_the_same_token_is_harmless(world: World) -> None:
    _, second = two(world)
    done = world.canary("start", "live", second, 10, token="mine")
    world.canary("set_percent", "live", 20)
    assert world.canary("start", "live", second, 10, token="mine") == done
    stopped = world.canary("stop", token="stop")
    assert world.canary("stop", token="stop") == stopped and len(world.ledger()) == 4


def test_a_store_that_stays_busy_changes_nothing(world: World) -> None:
    first, second = two(world)

    def busy(call: str, what: object) -> None:
        if call == "update":
            raise Conflict("always")

    with pytest.raises(UserError, match="stayed busy"):
        world.canary("start", "live", second, 10, routes=HookedRoutes(world.routes, before=busy))
    assert versions(world) == [first]


@pytest.mark.parametrize("part", ["c:", "h:", "v:"])
def test_a_deploy_in_between_becomes_what_the_canary_is_compared_with(world: World, part: str) -> None:
    _, second = two(world)
    deploy = Once("get", part, lambda: world.deploy(page("three")))
    done = world.canary("start", "live", second, 10, routes=HookedRoutes(world.routes, after=deploy))
    assert deploy.done and done.version == world.ledger()[1].version and done.number == 3
    world.check()


def test_a_deploy_in_between_leaves_nothing_to_finish(world: World) -> None:
    _, second = two(world)
    world.canary("start", "live", second, 10)
    deploy = Once("get", "h:", lambda: world.deploy(page("three")))
    with pytest.raises(UserError, match="no canary runs"):
        world.canary("finish", routes=HookedRoutes(world.routes, after=deploy))
    assert world.body("/") == b"three"


def test_steps_of_many_at_once_are_one_after_the_other() -> None:
    world = World()
    world.deploy(page("one"))
    published = [world.publish(world.plan(page(str(number)), moment=START + number)).version for number in range(4)]
    barrier = threading.Barrier(8)

    def act(number: int) -> int:
        barrier.wait()
        try:
            if number % 2:
                return world.canary("start", "live", published[number // 2], 10.0 + number).number
            return world.rollback(published[number // 2]).number
        except UserError as error:
            assert "to everybody" in error.what
            return 0

    with ThreadPoolExecutor(8) as pool:
        numbers = sorted(number for number in pool.map(act, range(8)) if number)
    entries = check_ledger(world.objects, SITE, "live")
    assert numbers == [entry.number for entry in reversed(entries)][1:]
    for before, after in zip(entries[1:], entries, strict=False):
        assert after.version == before.version or after.reason == "rollback", "a canary stands on what was served before it"
    world.check()


def test_the_longest_names_fit_a_value(world: World) -> None:
    """Two pointers, each with the longest host as its gate, and the longest cookie."""
    far = ".".join(["w" * 63] * 3) + "." + "w" * 61
    names = ("shop.localhost", far, "example.com")
    first, second = two(world)
    request = Request(SITE, "live", first, names, world.clock(), "tester", "rollback", explicit=True, canonical=far)
    world.release(request)
    world.canary("start", "live", second, 99.99, "c" * 64)
    value = world.routes.get(layout.host_key("example.com")) or ""
    assert value.count(f"|r{far}") == 2 and len(value) <= limits.VALUE_BYTES
    assert release.current(world.routes, SITE, "live") is not None
