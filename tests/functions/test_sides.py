"""Canary and gates as both engines run them: the rule that picks visitors, and what stands before a channel."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest

from tests.engine.visitors import identity, is_next, visitors
from tests.engine.world import World
from tests.functions.engines import ENGINES, Event, event, run
from toolkit.engine import access, layout, release
from toolkit.engine.release import Request

SITE_HOSTS = ("shop.localhost", "example.com", "www.example.com")
AUTHORIZATION = "Basic " + b64encode(b"preview:correct horse").decode()
Answer = dict[str, Any]


def page(body: str) -> dict[str, str]:
    return {"index.html": body, "about.html": body}


def held(world: World) -> dict[str, str]:
    return dict(world.routes.items())


def visit(address: str = "192.0.2.1", agent: str = "", cookies: dict[str, str] | None = None, **more: Any) -> Event:
    asked = event("/", "shop.localhost", user_agent=agent, **more)
    request = {**asked["request"], "cookies": {name: {"value": value} for name, value in (cookies or {}).items()}}
    return {**asked, "viewer": {"ip": address}, "request": request}


def canary_world(percent: float, cookie: str = "") -> tuple[World, str]:
    """A canary that runs; the world, and where the canary's root page comes from."""
    world = World()
    world.deploy(page("one"))
    second = world.publish(world.plan(page("two")))
    world.canary("start", "live", second.version, percent, cookie)
    return world, f"/{layout.blob(world.site, second.assets['/index.html'].blob)}"


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("percent", [0.01, 33.33, 99.99])
def test_the_function_picks_whom_the_rule_picks(engine: str, percent: float) -> None:
    world, following = canary_world(percent)
    everyone = [one for one in visitors(3000) if one[1]]
    answers = run(engine, held(world), [visit(*one) for one in everyone])
    wanted = [is_next(world.value(), identity(*one)) for one in everyone]
    assert [answer["uri"] == following for answer in answers] == wanted


@pytest.mark.parametrize("engine", ENGINES)
def test_a_visitor_without_agent_and_one_with_the_cookie(engine: str) -> None:
    world, following = canary_world(50, "session")
    names = [str(number) for number in range(500)]
    value = world.value()
    # Who sends the cookie is known by it wherever they are; who does not, by address and agent.
    sent = [visit(f"192.0.2.{number % 250}", "agent", {"session": name}) for number, name in enumerate(names)]
    plain = [visit(f"10.0.{number}.1", "agent", {"other": "x"}) for number in range(250)]
    bare = [event("/", "shop.localhost")]
    answers = [answer["uri"] == following for answer in run(engine, held(world), [*sent, *plain, *bare])]
    assert answers[:500] == [is_next(value, name) for name in names]
    assert answers[500:750] == [is_next(value, identity(f"10.0.{number}.1", "agent")) for number in range(250)]
    assert answers[750] == is_next(value, identity("127.0.0.1", ""))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_canarys_visitor_stays_within_one_version(engine: str) -> None:
    world, following = canary_world(50)
    there = next(one for one in visitors(100) if is_next(world.value(), identity(*one)))
    asked = visit(*there)
    about = {**asked, "request": {**asked["request"], "uri": "/about"}}
    first, second = (answer["uri"] for answer in run(engine, held(world), [asked, about]))
    assert first == following and second in {f"/{key}" for key in _blobs(world)}


def _blobs(world: World) -> set[str]:
    record = release.current(world.routes, world.site, "live")
    assert record
    manifest = release.load_manifest(world.objects, world.site, record.canary)
    return {layout.blob(world.site, blob) for blob in manifest.blobs()}


@pytest.mark.parametrize("engine", ENGINES)
def test_a_password_is_asked_for_with_its_own_status_and_never_cached(engine: str) -> None:
    world = World()
    world.deploy(page("one"), "preview/x")
    access.protect(world.objects, world.routes, world.site, "preview/x", "preview", "correct horse", sleep=world.clock.sleep)
    host = world.host("preview/x")
    given = ["", "Basic", "Basic ", "Basic !", "Bearer x", f"{AUTHORIZATION}x", AUTHORIZATION[:-1], "Basic " + "A" * 4000]
    events = [event("/", host), *(event(path, host, authorization=value) for value in given for path in ("/", "/nothing"))]
    for answer in run(engine, held(world), events):
        assert answer["statusCode"] == 401 and answer["headers"]["www-authenticate"]["value"].startswith("Basic realm=")
        assert answer["headers"]["cache-control"]["value"] == "no-store"
    (inside,) = run(engine, held(world), [event("/", host, authorization=AUTHORIZATION)])
    assert inside["uri"].startswith("/shop/blobs/") and "authorization" not in inside["headers"], "the origin never sees it"


@pytest.mark.parametrize("engine", ENGINES)
def test_maintenance_and_canonical_hosts(engine: str) -> None:
    world = World()
    manifest = world.publish(world.plan({**page("one"), "503.html": "back at ten"}))
    asked = Request(
        world.site, "live", manifest.version, SITE_HOSTS, world.clock(), "tester", "deploy", canonical="www.example.com"
    )
    release.release(world.objects, world.routes, asked, clock=world.clock, sleep=world.clock.sleep)
    events = [event("/about", host, query={"a": {"value": "1"}}) for host in SITE_HOSTS]
    before = run(engine, held(world), events)
    assert [answer.get("statusCode", 200) for answer in before] == [200, 308, 200]
    assert before[1]["headers"]["location"]["value"].endswith("//www.example.com/about?a=1")
    access.maintenance(world.objects, world.routes, world.site, "live", True, sleep=world.clock.sleep)
    during = run(engine, held(world), events)
    closed = f"/{layout.blob(world.site, manifest.error_pages['503/503.html'].blob)}"
    assert [during[0]["uri"], during[1]["statusCode"], during[2]["uri"]] == [closed, 308, closed]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("damage", ["5000", "5000.seed", "x.seed.", ".", "", "5000.seed.a.b", "-1.seed.", "1e9.seed."])
def test_a_damaged_rule_still_shows_one_whole_version(engine: str, damage: str) -> None:
    world, following = canary_world(50)
    lines = world.value().split("\n")
    pairs = {**held(world), "h:shop.localhost": f"{lines[0]}\n{damage}\n{lines[2]}"}
    answers = run(engine, pairs, [visit(*one) for one in visitors(50) if one[1]])
    stable = {answer["uri"] for answer in answers} - {following}
    assert len(stable) <= 1 and all(uri.startswith("/shop/blobs/") for uri in stable)
