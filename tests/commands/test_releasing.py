"""Deploy, list, roll back, promote, preview, pin, prune, explain, destroy: through the command line, on the local target."""

from __future__ import annotations

import zipfile
from pathlib import Path

from tests.commands.conftest import Cli, write_site
from toolkit.engine.target import Target


def page(target: Target, channel_host: str = "blog.localhost") -> bytes:
    """What the root page of a host holds, by way of pointer and manifest."""
    from toolkit.engine import layout, release

    pointer = target.routes.get(layout.host_key(channel_host))
    assert pointer, f"{channel_host} has no pointer"
    manifest = release.load_manifest(target.objects, "blog", pointer.split("|")[2])
    return target.objects.get(layout.blob("blog", manifest.assets["/index.html"].blob))[1]


def deploy(cli: Cli, project: Path, word: str, *more: str) -> str:
    write_site(project / "dist", word)
    outcome = cli("deploy", "dist", "--json", *more)
    assert outcome.code == 0, outcome.err + outcome.out
    return str(outcome.data["version"])


def test_a_folder_goes_live(cli: Cli, project: Path, target: Target) -> None:
    outcome = cli("deploy", "dist", "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.data["release"] == 1
    assert outcome.data["files"]["new"] == 3
    assert page(target) == b"<title>one</title>"


def test_a_folder_is_told_its_commit(cli: Cli, project: Path) -> None:
    assert cli("deploy", "dist", "--commit", "4be1c02", "--branch", "main").code == 0
    assert cli("releases", "--json").data["releases"][0]["commit"] == "4be1c02"
    for words in (("dist", "--commit", "v1.2"), ("--commit", "4be1c02"), ("--ref", "main", "--branch", "main")):
        assert cli("deploy", *words).code == 2, words


def test_only_what_changed_is_sent(cli: Cli, project: Path) -> None:
    deploy(cli, project, "one")
    write_site(project / "dist", "two")
    files = cli("deploy", "dist", "--json").data["files"]
    assert (files["changed"], files["unchanged"], files["sent"]) == (1, 2, 1)


def test_rollback_and_forward_again(cli: Cli, project: Path, target: Target) -> None:
    first = deploy(cli, project, "one")
    second = deploy(cli, project, "two")
    assert cli("rollback", "--json").data["version"] == first
    assert page(target) == b"<title>one</title>"
    assert cli("rollback", second[-7:], "--json").data["version"] == second
    assert page(target) == b"<title>two</title>"
    numbers = [entry["number"] for entry in cli("releases", "--json").data["releases"]]
    assert numbers == [4, 3, 2, 1]


def test_rollback_without_a_past_says_so(cli: Cli, project: Path) -> None:
    deploy(cli, project, "one")
    outcome = cli("rollback")
    assert outcome.code == 1
    assert "served nothing else before" in outcome.err


def test_a_preview_is_promoted_without_a_new_version(cli: Cli, project: Path, target: Target) -> None:
    deploy(cli, project, "one")
    version = deploy(cli, project, "two", "--channel", "preview/pr-12")
    assert page(target) == b"<title>one</title>"
    assert page(target, "pr-12--blog.localhost") == b"<title>two</title>"
    assert cli("promote", "preview/pr-12", "--json").data["version"] == version
    assert page(target) == b"<title>two</title>"


def test_a_preview_is_removed(cli: Cli, project: Path, target: Target) -> None:
    deploy(cli, project, "one", "--channel", "pr-12")
    assert [one["channel"] for one in cli("preview", "list", "--json").data["previews"]] == ["preview/pr-12"]
    assert cli("preview", "rm", "pr-12").code == 0
    assert cli("preview", "list", "--json").data["previews"] == []
    assert target.routes.get("h:pr-12--blog.localhost") is None
    assert cli("preview", "rm", "pr-12").code == 1


def test_a_dry_run_writes_nothing(cli: Cli, project: Path, target: Target) -> None:
    outcome = cli("deploy", "dist", "--dry-run", "--json")
    assert outcome.code == 0 and outcome.data["dry_run"] is True
    assert outcome.data["files"]["new"] == 3
    assert list(target.objects.list("blog/")) == []
    assert list(target.routes.items()) == []


def test_prune_keeps_what_serves_and_what_is_pinned(cli: Cli, project: Path) -> None:
    versions = [deploy(cli, project, word) for word in ("one", "two", "three", "four")]
    assert cli("pin", versions[0]).code == 0
    # Grace of 0 hours still covers what served at this very moment; a negative one does not.
    pruned = cli("prune", "--keep", "0", "--grace-hours", "-1", "--json").data
    kept = {verdict["version"]: verdict["reason"] for verdict in pruned["verdicts"] if verdict["keep"]}
    assert kept == {versions[0]: "pinned", versions[3]: "serving live"}
    assert pruned["blobs"] == 2
    assert cli("rollback", "--json").data["version"] == versions[0]


def test_prune_ends_previews_whose_days_are_over(cli: Cli, project: Path, target: Target) -> None:
    deploy(cli, project, "one")
    version = deploy(cli, project, "two", "--channel", "pr-12")
    (listed,) = cli("preview", "list", "--json").data["previews"]
    assert listed["ends"] == listed["at"] + 30 * 86400
    assert "in 30 d" in cli("preview", "list").out
    assert cli("prune", "--json").data["ended"] == []
    said = cli("prune", "--preview-days", "0.0000001", "--dry-run").out
    assert "preview/pr-12 would end: nothing was released to it since" in said
    assert target.routes.get("h:pr-12--blog.localhost")
    pruned = cli("prune", "--preview-days", "0.0000001", "--json").data
    assert pruned["ended"] == ["preview/pr-12"] and target.routes.get("h:pr-12--blog.localhost") is None
    assert version in [verdict["version"] for verdict in pruned["verdicts"] if verdict["keep"]], "it served a moment ago"
    assert target.routes.get("h:blog.localhost")


def test_a_site_says_how_long_its_previews_last(cli: Cli, project: Path) -> None:
    deploy(cli, project, "one", "--channel", "pr-12")
    with (project / "site.toml").open("a") as file:
        file.write("\n[previews]\ndays = 0\n")
    assert cli("preview", "list", "--json").data["previews"][0]["ends"] is None
    assert "never" in cli("preview", "list").out
    assert cli("prune", "--json").data["ended"] == []


def test_explain_names_the_rule(cli: Cli, project: Path) -> None:
    deploy(cli, project, "one")
    found = cli("explain", "/about", "--json").data
    assert (found["status"], found["rule"], found["reads"]) == (200, "file /about.html", 2)
    moved = cli("explain", "http://blog.localhost:8080/old", "--json").data
    assert (moved["status"], moved["headers"]["location"], moved["reads"]) == (301, "/about", 3)
    assert moved["rule"].startswith("_redirects line 1:")
    missing = cli("explain", "/nope", "--json").data
    assert missing["status"] == 404 and "404.html" in missing["rule"]
    assert cli("explain", "http://other.localhost/", "--json").data["status"] == 404


def test_a_zip_goes_live(cli: Cli, project: Path, target: Target) -> None:
    write_site(project / "dist", "zipped")
    with zipfile.ZipFile(project / "site.zip", "w") as archive:
        for file in (project / "dist").iterdir():
            archive.write(file, file.name)
    outcome = cli("deploy", "site.zip", "--json")
    assert outcome.code == 0, outcome.err + outcome.out
    assert page(target) == b"<title>zipped</title>"


def test_bad_input_leaves_the_old_site(cli: Cli, project: Path, target: Target) -> None:
    deploy(cli, project, "one")
    (project / "empty").mkdir()
    (project / "no-index").mkdir()
    (project / "no-index" / "page.html").write_text("x", encoding="utf-8")
    (project / "broken.zip").write_bytes(b"PK\x03\x04 this is no zip")
    for bad, word in (("empty", "no file"), ("no-index", "index.html"), ("nowhere", "there is no"), ("broken.zip", "zip")):
        outcome = cli("deploy", bad)
        assert outcome.code == 1, bad
        assert word in outcome.err and "fix:" in outcome.err
        assert page(target) == b"<title>one</title>"


def test_destroy_leaves_nothing_of_the_site_and_nothing_else_is_touched(cli: Cli, project: Path, target: Target) -> None:
    deploy(cli, project, "one")
    assert cli("deploy", "dist", "--site", "other").code == 0
    assert cli("destroy").code == 1, "without a terminal and --yes nothing is destroyed"
    assert cli("destroy", "--yes").code == 0
    assert list(target.objects.list("blog/")) == []
    assert [key for key, _ in target.routes.items() if "blog" in key] == []
    assert target.routes.get("h:other.localhost")
    assert cli("destroy", "--yes").code == 1


def test_releases_of_one_site_never_take_anothers_host(cli: Cli, project: Path) -> None:
    (project / "site.toml").write_text('name = "blog"\nhosts = ["example.com"]\n', encoding="utf-8")
    assert cli("deploy", "dist").code == 0
    (project / "site.toml").write_text('name = "thief"\nhosts = ["example.com"]\n', encoding="utf-8")
    outcome = cli("deploy", "dist")
    assert outcome.code == 1 and "belongs to the site blog" in outcome.err
