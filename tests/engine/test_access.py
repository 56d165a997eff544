"""Passwords, maintenance and canonical hosts: kept by every kind of release, and never open for a moment in between."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode

import pytest

from tests.engine.stores import HookedRoutes, Once, lost
from tests.engine.support import SITE, Answer, Edge, body_of, statuses_in
from tests.engine.world import World
from toolkit.engine import access, destroy, gates, layout, pointers, release
from toolkit.engine.errors import Conflict, UserError
from toolkit.engine.release import Request

USER, PASSWORD = "preview", "correct horse: battery"
PREVIEW = "preview/feature/a"
SITE_HOSTS = ("shop.localhost", "example.com", "www.example.com")


@pytest.fixture
def world() -> World:
    return World()


def page(body: str) -> dict[str, str]:
    return {"index.html": body}


def protect(world: World, channel: str = PREVIEW, password: str = PASSWORD) -> list[str]:
    return access.protect(world.objects, world.routes, SITE, channel, USER, password, sleep=world.clock.sleep)


def unprotect(world: World, channel: str = PREVIEW) -> list[str]:
    return access.unprotect(world.objects, world.routes, SITE, channel, sleep=world.clock.sleep)


def maintenance(world: World, on: bool, channel: str = "live") -> list[str]:
    return access.maintenance(world.objects, world.routes, SITE, channel, on, sleep=world.clock.sleep)


def visit(world: World, channel: str = PREVIEW, user: str = "", password: str = "", path: str = "/") -> Answer:
    given = {"authorization": f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"} if user else {}
    return Edge(world.routes.get, statuses_in(world.objects)).ask(world.host(channel), path, headers=given)


def asks(world: World, channel: str = PREVIEW) -> bool:
    """Whether a visitor who gives no password is asked for one, and one who gives it is let in."""
    closed = visit(world, channel).status == 401
    assert visit(world, channel, USER, PASSWORD).status == 200
    world.check()
    return closed


def shown(world: World, channel: str = "live") -> tuple[int, bytes]:
    """Status and body that a visitor without a password gets; the body of what the edge answers itself is empty."""
    answer = visit(world, channel)
    return answer.status, body_of(world.objects, answer.blob) if answer.blob else b""


# --- passwords ---------------------------------------------------------------------------------------------------------------


def test_a_protected_preview_lets_in_who_has_the_password(world: World) -> None:
    world.deploy(page("one"), PREVIEW)
    assert not asks(world)
    assert protect(world) == [PREVIEW]
    assert asks(world)
    for user, password in ((USER, "wrong"), ("other", PASSWORD), (USER, PASSWORD + " "), (USER, ""), (USER.upper(), PASSWORD)):
        assert visit(world, user=user, password=password).status == 401
    assert visit(world, path="/nothing").status == 401, "what is not there is nobody's business either"
    assert unprotect(world) == [PREVIEW]
    assert not asks(world)
    assert not [key for key, _ in world.routes.items() if key.startswith("s:")]


def test_only_a_salted_hash_is_stored(world: World) -> None:
    world.deploy(page("one"), PREVIEW)
    protect(world)
    first = world.value(PREVIEW)
    protect(world)
    assert world.value(PREVIEW) != first, "another salt each time"
    everything = json.dumps(dict(world.routes.items())) + repr(world.objects.stored)  # type: ignore[attr-defined]
    plain = b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    assert PASSWORD not in everything and plain not in everything
    assert PASSWORD not in repr(world.ledger(PREVIEW))


def test_a_protected_preview_stays_so_through_every_kind_of_release(world: World) -> None:
    world.deploy(page("live"))
    first = world.deploy(page("one"), PREVIEW).version
    protect(world)
    second = world.deploy(page("two"), PREVIEW).version
    assert asks(world)
    world.rollback(first, PREVIEW)
    assert asks(world)
    world.canary("start", PREVIEW, second, 50)
    assert asks(world) and world.value(PREVIEW).count("|p") == 2
    world.canary("set_percent", PREVIEW, 99)
    assert asks(world)
    world.canary("finish", PREVIEW)
    assert asks(world)
    world.rollback(first)
    assert visit(world, "live").status == 200, "what is promoted to live is open there"


def test_a_preview_is_protected_before_it_is_there(world: World) -> None:
    assert protect(world) == []
    world.deploy(page("one"), PREVIEW)
    assert asks(world)


def test_a_removed_preview_takes_its_password_along(world: World) -> None:
    world.deploy(page("one"), PREVIEW)
    protect(world)
    world.remove(PREVIEW)
    assert [key for key, _ in world.routes.items() if key[:2] in ("s:", "h:")] == []
    world.deploy(page("two"), PREVIEW)
    assert not asks(world)


def test_all_previews_those_to_come_among_them_but_never_live(world: World) -> None:
    world.deploy(page("live"))
    world.deploy(page("one"), PREVIEW)
    world.deploy(page("two"), "preview/b")
    assert protect(world, access.ALL) == ["preview/b", PREVIEW]
    world.deploy(page("three"), "preview/c")
    assert asks(world) and asks(world, "preview/b") and asks(world, "preview/c")
    assert visit(world, "live").status == 200
    world.remove("preview/c")
    world.deploy(page("four"), "preview/c")
    assert asks(world, "preview/c"), "it is one of all"
    unprotect(world, access.ALL)
    assert not asks(world) and not asks(world, "preview/c")
    assert not [key for key, _ in world.routes.items() if key.startswith("s:")]


def test_one_preview_may_differ_from_all(world: World) -> None:
    world.deploy(page("one"), PREVIEW)
    world.deploy(page("two"), "preview/b")
    protect(world, access.ALL, "another password")
    protect(world, PREVIEW)
    unprotect(world, "preview/b")
    assert asks(world) and not asks(world, "preview/b")
    assert visit(world, user=USER, password="another password").status == 401
    world.deploy(page("three"), "preview/b")
    assert not asks(world, "preview/b")
    protect(world, access.ALL)
    assert asks(world) and asks(world, "preview/b"), "said for all, it replaces what was said for one"


def test_to_open_one_that_nobody_closed_says_nothing(world: World) -> None:
    world.deploy(page("one"), PREVIEW)
    assert unprotect(world) == [PREVIEW]
    assert not [key for key, _ in world.routes.items() if key.startswith("s:")]


@pytest.mark.parametrize("channel", [PREVIEW, "preview/A/b c", "preview/preview", "preview/live", "preview/ü"])
def test_every_name_has_a_record_of_its_own(world: World, channel: str) -> None:
    world.deploy(page("other"), "preview/other")
    world.deploy(page("one"), channel)
    protect(world, channel)
    assert asks(world, channel) and not asks(world, "preview/other")
    unprotect(world, channel)
    assert not asks(world, channel)


@pytest.mark.parametrize(
    ("user", "password"),
    [("", PASSWORD), ("a:b", PASSWORD), ("a\nb", PASSWORD), ("ü", PASSWORD), (USER, ""), (USER, "short"), (USER, "long enough\x00"),
     (USER, "päßword-long"), (USER, "with\nnewline")],
)  # fmt: skip
def test_what_browsers_cannot_send_is_refused(world: World, user: str, password: str) -> None:
    world.deploy(page("one"), PREVIEW)
    with pytest.raises(UserError) as raised:
        access.protect(world.objects, world.routes, SITE, PREVIEW, user, password)
    assert password not in (raised.value.what + raised.value.fix) or not password
    assert not asks(world)


def test_passwords_that_are_made_are_good_and_differ() -> None:
    made = {access.new_password() for _ in range(200)}
    assert len(made) == 200 and all(len(one) == 23 and one.isascii() for one in made)


def test_more_previews_than_one_update_takes(world: World) -> None:
    names = [f"preview/p{number}" for number in range(60)]
    for name in names:
        world.deploy(page("one"), name)
    assert sorted(protect(world, access.ALL)) == sorted(names)
    assert all(visit(world, name).status == 401 for name in names)
    unprotect(world, access.ALL)
    assert all(visit(world, name).status == 200 for name in names)


# --- maintenance -------------------------------------------------------------------------------------------------------------


def test_during_maintenance_everything_is_503(world: World) -> None:
    world.deploy({**page("one"), "about.html": "x"})
    assert maintenance(world, True) == ["live"]
    for path in ("/", "/about", "/nothing", "/about.html"):
        assert visit(world, "live", path=path).status == 503
    world.check()
    maintenance(world, False)
    assert shown(world) == (200, b"one")
    assert not [key for key, _ in world.routes.items() if key.startswith("s:")]


def test_each_version_shows_its_own_page(world: World) -> None:
    first = world.deploy({**page("one"), "503.html": "back at ten"}).version
    maintenance(world, True)
    assert shown(world) == (503, b"back at ten")
    world.deploy({**page("two"), "maintenance.html": "closed"})
    assert shown(world) == (503, b"closed")
    third = world.deploy(page("three")).version
    assert shown(world) == (503, b"")
    world.rollback(first)
    assert shown(world) == (503, b"back at ten")
    world.canary("start", "live", third, 50)
    first_gate, second_gate = [line.gate for line in pointers.read(world.value())]
    assert (len(first_gate), second_gate) == (23, "m-")
    maintenance(world, False)
    assert [line.gate for line in pointers.read(world.value())] == ["-", "-"]
    world.check()


def test_a_protected_preview_in_maintenance_is_protected_again_afterwards(world: World) -> None:
    world.deploy(page("one"), PREVIEW)
    protect(world)
    maintenance(world, True, PREVIEW)
    assert visit(world, user=USER, password=PASSWORD).status == 503
    maintenance(world, False, PREVIEW)
    assert asks(world)
    maintenance(world, True, PREVIEW)
    unprotect(world)
    assert visit(world).status == 503, "each is undone by itself"


# --- canonical host ----------------------------------------------------------------------------------------------------------


def release_hosts(world: World, version: str, canonical: str = "www.example.com", **more: object) -> None:
    asked = Request(SITE, "live", version, SITE_HOSTS, world.clock(), "tester", "deploy", canonical=canonical, **more)  # type: ignore[arg-type]
    release.release(world.objects, world.routes, asked, clock=world.clock, sleep=world.clock.sleep)


def test_other_hosts_lead_to_the_canonical_one_and_the_sites_own_keeps_serving(world: World) -> None:
    version = world.publish(world.plan(page("one"))).version
    release_hosts(world, version)
    edge = Edge(world.routes.get, statuses_in(world.objects))
    moved = edge.ask("example.com", "/a%20b?x=1")
    assert moved.status == 308 and moved.location.endswith("//www.example.com/a%20b?x=1")
    assert edge.ask("www.example.com", "/").status == edge.ask("shop.localhost", "/").status == 200
    world.check()


def test_the_canonical_host_is_kept_by_what_does_not_name_it(world: World) -> None:
    first = world.publish(world.plan(page("one"))).version
    second = world.publish(world.plan(page("two"))).version
    release_hosts(world, first)
    edge = Edge(world.routes.get, statuses_in(world.objects))
    world.canary("start", "live", second, 10)
    assert edge.ask("example.com", "/").status == 308
    maintenance(world, True)
    assert [edge.ask(host, "/").status for host in SITE_HOSTS] == [503, 308, 503]
    world.check()
    maintenance(world, False)
    world.canary("finish")
    assert [edge.ask(host, "/").status for host in SITE_HOSTS] == [200, 308, 200]
    release_hosts(world, first, canonical="", explicit=True)
    assert [edge.ask(host, "/").status for host in SITE_HOSTS] == [200, 200, 200]


def test_a_canonical_host_that_is_not_ones_own_leads_nobody_away(world: World) -> None:
    version = world.publish(world.plan(page("one"))).version
    release_hosts(world, version, canonical="elsewhere.example")
    edge = Edge(world.routes.get, statuses_in(world.objects))
    assert [edge.ask(host, "/").status for host in SITE_HOSTS] == [200, 200, 200]


# --- several at once, and faults ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["c:", "h:", "s:"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_release_that_comes_while_a_preview_is_being_protected(world: World, part: str, when: str) -> None:
    world.deploy(page("one"), PREVIEW)
    deploy = Once("get", part, lambda: world.deploy(page("two"), PREVIEW))
    hooked = HookedRoutes(world.routes, **{when: deploy})
    access.protect(world.objects, hooked, SITE, PREVIEW, USER, PASSWORD, sleep=world.clock.sleep)
    assert deploy.done and asks(world) and world.body("/", PREVIEW) == b"two"


@pytest.mark.parametrize("part", ["c:", "h:", "s:"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_preview_that_is_protected_while_a_release_of_it_is_under_way(world: World, part: str, when: str) -> None:
    world.deploy(page("one"), PREVIEW)
    manifest = world.publish(world.plan(page("two"), channel=PREVIEW))
    late = Once("get", part, lambda: protect(world))
    world.release(world.request(manifest.version, PREVIEW), routes=HookedRoutes(world.routes, **{when: late}))
    assert late.done and asks(world)


@pytest.mark.parametrize("at", ["before", "after"])
def test_a_lost_reply_is_harmless(world: World, at: str) -> None:
    world.deploy(page("one"), PREVIEW)
    hooked = HookedRoutes(world.routes, **{at: lost("update", "s:")})
    assert access.protect(world.objects, hooked, SITE, PREVIEW, USER, PASSWORD, sleep=world.clock.sleep) == [PREVIEW]
    assert asks(world)


def test_a_store_that_stays_busy_is_a_clear_error(world: World) -> None:
    world.deploy(page("one"), PREVIEW)

    def busy(call: str, what: object) -> None:
        if call == "update":
            raise Conflict("always")

    with pytest.raises(UserError, match="stayed busy"):
        access.protect(
            world.objects, HookedRoutes(world.routes, before=busy), SITE, PREVIEW, USER, PASSWORD, sleep=world.clock.sleep
        )
    assert not asks(world)


def test_a_damaged_record_opens_nothing_and_can_be_written_again(world: World) -> None:
    world.deploy(page("one"), PREVIEW)
    protect(world)
    key = layout.access_key(SITE, PREVIEW)
    for damage in ("{", "[1]", '{"nonsense": 1}', '"text"'):
        world.routes.update({key: damage}, [], if_match=world.routes.etag())
        with pytest.raises(UserError, match="access record is damaged") as raised:
            world.deploy(page(damage), PREVIEW)
        assert "toolkit preview protect" in raised.value.fix
        assert visit(world).status == 401
    protect(world)
    assert asks(world)


def test_a_host_that_another_site_has_taken_over_is_left_alone(world: World) -> None:
    world.deploy(page("one"), PREVIEW)
    host = layout.host_key(world.host(PREVIEW))
    theirs = world.value(PREVIEW).replace("|shop|", "|other|")
    world.routes.update({host: theirs}, [], if_match=world.routes.etag())
    protect(world)
    assert world.routes.get(host) == theirs


def test_a_destroyed_site_leaves_no_record_and_no_host(world: World) -> None:
    first = world.deploy(page("live")).version
    world.deploy(page("one"), PREVIEW)
    second = world.publish(world.plan(page("two"))).version
    protect(world, access.ALL)
    protect(world)
    maintenance(world, True)
    world.canary("start", "live", second, 50)
    assert first != second
    destroy.destroy(world.objects, world.routes, SITE, clock=world.clock)
    assert list(world.routes.items()) == []


def test_what_was_sealed_is_what_a_browser_sends() -> None:
    salt, _, digest = gates.sealed("Aladdin", "open sesame").partition(".")
    # The example of RFC 7617, section 2.
    assert hashlib.sha256(f"{salt}:QWxhZGRpbjpvcGVuIHNlc2FtZQ==".encode()).hexdigest() == digest
