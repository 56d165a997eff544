"""Tables in the route store: there before a pointer needs them, gone when none does, never half."""

from __future__ import annotations

import pytest

from tests.contracts.routes import fill
from tests.engine.stores import HookedRoutes, MemoryRoutes, Once, lost
from tests.engine.support import SITE, Clock, manifest_of
from tests.engine.world import World
from toolkit.engine import layout, limits, tables
from toolkit.engine.errors import Conflict, LimitExceeded, UserError
from toolkit.engine.model import Manifest

FILES = {"index.html": "one"}


def big(paths: int = 500) -> Manifest:
    return manifest_of(["/index.html", *(f"/{number}.js" for number in range(paths))])


def put(routes: MemoryRoutes, key: str, value: str) -> None:
    routes.update({key: value}, [], if_match=routes.etag())


def ensure(routes: object, manifest: Manifest, clock: Clock) -> str:
    return tables.ensure(routes, manifest, clock.sleep, clock=clock)  # type: ignore[arg-type]


def shards_of(routes: MemoryRoutes, ref: str) -> list[str]:
    nonce, count, _ = ref.split(".")
    return [key for key in (f"t:{nonce}:{number}" for number in range(int(count))) if key in routes.pairs]


def whole(routes: MemoryRoutes, ref: str) -> bool:
    return len(shards_of(routes, ref)) == int(ref.split(".")[1])


def test_a_table_is_written_once_and_found_again() -> None:
    routes, clock = MemoryRoutes(), Clock()
    ref = ensure(routes, big(), clock)
    updates = routes.updates
    assert ensure(routes, big(), clock) == ref and whole(routes, ref)
    assert routes.updates == updates


def test_the_record_is_written_after_the_last_shard() -> None:
    routes, clock = MemoryRoutes(), Clock()

    def no_record_yet(call: str, what: object) -> None:
        if call == "update" and layout.table_key(SITE, big().version) in repr(what):
            assert len([key for key in routes.pairs if key.startswith("t:")]) > 20

    ref = ensure(HookedRoutes(routes, before=no_record_yet), big(), clock)
    assert whole(routes, ref)


@pytest.mark.parametrize("at", ["before", "after"])
def test_a_lost_reply_is_harmless_at_every_update(at: str) -> None:
    for number in range(1, 4):
        routes, clock = MemoryRoutes(), Clock()
        left = [number]

        def fail(call: str, what: object, left: list[int] = left) -> None:
            if call == "update":
                left[0] -= 1
                if left[0] == 0:
                    lost()(call, what)

        hooked = HookedRoutes(routes, **{at: fail})
        ref = ensure(hooked, big(), clock)
        assert whole(routes, ref) and tables.read_record(routes, SITE, big().version)


def test_a_store_that_stays_busy_is_a_clear_error() -> None:
    def busy(call: str, what: object) -> None:
        if call == "update":
            raise Conflict("always")

    with pytest.raises(UserError, match="stayed busy"):
        ensure(HookedRoutes(MemoryRoutes(), before=busy), big(), Clock())


