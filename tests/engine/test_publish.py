"""Plans with a reason for each file, uploads that hold what their key says, and seals that are written once."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.contracts.fakes import MemoryObjects, MemoryRoutes
from tests.contracts.routes import fill
from tests.engine.stores import HookedObjects, HookedRoutes, Once
from tests.engine.support import SITE, START, blob_of, write_site
from tests.engine.world import SETTINGS, World
from toolkit.engine import layout, limits, tables, upload
from toolkit.engine.errors import LimitExceeded, NotFound, UserError
from toolkit.engine.leases import DEPLOY_SECONDS
from toolkit.engine.model import Manifest, Settings

DAY = 86400.0
HASHED = "assets/app-{}1a2b3.js"


@pytest.fixture
def world() -> World:
    return World()


def objects_of(world: World) -> MemoryObjects:
    assert isinstance(world.objects, MemoryObjects)
    return world.objects


def reasons(world: World, files: dict[str, str], **options: object) -> dict[str, str]:
    return {decision.path: decision.reason for decision in world.plan(files, **options).decisions}  # type: ignore[arg-type]


# --- plan --------------------------------------------------------------------------------------------------------------------


def test_each_file_has_a_reason(world: World) -> None:
    old = {"index.html": "one", "same.html": "s", "gone.html": "g", "moved.html": "m", HASHED.format("old"): "old"}
    world.deploy(old)
    new = {"index.html": "two", "same.html": "s", "new.html": "n", "renamed.html": "m", HASHED.format("new"): "new"}
    assert reasons(world, new) == {
        "/index.html": "changed",
        "/same.html": "unchanged",
        "/new.html": "new",
        "/renamed.html": "already there",
        "/assets/app-new1a2b3.js": "new",
        "/assets/app-old1a2b3.js": "carried",
        "/gone.html": "removed",
        "/moved.html": "removed",
    }


def test_a_plan_writes_nothing_and_counts_what_it_would_send(world: World) -> None:
    world.deploy({"index.html": "one", "a.txt": "same"})
    writes, updates = objects_of(world).writes, world.routes.etag()
    planned = world.plan({"index.html": "twenty", "a.txt": "same", "b.txt": "four"})
    assert (objects_of(world).writes, world.routes.etag()) == (writes, updates)
    assert (planned.bytes, len(planned.uploads), planned.count("unchanged")) == (10, 2, 1)


def test_equal_files_are_sent_once(world: World) -> None:
    planned = world.plan({"index.html": "x", "a.html": "x", "b.txt": "x"})
    assert len(planned.uploads) == 2, "html and text differ in their headers, and so in their blobs"


def test_a_preview_is_compared_with_itself_and_shares_what_live_has(world: World) -> None:
    world.deploy({"index.html": "live", "big.bin": "b" * 1000})
    planned = world.plan({"index.html": "mine", "big.bin": "b" * 1000}, channel="preview/x")
    assert planned.bytes == 4
    assert {decision.path: decision.reason for decision in planned.decisions} == {"/index.html": "changed", "/big.bin": "unchanged"}


def test_a_version_id_tells_its_time_and_commit(world: World) -> None:
    planned = world.plan({"index.html": "x"}, moment=START, commit="1a2b3c4d5e6f")
    assert planned.manifest.version == "20231114T221320Z-1a2b3c4"
    plain = world.plan({"index.html": "x"}, moment=START)
    assert plain.manifest.version == f"20231114T221320Z-{plain.manifest.digest[:7]}"


@pytest.mark.parametrize(
    ("files", "what", "fix"),
    [
        ({"a.html": "x"}, "has no index.html", "add an index.html"),
        ({"dist/index.html": "x", "a.html": "y"}, "has no index.html", "deploy its folder dist instead"),
        ({}, "holds no file", "check the build's output folder"),
    ],
)
def test_what_is_no_site_is_refused(world: World, files: dict[str, str], what: str, fix: str) -> None:
    with pytest.raises(UserError, match=what) as raised:
        world.plan(files)
    assert fix in raised.value.fix


def test_rule_files_are_sealed_into_the_version(world: World) -> None:
    done = world.deploy({"index.html": "x", "_redirects": "/old /new\nbad\n/* /index.html 200", "_headers": "/*\n  X-A: 1"})
    planned = world.plan({"index.html": "x", "_redirects": "bad\n"})
    assert [str(problem) for problem in planned.problems] == ["_redirects line 1: needs a path and a target"]
    manifest = Manifest.from_json(world.objects.get(layout.manifest(SITE, done.version))[1])
    assert [(rule.paths, rule.line) for rule in manifest.redirects if rule.paths] == [(("/old", "/old/"), 1)]
    assert (manifest.fallback, [rule.source for rule in manifest.header_rules]) == ("*/index.html", ["/*"])
    assert '"x-a":"1"' in manifest.assets["/index.html"].headers["x-amz-meta-edge"]


def test_with_strict_a_bad_line_is_an_error(world: World, tmp_path: Path) -> None:
    from toolkit.engine.model import Source
    from toolkit.engine.publish import plan

    folder = write_site(tmp_path, {"index.html": "x", "_redirects": "ok\n/a"})
    with pytest.raises(UserError, match=r"_redirects line 1: .*\n_redirects line 2: "):
        plan(
            world.objects, world.routes, site=SITE, folder=folder, source=Source("folder", START), settings=Settings(), strict=True
        )


# --- carried for old tabs ----------------------------------------------------------------------------------------------------


def test_assets_of_versions_served_lately_stay_fetchable_and_no_longer(world: World) -> None:
    names = [HASHED.format(name) for name in ("aa0", "bb0", "cc0", "dd0")]
    world.deploy({"index.html": "a", names[0]: "a"})
    world.clock.now += 30 * DAY
    world.deploy({"index.html": "b", names[1]: "b"})
    assert world.body(f"/{names[0]}") == b"a", "it was served until a moment ago, however long ago it was published"
    world.clock.now += 6.9 * DAY
    world.deploy({"index.html": "c", names[2]: "c"})
    assert (world.body(f"/{names[0]}"), world.body(f"/{names[1]}")) == (b"a", b"b")
    world.clock.now += 0.2 * DAY
    world.deploy({"index.html": "d", names[3]: "d"})
    assert world.ask(f"/{names[0]}").status == 404, "nobody was given that page for more than seven days"
    assert (world.body(f"/{names[1]}"), world.body(f"/{names[2]}")) == (b"b", b"c")
    world.check()


def test_carrying_can_be_switched_off(world: World) -> None:
    none = Settings(immutable=SETTINGS.immutable, carry_days=0)
    world.deploy({"index.html": "a", HASHED.format("aa0"): "a"}, settings=none)
    world.clock.now += 10
    world.deploy({"index.html": "b"}, settings=none)
    world.clock.now += 10
    world.deploy({"index.html": "c"}, settings=none)
    assert world.ask("/" + HASHED.format("aa0")).status == 404


def test_pages_and_other_plain_files_are_not_carried(world: World) -> None:
    world.deploy({"index.html": "a", "old.html": "a", "old.js": "a"})
    world.deploy({"index.html": "b"})
    assert world.ask("/old").status == world.ask("/old.js").status == 404


def test_a_version_s_own_file_comes_before_a_carried_one(world: World) -> None:
    name = HASHED.format("aa0")
    world.deploy({"index.html": "a", name: "old"})
    world.deploy({"index.html": "b", name: "new"})
    assert world.body(f"/{name}") == b"new"


def test_of_two_carried_ones_the_newest_stays(world: World) -> None:
    name = HASHED.format("aa0")
    world.deploy({"index.html": "a", name: "older"})
    world.deploy({"index.html": "b", name: "newer"})
    world.deploy({"index.html": "c"})
    assert world.body(f"/{name}") == b"newer"


def test_a_preview_s_old_tabs_and_live_s_are_both_served(world: World) -> None:
    world.deploy({"index.html": "l", HASHED.format("aa0"): "live"})
    world.deploy({"index.html": "p", HASHED.format("bb0"): "preview"}, "preview/x")
    world.deploy({"index.html": "q"}, "preview/x")
    assert world.body("/" + HASHED.format("aa0"), "preview/x") == b"live"
    assert world.body("/" + HASHED.format("bb0"), "preview/x") == b"preview"


def test_a_version_that_only_the_route_store_knows_of_is_carried_too(world: World) -> None:
    """The process died between the flip and the ledger."""
    done = world.deploy({"index.html": "a", HASHED.format("aa0"): "a"})
    world.objects.delete([layout.ledger(SITE, "live", done.number)])
    planned = world.plan({"index.html": "b"})
    assert planned.count("carried") == 1 and planned.count("changed") == 1


def test_a_pruned_version_carries_nothing(world: World) -> None:
    done = world.deploy({"index.html": "a", HASHED.format("aa0"): "a"})
    world.deploy({"index.html": "b"})
    world.objects.delete([layout.manifest(SITE, done.version)])
    assert world.plan({"index.html": "c"}).count("carried") == 0


@pytest.mark.parametrize("spoil", [lambda body: body[:50], lambda body: body.replace(b'"size":1', b'"size":2')])
def test_a_damaged_version_does_not_keep_the_next_one_from_going_live(world: World, spoil: Callable[[bytes], bytes]) -> None:
    done = world.deploy({"index.html": "a", "x.txt": "x"})
    key = layout.manifest(SITE, done.version)
    world.objects.put(key, spoil(world.objects.get(key)[1]))
    world.deploy({"index.html": "b", "x.txt": "x"})
    assert (world.body("/"), world.body("/x.txt")) == (b"b", b"x")
    world.check()


# --- publish -----------------------------------------------------------------------------------------------------------------


def test_only_new_bytes_are_sent(world: World) -> None:
    files = {"index.html": "one", **{f"{number}.txt": str(number) for number in range(100)}}
    world.deploy(files)
    manifest_and_ledger_and_locks = 1 + 1 + 2
    before = objects_of(world).writes
    world.deploy({**files, "index.html": "two"})
    assert objects_of(world).writes - before == 1 + manifest_and_ledger_and_locks


def test_nothing_refers_to_what_was_written_before_the_seal(world: World) -> None:
    world.deploy({"index.html": "one"})
    planned = world.plan({"index.html": "two", "a.txt": "a"})
    held = dict(world.routes.items())

    def untouched(call: str, what: object) -> None:
        if call == "put" and "/blobs/" in repr(what):
            assert world.objects.head(layout.manifest(SITE, planned.manifest.version)) is None
            assert dict(world.routes.items()) == held

    world.publish(planned, objects=HookedObjects(world.objects, after=untouched))


def test_the_manifest_is_written_after_every_blob_was_seen_whole(world: World) -> None:
    planned = world.plan({"index.html": "two", "a.txt": "a", "404.html": "none"})

    def complete(call: str, what: object) -> None:
        if call == "put" and "/versions/" in repr(what):
            for blob in planned.manifest.blobs():
                assert world.objects.head(layout.blob(SITE, blob)) is not None

    world.publish(planned, objects=HookedObjects(world.objects, before=complete))


def test_progress_tells_every_byte_once(world: World) -> None:
    from toolkit.engine.publish import publish

    seen: list[int] = []
    planned = world.plan({"index.html": "x" * 10, "a.txt": "y" * 100})
    publish(world.objects, world.routes, planned, progress=seen.append)
    assert sum(seen) == planned.bytes == 110


def test_the_same_content_under_the_same_id_is_a_no_op(world: World) -> None:
    first = world.publish(world.plan({"index.html": "x"}, moment=START, commit="abcdef0"))
    writes = objects_of(world).writes
    again = world.publish(world.plan({"index.html": "x"}, moment=START, commit="abcdef0"))
    assert again == first
    assert objects_of(world).writes - writes <= 1, "its announcement only"


def test_other_content_under_the_same_id_is_refused(world: World) -> None:
    first = world.publish(world.plan({"index.html": "x"}, moment=START, commit="abcdef0"))
    body = world.objects.get(layout.manifest(SITE, first.version))[1]
    with pytest.raises(UserError, match="exists with other content"):
        world.publish(world.plan({"index.html": "y"}, moment=START, commit="abcdef0"))
    assert world.objects.get(layout.manifest(SITE, first.version))[1] == body


def test_an_earlier_attempt_s_seal_decides_what_its_table_holds(world: World) -> None:
    """The first attempt died before its table; meanwhile live moved on, so that the second would carry other assets."""
    world.deploy({"index.html": "a", HASHED.format("aa0"): "a"})
    moment = world.clock()

    class Died(BaseException):
        pass

    def die() -> None:
        raise Died

    planned = world.plan({"index.html": "x"}, moment=moment, commit="abcdef0", channel="preview/x")
    with pytest.raises(Died):
        world.publish(planned, objects=HookedObjects(world.objects, after=Once("put", "/versions/", die)))
    world.clock.now += 30 * DAY
    world.deploy({"index.html": "b", HASHED.format("bb0"): "b"})
    world.clock.now += 30 * DAY
    world.deploy({"index.html": "c"})
    sealed = world.publish(world.plan({"index.html": "x"}, moment=moment, commit="abcdef0", channel="preview/x"))
    world.release(world.request(sealed.version, "preview/x"))
    assert set(sealed.carried) == {"/" + HASHED.format("aa0")}
    world.check()


def test_a_site_too_large_for_the_route_store_is_refused_before_anything_is_written(world: World) -> None:
    assert isinstance(world.routes, MemoryRoutes)
    fill(world.routes, limits.STORE_BYTES // (10 + limits.VALUE_BYTES) - 5)
    writes = objects_of(world).writes
    with pytest.raises(LimitExceeded, match="routes take"):
        world.publish(world.plan({"index.html": "x", **{f"{number}.js": "x" for number in range(500)}}))
    assert objects_of(world).writes == writes


# --- files that change under our hands ---------------------------------------------------------------------------------------

LARGE = upload.IN_MEMORY + 1


def test_a_small_file_that_changed_since_the_scan_is_noticed(world: World, tmp_path: Path) -> None:
    planned = world.plan({"index.html": "one"}, folder=tmp_path)
    (tmp_path / "index.html").write_text("two")
    with pytest.raises(UserError, match="changed while it was published"):
        world.publish(planned)
    assert not list(world.objects.list(f"{SITE}/blobs/"))


def test_a_file_that_is_gone_is_noticed(world: World, tmp_path: Path) -> None:
    planned = world.plan({"index.html": "one"}, folder=tmp_path)
    (tmp_path / "index.html").unlink()
    with pytest.raises(UserError, match="cannot read"):
        world.publish(planned)


def test_a_large_file_that_changed_since_the_scan_is_noticed_though_its_size_is_the_same(world: World, tmp_path: Path) -> None:
    planned = world.plan({"index.html": "x", "video.mp4": b"a" * LARGE}, folder=tmp_path)
    (tmp_path / "video.mp4").write_bytes(b"b" * LARGE)
    with pytest.raises(UserError, match="changed while it was published"):
        world.publish(planned)
    assert not world.objects.head(layout.blob(SITE, blob_of(planned.manifest, "/video.mp4")))


def test_a_large_file_that_changes_while_it_is_sent_leaves_nothing_behind(world: World, tmp_path: Path) -> None:
    planned = world.plan({"index.html": "x", "video.mp4": b"a" * LARGE}, folder=tmp_path)
    blob = blob_of(planned.manifest, "/video.mp4")
    change = Once("put", blob, lambda: (tmp_path / "video.mp4").write_bytes(b"b" * LARGE))
    with pytest.raises(UserError, match="changed while it was published"):
        world.publish(planned, objects=HookedObjects(world.objects, before=change))
    assert change.done and not world.objects.head(layout.blob(SITE, blob))


def test_a_large_blob_that_another_deploy_brought_is_never_deleted(world: World, tmp_path: Path) -> None:
    """Another deploy brings the same blob and goes live with it; then the file here is touched while it is sent."""
    files = {"index.html": "x", "video.mp4": b"a" * LARGE}
    planned = world.plan(files, folder=tmp_path)
    blob = blob_of(planned.manifest, "/video.mp4")

    def meanwhile() -> None:
        world.deploy(files, "preview/other")
        os.utime(tmp_path / "video.mp4", ns=(1, 1))

    other = Once("put", blob, meanwhile)
    with pytest.raises(UserError, match="changed while it was published"):
        world.publish(planned, objects=HookedObjects(world.objects, before=other))
    assert other.done and world.objects.head(layout.blob(SITE, blob))
    world.check()


def test_a_reused_blob_that_is_gone_is_sent_again(world: World) -> None:
    files = {"index.html": "one", "a.txt": "kept"}
    done = world.deploy(files)
    manifest = Manifest.from_json(world.objects.get(layout.manifest(SITE, done.version))[1])
    world.objects.delete([layout.blob(SITE, blob_of(manifest, "/a.txt"))])
    world.deploy({**files, "index.html": "two"})
    assert world.body("/a.txt") == b"kept"
    world.check()


def test_a_reused_blob_that_is_damaged_is_replaced(world: World) -> None:
    files = {"index.html": "one", "a.txt": "kept"}
    done = world.deploy(files)
    manifest = Manifest.from_json(world.objects.get(layout.manifest(SITE, done.version))[1])
    world.objects.put(layout.blob(SITE, blob_of(manifest, "/a.txt")), b"cut", {})
    world.deploy({**files, "index.html": "two"})
    assert world.body("/a.txt") == b"kept"


def test_a_carried_blob_that_is_gone_stops_the_deploy_and_the_old_site_stays(world: World) -> None:
    done = world.deploy({"index.html": "one", HASHED.format("aa0"): "a"})
    planned = world.plan({"index.html": "two"})
    (carried,) = planned.manifest.carried.values()
    world.objects.delete([layout.blob(SITE, carried.blob)])
    with pytest.raises(UserError, match="of an earlier version"):
        world.publish(planned)
    assert world.serving() == done.version


def test_a_carried_file_of_equal_content_is_no_stranger(world: World) -> None:
    """An own file may have the very blob of a carried one: then there is a file to send."""
    done = world.deploy({"index.html": "one", HASHED.format("aa0"): "a"})
    manifest = Manifest.from_json(world.objects.get(layout.manifest(SITE, done.version))[1])
    planned = world.plan({"index.html": "two", HASHED.format("bb0"): "a"})
    world.objects.delete([layout.blob(SITE, blob_of(manifest, "/" + HASHED.format("aa0")))])
    world.publish(planned)


# --- prune beside publish ----------------------------------------------------------------------------------------------------


def test_blobs_that_a_prune_took_while_the_deploy_slept_are_sent_again(world: World) -> None:
    """The deploy's lease has lapsed (a laptop asleep); a blob it found there, that no version names any more, is swept."""
    from toolkit.engine import prune

    world.deploy({"index.html": "live"})
    orphan = world.publish(world.plan({"index.html": "live", "a.txt": "orphan"}))
    world.clock.now += 2 * DAY
    planned = world.plan({"index.html": "two", "a.txt": "orphan"})
    blob = blob_of(orphan, "/a.txt")

    def sleep_long() -> None:
        world.clock.now += 2 * DEPLOY_SECONDS
        swept = prune.prune(world.objects, world.routes, SITE, keep=0, grace_seconds=DAY, clock=world.clock)
        assert swept.blobs == 1

    hooked = HookedObjects(world.objects, after=Once("head", blob, sleep_long))
    manifest = world.publish(planned, objects=hooked)
    world.release(world.request(manifest.version))
    assert world.body("/a.txt") == b"orphan"
    world.check()


