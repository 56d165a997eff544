"""Previews without names of their own: the link that leaves a cookie, and what the cookie leads to, in both engines."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Any

import pytest

from tests.engine.world import World
from tests.functions.engines import ENGINES, THREW, Event, count_reads, event, keys_read, response_event, run
from toolkit.engine import access, channels, layout
from toolkit.engine.channels import Names
from toolkit.engine.model import Settings

OWN = "d111111abcdef8.cloudfront.net"
NAMES = Names(OWN, OWN)
NAME = "__Host-preview"
Answer = dict[str, Any]


def page(body: str) -> dict[str, str]:
    return {"index.html": body, "about.html": body, "404.html": f"no {body}", "_redirects": "/old /about 301\n"}


def deploy(world: World, body: str, channel: str = "live", own: str = OWN, previews: str = OWN) -> set[str]:
    """Release a version where AWS would without a domain; every origin path that it may be answered from."""
    manifest = world.publish(world.plan(page(body), channel=channel))
    hosts = channels.hosts(world.site, channel, Names(own, previews))
    world.release(world.request(manifest.version, channel, hosts=hosts))
    return {f"/{layout.blob(world.site, key)}" for key in manifest.blobs()}


def world_of_both() -> tuple[World, set[str], set[str]]:
    """A site with a live version and a preview; the origin paths of each that the other does not have."""
    world = World()
    live, preview = deploy(world, "live"), deploy(world, "preview", "preview/pr-12")
    return world, live - preview, preview - live


def held(*worlds: World) -> dict[str, str]:
    return {key: value for world in worlds for key, value in world.routes.items()}


def visit(label: str | None, uri: str = "/", host: str | None = OWN, method: str = "GET", **headers: str) -> Event:
    asked = event(uri, host, method, **headers)
    if label is not None:
        asked["request"]["cookies"] = {"a": {"value": "b"}, NAME: {"value": label}}
    return asked


def is_storable(answer: Answer) -> bool:
    return "statusCode" in answer and "no-store" not in answer["headers"]["cache-control"]["value"]


@pytest.mark.parametrize("engine", ENGINES)
def test_the_cookie_leads_to_the_preview(engine: str) -> None:
    world, live, preview = world_of_both()
    paths = ["/", "/about", "/nothing"]
    for label, blobs in (("pr-12--shop", preview), (None, live)):
        for answer in run(engine, held(world), [visit(label, path) for path in paths]):
            assert answer["uri"] in blobs
    (shouted,) = run(engine, held(world), [visit("pr-12--shop", host=OWN.upper())])
    assert shouted["uri"] in preview


@pytest.mark.parametrize("engine", ENGINES)
def test_a_preview_is_there_before_anything_is_live(engine: str) -> None:
    world = World()
    preview = deploy(world, "preview", "preview/pr-12")
    found, missing = run(engine, held(world), [visit("pr-12--shop"), visit(None)])
    assert found["uri"] in preview and missing["statusCode"] == 404


@pytest.mark.parametrize("engine", ENGINES)
def test_a_cookie_that_outlives_its_preview_shows_the_site(engine: str) -> None:
    world, live, _ = world_of_both()
    world.remove("preview/pr-12")
    found, moved = run(engine, held(world), [visit("pr-12--shop"), visit("pr-12--shop", "/old")])
    assert found["uri"] in live and moved["headers"]["location"]["value"] == "/about"
    assert not is_storable(moved), "the preview may come back under the same name"


HOSTILE = (
    "", "-", "--", "shop", "www", "../", "../../secret", "pr-12--shop/..", "pr-12--shop|x", "pr-12--shop\n", "\npr-12--shop",
    "pr-12--shop\r\nx: y", "pr-12--shop.", ".pr-12--shop", "PR-12--shop", "pr-12--SHOP", "Pr-12--shop", "pr-12--shop ",
    " pr-12--shop",
    '"pr-12--shop"', "pr-12%2d%2dshop", "pr-12--shop\x00", "pr\u2011" + "12--shop", "é--shop", "h:pr-12--shop", "h:pr-9--other",
    "pr-9--other", "pr-9--other--shop", "pr-12--shop--other", "pr-12--shop-two", "x" * 10_240, "x--" * 3_400, "-" * 10_240,
    "a" * 40 + "--shop", "__proto__", "constructor", "toString", "hasOwnProperty", "__proto__--shop", "undefined--shop", "$&--shop",
    f"pr-12--shop.{OWN}", "t:n0nce123100:0", "c:shop/live", "*", "pr-*--shop",
)  # fmt: skip


@pytest.mark.parametrize("engine", ENGINES)
def test_no_cookie_leads_to_another_site_or_breaks_anything(engine: str) -> None:
    """The other site's previews lie below the same host, as they would in a store that several sites share."""
    world, live, _ = world_of_both()
    other = World("other", routes=world.routes)
    deploy(other, "other", own="other.example")
    deploy(other, "other", "preview/pr-9")
    deploy(World("shop-two", routes=world.routes), "two", "preview/pr-12")
    for answer, label in zip(run(engine, held(world), [visit(label) for label in HOSTILE]), HOSTILE, strict=True):
        assert answer != THREW and answer.get("uri") in live, label


