"""The watched upload folder of a running server: zips go live or say why not, and one that is still being copied is waited for."""

from __future__ import annotations

import os
import signal
import time
import zipfile
from pathlib import Path

import pytest

from tests.acceptance.world import SITE, World, assert_serves, wait_until, write_site
from tests.sources.rawzip import Archive, Raw


@pytest.fixture
def inbox(world: World) -> Path:
    return world.state / "sites" / SITE / "uploads"


def _zip(world: World, word: str, prefix: str = "") -> Path:
    """A zip of a site that says `word`, outside the upload folder."""
    folder = write_site(world.folder / word, word)
    made = world.folder / f"{word}.zip"
    with zipfile.ZipFile(made, "w") as archive:
        for path in folder.iterdir():
            archive.write(path, prefix + path.name)
        archive.writestr(f"{prefix}ballast.bin", os.urandom(20_000))
    return made


def _put_away(inbox: Path, name: str) -> bool:
    return (inbox / "done" / name).exists() or (inbox / "failed" / name).exists()


def _drop(world: World, inbox: Path, word: str, name: str = "") -> str:
    """Move a zip in and wait until it is put away; the log beside it."""
    name = name or f"{word}.zip"
    _zip(world, word, "site-main/").rename(inbox / name)
    wait_until(lambda: _put_away(inbox, name), f"{name} is put away")
    return next(inbox.glob(f"*/{name}.log")).read_text(encoding="utf-8")


def test_a_good_zip_goes_live(world: World, inbox: Path) -> None:
    log = _drop(world, inbox, "dropped")
    assert (inbox / "done" / "dropped.zip").exists() and "done" in log
    assert_serves(world, "dropped")


def test_names_that_need_care(world: World, inbox: Path) -> None:
    name = "-my site; $(touch evil) 100% é.zip"
    log = _drop(world, inbox, "careful", name)
    assert (inbox / "done" / name).exists(), log
    assert_serves(world, "careful")


@pytest.mark.parametrize(
    ("name", "body", "says"),
    [
        ("bad.zip", Archive([Raw(b"index.html"), Raw(b"../evil.html")]).to_bytes(), "'../evil.html'"),
        ("other.zip", Archive([Raw(b"index.html"), Raw(b"site.toml", b'name = "other"')]).to_bytes(), "for the site other"),
        ("start.zip", Archive([Raw(b"start.html")]).to_bytes(), "start.zip has no index.html"),
    ],
)
def test_a_bad_zip_fails_with_its_reason(world: World, inbox: Path, name: str, body: bytes, says: str) -> None:
    serves = world.get().body
    (world.folder / name).write_bytes(body)
    (world.folder / name).rename(inbox / name)
    wait_until(lambda: _put_away(inbox, name), f"{name} is put away")
    log = (inbox / "failed" / f"{name}.log").read_text(encoding="utf-8")
    assert says in log and "error: " in log and "fix: " in log and "Traceback" not in log, log
    assert world.get().body == serves
    assert not list(inbox.rglob("evil.html")) and world.leftovers() == []


def test_a_zip_that_is_copied_slowly_is_taken_once_it_is_whole(world: World, inbox: Path) -> None:
    serves, body = world.get().body, _zip(world, "slow").read_bytes()
    with (inbox / "slow.zip").open("wb") as out:
        for start in range(0, len(body), len(body) // 3):
            out.write(body[start : start + len(body) // 3])
            out.flush()
            time.sleep(0.5)  # longer than a file must be still to be looked at
            whole = start + len(body) // 3 >= len(body)
            assert whole or (world.get().body == serves and (inbox / "slow.zip").exists())
    wait_until(lambda: _put_away(inbox, "slow.zip"), "slow.zip is put away")
    assert (inbox / "done" / "slow.zip").exists()
    assert_serves(world, "slow")


def test_the_last_of_several_is_live_and_none_is_lost(world: World, inbox: Path) -> None:
    words = [f"number {number}" for number in range(3)]
    for word in words:
        _zip(world, word).rename(inbox / f"{word}.zip")
    wait_until(lambda: all(_put_away(inbox, f"{word}.zip") for word in words), "all are put away")
    assert all((inbox / "done" / f"{word}.zip").exists() for word in words)
    assert_serves(world, words[-1])


def test_an_upload_survives_the_death_of_the_server(world: World, inbox: Path) -> None:
    pid = world.up()["server"]["pid"]
    _zip(world, "survivor").rename(inbox / "survivor.zip")
    wait_until(lambda: (inbox / "work" / "survivor.zip").exists() or _put_away(inbox, "survivor.zip"), "it is claimed")
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: world.cli("status", "--json").data["server"]["state"] == "stopped", "the server died")
    world.up()
    wait_until(lambda: (inbox / "done" / "survivor.zip").exists(), "it is released")
    assert_serves(world, "survivor")
    assert [path.name for path in (inbox / "work").iterdir() if not path.name.startswith(".")] == []


def test_a_new_sites_folder_is_watched_without_a_restart(world: World, tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text('name = "fresh"\n', encoding="utf-8")
    _zip(world, "fresh").rename(Path(world.up(cwd=tmp_path)["uploads"]) / "site.zip")
    wait_until(lambda: world.get(host="fresh.localhost").status == 200, "it is live")
    assert_serves(world, "fresh", "fresh")


def test_the_verb_sends_follows_and_tells(world: World, inbox: Path) -> None:
    done = world.cli("upload", _zip(world, "sent", "site-main/"), "--message", "für live", "--json")
    assert done.code == 0, done.out + done.err
    assert_serves(world, "sent")
    entry = world.ledger()[0]
    assert (entry["version"], entry["note"], entry["who"]) == (done.data["delivery"]["version"], "für live", "tester")
    assert not list(inbox.glob(".*.json")), "what was said of the zip is gone with it"
    assert world.cli("status", "--json").data["deliveries"][0]["state"] == "done"


def test_what_is_told_of_a_zip_comes_to_the_ledger_whatever_it_begins_with(world: World) -> None:
    commit = "4be1c02d" * 5
    done = world.cli("upload", _zip(world, "told"), "--message=-- why", "--branch=-old", "--commit", commit, "--json")
    assert done.code == 0, done.out + done.err
    entry = world.ledger()[0]
    assert (entry["version"], entry["note"], entry["commit"]) == (done.data["delivery"]["version"], "-- why", commit)


def test_the_verb_leads_to_a_preview_of_any_name(world: World) -> None:
    live = world.get().body
    done = world.cli("upload", _zip(world, "seen first"), "--channel", "feature/ä b", "--json")
    assert done.code == 0, done.out + done.err
    (url,) = done.data["urls"]
    assert world.get(host=url.split("/")[2].partition(":")[0]).body == b"<title>seen first</title>"
    assert world.get().body == live


def test_the_verb_tells_why_an_upload_failed(world: World) -> None:
    (world.folder / "start.zip").write_bytes(Archive([Raw(b"start.html")]).to_bytes())
    done = world.cli("upload", world.folder / "start.zip")
    assert done.code == 1 and "release failed: " in done.err and "has no index.html" in done.err, done.err
    (world.folder / "bad.zip").write_bytes(Archive([Raw(b"index.html"), Raw(b"../evil.html")]).to_bytes())
    refused = world.cli("upload", world.folder / "bad.zip")
    assert refused.code == 1 and "'../evil.html'" in refused.err and "sent" not in refused.out