def test_a_version_that_was_pruned_while_its_release_slept_does_not_go_live(world: World) -> None:
    from toolkit.engine import prune

    world.deploy({"index.html": "live"})
    lonely = world.publish(world.plan({"index.html": "lonely"}))
    world.clock.now += 2 * DAY

    def sleep_long() -> None:
        world.clock.now += 2 * DEPLOY_SECONDS
        prune.prune(world.objects, world.routes, SITE, keep=0, grace_seconds=DAY, clock=world.clock)
        with pytest.raises(NotFound):
            world.objects.get(layout.manifest(SITE, lonely.version))

    hooked = HookedObjects(world.objects, after=Once("get", "/versions/", sleep_long))
    with pytest.raises(UserError, match="has no version"):
        world.release(world.request(lonely.version), objects=hooked)
    assert world.body("/") == b"live"
    assert tables.read_record(world.routes, SITE, lonely.version) is None
    world.check()


def test_a_release_that_slept_right_before_its_flip_does_not_go_live_with_a_pruned_version(world: World) -> None:
    """Its table is still there, as what edges fall back to: only prune's own change of the tag tells."""
    from toolkit.engine import prune

    first = world.deploy({"index.html": "one"})
    world.clock.now += 1000
    second = world.deploy({"index.html": "two"})
    world.clock.now += 2 * DAY

    def sleep_long() -> None:
        world.clock.now += 2 * DEPLOY_SECONDS
        prune.prune(world.objects, world.routes, SITE, keep=0, grace_seconds=DAY, clock=world.clock)
        assert world.objects.head(layout.manifest(SITE, first.version)) is None

    hooked = HookedRoutes(world.routes, before=Once("update", "h:", sleep_long))
    with pytest.raises(UserError, match="has no version"):
        world.release(world.request(first.version, explicit=True), routes=hooked)
    assert world.serving() == second.version
    world.check()


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_deploy_that_slept_at_its_seal_looks_at_its_blobs_again(world: World, when: str) -> None:
    from toolkit.engine import prune

    world.deploy({"index.html": "live"})
    world.publish(world.plan({"index.html": "live", "a.txt": "orphan"}))
    world.clock.now += 2 * DAY

    def sleep_long() -> None:
        world.clock.now += 2 * DEPLOY_SECONDS
        prune.prune(world.objects, world.routes, SITE, keep=0, grace_seconds=DAY, clock=world.clock)

    hooked = HookedObjects(world.objects, **{when: Once("put", "/versions/", sleep_long)})
    manifest = world.publish(world.plan({"index.html": "two", "a.txt": "orphan"}), objects=hooked)
    world.release(world.request(manifest.version))
    assert world.body("/a.txt") == b"orphan"
    world.check()


