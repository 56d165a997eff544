"""Going back: to what, and only from where it was meant."""

from __future__ import annotations

import pytest

from tests.engine.stores import HookedRoutes, Once, lost
from tests.engine.support import SITE
from tests.engine.world import World
from toolkit.engine import canary, layout, release, rollback
from toolkit.engine.errors import UserError
from toolkit.engine.model import Release
from toolkit.engine.ports import RouteStore


def back(world: World, routes: RouteStore | None = None, *, only_if: int | None = None, token: str = "") -> Release:
    return rollback.roll_back(
        world.objects,
        routes or world.routes,
        SITE,
        "live",
        only_if=only_if,
        who="sue",
        note="an alarm",
        token=token,
        clock=world.clock,
        sleep=world.clock.sleep,
    )


@pytest.fixture
def world() -> World:
    """Serves c; a, b and b again came before."""
    made = World()
    for word in ("a", "b", "b", "c"):
        made.deploy({"index.html": word})
        made.clock.sleep(1)
    return made


def text(world: World) -> bytes:
    record = release.current(world.routes, SITE, "live")
    assert record
    manifest = release.load_manifest(world.objects, SITE, record.version)
    return world.objects.get(layout.blob(SITE, manifest.assets["/index.html"].blob))[1]


def test_it_goes_to_the_version_before_and_then_to_and_fro(world: World) -> None:
    done = back(world)
    assert text(world) == b"b" and (done.reason, done.who, done.note) == ("rollback", "sue", "an alarm")
    back(world)
    assert text(world) == b"c", "the version before b is c by now, as the ledger has it"


def test_versions_that_are_gone_are_passed_over(world: World) -> None:
    served = [entry.version for entry in release.history(world.objects, SITE, "live")]
    world.objects.delete([layout.manifest(SITE, version) for version in served[1:3]])
    back(world)
    assert text(world) == b"a"


def test_without_anything_before_nothing_happens() -> None:
    world = World()
    with pytest.raises(UserError, match="serves nothing"):
        back(world)
    world.deploy({"index.html": "a"})
    with pytest.raises(rollback.NothingBefore, match="live of shop served nothing else before"):
        back(world)
    assert text(world) == b"a"


def test_only_from_the_release_that_was_meant(world: World) -> None:
    number = release.history(world.objects, SITE, "live", 1)[0].number
    with pytest.raises(rollback.Overtaken, match=f"another release than {number - 1}"):
        back(world, only_if=number - 1)
    assert text(world) == b"c"
    assert back(world, only_if=number).number == number + 1


def test_a_release_that_comes_between_is_seen(world: World) -> None:
    """The last moment: the record was read, the flip is on its way."""
    number = release.history(world.objects, SITE, "live", 1)[0].number
    deploy = Once("update", "h:", lambda: world.deploy({"index.html": "d"}))
    with pytest.raises(rollback.Overtaken):
        back(world, HookedRoutes(world.routes, deploy), only_if=number)
    assert deploy.done and text(world) == b"d"


@pytest.mark.parametrize("lost_reply", [True, False])
def test_a_retry_with_the_same_token_is_harmless(world: World, lost_reply: bool) -> None:
    number = release.history(world.objects, SITE, "live", 1)[0].number
    routes = HookedRoutes(world.routes, after=lost("update", "h:")) if lost_reply else world.routes
    done = back(world, routes, only_if=number, token="watch-live")
    assert back(world, only_if=number, token="watch-live") == done
    assert len(release.history(world.objects, SITE, "live")) == number + 1


def test_a_canary_gives_way_to_the_stable_version(world: World) -> None:
    a = release.history(world.objects, SITE, "live")[-1].version
    step = canary.Step(SITE, "live", "sue")
    canary.start(world.objects, world.routes, step, a, 10, clock=world.clock, sleep=world.clock.sleep)
    done = back(world)
    assert text(world) == b"c" and done.ended == a and not done.canary
