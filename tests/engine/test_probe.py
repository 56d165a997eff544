"""A version answers at a host of its own before any channel serves it, and leaves nothing behind."""

from __future__ import annotations

import hashlib
import re

import pytest

from tests.engine.stores import HookedObjects, HookedRoutes, Once, lost
from tests.engine.support import SITE, Edge, body_of, statuses_in, with_files
from tests.engine.world import World
from toolkit.engine import layout, probe, release, tables
from toolkit.engine.decide import decide
from toolkit.engine.errors import Busy, Conflict, UserError
from toolkit.engine.model import Manifest, Settings
from toolkit.engine.probe import Sample
from toolkit.engine.prune import prune

HOST = f"check-t2v4ab-0123456789--{SITE}.example.com"
FILES = {"index.html": "home", "about.html": "about", "404.html": "none"}


@pytest.fixture
def world() -> World:
    return World()


def published(world: World) -> Manifest:
    return world.publish(world.plan(FILES))


def asked(world: World, url: str = "/", host: str = HOST) -> tuple[int, bytes]:
    found = Edge(world.routes.get, statuses_in(world.objects)).ask(host, url)
    return found.status, body_of(world.objects, found.blob) if found.blob else b""


def hosts(world: World) -> list[str]:
    return [key for key, _ in world.routes.items() if key.startswith("h:")]


def test_it_answers_there_for_as_long_as_the_block_lasts(world: World) -> None:
    manifest = published(world)
    with probe.answering(world.objects, world.routes, manifest, HOST, clock=world.clock, sleep=world.clock.sleep):
        assert asked(world) == (200, b"home") and asked(world, "/nowhere") == (404, b"none")
        with pytest.raises(UserError, match="a deploy of shop is under way"):
            prune(world.objects, world.routes, SITE, keep=0, grace_seconds=0, clock=world.clock)
    assert asked(world)[0] == 404 and not hosts(world)
    assert not list(release.channels(world.routes)) and not list(world.objects.list(f"{SITE}/releases/"))


def test_it_ends_with_an_error_too(world: World) -> None:
    with pytest.raises(ZeroDivisionError), probe.answering(world.objects, world.routes, published(world), HOST):
        raise ZeroDivisionError
    assert not hosts(world)


def test_a_host_of_another_site_stays_with_it(world: World) -> None:
    world.routes.update({f"h:{HOST}": "2|other|v|t|-|-|-|-"}, [], if_match=world.routes.etag())
    with (
        pytest.raises(UserError, match="belongs to another site"),
        probe.answering(world.objects, world.routes, published(world), HOST),
    ):
        pass
    # What is in the way is not ours to remove.
    assert world.routes.get(f"h:{HOST}") == "2|other|v|t|-|-|-|-"


@pytest.mark.parametrize("moment", ["looked for", "about to be pointed at"])
def test_a_table_that_goes_at_the_last_moment_is_written_again(world: World, moment: str) -> None:
    """A version published long ago, whose table nobody needed."""
    manifest = published(world)
    world.clock.sleep(3 * tables.GRACE_SECONDS)

    def drop() -> None:
        assert tables.drop_unneeded(world.routes, world.clock(), world.clock.sleep)

    seen, pointed = Once("get", "v:", drop), Once("update", "h:", drop)
    hooks = {"after": seen} if moment == "looked for" else {"before": pointed}
    routes = HookedRoutes(world.routes, **hooks)
    with probe.answering(world.objects, routes, manifest, HOST, clock=world.clock, sleep=world.clock.sleep):
        assert seen.done or pointed.done
        assert asked(world) == (200, b"home")


def test_a_version_that_was_pruned_meanwhile_is_not_shown(world: World) -> None:
    manifest = published(world)
    world.objects.delete([layout.manifest(SITE, manifest.version)])
    with pytest.raises(UserError, match="has no version"), probe.answering(world.objects, world.routes, manifest, HOST):
        pass
    assert not hosts(world)


@pytest.mark.parametrize("times", [1, 3])
def test_lost_replies_are_made_up_for(world: World, times: int) -> None:
    routes = HookedRoutes(world.routes, after=lost("update", HOST, times))
    with probe.answering(world.objects, routes, published(world), HOST, clock=world.clock, sleep=world.clock.sleep):
        assert asked(world) == (200, b"home")
    assert not hosts(world)


