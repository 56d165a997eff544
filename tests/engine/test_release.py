"""Flips: atomic, in order, harmless to repeat, and written down without a hole."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from tests.engine.stores import HookedObjects, HookedRoutes, Once, lost
from tests.engine.support import SITE, START, Clock, Edge
from tests.engine.world import World, check_invariants, check_ledger
from toolkit.engine import hosts, layout, limits, release, tables
from toolkit.engine.errors import Conflict, LimitExceeded, Superseded, Unavailable, UserError


@pytest.fixture
def world() -> World:
    return World()


def page(body: str) -> dict[str, str]:
    return {"index.html": body}


def test_a_deploy_goes_live_and_is_written_down(world: World) -> None:
    done = world.deploy(page("one"))
    assert (done.number, done.channel, done.hosts) == (1, "live", ("shop.localhost",))
    assert world.body("/") == b"one"
    assert world.ledger() == [done]
    world.check()


def test_previews_and_live_are_apart(world: World) -> None:
    world.deploy(page("live"))
    world.deploy(page("preview"), "preview/feature/a")
    assert (world.body("/"), world.body("/", "preview/feature/a")) == (b"live", b"preview")
    check_ledger(world.objects, SITE, "live")
    assert [record.channel for record in release.channels(world.routes, SITE)] == ["live", "preview/feature/a"]


def test_a_version_that_does_not_exist_cannot_go_live(world: World) -> None:
    live = world.deploy(page("one"))
    for version in ("20200101T000000Z-0000000", "live", "../../other/versions/x", "", "\n"):
        with pytest.raises(UserError, match="has no version"):
            world.rollback(version)
    assert world.serving() == live.version


def test_a_damaged_manifest_cannot_go_live(world: World) -> None:
    first = world.deploy(page("one"))
    second = world.deploy(page("two"))
    key = layout.manifest(SITE, first.version)
    world.objects.put(key, world.objects.get(key)[1].replace(b'"size":3', b'"size":4'), {})
    with pytest.raises(UserError, match="seal"):
        world.rollback(first.version)
    assert world.serving() == second.version


# --- order -------------------------------------------------------------------------------------------------------------------


def test_an_older_build_that_finishes_later_does_not_go_live(world: World) -> None:
    older = world.publish(world.plan(page("older"), moment=START + 10))
    newer = world.publish(world.plan(page("newer"), moment=START + 20))
    world.release(world.request(newer.version, order=START + 20))
    with pytest.raises(Superseded, match="was published but not released") as raised:
        world.release(world.request(older.version, order=START + 10))
    assert f"toolkit promote {older.version} --to live" in raised.value.fix
    assert world.serving() == newer.version and len(world.ledger()) == 1


def test_of_two_builds_of_one_moment_the_first_stays(world: World) -> None:
    first, second = (world.publish(world.plan(page(body), moment=START)) for body in ("one", "two"))
    world.release(world.request(first.version, order=START))
    with pytest.raises(Superseded):
        world.release(world.request(second.version, order=START))


def test_a_rollback_holds_against_builds_that_started_before_it(world: World) -> None:
    first = world.deploy(page("one"))
    world.deploy(page("two"))
    started = world.clock()
    building = world.publish(world.plan(page("three"), moment=started))
    world.rollback(first.version)
    with pytest.raises(Superseded):
        world.release(world.request(building.version, order=started))
    assert world.body("/") == b"one"
    world.deploy(page("four"))
    assert world.body("/") == b"four"


def test_a_rollback_by_a_clock_that_is_behind_still_holds(world: World) -> None:
    first = world.deploy(page("one"))
    second = world.deploy(page("two"))
    world.clock.now -= 1000
    back = world.rollback(first.version)
    assert back.order >= second.order
    with pytest.raises(Superseded):
        world.release(world.request(second.version, order=second.order))


def test_a_removed_preview_stays_removed_for_older_builds(world: World) -> None:
    building = world.publish(world.plan(page("one"), channel="preview/x"))
    world.deploy(page("two"), "preview/x")
    world.remove("preview/x")
    with pytest.raises(Superseded, match="its removal"):
        world.release(world.request(building.version, "preview/x", order=building.source.time))
    assert world.ask("/", "preview/x").status == 404
    assert world.deploy(page("three"), "preview/x").number == 3


# --- repeating ---------------------------------------------------------------------------------------------------------------


def test_a_repeated_deploy_of_what_is_served_is_no_new_release(world: World) -> None:
    done = world.deploy(page("one"))
    again = world.release(world.request(done.version, order=done.order))
    assert again == done and len(world.ledger()) == 1


@pytest.mark.parametrize("explicit", [False, True])
def test_a_retry_with_the_same_token_is_harmless(world: World, explicit: bool) -> None:
    world.deploy(page("zero"))
    manifest = world.publish(world.plan(page("one")))
    request = world.request(manifest.version, explicit=explicit)
    done = world.release(request)
    assert world.release(request) == done
    later = world.deploy(page("two"))
    assert world.release(request) == done, "its work was done, and something newer came since"
    assert world.serving() == later.version
    check_ledger(world.objects, SITE, "live")


@pytest.mark.parametrize("explicit", [False, True])
def test_a_lost_reply_of_the_flip_is_recognised(world: World, explicit: bool) -> None:
    world.deploy(page("one"))
    manifest = world.publish(world.plan(page("two")))
    routes = HookedRoutes(world.routes, after=lost("update", "h:"))
    done = world.release(world.request(manifest.version, explicit=explicit), routes=routes)
    assert (done.number, done.version) == (2, manifest.version)
    assert [entry.number for entry in check_ledger(world.objects, SITE, "live")] == [2, 1]


def test_a_reply_lost_at_the_very_last_attempt_is_recognised(world: World) -> None:
    first = world.deploy(page("one"))
    world.deploy(page("two"))
    left = [tables.ATTEMPTS - 1]

    def busy(call: str, what: object) -> None:
        if call == "update" and left[0]:
            left[0] -= 1
            raise Conflict("another")

    routes = HookedRoutes(world.routes, before=busy, after=lost("update", "h:"))
    assert world.release(world.request(first.version, explicit=True), routes=routes).number == 3
    check_ledger(world.objects, SITE, "live")


@pytest.mark.parametrize("call", ["etag", "get", "update"])
def test_passing_faults_are_waited_out(world: World, call: str) -> None:
    first = world.deploy(page("one"))
    world.deploy(page("two"))
    world.release(world.request(first.version, explicit=True), routes=HookedRoutes(world.routes, before=lost(call, times=3)))
    assert world.body("/") == b"one"


@pytest.mark.parametrize("error", [Conflict, Unavailable])
def test_a_store_that_stays_busy_is_a_clear_error_and_changes_nothing(world: World, error: type[Exception]) -> None:
    first = world.deploy(page("one"))
    second = world.deploy(page("two"))

    def busy(call: str, what: object) -> None:
        if call == "update":
            raise error("always")

    with pytest.raises(UserError, match="stayed busy"):
        world.release(world.request(first.version, explicit=True), routes=HookedRoutes(world.routes, before=busy))
    assert world.serving() == second.version


# --- ledger ------------------------------------------------------------------------------------------------------------------


class Died(BaseException):
    """The process ended here: nothing of it runs on."""


def die_before_ledger(world: World, number: int) -> HookedObjects:
    def die(call: str, what: object) -> None:
        if call == "put" and layout.ledger(SITE, "live", number) in repr(what):
            raise Died

    return HookedObjects(world.objects, before=die)


def test_a_hole_in_the_ledger_is_closed_by_the_next_operation(world: World) -> None:
    world.deploy(page("one"))
    manifest = world.publish(world.plan(page("two")))
    with pytest.raises(Died):
        world.release(world.request(manifest.version), objects=die_before_ledger(world, 2))
    assert world.body("/") == b"two" and len(world.ledger()) == 1
    third = world.deploy(page("three"))
    assert third.number == 3
    assert [entry.version for entry in check_ledger(world.objects, SITE, "live")][1] == manifest.version


def test_a_hole_in_the_ledger_is_closed_even_by_what_changes_nothing(world: World) -> None:
    manifest = world.publish(world.plan(page("one")))
    with pytest.raises(Died):
        world.release(world.request(manifest.version, order=1.0), objects=die_before_ledger(world, 1))
    world.release(world.request(manifest.version, order=1.0))
    assert len(check_ledger(world.objects, SITE, "live")) == 1


def test_what_was_served_is_known_though_the_ledger_lacks_it(world: World) -> None:
    world.deploy(page("one"))
    manifest = world.publish(world.plan(page("two")))
    with pytest.raises(Died):
        world.release(world.request(manifest.version), objects=die_before_ledger(world, 2))
    assert [entry.number for entry in release.served(world.objects, world.routes, SITE, "live")] == [2, 1]


def test_numbers_go_on_after_the_route_store_was_lost(world: World) -> None:
    world.deploy(page("one"))
    world.deploy(page("two"))
    recovered = World(clock=world.clock, objects=world.objects)
    assert recovered.deploy(page("three")).number == 3
    check_ledger(world.objects, SITE, "live")
    recovered.check()


def test_a_lost_route_store_is_filled_again_by_the_same_deploy(world: World) -> None:
    done = world.deploy(page("one"))
    recovered = World(clock=world.clock, objects=world.objects)
    assert recovered.rollback(done.version).number == 2
    assert recovered.body("/") == b"one"


# --- hosts -------------------------------------------------------------------------------------------------------------------


def test_a_host_that_is_given_up_leads_nowhere(world: World) -> None:
    manifest = world.publish(world.plan(page("one")))
    both = ("shop.localhost", "www.example.com")
    world.release(world.request(manifest.version, hosts=both))
    edge = Edge(world.routes.get)
    assert edge.ask("www.example.com", "/").status == 200
    world.release(world.request(manifest.version, explicit=True, hosts=("shop.localhost",)))
    assert edge.ask("www.example.com", "/").status == 404
    assert edge.ask("shop.localhost", "/").status == 200


def test_a_host_of_another_site_is_refused_and_stays_as_it_is(world: World) -> None:
    world.deploy(page("one"))
    other = World("other", clock=world.clock, objects=world.objects, routes=world.routes)
    manifest = other.publish(other.plan(page("theirs")))
    with pytest.raises(UserError, match="belongs to the site shop"):
        other.release(other.request(manifest.version, hosts=("other.localhost", "shop.localhost")))
    assert other.ask("/").status == 404, "all hosts or none"
    assert world.body("/") == b"one"


def test_a_host_that_another_site_has_taken_over_is_not_removed_with_ours(world: World) -> None:
    manifest = world.publish(world.plan(page("ours")))
    world.release(world.request(manifest.version, hosts=("shop.localhost", "www.example.com")))
    routes = World(clock=world.clock, objects=world.objects)  # the route store was lost; the ledger remembers
    other = World("other", clock=world.clock, objects=world.objects, routes=routes.routes)
    theirs = other.publish(other.plan(page("theirs")))
    other.release(other.request(theirs.version, hosts=("www.example.com",)))
    routes.deploy(page("ours again"))
    assert Edge(routes.routes.get).ask("www.example.com", "/").status == 200


def test_removing_takes_the_hosts_and_keeps_the_ledger(world: World) -> None:
    world.deploy(page("one"), "preview/x")
    gone = world.remove("preview/x")
    assert (gone.number, gone.version, gone.reason) == (2, "", "remove")
    assert world.ask("/", "preview/x").status == 404
    assert release.current(world.routes, SITE, "preview/x") is None
    assert [entry.reason for entry in world.ledger("preview/x")] == ["remove", "deploy"]


def test_hosts_that_do_not_fit_the_record_are_named_and_a_long_name_of_who_acts_is_cut(world: World) -> None:
    manifest = world.publish(world.plan({"index.html": "x"}))
    many = tuple(f"host-{number}.example.com" for number in range(40))
    with pytest.raises(UserError, match="the 40 hosts of live of shop do not fit"):
        world.release(world.request(manifest.version, hosts=many))
    assert world.release(replace(world.request(manifest.version), who="w" * 2000)).who == "w" * 64


def test_a_note_of_any_length_and_script_fits(world: World) -> None:
    manifest = world.publish(world.plan(page("one")))
    done = world.release(world.request(manifest.version, note="fix: a title\n\nand a body"))
    assert done.note == "fix: a title"
    done = world.release(world.request(manifest.version, explicit=True, note="\U0001f600" * 5000))
    assert 10 < len(done.note) < 100
    assert len((world.routes.get(layout.channel_key(SITE, "live")) or "").encode()) <= limits.VALUE_BYTES
    assert world.ledger()[0] == done


def test_more_hosts_than_a_record_holds_are_refused_and_nothing_changes(world: World) -> None:
    done = world.deploy(page("one"))
    many = ("shop.localhost", *(f"{number}.a-long-name.example.com" for number in range(60)))
    with pytest.raises(LimitExceeded):
        world.release(world.request(done.version, explicit=True, hosts=many))
    assert world.body("/") == b"one" and len(world.ledger()) == 1


# --- the table that is known to have spread ----------------------------------------------------------------------------------


def spread(world: World) -> str:
    value = world.routes.get(layout.host_key("shop.localhost")) or ""
    return value.split("|")[6]


def table(world: World, version: str) -> str:
    record = tables.read_record(world.routes, SITE, version)
    return record["ref"] if record else ""


def test_a_first_release_has_nothing_to_fall_back_to(world: World) -> None:
    world.deploy(page("one"))
    assert spread(world) == "-"


def test_a_release_falls_back_to_what_served_before(world: World) -> None:
    first = world.deploy(page("one"))
    world.clock.now += 1000
    world.deploy(page("two"))
    assert spread(world) == table(world, first.version)
    world.check()


def test_a_quick_series_falls_back_to_the_last_that_has_spread(world: World) -> None:
    first = world.deploy(page("one"))
    world.clock.now += hosts.SPREAD_SECONDS + 1
    for body in ("two", "three", "four"):
        world.clock.now += 5
        last = world.deploy(page(body))
        assert spread(world) == table(world, first.version)
    world.clock.now += hosts.SPREAD_SECONDS + 1
    world.deploy(page("five"))
    assert spread(world) == table(world, last.version)


def test_a_series_without_end_falls_back_to_what_served_a_minute_ago(world: World) -> None:
    """Else an edge that lacks a part of the newest table would answer with a version from before the series, hours old by then."""
    served = [world.deploy(page("one")).version]
    world.clock.now += 1000
    for number in range(6):
        served.append(world.deploy(page(f"then {number}")).version)
        assert spread(world) == table(world, served[-3 if number > 1 else 0]), number
        world.clock.now += 35
    world.check()


def test_a_table_that_was_dropped_is_nothing_to_fall_back_to(world: World) -> None:
    first = world.deploy(page("one"))
    world.clock.now += 4000
    second = world.deploy(page("two"))
    world.clock.now += 61
    world.rollback(first.version)
    tables.forget(world.routes, SITE, [first.version])
    world.clock.now += 45
    world.deploy(page("three"))
    assert spread(world) == table(world, second.version)
    world.clock.now += 20
    world.deploy(page("four"))
    assert spread(world) == table(world, second.version)


def test_a_rollback_to_what_has_spread_needs_nothing_to_fall_back_to(world: World) -> None:
    first = world.deploy(page("one"))
    world.clock.now += 1000
    second = world.deploy(page("two"))
    world.clock.now += 5
    world.rollback(first.version)
    assert spread(world) == "-"
    world.clock.now += 5
    world.rollback(second.version)
    assert spread(world) == table(world, first.version)


def test_after_a_removal_there_is_nothing_to_fall_back_to(world: World) -> None:
    world.deploy(page("one"), "preview/x")
    world.remove("preview/x")
    world.deploy(page("two"), "preview/x")
    value = world.routes.get(layout.host_key(world.host("preview/x"))) or ""
    assert value.split("|")[6] == "-"


def test_an_edge_that_lacks_the_new_table_answers_from_the_one_before(world: World) -> None:
    world.deploy({"index.html": "one", "same.js": "x"})
    world.clock.now += 1000
    second = world.deploy({"index.html": "two", "same.js": "x", "new.js": "y"})
    nonce = table(world, second.version).split(".")[0]
    late = Edge(lambda key: None if key.startswith(f"t:{nonce}:") else world.routes.get(key))
    assert late.ask(world.host(), "/").status == 200
    assert late.ask(world.host(), "/new.js").status == 503, "a miss found that way is not final"


# --- several at once ---------------------------------------------------------------------------------------------------------


def test_flips_of_many_at_once_are_one_after_the_other() -> None:
    world = World(clock=Clock(tick=0.0))
    versions = [world.publish(world.plan(page(str(number)), moment=START + number)).version for number in range(12)]
    orders = list(enumerate(versions))
    random.Random(1).shuffle(orders)
    barrier = threading.Barrier(6)

    def flip(pair: tuple[int, str]) -> int:
        barrier.wait()
        try:
            return world.release(world.request(pair[1], order=START + pair[0])).number
        except Superseded:
            return 0

    with ThreadPoolExecutor(6) as pool:
        numbers = list(pool.map(flip, orders))
    assert world.serving() == versions[-1], "the newest wins, whoever came first"
    entries = check_ledger(world.objects, SITE, "live")
    assert sorted(number for number in numbers if number) == [entry.number for entry in reversed(entries)]
    assert [entry.order for entry in entries] == sorted((entry.order for entry in entries), reverse=True)
    check_invariants(world.objects, world.routes)


@pytest.mark.parametrize("part", ["c:", "h:"])
def test_a_flip_between_reading_and_writing_is_noticed(world: World, part: str) -> None:
    manifest = world.publish(world.plan(page("mine")))
    theirs = Once("get", part, lambda: world.deploy(page("theirs")))
    with pytest.raises(Superseded):
        world.release(world.request(manifest.version, order=manifest.source.time), routes=HookedRoutes(world.routes, after=theirs))
    assert theirs.done and world.body("/") == b"theirs"
