"""What becomes of an upload before anything is built: refused in words, called a site, or handed on as a project."""

from __future__ import annotations

import errno
import io
import os
import random
import stat
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from lambdas import inspect_zip, jobs, publish

from tests.lambdas.pipelines import PIPELINE, attached, job
from tests.lambdas.support import ARTIFACTS, SITE, Aws, pages, zipped
from toolkit.aws.objects import S3Objects
from toolkit.engine.release import load_manifest

OUT = f"{PIPELINE}/ZipProject/XyZ"
PROJECT = {"package.json": "{}", "src/main.js": "1", "site.toml": 'name = "shop"\n'}


class World:
    def __init__(self, aws: Aws) -> None:
        self.aws = aws
        self.fake = attached(aws.services())

    def run(self, body: bytes | Mapping[str, str], key: str = "uploads/site.zip", **env: str) -> dict[str, Any]:
        """Inspect an upload; what CodePipeline was told."""
        content = body if isinstance(body, bytes) else zipped(body)
        self.aws.s3.put_object(Bucket=ARTIFACTS, Key=f"{PIPELINE}/ZipSource/AbC", Body=content)
        variables = {"BucketName": "uploads", "ObjectKey": key, "VersionId": "v1"}
        execution, _ = self.fake.execution(variables, "Inspect", started=self.aws.clock())
        event = job(
            {"pipeline": PIPELINE, "execution": execution, "action": "Inspect", "to": "key"},
            inputs={"ZipSource": (ARTIFACTS, f"{PIPELINE}/ZipSource/AbC")},
            outputs={"ZipProject": (ARTIFACTS, OUT)},
        )
        jobs.run(inspect_zip.work, event, self.aws.services(**{"PREFIX": "uploads/", **env}))
        return self.fake.last

    def found(self, body: bytes | Mapping[str, str], **env: str) -> tuple[str, str]:
        """Kind and folder."""
        variables = self.run(body, **env)["outputVariables"]
        assert set(variables) == {"Kind", "Folder"}
        return variables["Kind"], variables["Folder"]

    def handed_on(self) -> zipfile.ZipFile:
        return zipfile.ZipFile(io.BytesIO(self.aws.s3.get_object(Bucket=ARTIFACTS, Key=OUT)["Body"].read()))

    def leaves_nothing(self) -> bool:
        return "Contents" not in self.aws.s3.list_objects_v2(Bucket=ARTIFACTS, Prefix=OUT)


@pytest.fixture
def world(aws: Aws) -> World:
    return World(aws)


@pytest.mark.parametrize("root", ["", "shop-main/"])
@pytest.mark.parametrize(
    ("files", "kind"),
    [
        ({"index.html": "x", "a/b.html": "y"}, "site"),
        (PROJECT, "project"),
        ({"index.html": "x", "package.json": "{}"}, "project"),
        ({"index.html": "x", "site.toml": ""}, "project"),
        ({"mkdocs.yml": "", "docs/index.md": ""}, "project"),
    ],
)
def test_sites_and_projects_are_told_apart_as_in_the_upload_folder(
    world: World, root: str, files: dict[str, str], kind: str
) -> None:
    assert world.found({f"{root}{name}": text for name, text in files.items()}) == (kind, ".")
    names = world.handed_on().namelist()
    assert sorted(name for name in names if not name.endswith("/")) == (
        sorted(files) if kind == "project" else ["nothing-to-build"]
    )


def test_what_wraps_a_project_is_taken_off_and_the_rest_stays_as_it_was(world: World) -> None:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, mode, text in (("build.sh", 0o755, "#!/bin/sh"), ("package.json", 0o644, "{}"), ("src/größe.js", 0o644, "1")):
            info = zipfile.ZipInfo(f"shop/{name}", (1980, 1, 1, 0, 0, 0))
            info.external_attr = (stat.S_IFREG | mode) << 16
            packed.writestr(info, text)
        packed.writestr("shop/empty/", "")
        packed.writestr("shop/.git/config", "[core]")
        packed.writestr("__MACOSX/shop/._x", "x")
    assert world.found(body.getvalue()) == ("project", ".")
    handed = world.handed_on()
    assert handed.testzip() is None
    assert sorted(handed.namelist()) == ["build.sh", "empty/", "package.json", "src/", "src/größe.js"]
    assert handed.read("src/größe.js") == b"1"
    assert handed.getinfo("build.sh").external_attr >> 16 & 0o777 == 0o755
    assert handed.getinfo("package.json").external_attr >> 16 & 0o777 == 0o644


@pytest.mark.parametrize("root", ["", "shop/"])
@pytest.mark.parametrize(
    ("files", "output", "folder"),
    [
        ({"site.toml": "", "dist/index.html": "x"}, "dist", "dist"),
        ({"site.toml": "", "public/www/index.html": "x"}, "public/www", "public/www"),
        ({"index.html": "x", "a.html": "y"}, "dist", "."),
        ({"index.html": "x", "package.json": "{}"}, "", "."),
        ({"index.html": "x", "dist": "a file"}, "dist", "."),
    ],
)
def test_where_nothing_is_built_it_is_a_site_in_its_output_folder_if_that_is_there(
    world: World, root: str, files: dict[str, str], output: str, folder: str
) -> None:
    said = {f"{root}{name}": text for name, text in files.items()}
    assert world.found(said, IDLE="true", OUTPUT=output) == ("site", folder)
    assert world.handed_on().namelist() == ["nothing-to-build"]


