"""What prune keeps and why, what it takes, and that it gives way to a deploy at every step."""

from __future__ import annotations

import threading

import pytest

from tests.engine.stores import HookedObjects, HookedRoutes, Once
from tests.engine.support import SITE
from tests.engine.world import World, check_invariants, check_ledger
from toolkit.engine import destroy, layout, leases, prune, tables
from toolkit.engine.errors import UserError
from toolkit.engine.ports import ObjectStore, RouteStore

DAY = 86400.0
GRACE = DAY


@pytest.fixture
def world() -> World:
    return World()


def run(world: World, keep: int = 1, *, objects: ObjectStore | None = None, routes: RouteStore | None = None) -> prune.Pruned:
    return prune.prune(objects or world.objects, routes or world.routes, SITE, keep=keep, grace_seconds=GRACE, clock=world.clock)


def page(body: str) -> dict[str, str]:
    return {"index.html": body, f"{body}.txt": body}


def blobs(world: World) -> int:
    return len(list(world.objects.list(f"{SITE}/blobs/")))


def series(world: World, count: int, gap: float = 2 * DAY) -> list[str]:
    versions = []
    for number in range(count):
        versions.append(world.deploy(page(f"v{number}")).version)
        world.clock.now += gap
    return versions


def test_every_version_gets_a_verdict_with_its_reason(world: World) -> None:
    old = series(world, 4)
    pinned = old[1]
    prune.pin(world.objects, SITE, pinned, "me", world.clock())
    preview = world.deploy(page("preview"), "preview/x").version
    world.clock.now += 2 * DAY
    young = world.publish(world.plan(page("young"))).version
    newest = world.publish(world.plan(page("newest"))).version
    verdicts = prune.judge(world.objects, world.routes, SITE, keep=1, grace_seconds=GRACE, now=world.clock())
    assert [(verdict.version, verdict.keep, verdict.reason) for verdict in verdicts] == [
        (old[0], False, "unneeded"),
        (pinned, True, "pinned"),
        (old[2], False, "unneeded"),
        (old[3], True, "serving live"),
        (preview, True, "serving preview/x"),
        (young, True, "in its grace period"),
        (newest, True, "one of the last 1"),
    ]


def test_prune_takes_the_unneeded_and_what_only_they_used(world: World) -> None:
    old = series(world, 4)
    before = blobs(world)
    done = run(world)
    assert [verdict.version for verdict in done.verdicts if not verdict.keep] == old[:3]
    assert (done.blobs, done.bytes, done.stopped) == (6, 12, False)
    assert blobs(world) == before - 6
    assert prune.versions_of(world.objects, SITE) == old[3:]
    assert world.body("/") == b"v3"
    world.check()
    assert run(world).blobs == 0


def test_a_shared_blob_stays_while_anyone_names_it(world: World) -> None:
    for body in ("a", "b", "c"):
        world.deploy({"index.html": body, "shared.txt": "shared"})
        world.clock.now += 2 * DAY
    run(world)
    assert world.body("/shared.txt") == b"shared"
    world.check()


def test_carried_assets_stay_with_the_version_that_carries_them(world: World) -> None:
    world.deploy({"index.html": "a", "assets/app-aa01a2b3.js": "old"})
    world.clock.now += 10
    world.deploy({"index.html": "b"})
    world.clock.now += 3 * DAY
    done = run(world)
    assert [verdict.keep for verdict in done.verdicts] == [False, True]
    assert world.body("/assets/app-aa01a2b3.js") == b"old"


def test_what_was_served_lately_stays_however_old_it_is(world: World) -> None:
    first, second = series(world, 2, gap=30 * DAY)
    world.rollback(first)
    assert [verdict.reason for verdict in run(world, keep=0).verdicts] == ["serving live", "in its grace period"]
    world.clock.now += GRACE + 1
    assert [verdict.keep for verdict in run(world, keep=0).verdicts] == [True, False]
    with pytest.raises(UserError, match="has no version"):
        world.rollback(second)


def test_a_removed_preview_is_kept_for_the_grace_period(world: World) -> None:
    world.deploy(page("live"))
    world.deploy(page("preview"), "preview/x")
    world.clock.now += 30 * DAY
    world.remove("preview/x")
    assert all(verdict.keep for verdict in run(world, keep=0).verdicts)
    world.clock.now += GRACE + 1
    assert [verdict.keep for verdict in run(world, keep=0).verdicts] == [True, False]


