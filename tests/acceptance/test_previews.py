"""Previews with any name, hosts that nobody has, and two sites on one server: each answer comes from the host that was asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.acceptance.world import HOST, World, assert_refusal, assert_serves, write_site

NAMES = (
    "pr-12",
    "feature/a",
    "feature-a",
    "Feature-A",
    "caf\u00e9 & cr\u00eapes?",
    "a%2Fb",
    "..",
    "a--b",
    "-x-",
    "\U0001f680",
    "n" * 200,
)


@pytest.fixture(scope="module")
def hosts(world: World) -> dict[str, str]:
    """The host of each preview; each says its own name."""
    found = {}
    for name in NAMES:
        done = world.deploy(write_site(world.folder / f"p{len(found)}", f"preview of {name}"), "--channel", f"preview/{name}")
        found[name] = str(urlsplit(done["urls"][0]).hostname)
    return found


@pytest.fixture(scope="module")
def other(world: World) -> Iterator[str]:
    """A second site on the same server."""
    folder = world.folder / "other"
    folder.mkdir()
    (folder / "site.toml").write_text('name = "other"\n', encoding="utf-8")
    world.up(cwd=folder)
    world.deploy(write_site(folder / "dist", "the other"), cwd=folder)
    yield "other"
    assert world.cli("destroy", "--site", "other", "--yes").code == 0
    assert world.get(host="other.localhost").status == 404
    assert_serves(world, "one")


def test_each_preview_has_a_host_of_its_own_and_stays_out_of_search_engines(world: World, hosts: dict[str, str]) -> None:
    assert len(set(hosts.values())) == len(NAMES)
    for name, host in hosts.items():
        assert all(0 < len(label) <= 63 for label in host.split(".")) and host.isascii() and host == host.lower()
        reply = world.get(host=host)
        assert reply.body.decode() == f"<title>preview of {name}</title>"
        assert "noindex" in reply.headers["x-robots-tag"]
    assert_serves(world, "one")
    assert "x-robots-tag" not in world.get().headers


def test_a_preview_is_promoted_and_removed_by_its_name(world: World, hosts: dict[str, str]) -> None:
    name = "caf\u00e9 & cr\u00eapes?"
    listed = world.cli("preview", "list", "--json")
    assert {entry["channel"] for entry in listed.data["previews"]} >= {f"preview/{name}" for name in NAMES}
    assert world.cli("promote", f"preview/{name}", "--to", "preview/again").code == 0
    assert world.cli("preview", "rm", name, "again").code == 0
    assert world.get(host=hosts[name]).status == 404
    assert_refusal(world.cli("preview", "rm", name), name)


@pytest.mark.parametrize("name", ["", "  ", "x" * 300, "a\nb", "live"])
def test_what_cannot_be_a_previews_name(world: World, name: str) -> None:
    """`live` written as a preview is a preview of that name and never the live site."""
    done = world.cli("deploy", world.folder / "one", "--channel", f"preview/{name}", "--dry-run", "--json")
    if name == "live":
        assert done.code == 0 and done.data["channel"] == "preview/live" and f"/{HOST}" not in str(done.data["urls"])
    else:
        assert done.code == 1 and done.data["error"]["fix"], done.out


UNKNOWN = (
    "nobody.localhost", "localhost", "127.0.0.1", "example.com", "pr-13--shop.localhost", "shop.localhost.example.com", "shop",
    "h:shop", "pr-12--other.localhost", "pr-12--shop--shop.localhost", "xshop.localhost", "shop.localhost/..",
    "*", "_toolkit.localhost.",
)  # fmt: skip


@pytest.mark.parametrize("host", UNKNOWN)
def test_an_unknown_host_is_404_and_never_somebody(world: World, hosts: dict[str, str], other: str, host: str) -> None:
    reply = world.get(host=host)
    assert reply.status in (400, 404) and b"title" not in reply.body


@pytest.mark.parametrize("spelling", ["SHOP.localhost", "shop.localhost:1234", "Shop.LocalHost:80"])
def test_a_hosts_case_and_port_do_not_matter(world: World, spelling: str) -> None:
    assert world.get(host=spelling).body == b"<title>one</title>"


def test_two_sites_never_mix(world: World, other: str, tmp_path: Path) -> None:
    assert_serves(world, "one")
    assert_serves(world, "the other", other)
    # The same bytes in both: whose blob it is does not matter to the visitor, but each asks for its own.
    world.deploy(world.folder / "one", "--site", other, cwd=tmp_path)
    assert_serves(world, "one", other)
    assert world.cli("rollback", "--site", other).code == 0
    assert_serves(world, "the other", other)
    assert_serves(world, "one")


def test_a_site_cannot_take_anothers_host(world: World, other: str, tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text(f'name = "other"\nhosts = ["{HOST}"]\n', encoding="utf-8")
    done = world.cli("deploy", write_site(tmp_path / "dist", "thief"), cwd=tmp_path)
    assert_refusal(done, HOST, "belongs to the site shop")
    assert_serves(world, "one")
    assert_serves(world, "the other", other)