def test_only_labels_below_the_host_are_read() -> None:
    world, _, _ = world_of_both()
    events = [visit(label, host=host) for label in (*HOSTILE, "pr-12--shop") for host in (OWN, "unknown.example")]
    for asked, keys in zip(events, keys_read(held(world), events), strict=True):
        host = asked["request"]["headers"]["host"]["value"]
        label = asked["request"]["cookies"][NAME]["value"]
        for key in keys:
            assert not key.startswith("h:") or key in (f"h:{host}", f"h:{label}.{host}"), key
            assert len(key.encode()) <= 512 and "\n" not in key


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("host", ["unknown.example", None])
def test_an_unknown_host_stays_unknown(engine: str, host: str | None) -> None:
    world, _, _ = world_of_both()
    for answer in run(engine, held(world), [visit(label, host=host) for label in (*HOSTILE, "pr-12--shop")]):
        assert answer["statusCode"] == 404


def test_who_has_no_cookie_pays_nothing_for_it() -> None:
    world, _, _ = world_of_both()
    assert [count_reads(held(world), visit(label)) for label in (None, "pr-12--shop", "pr-11--shop", "x")] == [2, 3, 3, 2]


@pytest.mark.parametrize("engine", ENGINES)
def test_nothing_that_a_cookie_led_to_may_be_stored(engine: str) -> None:
    world, _, _ = world_of_both()
    cases = [("/old", "GET"), ("/about.html", "GET"), ("/", "POST"), ("/old", "HEAD")]
    for label in ("pr-12--shop", "pr-11--shop", ""):
        answers = run(engine, held(world), [visit(label, path, method=method) for path, method in cases])
        assert [answer["statusCode"] for answer in answers] == [301, 308, 405, 301]
        assert not [answer for answer in answers if is_storable(answer)]
    (moved,) = run(engine, held(world), [visit(None, "/old")])
    assert is_storable(moved), "others' answers are as ever"


@pytest.mark.parametrize("engine", ENGINES)
def test_a_rule_s_own_lifetime_does_not_make_it_storable(engine: str) -> None:
    world = World()
    files = {"index.html": "a", "_redirects": "/old / 301\n", "_headers": "/old\n  Cache-Control: public, max-age=600\n"}
    planned = world.plan(files, channel="preview/pr-12", settings=Settings(dialect="cloudflare"))
    manifest = world.publish(planned)
    world.release(world.request(manifest.version, "preview/pr-12", hosts=channels.hosts("shop", "preview/pr-12", NAMES)))
    moved, direct = run(engine, held(world), [visit("pr-12--shop", "/old"), event("/old", f"pr-12--shop.{OWN}")])
    assert direct["headers"]["cache-control"]["value"] == "public, max-age=600"
    assert moved["headers"]["cache-control"]["value"] == "no-store"


@pytest.mark.parametrize("engine", ENGINES)
def test_a_preview_s_password_holds(engine: str) -> None:
    world, live, preview = world_of_both()
    access.protect(world.objects, world.routes, "shop", "preview/pr-12", "preview", "correct horse", sleep=world.clock.sleep)
    given = "Basic " + b64encode(b"preview:correct horse").decode()
    events = [
        visit("pr-12--shop"),
        visit("pr-12--shop", authorization=given),
        visit("pr-12--shop", authorization=f"{given}x"),
        visit(None),
    ]
    closed, inside, wrong, outside = run(engine, held(world), events)
    assert (closed["statusCode"], wrong["statusCode"]) == (401, 401) and not is_storable(closed)
    assert inside["uri"] in preview and "authorization" not in inside["headers"]
    assert outside["uri"] in live


@pytest.mark.parametrize("engine", ENGINES)
def test_maintenance_of_the_site_is_not_that_of_its_previews(engine: str) -> None:
    world, _, preview = world_of_both()
    access.maintenance(world.objects, world.routes, "shop", "live", True, sleep=world.clock.sleep)
    inside, outside = run(engine, held(world), [visit("pr-12--shop"), visit(None)])
    assert inside["uri"] in preview and outside["statusCode"] == 503