def test_what_is_live_is_kept_though_the_ledger_does_not_say_so_yet(world: World) -> None:
    first = world.deploy(page("one"))
    second = world.deploy(page("two"))
    world.objects.delete([layout.ledger(SITE, "live", second.number)])
    world.clock.now += 30 * DAY
    reasons = {verdict.version: verdict.reason for verdict in run(world, keep=0).verdicts}
    assert reasons[second.version] == "serving live" and reasons[first.version] == "unneeded"
    world.check()


def test_a_pin_holds_until_it_is_taken_out(world: World) -> None:
    first = series(world, 2)[0]
    prune.pin(world.objects, SITE, first, "me", world.clock())
    assert run(world).blobs == 0
    prune.unpin(world.objects, SITE, first)
    assert run(world).blobs == 2
    with pytest.raises(UserError, match="has no version"):
        prune.pin(world.objects, SITE, first, "me", world.clock())
    assert not prune.pins(world.objects, SITE)


def test_young_orphans_are_left_for_whoever_is_about_to_use_them(world: World) -> None:
    world.deploy(page("one"))
    world.objects.put(layout.blob(SITE, "x" * 22), b"orphan", {})
    assert run(world).blobs == 0
    world.clock.now += GRACE + 1
    assert run(world).blobs == 1


def test_tables_of_pruned_versions_go_too_and_nothing_of_another_site(world: World) -> None:
    other = World("other", clock=world.clock, objects=world.objects, routes=world.routes)
    other.deploy(page("theirs"))
    old = series(world, 3)
    done = run(world)
    assert f"{SITE}/{old[0]}" in done.tables
    assert tables.read_record(world.routes, SITE, old[0]) is None
    assert other.body("/") == b"theirs"
    world.check()


def test_the_ledger_outlives_what_it_tells_of(world: World) -> None:
    series(world, 4)
    run(world)
    check_ledger(world.objects, SITE, "live")
    assert len(world.ledger()) == 4


def test_nothing_at_all_is_pruned_from_an_empty_site(world: World) -> None:
    assert run(world) == prune.Pruned((), 0, 0, (), False)


# --- beside a deploy ---------------------------------------------------------------------------------------------------------


def test_prune_does_not_begin_while_a_deploy_is_under_way(world: World) -> None:
    series(world, 3)
    before = blobs(world)
    with leases.deploying(world.objects, SITE, world.clock, world.clock.sleep), pytest.raises(UserError, match="under way"):
        run(world)
    assert blobs(world) == before
    assert not list(world.objects.list(layout.locks(SITE))), "nobody's lease is left behind"


def test_a_deploy_that_died_keeps_prune_away_for_an_hour_only(world: World) -> None:
    series(world, 3)
    leases.Deploying(world.objects, SITE, world.clock, world.clock.sleep).begin()
    with pytest.raises(UserError, match="under way") as raised:
        run(world)
    assert "60 min at most" in raised.value.fix
    world.clock.now += leases.DEPLOY_SECONDS
    assert run(world).blobs == 4


def test_a_deploy_waits_for_a_prune_that_died_for_seconds_only(world: World) -> None:
    leases.Sweep(world.objects, SITE, world.clock).__enter__()
    before = world.clock.now
    world.deploy(page("one"))
    assert leases.SWEEP_SECONDS <= world.clock.now - before < leases.SWEEP_SECONDS + 2


def test_a_route_store_that_takes_long_to_list_does_not_keep_prune_from_its_work(world: World) -> None:
    """In AWS a full one takes some hundred requests; to drop tables it is listed once more, and written to."""
    series(world, 3)

    def slow(call: str, what: object) -> None:
        world.clock.now += 12 if call == "items" else 0.1

    done = run(world, routes=HookedRoutes(world.routes, before=slow))
    assert not done.stopped and done.blobs == 4 and done.tables


def test_leases_of_the_dead_are_cleared_away(world: World) -> None:
    leases.Sweep(world.objects, SITE, world.clock).__enter__()
    leases.Deploying(world.objects, SITE, world.clock, world.clock.sleep).begin()
    world.clock.now += leases.DEPLOY_SECONDS
    run(world)
    assert not list(world.objects.list(layout.locks(SITE)))


