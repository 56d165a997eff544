"""Which folder of an artifact is the site, and what two builds of one commit come to."""

from __future__ import annotations

import io
import json
import re
import stat
import zipfile
from typing import Any

import pytest
from lambdas import flip, publish, runs

from tests.lambdas.support import SITE, Aws, pages
from toolkit.engine.errors import UserError
from toolkit.engine.release import load_manifest


def published(aws: Aws, files: dict[str, str], run: str = "r", channel: str = "live", **source: Any) -> set[str]:
    """The paths of what was published."""
    aws.run(publish.step, {"run": run, "channel": channel, "source": {**aws.upload(files), **source}})
    return set(load_manifest(aws.objects, SITE, runs.read(aws.objects, SITE, run).version).assets)


def below(folder: str, files: dict[str, str]) -> dict[str, str]:
    return {f"{folder}/{name}": text for name, text in files.items()}


SITE_FILES = {"index.html": "x", "a/b.html": "y"}
PATHS = {"/index.html", "/a/b.html"}


@pytest.mark.parametrize(
    ("files", "source"),
    [
        (SITE_FILES, {}),
        (SITE_FILES, {"folder": ""}),
        (SITE_FILES, {"folder": "."}),
        (SITE_FILES, {"wrapped": False}),
        (below("shop-main", SITE_FILES), {}),
        (below("shop-main", SITE_FILES), {"wrapped": True}),
        ({**below("dist", SITE_FILES), "site.toml": ""}, {"folder": "dist"}),
        ({**below("web/dist", SITE_FILES), "README.md": ""}, {"folder": "web/dist", "wrapped": False}),
        ({**below("web/dist", SITE_FILES), "README.md": ""}, {"folder": "./web//dist/", "wrapped": False}),
        (below("shop", {**below("dist", SITE_FILES), "site.toml": ""}), {"folder": "dist", "wrapped": True}),
    ],
)
def test_the_site_is_the_folder_that_the_source_names(aws: Aws, files: dict[str, str], source: dict[str, Any]) -> None:
    assert published(aws, files, **source) == PATHS


def test_what_else_a_repository_has_does_not_matter(aws: Aws) -> None:
    """Its archive has its links, wherever they are: none of them is in the site."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        link = zipfile.ZipInfo("NOTES.md")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "README.md")
        archive.writestr("web/index.html", "x")
    aws.run(
        publish.step, {"run": "r", "channel": "live", "source": {**aws.upload(body.getvalue()), "folder": "web", "wrapped": False}}
    )
    assert set(load_manifest(aws.objects, SITE, runs.read(aws.objects, SITE, "r").version).assets) == {"/index.html"}
    with pytest.raises(UserError, match=r"NOTES\.md' is a symbolic link"):
        aws.run(publish.step, {"run": "s", "channel": "live", "source": {**aws.upload(body.getvalue()), "wrapped": False}})


def test_what_was_built_may_be_one_folder(aws: Aws) -> None:
    """A build that gives `docs/index.html` alone means that address."""
    files = {"index.html": "x"}
    with pytest.raises(UserError, match=r"site\.zip has no index\.html"):
        published(aws, below("docs", files), wrapped=False)
    assert published(aws, below("docs", files)) == {"/index.html"}


@pytest.mark.parametrize(
    ("folder", "said"),
    [
        ("dist", "site.zip has no folder dist"),
        ("index.html", "site.zip has no folder index.html"),
        ("..", "'..' leads out of the zip"),
        ("a/../../..", "leads out of the zip"),
        ("/etc", "'/etc' leads out of the zip"),
        ("a\0b", "leads out of the zip"),
        ("a", "site.zip has no index.html"),
    ],
)
def test_a_folder_that_is_not_there_or_no_site_is_refused(aws: Aws, folder: str, said: str) -> None:
    with pytest.raises(UserError, match=re.escape(said)):
        published(aws, SITE_FILES, folder=folder)
    assert not aws.keys("")


def test_a_large_site_is_published_from_its_folder_too(aws: Aws) -> None:
    many = {f"files/{number}.txt": "x" for number in range(publish.LARGE_FILES)}
    files = {**below("dist", {"index.html": "big", **many}), "site.toml": ""}
    event = {"run": "big", "channel": "live", "source": {**aws.upload(files), "folder": "dist", "wrapped": False}}
    told = json.loads(aws.run(publish.step, event)["event"])
    assert (told["source"]["folder"], told["source"]["wrapped"]) == ("dist", False)
    aws.run(publish.large, told)
    assert "/index.html" in load_manifest(aws.objects, SITE, runs.read(aws.objects, SITE, "big").version).assets


def test_one_commit_that_is_built_twice_in_a_second_gives_two_versions(aws: Aws) -> None:
    """Pushed to two branches at once, by builds that write the time into a page."""
    said = {"commit": "abcdef0123", "time": float(int(aws.clock()))}
    for channel in ("live", "preview/a", "preview/b"):
        published(aws, pages(channel), f"r-{channel[-1]}", channel, **said)
    found = [runs.read(aws.objects, SITE, f"r-{letter}") for letter in "eab"]
    assert len({run.version for run in found}) == 3 and {run.order for run in found} == {said["time"]}
    for run, word in zip("eab", ("live", "preview/a", "preview/b"), strict=True):
        assert aws.run(flip.step, {"run": f"r-{run}"})["outcome"] == "released"
        assert runs.read(aws.objects, SITE, f"r-{run}").channel == word
    assert aws.page()[1] == "<title>live</title>"
    assert aws.page(cookie=f"__Host-preview=b--{SITE}")[1] == "<title>preview/b</title>"


def test_a_step_that_runs_again_finds_the_version_that_it_made(aws: Aws) -> None:
    said = {"commit": "abcdef0123", "time": float(int(aws.clock()))}
    published(aws, pages("one"), "r1", "live", **said)
    for _ in range(2):
        published(aws, pages("two"), "r2", "preview/a", **said)
    assert len(aws.keys("/versions/")) == 2