def test_what_does_not_fit_is_refused_with_figures_and_nothing_is_written() -> None:
    routes = MemoryRoutes()
    fill(routes, limits.STORE_BYTES // (10 + limits.VALUE_BYTES) - 10)
    before = dict(routes.pairs)
    with pytest.raises(LimitExceeded, match=r"the [\d,]+ routes take [\d,]+ bytes"):
        ensure(routes, big(), Clock())
    assert routes.pairs == before


def test_room_is_made_by_dropping_what_no_pointer_names() -> None:
    world = World()
    world.deploy({"index.html": "live"})
    old = big(20_000)
    ref = ensure(world.routes, old, world.clock)
    fill(world.routes, (limits.STORE_BYTES - world.routes.usage().bytes) // (10 + limits.VALUE_BYTES) - 10)
    world.clock.now += tables.GRACE_SECONDS + 1
    new = manifest_of([f"/{number}.js" for number in range(1000)], version="20331114T221320Z-abcdef0")
    ensure(world.routes, new, world.clock)
    assert not shards_of(world.routes, ref)
    world.check()


# --- dropping ----------------------------------------------------------------------------------------------------------------


def test_old_tables_go_and_named_or_young_ones_stay() -> None:
    world = World()
    first = world.deploy({"index.html": "one"}).version
    second = world.deploy({"index.html": "two"}).version
    world.clock.now += 100
    third = world.deploy({"index.html": "three"}).version
    world.clock.now += tables.GRACE_SECONDS + 1
    young = world.publish(world.plan({"index.html": "four"})).version
    dropped = tables.drop_unneeded(world.routes, world.clock(), world.clock.sleep)
    assert dropped == [f"{SITE}/{first}"]
    for version in (second, third, young):  # second is what edges fall back to that have not learned of the third
        record = tables.read_record(world.routes, SITE, version)
        assert record and whole(world.routes, record["ref"])
    world.check()


def test_a_half_written_table_goes_when_it_is_old() -> None:
    routes, clock = MemoryRoutes(), Clock()

    class Died(BaseException):
        pass

    def die(call: str, what: object) -> None:
        if call == "update" and layout.table_key(SITE, big().version) in repr(what):
            raise Died

    with pytest.raises(Died):
        ensure(HookedRoutes(routes, before=die), big(), clock)
    assert routes.pairs
    tables.drop_unneeded(routes, clock(), clock.sleep)
    assert routes.pairs, "it may be on its way still"
    tables.drop_unneeded(routes, clock() + tables.GRACE_SECONDS + 1, clock.sleep)
    assert not routes.pairs


@pytest.mark.parametrize(("when", "call", "part"), [("after", "etag", ""), ("after", "items", ""), ("before", "update", "v:")])
def test_a_release_that_comes_while_tables_are_dropped_keeps_its_table(when: str, call: str, part: str) -> None:
    """Decided on an old view of the store: the flip happens between the listing and the deletion."""
    world = World()
    first = world.deploy({"index.html": "one"}).version
    world.clock.now += 100
    world.deploy({"index.html": "two"})
    world.clock.now += 100
    world.deploy({"index.html": "three"})
    world.clock.now += tables.GRACE_SECONDS + 1
    flip = Once(call, part, lambda: world.rollback(first))
    dropped = tables.drop_unneeded(HookedRoutes(world.routes, **{when: flip}), world.clock(), world.clock.sleep)
    assert flip.done and f"{SITE}/{first}" not in dropped
    assert world.body("/") == b"one"
    world.check()


@pytest.mark.parametrize(("call", "part"), [("etag", ""), ("get", "v:"), ("get", "c:"), ("update", "h:")])
@pytest.mark.parametrize("when", ["before", "after"])
def test_tables_dropped_while_a_release_is_under_way_are_written_again(call: str, part: str, when: str) -> None:
    """Another site's deploy may drop tables at any moment: it holds no lease of this one."""
    world = World()
    first = world.deploy({"index.html": "one"}).version
    for body in ("two", "three"):
        world.clock.now += 100
        world.deploy({"index.html": body})
    world.clock.now += tables.GRACE_SECONDS + 1
    drop = Once(call, part, lambda: tables.drop_unneeded(world.routes, world.clock(), world.clock.sleep))
    hooked = HookedRoutes(world.routes, **{when: drop})
    world.release(world.request(first, explicit=True), routes=hooked)
    assert drop.done
    assert world.body("/") == b"one"
    world.check()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("part", ["t:", "v:"])
def test_a_table_whose_writer_fell_asleep_is_never_taken_for_whole(part: str, when: str) -> None:
    """A laptop closed in the middle of a deploy: its shards are dropped as nobody's, then it wakes up and goes on."""
    world = World()
    world.deploy({"index.html": "one"})
    planned = world.plan({"index.html": "two", **{f"{number}.js": "x" for number in range(500)}})

    def sleep_long() -> None:
        world.clock.now += 10 * tables.GRACE_SECONDS
        tables.drop_unneeded(world.routes, world.clock(), world.clock.sleep)

    hooked = HookedRoutes(world.routes, **{when: Once("update", part, sleep_long)})
    manifest = world.publish(planned, routes=hooked)
    record = tables.read_record(world.routes, SITE, manifest.version)
    assert record is None or whole(world.routes, record["ref"])
    world.release(world.request(manifest.version), routes=hooked)
    assert world.body("/") == b"two"
    world.check()


def test_a_long_upload_does_not_age_its_table() -> None:
    world = World()
    planned = world.plan(FILES)

    def slow(call: str, what: object) -> None:
        if call == "update":
            world.clock.now += tables.GRACE_SECONDS / 8  # each batch takes minutes

    world.clock.now += 3 * tables.GRACE_SECONDS
    manifest = world.publish(planned, routes=HookedRoutes(world.routes, before=slow))
    tables.drop_unneeded(world.routes, world.clock(), world.clock.sleep)
    record = tables.read_record(world.routes, SITE, manifest.version)
    assert record and whole(world.routes, record["ref"])


def test_two_writers_of_one_table_leave_a_whole_one() -> None:
    routes, clock = MemoryRoutes(), Clock()
    other = Once("update", "v:", lambda: ensure(routes, big(), clock))
    ensure(HookedRoutes(routes, before=other), big(), clock)
    record = tables.read_record(routes, SITE, big().version)
    assert other.done and record and whole(routes, record["ref"])


def test_batches_hold_at_most_fifty_keys_and_everything_once() -> None:
    puts, deletes = {f"p{number}": "v" for number in range(120)}, [f"d{number}" for number in range(77)]
    parts = list(tables.batches(puts, deletes))
    assert all(len(some) + len(gone) <= limits.BATCH_KEYS for some, gone in parts)
    assert {key for some, _ in parts for key in some} == set(puts)
    assert [key for _, gone in parts for key in gone] == deletes


def test_nonces_differ_and_tell_their_age() -> None:
    clock = Clock()
    nonces = {tables.new_nonce(clock()) for _ in range(200)}
    assert len(nonces) > 190
    routes = MemoryRoutes()
    put(routes, f"t:{tables.new_nonce(clock())}00:0", "-")
    tables.drop_unneeded(routes, clock() + tables.GRACE_SECONDS - 2)
    assert routes.pairs
    tables.drop_unneeded(routes, clock() + tables.GRACE_SECONDS + 2)
    assert not routes.pairs