@pytest.mark.parametrize(
    ("call", "part"),
    [("list", "/versions/"), ("head", "/versions/"), ("list", "/pins/"), ("delete", "/versions/"), ("get", "/versions/"),
     ("list", "/blobs/"), ("delete", "/blobs/")],
)  # fmt: skip
def test_prune_stops_when_a_deploy_comes_at_any_step(world: World, call: str, part: str) -> None:
    """The deploy announces itself and looks for the prune, which it waits for; the prune must give way or have ended its batch."""
    series(world, 3)
    deploy = leases.Deploying(world.objects, SITE, world.clock, world.clock.sleep)
    announced = Once(call, part, deploy._lease.announce)
    deleted_after = []

    def watch(name: str, what: object) -> None:
        if announced.done and name == "delete" and "/locks/" not in repr(what):
            deleted_after.append(what)

    done = run(world, objects=HookedObjects(world.objects, before=watch, after=announced))
    assert announced.done and not deleted_after
    assert done.stopped or (call, part) == ("delete", "/blobs/"), "only what had ended already is not stopped"
    world.check()


def reuse(world: World, body: str) -> None:
    """A whole deploy, from plan to flip, that relies on blobs of a version that no one keeps."""
    world.deploy({"index.html": "reuses", f"{body}.txt": body})


@pytest.mark.parametrize(
    ("call", "part"),
    [("list", "/versions/"), ("head", "/versions/"), ("get", "/versions/"), ("list", "/blobs/"), ("list", "/pins/")],
)
def test_a_prune_that_fell_asleep_takes_nothing_that_a_deploy_came_to_rely_on(world: World, call: str, part: str) -> None:
    """While the prune's lease is lapsed a deploy comes, finds an old blob there, goes live with it, and ends."""
    series(world, 3)

    def meanwhile() -> None:
        world.clock.now += leases.SWEEP_SECONDS + 1
        reuse(world, "v0")

    deploy = Once(call, part, meanwhile)
    run(world, objects=HookedObjects(world.objects, after=deploy))
    assert deploy.done
    assert (world.body("/"), world.body("/v0.txt")) == (b"reuses", b"v0")
    world.check()


def test_a_rollback_to_a_version_that_prune_has_judged_already_is_safe(world: World) -> None:
    first = series(world, 3)[0]

    def meanwhile() -> None:
        world.clock.now += leases.SWEEP_SECONDS + 1
        world.rollback(first)

    done = run(world, objects=HookedObjects(world.objects, after=Once("head", "/versions/", meanwhile)))
    assert done.stopped and world.body("/") == b"v0"
    world.check()


def test_a_site_whose_judging_takes_minutes_can_be_pruned(world: World) -> None:
    series(world, 12)

    def slow(call: str, what: object) -> None:
        if call in ("get", "head") and "/locks/" not in repr(what):
            world.clock.now += leases.SWEEP_SECONDS / 4

    assert run(world, objects=HookedObjects(world.objects, after=slow)).blobs == 22
    world.check()


def test_two_prunes_at_once_do_no_harm(world: World) -> None:
    series(world, 6)
    other = Once("get", "/versions/", lambda: run(world, keep=0))
    done = run(world, keep=3, objects=HookedObjects(world.objects, before=other))
    assert other.done and not done.stopped
    assert world.body("/") == b"v5"
    world.check()


def asleep_while_a_prune_comes(world: World, call: str, part: str) -> Once:
    """A hook: the machine sleeps until its lease is over, and a prune takes what nobody serves meanwhile."""

    def sleep() -> None:
        world.clock.now += leases.DEPLOY_SECONDS + 1
        prune.prune(world.objects, world.routes, SITE, keep=0, grace_seconds=0, clock=world.clock)

    return Once(call, part, sleep)


def test_a_pin_of_a_version_that_was_pruned_while_we_slept_is_refused(world: World) -> None:
    old = world.deploy({"index.html": "old"}).version
    world.deploy({"index.html": "new"})
    world.clock.now += 10
    slept = asleep_while_a_prune_comes(world, "put", "/pins/")
    with pytest.raises(UserError, match="has no version"):
        prune.pin(
            HookedObjects(world.objects, before=slept), SITE, old, "me", world.clock(), clock=world.clock, sleep=world.clock.sleep
        )
    assert slept.done and prune.pins(world.objects, SITE) == set()


@pytest.mark.parametrize("action", ["rollback", "canary"])
def test_a_version_that_was_pruned_while_we_slept_goes_to_nobody(world: World, action: str) -> None:
    old = world.deploy({"index.html": "old"}).version
    new = world.deploy({"index.html": "new"}).version
    world.clock.now += 10
    slept = asleep_while_a_prune_comes(world, "get", f"/versions/{old}")
    objects = HookedObjects(world.objects, after=slept)
    with pytest.raises(UserError, match="has no version"):
        if action == "rollback":
            world.release(world.request(old, explicit=True), objects=objects)
        else:
            world.canary("start", "live", old, 50, objects=objects)
    assert slept.done and world.serving() == new
    world.check()


