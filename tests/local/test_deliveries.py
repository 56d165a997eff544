"""Deliveries on this machine, by where their files lie and what their logs say."""

from __future__ import annotations

import fcntl
import json
import threading
import time
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from tests.acceptance.world import wait_until
from toolkit.engine import channels
from toolkit.engine.deliveries import Delivery, Upload, follow
from toolkit.errors import UserError
from toolkit.local import deliveries as local
from toolkit.local.deliveries import LocalDeliveries

RELEASED = """\
2026-11-21T18:00:00Z started site.zip, 9 bytes
files: 1 new; 9 bytes sent
live serves 20261121T180001Z-63501ff (release 1)
  http://blog.localhost:8080/
  extract 0.01s  build 1.50s  plan 0.25s  publish 0.50s  release 0.04s
2026-11-21T18:00:02Z done
"""
FAILED = """\
2026-11-21T18:00:00Z started site.zip, 9 bytes
error: the build failed in phase build with exit code 1: false
       | no such file
  fix: mend what the last lines say
2026-11-21T18:00:02Z failed: site.zip was not released
mend it and upload it again
"""


class Site:
    """The folders of the site blog, and who watches them."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "sites" / "blog"
        self.uploads = self.folder / "uploads"
        self.uploads.mkdir(parents=True)
        self.zip = root / "my site.zip"
        self.zip.write_bytes(b"some zip")
        self.is_served = True
        self.deliveries = LocalDeliveries(root, "blog", "local", lambda: self.is_served)
        self.sent = 0

    def upload(self, channel: str = "live", message: str = "") -> str:
        def count(size: int) -> None:
            self.sent += size

        return self.deliveries.upload(Upload(self.zip, channel, "ada", message), count)

    def move(self, id: str, place: str, log: str) -> None:
        """What the watcher does with a zip, after the log."""
        file = self.uploads / id.removeprefix("upload/")
        now = next(path for path in (file, file.parent / "work" / file.name) if path.exists())
        there = file.parent / place
        there.mkdir(exist_ok=True)
        (there / f"{file.name}.log").write_text(log)
        now.rename(there / file.name)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def stages(found: Delivery) -> list[tuple[str, str, float]]:
    return [(stage.name, stage.state, round(stage.seconds, 2)) for stage in found.stages]


def test_an_upload_from_the_folder_to_its_end(site: Site) -> None:
    id = site.upload(message="hello")
    (file,) = site.uploads.glob("*.zip")
    assert file.read_bytes() == b"some zip" and site.sent == 8 and file.name.endswith("-my-site.zip")
    assert json.loads((site.uploads / f".{file.name}.json").read_text()) == {"who": "ada", "message": "hello"}
    waiting = site.deliveries.one(id)
    assert (waiting.state, waiting.channel, waiting.source) == ("waiting", "live", "upload")
    assert abs(waiting.started - time.time()) < 60
    site.move(id, "work", RELEASED.splitlines()[0])
    assert stages(site.deliveries.one(id))[0][:2] == ("source", "running")
    site.move(id, "work", RELEASED.splitlines()[0] + "\n[install] npm ci\n")
    assert stages(site.deliveries.one(id))[0][:2] == ("build", "running")
    site.move(id, "done", RELEASED)
    done = site.deliveries.one(id)
    assert (done.state, done.outcome, done.version) == ("done", "released", "20261121T180001Z-63501ff")
    assert stages(done) == [("source", "done", 0.01), ("build", "done", 1.5), ("publish", "done", 0.75), ("flip", "done", 0.04)]
    assert "live serves 20261121T180001Z-63501ff (release 1)" in site.deliveries.log(id, follow=False)


def test_a_failed_upload_says_why(site: Site) -> None:
    id = site.upload("preview/x")
    site.move(id, "failed", FAILED)
    found = site.deliveries.one(id)
    assert (found.state, found.channel, found.version) == ("failed", "preview/x", "")
    assert found.failed and found.failed.name == "build"
    assert found.failed.says == (
        "the build failed in phase build with exit code 1: false\n| no such file\nmend what the last lines say"
    )
    site.move(
        other := site.upload(), "failed", "2026-11-21T18:00:02Z failed: given up: the program ended 3 times\ndeploy it by hand\n"
    )
    failed = site.deliveries.one(other).failed
    assert failed and (failed.name, failed.says) == ("release", "given up: the program ended 3 times. deploy it by hand")


def test_nobody_takes_uploads_without_a_server(site: Site, tmp_path: Path) -> None:
    id = site.upload()
    site.is_served = False
    with pytest.raises(UserError, match="nobody takes uploads"):
        site.upload()
    with pytest.raises(UserError, match="nobody goes on with"):
        follow(site.deliveries, id, lambda stage: None)
    assert len(list(site.uploads.iterdir())) == 2, "of the second nothing was left"
    with pytest.raises(UserError, match="has no upload folder"):
        LocalDeliveries(tmp_path, "shop", "local", lambda: True).upload(Upload(site.zip, "live"), lambda size: None)


def test_what_cannot_be_copied_leaves_nothing(site: Site) -> None:
    site.zip.unlink()
    with pytest.raises(UserError, match="cannot be copied"):
        site.upload()
    assert list(site.uploads.iterdir()) == []


def test_the_newest_come_first_and_no_more_than_asked_for(site: Site) -> None:
    for number in range(4):
        name = f"2026112{number}T000000Z-ab-site.zip"
        folder = site.uploads / ("preview/x/done" if number == 2 else "done")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    (site.folder / "triggers").mkdir()
    (site.folder / "triggers" / "20261121T120000Z-aa.log").write_text("exit code 0\n")
    found = site.deliveries.recent(4)
    assert [one.id for one in found] == [
        "upload/20261123T000000Z-ab-site.zip",
        "upload/preview/x/20261122T000000Z-ab-site.zip",
        "trigger/20261121T120000Z-aa",
        "upload/20261121T000000Z-ab-site.zip",
    ]
    assert [one.channel for one in found[:2]] == ["live", "preview/x"]


def test_an_ending_in_capitals_is_one_too(site: Site) -> None:
    (site.uploads / "SITE.ZIP").write_bytes(b"some zip")
    (site.uploads / "notes.txt").touch()
    assert [one.id for one in site.deliveries.recent(5)] == ["upload/SITE.ZIP"]


@pytest.mark.parametrize(
    "id", ["upload/none.zip", "trigger/none", "nonsense", "upload/../repo.git", "upload/", "build/x", "build/../x", "x"]
)
def test_ids_of_nothing(site: Site, id: str) -> None:
    (site.folder / "x.log").write_text("not of a delivery")
    for ask in (site.deliveries.one, lambda it: list(site.deliveries.log(it, follow=False))):
        with pytest.raises(UserError, match="has no delivery"):
            ask(id)


def test_what_was_triggered_runs_as_long_as_its_log_is_held(site: Site) -> None:
    log = site.folder / "triggers" / "20261121T120000Z-aa.log"
    log.parent.mkdir()
    for text, state in ((RELEASED + "exit code 0\n", "done"), (FAILED + "exit code 1\n", "failed"), ("killed", "stopped")):
        with log.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(text)
            file.flush()
            assert site.deliveries.one("trigger/20261121T120000Z-aa").state == "running"
        assert site.deliveries.one("trigger/20261121T120000Z-aa").state == state


def test_the_running_build_s_log_is_read_until_it_is_let_go(site: Site) -> None:
    """A line that is written in two pieces is one line."""
    assert site.deliveries.last_build() is None
    log = site.folder / "logs" / "20261121T120000Z-aa.log"
    log.parent.mkdir()
    log.with_name("20261120T120000Z-bb.log").write_text("older")
    pieces, told = ["one\ntw", "o\n", "three"], list[str]()
    with log.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        found = site.deliveries.last_build()
        assert found and (found.id, found.state) == ("build/20261121T120000Z-aa", "running")
        lines = site.deliveries.log(found.id, follow=True)
        reader = threading.Thread(target=lambda: told.extend(lines))
        reader.start()
        for piece, whole in zip(pieces, (1, 2, 2), strict=True):
            file.write(piece)
            file.flush()
            wait_until(lambda whole=whole: len(told) >= whole, f"{whole} lines are read")  # type: ignore[misc]
            time.sleep(0.15)
        assert told == ["one", "two"] and reader.is_alive(), "the third has no end yet"
    reader.join(timeout=10)
    assert told == ["one", "two", "three"]
    ended = site.deliveries.last_build()
    assert ended and ended.state == "done"


def test_trigger_needs_a_repository(site: Site) -> None:
    with pytest.raises(UserError, match="has no repository"):
        site.deliveries.trigger("")


@given(st.text(st.characters(min_codepoint=32, exclude_characters="\x7f", exclude_categories=["Cs"]), min_size=1, max_size=80))
@example("..")
@example("漢" * 29)
def test_a_preview_s_folder_is_its_own_and_lies_below_the_uploads(name: str) -> None:
    assume(name.strip())
    channel = channels.preview_channel(name)
    if len(quote(name, safe="")) > 255:
        with pytest.raises(UserError, match="too long for a folder"):
            local._folder_of(channel)
        return
    folder = local._folder_of(channel)
    first, second = Path(folder).parts
    assert first == "preview" and second not in (".", "..") and local._channel_of(f"{folder}/site.zip") == channel
