"""File names that need care: published as they are, and fetchable under their percent-encoded names with the right bytes."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest

from tests.acceptance.world import HOST, SITE, World
from tests.conftest import require_tool

NFC, NFD = "caf\u00e9", "cafe\u0301"
STEMS = (
    "a b", "100% sure", "what?", "c#", "a+b", "r&d", "quo\"te's", "[brackets]{braces}", "back\\slash", "\U0001f680 rocket", NFC,
    NFD, "a%2Fb", "%zz", "%", "%E9", "a;b=c,d@e:f!$(g)*~", "pipe|<less>^`tick`", "\u65e5\u672c\u8a9e", " leading", "trailing ",
    "a..b", "-dash", "x" * 200, "dir ?/in #side", "%2e%2e/up", "_redirects.d/x",
)  # fmt: skip
PAGES = tuple(f"{stem}.html" for stem in STEMS)
PLAIN = (*(f"{stem}.txt" for stem in STEMS), "a&amp;b.css", f"{NFC}/{NFD}.js", "no extension at all", "UPPER.HTML", "two.html.txt")


def _body(name: str) -> bytes:
    return b"this is " + name.encode()


def _write(folder: Path) -> Path:
    for name in ("index.html", "folder of + things/index.html", *PAGES, *PLAIN):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(_body(name))
    (folder / "_redirects").write_text(
        f"/to-rocket /\U0001f680%20rocket 302\n/old%20name /a%20b 301\n/to-cafe /{NFC} 301\n", encoding="utf-8"
    )
    return folder


@pytest.fixture(scope="module", params=["folder", "push"])
def named(world: World, request: pytest.FixtureRequest) -> World:
    """The site with all those names, brought by `toolkit deploy` and by `git push`."""
    folder = _write(world.folder / request.param)
    if request.param == "folder":
        world.deploy(folder)
        return world
    require_tool("git")
    (folder / "site.toml").write_text(f'name = "{SITE}"\n', encoding="utf-8")
    remote = world.state / "sites" / SITE / "repo.git"
    for words in (("init", "-q", "-b", "main"), ("add", "-A"), ("commit", "-q", "-m", "names"), ("push", remote, "main")):
        done = world.git(*words, cwd=folder)
        assert done.code == 0, done.err
    return world


def test_files_have_their_bytes(named: World) -> None:
    for name in PLAIN:
        reply = named.get(f"/{quote(name)}")
        assert (reply.status, reply.body) == (200, _body(name)), name


def test_pages_have_one_address_and_their_file_names_lead_there(named: World) -> None:
    for stem in STEMS:
        page = named.get(f"/{quote(stem)}")
        assert (page.status, page.body) == (200, _body(f"{stem}.html")), stem
        for other in (f"/{quote(stem)}.html", f"/{quote(stem)}/"):
            moved = named.get(other)
            assert moved.status == 308, (stem, other, moved)
            location = moved.headers["location"]
            assert location.isascii() and location.startswith("/") and not set(location) & set(' "<>\\^`{|}?#')
            assert named.get(location).body == _body(f"{stem}.html"), (stem, location)


def test_a_folder_has_one_address(named: World) -> None:
    body = _body("folder of + things/index.html")
    for path in ("/folder%20of%20+%20things", "/folder%20of%20%2B%20things/index.html"):
        assert named.get(path).headers["location"] == "/folder%20of%20+%20things/"
    assert named.get("/folder%20of%20+%20things/").body == body


def test_the_two_forms_of_an_accent_are_two_files(named: World) -> None:
    assert named.get("/caf%C3%A9").body != named.get("/cafe%CC%81").body
    assert named.get("/caf%c3%a9").body == named.get("/caf%C3%A9").body


def test_an_encoded_slash_in_a_name_is_no_slash(named: World) -> None:
    assert named.get("/a%252Fb").body == _body("a%2Fb.html")
    assert named.get("/a%2Fb").status == 404


@pytest.mark.parametrize(
    "path", ["/%zz", "/%", "/%c3", "/%00", "/%25zz%", "/..%2f..%2fetc/passwd", "/a%20b%0d%0ax", "/a b", "//a", "/\\"]
)
def test_paths_that_name_nothing_are_404(named: World, path: str) -> None:
    if path == "/a b":
        assert named.get("/a%2520b").status == 404
    else:
        assert named.get(path).status == 404


def test_rules_lead_to_such_names(named: World) -> None:
    for path, body in {"/to-rocket": "\U0001f680 rocket.html", "/old%20name": "a b.html", "/to-cafe": f"{NFC}.html"}.items():
        location = named.get(path).headers["location"]
        assert location.isascii(), location
        assert named.get(location).body == _body(body)


def test_explain_knows_them(named: World) -> None:
    done = named.cli("explain", f"http://{HOST}:{named.port}/100%25%20sure", "--json")
    assert done.code == 0 and "100% sure" in str(done.data), done.out + done.err