def test_a_version_that_is_pinned_while_prune_judges_is_kept_or_the_pin_is_refused(world: World) -> None:
    first = series(world, 3)[0]
    failed = []

    def meanwhile() -> None:
        def pin() -> None:
            try:
                prune.pin(world.objects, SITE, first, "me", world.clock(), clock=world.clock, sleep=world.clock.sleep)
            except UserError as error:
                failed.append(error)

        thread = threading.Thread(target=pin)
        thread.start()
        thread.join(0.3)
        threads.append(thread)

    threads: list[threading.Thread] = []
    run(world, objects=HookedObjects(world.objects, after=Once("list", "/pins/", meanwhile)))
    for thread in threads:
        thread.join(30)
    pinned = first in prune.pins(world.objects, SITE)
    there = first in prune.versions_of(world.objects, SITE)
    assert pinned == there and bool(failed) != pinned


# --- crashes -----------------------------------------------------------------------------------------------------------------


class Died(BaseException):
    pass


def test_a_prune_that_dies_anywhere_leaves_the_site_whole_and_the_next_one_ends_it() -> None:
    number = 0
    while True:
        world = World()
        series(world, 4)
        left = [number]

        def die(call: str, what: object, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise Died

        try:
            run(world, objects=HookedObjects(world.objects, before=die), routes=HookedRoutes(world.routes, before=die))
            break
        except Died:
            world.check()
            world.clock.now += leases.SWEEP_SECONDS
            run(world)
            assert blobs(world) == 2 and world.body("/") == b"v3"
            world.check()
        number += 1
    assert number > 20


# --- destroy -----------------------------------------------------------------------------------------------------------------


def test_a_destroyed_site_leaves_nothing_and_the_others_stay(world: World) -> None:
    series(world, 2)
    world.deploy(page("p"), "preview/x")
    other = World("shop-two", clock=world.clock, objects=world.objects, routes=world.routes)
    other.deploy(page("theirs"))
    held = {key for key, _ in world.routes.items()}
    gone = destroy.destroy(world.objects, world.routes, SITE, clock=world.clock)
    assert set(gone.hosts) == {"shop.localhost", "x--shop.localhost"} and gone.objects > 0
    assert not list(world.objects.list(f"{SITE}/"))
    rest = {key for key, _ in world.routes.items()}
    assert rest < held and not [key for key in rest if f"{SITE}/" in key or f"{SITE}." in key]
    assert other.body("/") == b"theirs"
    check_invariants(world.objects, world.routes)


def test_a_destroy_that_dies_anywhere_is_ended_by_the_next(world: World) -> None:
    number = 0
    while True:
        world = World()
        series(world, 2)
        left = [number]

        def die(call: str, what: object, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise Died

        try:
            destroy.destroy(
                HookedObjects(world.objects, before=die), HookedRoutes(world.routes, before=die), SITE, clock=world.clock
            )
            break
        except Died:
            world.clock.now += leases.SWEEP_SECONDS
            destroy.destroy(world.objects, world.routes, SITE, clock=world.clock)
            assert not list(world.objects.list(f"{SITE}/"))
        number += 1
    assert number > 5


def test_destroy_gives_way_to_a_deploy(world: World) -> None:
    series(world, 2)
    with leases.deploying(world.objects, SITE, world.clock, world.clock.sleep), pytest.raises(UserError, match="under way"):
        destroy.destroy(world.objects, world.routes, SITE, clock=world.clock)
    deploy = leases.Deploying(world.objects, SITE, world.clock, world.clock.sleep)
    hooked = HookedObjects(world.objects, after=Once("list", f"{SITE}/'", deploy._lease.announce))
    with pytest.raises(UserError, match="began meanwhile"):
        destroy.destroy(hooked, world.routes, SITE, clock=world.clock)
    deploy.end()
    world.deploy(page("again"))
    assert world.body("/") == b"again"
    world.check()


def test_a_deploy_after_a_destroy_begins_anew(world: World) -> None:
    series(world, 2)
    destroy.destroy(world.objects, world.routes, SITE, clock=world.clock)
    assert world.deploy(page("new")).number == 1
    world.check()
