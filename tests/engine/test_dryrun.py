"""A dry run is the real thing, and nothing of it reaches the stores."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.stores import HookedObjects, HookedRoutes
from tests.engine.support import SITE
from tests.engine.world import World, check_invariants
from toolkit.engine import prune
from toolkit.engine.dryrun import DryObjects, DryRoutes
from toolkit.engine.errors import Conflict, NotFound, UserError


@pytest.fixture
def world() -> World:
    return World()


def dry(world: World) -> World:
    def forbid(call: str, what: object) -> None:
        assert call in ("get", "head", "list", "items", "etag", "usage"), f"a dry run called {call} {what}"

    objects, routes = HookedObjects(world.objects, before=forbid), HookedRoutes(world.routes, before=forbid)
    return World(clock=world.clock, objects=DryObjects(objects), routes=DryRoutes(routes))


def test_a_dry_deploy_does_everything_and_writes_nothing(world: World) -> None:
    first = world.deploy({"index.html": "one"})
    trial = dry(world)
    done = trial.deploy({"index.html": "two", "a.txt": "a"})
    assert (done.number, trial.body("/"), trial.body("/a.txt")) == (2, b"two", b"a")
    check_invariants(trial.objects, trial.routes)
    assert (world.body("/"), world.serving(), len(world.ledger())) == (b"one", first.version, 1)


def test_a_dry_deploy_is_refused_where_the_real_one_is(world: World) -> None:
    world.deploy({"index.html": "one"})
    with pytest.raises(UserError, match="has no version"):
        dry(world).rollback("20200101T000000Z-0000000")


def test_a_dry_prune_says_what_the_real_one_does(world: World) -> None:
    for body in ("one", "two", "three"):
        world.deploy({"index.html": body})
        world.clock.now += 100_000
    trial = dry(world)
    said = prune.prune(trial.objects, trial.routes, SITE, keep=1, clock=world.clock)
    assert said == prune.prune(world.objects, world.routes, SITE, keep=1, clock=world.clock)
    assert said.blobs == 2


def test_a_dry_removal_is_seen_by_the_dry_run_only(world: World) -> None:
    world.deploy({"index.html": "one"}, "preview/x")
    trial = dry(world)
    trial.remove("preview/x")
    assert (trial.ask("/", "preview/x").status, world.ask("/", "preview/x").status) == (404, 200)


def test_objects_keep_writes_and_deletions_to_themselves(world: World, tmp_path: Path) -> None:
    world.objects.put("s/a", b"a")
    world.objects.put("s/b", b"b")
    trial = DryObjects(world.objects)
    file = tmp_path / "c"
    file.write_bytes(b"c")
    trial.put("s/c", file, {"content-type": "text/plain"})
    trial.delete(["s/a", "s/nothing"])
    assert [info.key for info in trial.list("s/")] == ["s/b", "s/c"]
    assert trial.get("s/c")[1] == b"c" and trial.head("s/a") is None
    assert not trial.put("s/b", b"other", if_absent=True)
    with pytest.raises(NotFound):
        trial.get("s/a")
    assert trial.put("s/a", b"again", if_absent=True) and trial.get("s/a")[1] == b"again"
    assert [info.key for info in world.objects.list("s/")] == ["s/a", "s/b"] and world.objects.get("s/a")[1] == b"a"


def test_routes_have_a_tag_of_their_own_that_follows_the_store_s(world: World) -> None:
    trial = DryRoutes(world.routes)
    tag = trial.update({"a": "1"}, [], if_match=trial.etag())
    with pytest.raises(Conflict):
        trial.update({"a": "2"}, [], if_match="tag-0+0")
    world.routes.update({"b": "1"}, [], if_match=world.routes.etag())
    with pytest.raises(Conflict):
        trial.update({"a": "2"}, [], if_match=tag)
    assert dict(trial.items()) == {"a": "1", "b": "1"} and trial.usage().items == 2
    trial.update({}, ["b"], if_match=trial.etag())
    assert trial.get("b") is None and world.routes.get("b") == "1"
