"""What visitors see: pages as Chromium shows them, from the real server, put there by the real command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.world import World
from tests.browser import spa
from tests.browser.browser import Browser, Prompt
from tests.browser.conftest import Shot

PAPER = "rgba(246, 244, 238, 1)"  # the background in the example's stylesheet
IMAGES = "return [...document.images].every((image) => image.complete && image.naturalWidth > 0)"
ASK = "return fetch(arguments[0]).then((reply) => reply.status)"


def assert_styled(visitor: Browser) -> None:
    """The example's stylesheet and all pictures are there."""
    assert visitor.style("body", "background-color") == PAPER and visitor.js(IMAGES)


def test_a_live_page(world: World, example: Path, visitor: Browser, shot: Shot) -> None:
    page = visitor.open(f"http://plain.localhost:{world.port}/")
    shot("live-page")
    assert page.status == 200 and "x-robots-tag" not in page.headers
    assert visitor.text("h1") == "Eleven miles of river,\nread twice a day."
    assert_styled(visitor)
    assert {one.status for one in visitor.responses()} == {200} and visitor.complaints() == []


def test_the_sites_own_page_for_what_is_missing(world: World, example: Path, visitor: Browser, shot: Shot) -> None:
    page = visitor.open(f"http://plain.localhost:{world.port}/blog/there/is/none")
    shot("not-found")
    assert page.status == 404 and visitor.driver.title == "Under water: Low Water"
    assert visitor.text("h1") == "This page is under water"
    assert_styled(visitor)
    visitor.click("main a")
    visitor.wait(lambda: visitor.driver.title.startswith("Low Water"), "the way home")


@pytest.fixture(scope="module")
def preview(world: World, example: Path) -> tuple[str, tuple[str, str]]:
    """The URL of a protected preview, and the user and the password that the command line made for it."""
    url = world.deploy("public", "--channel", "preview/pr-12", cwd=example)["urls"][0]
    made = world.cli("preview", "protect", "pr-12", "--json", cwd=example)
    assert made.code == 0, made.err
    return url, (made.data["user"], made.data["password"])


def test_a_protected_preview_shows_nothing_without_the_password(
    preview: tuple[str, tuple[str, str]], visitor: Browser, shot: Shot
) -> None:
    url, (user, _) = preview
    assert visitor.sign_in(url, (user, "a guess"), None) == [Prompt("basic", "preview")] * 2
    shot("preview-without-password")
    assert visitor.text() == "401 Unauthorized" and visitor.driver.title == ""
    assert visitor.page().url == url and {one.status for one in visitor.responses()} == {401}
    assert visitor.page().headers["cache-control"] == "no-store"
    assert visitor.js("return fetch('/css/site.css', {credentials: 'omit'}).then((reply) => reply.status)") == 401


def test_a_protected_preview_with_the_password(preview: tuple[str, tuple[str, str]], visitor: Browser, shot: Shot) -> None:
    url, password = preview
    assert visitor.sign_in(url, password) == [Prompt("basic", "preview")]
    shot("preview-with-password")
    page = visitor.page()
    assert (page.url, page.status) == (url, 200)
    assert page.headers["x-robots-tag"] == "noindex"
    assert "private" in page.headers["cache-control"] and "public" not in page.headers["cache-control"]
    assert visitor.text("h1") == "Eleven miles of river,\nread twice a day."
    assert_styled(visitor)
    visitor.click("nav a[href='/about']")
    visitor.wait(lambda: visitor.page().url == f"{url}about", "the next page, without being asked again")
    assert visitor.page().status == 200


@pytest.fixture(scope="module")
def app(world: World) -> Path:
    """The project of the single-page app `orbits`, which nobody deployed yet."""
    project = world.folder / "orbits"
    project.mkdir()
    (project / "site.toml").write_text(spa.SITE_TOML, encoding="utf-8")
    world.up(cwd=project)
    return project


def test_a_deep_link_into_an_app(world: World, app: Path, visitor: Browser, shot: Shot) -> None:
    spa.write(app / "deep", "zero", "#14303b")
    world.deploy("deep", cwd=app)
    link = f"http://orbits.localhost:{world.port}/moons/europa"
    page = visitor.open(link)
    shot("deep-link")
    assert page.status == 200 and page.headers["content-type"] == "text/html; charset=utf-8"
    assert visitor.text("h1") == "Europa" and visitor.complaints() == []
    visitor.click("nav a[href='/moons/io']")
    assert visitor.text("h1") == "Io" and visitor.page() == page  # no other page was asked for
    assert visitor.reload().url.endswith("/moons/io") and visitor.text("h1") == "Io"
    visitor.driver.back()
    visitor.wait(lambda: visitor.text("h1") == "Europa", "back to Europa")
    assert visitor.js(ASK, "/assets/app-00000000.js") == 404  # never the page in place of a script


def test_an_old_tab_finds_its_chunk_after_a_switch(world: World, app: Path, visitor: Browser, shot: Shot) -> None:
    """Nothing had asked for the chunk before the switch, so neither the browser nor the edge has it in a cache."""
    old_chunk = spa.write(app / "one", "one", "#14303b")
    (app / "one" / spa.PLAIN_FILE[1:]).write_text("export default 'hello';\n", encoding="utf-8")
    new_chunk = spa.write(app / "two", "two", "#4a1d3f")
    assert not (app / "two" / old_chunk[1:]).exists()
    world.deploy("one", cwd=app)
    home = f"http://orbits.localhost:{world.port}/"
    visitor.open(home)
    old_tab = visitor.driver.current_window_handle
    assert visitor.text("#version") == "This is version one." and visitor.js(ASK, spa.PLAIN_FILE) == 200

    world.deploy("two", cwd=app)
    before = len(visitor.responses())
    assert not [one for one in visitor.responses() if one.url.endswith(old_chunk)]
    visitor.click("button")
    visitor.wait(lambda: visitor.text("#panel"), "the panel")
    shot("old-tab-after-switch")
    assert visitor.text("#version") == "This is version one." and visitor.text("#panel") == "The panel of version one."
    visitor.wait(lambda: visitor.responses()[before:], "word of the chunk")
    [chunk] = visitor.responses()[before:]
    assert (chunk.url, chunk.kind, chunk.status, chunk.cached) == (home + old_chunk[1:], "Script", 200, False)
    assert chunk.headers["x-cache"].startswith("Miss")
    assert visitor.js(ASK, spa.PLAIN_FILE) == 404

    visitor.open_tab(home)
    assert visitor.text("#version") == "This is version two."
    visitor.click("button")
    visitor.wait(lambda: visitor.text("#panel"), "the panel")
    shot("new-tab-after-switch")
    assert visitor.text("#panel") == "The panel of version two." and visitor.responses()[-1].url.endswith(new_chunk)
    visitor.driver.switch_to.window(old_tab)
    assert visitor.reload().status == 200 and visitor.text("#version") == "This is version two."
    shot("old-tab-reloaded")