@pytest.mark.parametrize("root", ["", "shop/"])
def test_the_folder_that_was_found_is_the_one_that_is_published(world: World, root: str) -> None:
    files = {f"{root}site.toml": "", **{f"{root}dist/{name}": text for name, text in pages("idle").items()}}
    _, folder = world.found(files, IDLE="true", OUTPUT="dist")
    event = {"run": "r", "channel": "live", "source": {**world.aws.upload(files), "folder": folder, "wrapped": True}}
    world.aws.run(publish.step, event)
    (key,) = world.aws.keys("/versions/")
    manifest = load_manifest(S3Objects(world.aws.s3, "site-bucket"), SITE, key.split("/")[-1].removesuffix(".json"))
    assert "/about.html" in manifest.assets and not [path for path in manifest.assets if "dist" in path or "toml" in path]


def linked() -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as packed:
        packed.writestr("index.html", "x")
        info = zipfile.ZipInfo("secret")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        packed.writestr(info, "/proc/self/environ")
    return body.getvalue()


def damaged() -> bytes:
    whole = zipped({"index.html": random.Random(3).randbytes(5000).hex()})
    return whole[:200] + bytes(byte ^ 0xFF for byte in whole[200:300]) + whole[300:]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (zipped({"index.html": "x" * 1000})[:-30], "site.zip: is truncated"),
        (b"", "site.zip: is an empty file"),
        (b"<html>", "site.zip: is not a zip archive"),
        (zipped({}), "site.zip: holds no files"),
        (zipped({"index.html": "x", "../../escape.html": "x"}), "leads out of the folder"),
        (zipped({"index.html": "x", "/etc/passwd": "x"}), "site.zip: "),
        (linked(), "'secret' is a symbolic link"),
        (zipped({"index.html": "0" * 3_000_000}), "looks like a zip bomb"),
        (damaged(), "is damaged"),
    ],
    ids=["truncated", "empty", "no zip", "no files", "leads out", "absolute", "link", "bomb", "damaged"],
)
def test_a_zip_that_is_not_sound_fails_with_the_reason_in_words(world: World, body: bytes, said: str) -> None:
    message = world.run(body)["failureDetails"]["message"]
    assert said in message and "upload.zip" not in message and "/tmp" not in message
    assert world.leaves_nothing()


@pytest.mark.parametrize("key", ["uploads/a/site.zip", "uploads/preview/site.zip", "uploads/site.tar"])
def test_a_key_that_says_no_channel_fails_before_anything_is_built(world: World, key: str) -> None:
    said = world.run({"index.html": "x"}, key)["failureDetails"]["message"]
    assert "says neither live nor a preview: upload to uploads/<file>.zip for live" in said and world.leaves_nothing()


def test_a_preview_s_zip_goes_through(world: World) -> None:
    assert world.run(PROJECT, "uploads/preview/pr-1/site.zip")["outputVariables"]["Kind"] == "project"


def test_an_execution_without_a_source_fails(world: World) -> None:
    execution, _ = world.fake.execution({}, "Inspect", started=1.0)
    world.fake.listed[execution] = []
    jobs.run(inspect_zip.work, job({"pipeline": PIPELINE, "execution": execution}), world.aws.services(PREFIX="uploads/"))
    assert "does not say what was uploaded" in world.fake.last["failureDetails"]["message"]


def test_an_artifact_that_cannot_be_written_fails(world: World) -> None:
    event_bucket = "no-such-bucket-at-all"
    world.aws.s3.put_object(Bucket=ARTIFACTS, Key="in", Body=zipped(PROJECT))
    execution, _ = world.fake.execution({"ObjectKey": "uploads/x.zip"}, "Inspect", started=1.0)
    event = job(
        {"pipeline": PIPELINE, "execution": execution}, inputs={"a": (ARTIFACTS, "in")}, outputs={"b": (event_bucket, "out")}
    )
    jobs.run(inspect_zip.work, event, world.aws.services(PREFIX="uploads/"))
    assert "s3://no-such-bucket-at-all/out" in world.fake.last["failureDetails"]["message"]


@pytest.mark.parametrize(("number", "said"), [(errno.ENOSPC, "site.zip is larger than there is room for"), (errno.EIO, "a fault")])
def test_a_full_disk_is_said_as_such(world: World, number: int, said: str) -> None:
    def full(**_: object) -> None:
        raise OSError(number, os.strerror(number))

    world.aws.session.events.register_first("before-call.s3.GetObject", full)
    assert said in world.run(PROJECT)["failureDetails"]["message"]


def test_nothing_is_left_in_tmp(world: World) -> None:
    """Lambda keeps it between two events, and also where a process was killed."""
    tmp = Path(tempfile.gettempdir())
    left = tmp / f"inspect-{os.getpid()}-killed"
    left.mkdir()
    world.run(PROJECT)
    world.run(damaged())
    assert not list(tmp.glob(f"inspect-{os.getpid()}-*"))