def test_a_store_that_stays_busy_is_told_as_such(world: World) -> None:
    def conflict(call: str, what: object) -> None:
        if call == "update" and HOST in repr(what):
            raise Conflict(call)

    manifest, routes = published(world), HookedRoutes(world.routes, conflict)
    with (
        pytest.raises(Busy),
        probe.answering(HookedObjects(world.objects), routes, manifest, HOST, clock=world.clock, sleep=world.clock.sleep),
    ):
        pass


def test_what_was_left_behind_is_found_by_its_age(world: World) -> None:
    old, young = (f"{probe.label(SITE, 'run', moment)}.example.com" for moment in (world.clock(), world.clock() + 3600))
    world.deploy(FILES, channel=f"preview/{old.partition('--')[0]}")
    (taken,) = hosts(world)
    value = world.routes.get(taken) or ""
    foreign = value.replace(f"|{SITE}|", "|other|")
    added = {f"h:{old}": value, f"h:{young}": value, f"h:x{old}": value, f"h:a{old[1:]}": value, f"h:{old}.org": foreign}
    world.routes.update(added, [], if_match=world.routes.etag())
    world.clock.sleep(3700)
    assert probe.clear(world.routes, SITE, world.clock(), world.clock.sleep) == [old]
    assert set(hosts(world)) == {taken, *added} - {f"h:{old}"}, "a preview of such a name stays"


def test_labels_fit_one_dns_label_and_differ() -> None:
    site = "a" * 30
    labels = {probe.label(site, run, moment) for run in ("a", "b") for moment in (1.7e9, 1.7e9 + 0.5, 4e9)}
    assert len(labels) == 6 and all(re.fullmatch(r"[a-z0-9-]{1,63}", one) and one.endswith(f"--{site}") for one in labels)


# --- samples


def sha(path: str) -> str:
    return hashlib.sha256(f"{path} of {SITE}".encode()).hexdigest()


PATHS = ["/index.html", "/about.html", "/café.html", "/app.js", "/404.html"]


def test_samples_are_addresses_with_their_content() -> None:
    manifest = with_files(PATHS)
    found = probe.samples(manifest)
    missing = f"/check-{manifest.digest[:20]}"
    assert found == [
        Sample("/", 200, sha("/index.html")),
        Sample("/about", 200, sha("/about.html")),
        Sample("/app.js", 200, sha("/app.js")),
        Sample("/caf%C3%A9", 200, sha("/café.html")),
        Sample(missing, 404, sha("/404.html")),
    ]


def test_new_files_are_asked_for_first() -> None:
    manifest = with_files(PATHS)
    new = {manifest.assets["/café.html"].blob}
    assert [one.path for one in probe.samples(manifest, new, count=1)][1] == "/caf%C3%A9"


@pytest.mark.parametrize(
    ("redirects", "settings", "path", "expected"),
    [
        ("/ /about 302!", Settings(), "/", Sample("/")),
        ("/ /about 302! Language=fr", Settings(), "/", Sample("/")),
        ("/* /about 301", Settings(), "missing", Sample("missing")),
        ("/* /index.html 200", Settings(), "missing", Sample("missing", 200, sha("/index.html"))),
        ("/a/* /index.html 200", Settings(), "missing", Sample("missing", 404, sha("/404.html"))),
        ("", Settings(mode="spa"), "missing", Sample("missing", 200, sha("/index.html"))),
    ],
)
def test_where_a_rule_decides_any_answer_will_do(redirects: str, settings: Settings, path: str, expected: Sample) -> None:
    manifest = with_files(PATHS, redirects, settings=settings)
    where = f"/check-{manifest.digest[:20]}" if path == "missing" else path
    (found,) = [one for one in probe.samples(manifest) if one.path == where]
    assert found == Sample(where, expected.status, expected.sha256)


def test_files_behind_a_rule_that_a_request_decides_are_not_asked_for() -> None:
    """`/about` is the file for most visitors; who knows what the check would be taken for."""
    manifest = with_files(PATHS, "/ab*  /app.js  302!  Language=fr\n")
    assert [one.path for one in probe.samples(manifest)][1:-1] == ["/app.js", "/caf%C3%A9"]


def test_records_that_only_rewrites_read_are_no_addresses() -> None:
    """A rewrite to a path that captures make finds a file that a rule hides under `=` and its path."""
    manifest = with_files(PATHS, "/about  /  301!\n/to/:name  /:name  200\n")
    assert "=/about" in decide(manifest).answers
    assert {one.path[0] for one in probe.samples(manifest, count=99)} == {"/"}