def test_a_deploy_that_cannot_be_mended_after_its_seal_takes_the_seal_back(world: World) -> None:
    """A carried blob is gone, of which this deploy has no file: a manifest that stays would promise what is not there."""
    done = world.deploy({"index.html": "one", HASHED.format("aa0"): "a"})
    planned = world.plan({"index.html": "two"})
    (carried,) = planned.manifest.carried.values()

    def sleep_long() -> None:
        world.clock.now += 2 * DEPLOY_SECONDS
        world.objects.delete([layout.blob(SITE, carried.blob)])

    hooked = HookedObjects(world.objects, before=Once("put", "/versions/", sleep_long))
    with pytest.raises(UserError, match="of an earlier version"):
        world.publish(planned, objects=hooked)
    assert world.objects.head(layout.manifest(SITE, planned.manifest.version)) is None
    assert world.serving() == done.version


def test_files_where_links_to_previews_answer_are_warned_of(world: World) -> None:
    planned = world.plan({"index.html": "a", "_preview/a.html": "b", "_preview/b.html": "c", "x/_preview/c.html": "d"})
    assert planned.warnings == (
        "/_preview/a.html and 1 more will not answer in AWS, links to previews begin so: rename the folder",
    )
    assert world.plan({"index.html": "a", "_previews/a.html": "b"}).warnings == ()