@pytest.mark.parametrize("engine", ENGINES)
def test_damaged_data_of_a_preview_never_shows_another_version(engine: str) -> None:
    world, live, _ = world_of_both()
    key = f"h:pr-12--shop.{OWN}"
    for value in ("x", "2|shop", "|||||||", "2|shop|v|-.1.|-|-|-|-"):
        (answer,) = run(engine, {**held(world), key: value}, [visit("pr-12--shop")])
        assert answer["statusCode"] == 503 and not is_storable(answer), value
    (answer,) = run(engine, {**held(world), key: ""}, [visit("pr-12--shop")])
    assert answer["uri"] in live


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("is_ours", [True, False])
@pytest.mark.parametrize("status", [200, 304])
def test_what_is_seen_by_a_cookie_is_for_one_visitor(engine: str, is_ours: bool, status: int) -> None:
    given = {"cache-control": "public, max-age=0, s-maxage=31536000"}
    if is_ours:
        given["x-amz-meta-edge"] = '{"c":"public, max-age=600","h":{"x-robots-tag":"all"}}'
    plain = response_event(given, status, OWN)
    asked = {**plain, "request": visit("pr-12--shop")["request"]}
    seen, others = run(engine, {}, [asked, plain], "viewer_response")
    assert seen["headers"]["cache-control"]["value"] == "private, no-store"
    assert seen["headers"]["x-robots-tag"]["value"] == "noindex"
    assert others["headers"]["cache-control"]["value"] != "private, no-store"
    assert others["headers"].get("x-robots-tag", {"value": ""})["value"] != "noindex"


@pytest.mark.parametrize("engine", ENGINES)
def test_a_preview_leaves_no_service_worker_on_the_site_s_own_host(engine: str) -> None:
    """Browsers ask for its script with this header and take it with a status of 200 to 299 only (Service Workers, "Update")."""
    plain = response_event({"x-amz-meta-edge": "{}"}, 200, OWN)
    visits = [visit(label, "/sw.js", service_worker="script") for label in ("pr-12--shop", None)]
    asked = [{**plain, "request": one["request"]} for one in visits]
    seen, others = run(engine, {}, asked, "viewer_response")
    assert (seen["statusCode"], others["statusCode"]) == (403, 200)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_response_without_cookies_in_its_event_is_an_ordinary_one(engine: str) -> None:
    """Whether CloudFront shows the cookies there is unproven (docs/fidelity.md)."""
    plain = response_event({"x-amz-meta-edge": "{}"}, 200, OWN)
    del plain["request"]["cookies"]
    (answer,) = run(engine, {}, [plain], "viewer_response")
    assert answer["headers"]["cache-control"]["value"] == "public, max-age=0, must-revalidate"


# --- the link


def link(engine: str, *uris: str) -> list[Answer]:
    return run(engine, {}, [event(uri, OWN) for uri in uris], "preview")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_link_leaves_a_cookie_of_this_host_alone(engine: str) -> None:
    (answer,) = link(engine, "/_preview/pr-12--shop")
    assert (answer["statusCode"], answer["headers"]["location"]["value"]) == (302, "/")
    cookie = answer["cookies"][NAME]
    assert cookie["value"] == "pr-12--shop"
    attributes = {name.lower() for name in cookie["attributes"].split("; ")}
    assert attributes == {"path=/", "secure", "httponly", "samesite=lax"}, "no Domain, no lifetime"
    assert answer["headers"]["cache-control"]["value"] == "no-store"


@pytest.mark.parametrize("engine", ENGINES)
def test_a_link_takes_the_cookie_back(engine: str) -> None:
    (answer,) = link(engine, "/_preview/")
    assert (answer["statusCode"], answer["headers"]["location"]["value"]) == (302, "/")
    cookie = answer["cookies"][NAME]
    # A browser refuses even the removal of a `__Host-` cookie without these.
    assert cookie["value"] == "" and {"Path=/", "Secure", "Max-Age=0"} <= set(cookie["attributes"].split("; "))
    assert answer["headers"]["cache-control"]["value"] == "no-store"


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_no_label_leaves_nothing(engine: str) -> None:
    labels = [label for label in HOSTILE if not re.fullmatch("[a-z0-9-]{1,31}--[a-z0-9-]{1,30}", label) and label]
    uris = ["/_preview", "/_preview//", "/_preview/pr-12--shop/", "/_preview/pr-12--shop/x", "/x/_preview/pr-12--shop", "/"]
    uris += [f"/_preview/{label}" for label in labels]
    for uri, answer in zip(uris, link(engine, *uris), strict=True):
        assert (answer["statusCode"], "cookies" in answer, "location" in answer["headers"]) == (404, False, False), uri
        assert answer["headers"]["cache-control"]["value"] == "no-store"


@pytest.mark.parametrize("name", ["pr-12", "feature/a", "x" * 200, "é", "xn", "0123456789ab"])
def test_every_preview_s_label_is_one(name: str) -> None:
    """Of the longest site as well."""
    for site in ("shop", "s" * channels.SITE_LENGTH):
        (host,) = channels.hosts(site, channels.preview_channel(name), NAMES)
        label = host.partition(".")[0]
        (answer,) = link("quickjs", f"/_preview/{label}")
        assert answer["cookies"][NAME]["value"] == label
        world = World(site)
        preview = deploy(world, "preview", channels.preview_channel(name))
        (found,) = run("quickjs", held(world), [visit(label)])
        assert found["uri"] in preview
