"""Who may delete and who may rely on what is there: never both at once."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.stores import ClockedObjects
from tests.engine.support import SITE, Clock
from toolkit.engine import layout, leases
from toolkit.engine.errors import UserError
from toolkit.engine.leases import DEPLOY_SECONDS, SWEEP_SECONDS, Deploying, GaveWay, Sweep


def deploying(objects: ClockedObjects) -> Deploying:
    return Deploying(objects, SITE, objects.clock, objects.clock.sleep)  # type: ignore[attr-defined]


def sweep(objects: ClockedObjects) -> Sweep:
    return Sweep(objects, SITE, objects.clock)


@pytest.fixture
def objects() -> ClockedObjects:
    return ClockedObjects(Clock())


def moved(objects: ClockedObjects, seconds: float) -> None:
    objects.clock.now += seconds  # type: ignore[attr-defined]


def announced(objects: ClockedObjects) -> int:
    return len(list(objects.list(layout.locks(SITE))))


def test_two_deploys_go_side_by_side(objects: ClockedObjects) -> None:
    one, other = deploying(objects), deploying(objects)
    one.begin()
    other.begin()
    one.end()
    other.end()
    assert announced(objects) == 0


def test_a_deploy_ends_its_lease_also_when_it_fails(objects: ClockedObjects) -> None:
    with pytest.raises(KeyError), leases.deploying(objects, SITE, objects.clock):
        raise KeyError
    assert announced(objects) == 0


def test_a_sweep_begins_only_when_nobody_deploys(objects: ClockedObjects) -> None:
    one = deploying(objects)
    one.begin()
    with pytest.raises(UserError, match="under way"), sweep(objects):
        pass
    one.end()
    with sweep(objects):
        pass


def test_sites_do_not_wait_for_each_other(objects: ClockedObjects) -> None:
    with leases.deploying(objects, "other", objects.clock), sweep(objects) as mine:
        mine.renew()


def test_a_sweep_gives_way_to_a_deploy(objects: ClockedObjects) -> None:
    with pytest.raises(GaveWay), sweep(objects) as mine:
        mine.renew()
        deploying(objects)._lease.announce()
        mine.renew()
    assert announced(objects) == 1


def test_a_sweep_that_renews_goes_on_for_as_long_as_it_needs(objects: ClockedObjects) -> None:
    with sweep(objects) as mine:
        for _ in range(50):
            moved(objects, SWEEP_SECONDS * 0.9)
            mine.keep()


def test_a_sweep_whose_lease_lapsed_never_goes_on(objects: ClockedObjects) -> None:
    with pytest.raises(GaveWay), sweep(objects) as mine:
        moved(objects, SWEEP_SECONDS)
        mine.renew()


def test_reading_costs_a_look_at_the_store_now_and_then_only(objects: ClockedObjects) -> None:
    with sweep(objects) as mine:
        writes = objects.writes
        for _ in range(1000):
            mine.keep()
        assert objects.writes == writes


def test_a_deploy_that_renews_is_unbroken(objects: ClockedObjects) -> None:
    one = deploying(objects)
    one.begin()
    for _ in range(20):
        moved(objects, DEPLOY_SECONDS * 0.9)
        one.keep()
    assert one.unbroken()


def test_a_deploy_whose_lease_lapsed_is_told_so_once(objects: ClockedObjects) -> None:
    one = deploying(objects)
    one.begin()
    moved(objects, DEPLOY_SECONDS)
    one.keep()
    assert not one.unbroken()
    assert one.unbroken()


def test_a_deploy_waits_for_a_sweep_to_end(objects: ClockedObjects) -> None:
    mine = sweep(objects)
    mine.__enter__()
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            mine.__exit__()

    Deploying(objects, SITE, objects.clock, sleep).begin()
    assert len(waited) == 3


STEP = st.sampled_from(["sweep", "renew", "deploy", "end deploy", "end sweep", SWEEP_SECONDS * 0.6])


@settings(max_examples=500)
@given(st.lists(STEP, min_size=20, max_size=40))
def test_a_sweep_never_deletes_what_a_deploy_may_have_seen(steps: list[str | float]) -> None:
    """Any interleaving: once a deploy has come, even if it has gone again, a sweep that began before it deletes nothing more."""
    objects = ClockedObjects(Clock())
    visited = False
    mine: Sweep | None = None
    one: Deploying | None = None
    for step in steps:
        if isinstance(step, float):
            moved(objects, step)
        elif step == "sweep" and mine is None:
            try:
                mine, visited = sweep(objects).__enter__(), False
                assert one is None
            except UserError:
                assert one is not None
        elif step == "renew" and mine is not None:
            try:
                mine.renew()
                assert not visited, "it may delete though a deploy came"
            except GaveWay:
                mine.__exit__()
                mine = None
        elif step == "end sweep" and mine is not None:
            mine.__exit__()
            mine = None
        elif step == "deploy" and one is None:
            one = deploying(objects)
            one.begin()
            visited = True
            assert mine is None or mine._lease.lapsed, "it did not wait"
        elif step == "end deploy" and one is not None:
            one.end()
            one = None
