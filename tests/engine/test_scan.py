"""Reading an output folder."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from pathlib import Path

import pytest

from tests.engine.support import write_site
from toolkit.engine.errors import UserError
from toolkit.engine.scan import scan


def paths(folder: Path) -> list[str]:
    return [entry.path for entry in scan(folder).files]


def test_every_file_with_its_hash_and_size(tmp_path: Path) -> None:
    write_site(tmp_path, {"index.html": "hi", "a/b/c.txt": b"\x00" * 3_000_000, "empty": ""})
    found = {entry.path: entry for entry in scan(tmp_path).files}
    assert list(found) == ["/a/b/c.txt", "/empty", "/index.html"]
    assert (found["/index.html"].size, found["/empty"].size) == (2, 0)
    assert found["/a/b/c.txt"].sha256 == hashlib.sha256(b"\x00" * 3_000_000).hexdigest()


def test_names_that_need_encoding_are_kept_as_they_are(tmp_path: Path) -> None:
    names = ["a b.html", "100%.html", "100%25.html", "q?.html", "h#.html", "plus+.html", "back\\slash.html", "~!$&'()*,;=:@.html"]
    write_site(tmp_path, dict.fromkeys(names, "x"))
    assert sorted(paths(tmp_path)) == sorted(f"/{name}" for name in names)


def test_composed_and_decomposed_names_stay_two_files(tmp_path: Path) -> None:
    composed, decomposed = "café.html", unicodedata.normalize("NFD", "café.html")
    write_site(tmp_path, {composed: "1", decomposed: "2"})
    assert sorted(paths(tmp_path)) == sorted([f"/{composed}", f"/{decomposed}"])


def test_what_is_private_or_litter_is_left_out_and_named(tmp_path: Path) -> None:
    write_site(
        tmp_path,
        {"index.html": "", ".env": "secret", ".git/config": "", "a/.DS_Store": "", "node_modules/x.js": "", "site.toml": "",
         ".well-known/security.txt": "x", "a/.htaccess": ""},
    )  # fmt: skip
    found = scan(tmp_path)
    assert [entry.path for entry in found.files] == ["/.well-known/security.txt", "/index.html"]
    assert found.ignored == ("/.env", "/.git", "/a/.DS_Store", "/a/.htaccess", "/node_modules", "/site.toml")


def test_rule_files_are_read_and_not_published(tmp_path: Path) -> None:
    write_site(tmp_path, {"index.html": "", "_redirects": "\ufeff/a /b\n", "_headers": "/*\n  X-A: 1\n", "a/_redirects": "x"})
    found = scan(tmp_path)
    assert found.rules == {"_redirects": "/a /b\n", "_headers": "/*\n  X-A: 1\n"}
    assert [entry.path for entry in found.files] == ["/a/_redirects", "/index.html"]


def test_a_link_inside_the_folder_is_followed(tmp_path: Path) -> None:
    write_site(tmp_path, {"index.html": "hi"})
    (tmp_path / "again.html").symlink_to("index.html")
    assert paths(tmp_path) == ["/again.html", "/index.html"]


def test_the_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    write_site(tmp_path / "real", {"index.html": "hi"})
    (tmp_path / "dist").symlink_to("real")
    assert paths(tmp_path / "dist") == ["/index.html"]


def _outside(folder: Path) -> None:
    (folder / "passwd").symlink_to("/etc/passwd")


def _upwards(folder: Path) -> None:
    write_site(folder.parent, {"private.txt": "secret"})
    (folder / "up.txt").symlink_to("../private.txt")


def _folder_link(folder: Path) -> None:
    (folder / "b").mkdir()
    (folder / "c").symlink_to("b")


def _itself(folder: Path) -> None:
    (folder / "loop").symlink_to("loop")


def _circle(folder: Path) -> None:
    (folder / "one").symlink_to("two")
    (folder / "two").symlink_to("one")


def _parent_loop(folder: Path) -> None:
    (folder / "self").symlink_to(".")


def _dangling(folder: Path) -> None:
    (folder / "gone.html").symlink_to("nothing")


def _pipe(folder: Path) -> None:
    os.mkfifo(folder / "pipe")


def _control(folder: Path) -> None:
    (folder / "a\nb.html").write_text("x")


def _not_utf8(folder: Path) -> None:
    (Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.html"))).write_text("x")


def _too_long(folder: Path) -> None:
    deep = folder.joinpath(*["d" * 200] * 5)
    deep.mkdir(parents=True)
    (deep / ("f" * 50)).write_text("x")


def _bad_rules(folder: Path) -> None:
    (folder / "_headers").write_bytes(b"/*\n  X: caf\xe9\n")


@pytest.mark.parametrize(
    "spoil",
    [
        _outside,
        _upwards,
        _folder_link,
        _itself,
        _circle,
        _parent_loop,
        _dangling,
        _pipe,
        _control,
        _not_utf8,
        _too_long,
        _bad_rules,
    ],
)
def test_what_cannot_be_published_is_a_clear_error(tmp_path: Path, spoil: object) -> None:
    folder = write_site(tmp_path / "dist", {"index.html": "hi"})
    spoil(folder)  # type: ignore[operator]
    with pytest.raises(UserError) as raised:
        scan(folder)
    assert raised.value.fix
    assert raised.value.what.isprintable()


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
@pytest.mark.parametrize("name", ["secret.html", "folder"])
def test_what_cannot_be_read_is_a_clear_error(tmp_path: Path, name: str) -> None:
    write_site(tmp_path, {"index.html": "", "secret.html": "", "folder/x": ""})
    (tmp_path / name).chmod(0)
    try:
        with pytest.raises(UserError, match="cannot read"):
            scan(tmp_path)
    finally:
        (tmp_path / name).chmod(0o700)


def test_an_empty_or_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no file"):
        scan(tmp_path)
    with pytest.raises(UserError, match="is not a folder"):
        scan(tmp_path / "nothing")
    write_site(tmp_path, {"only.html": ""})
    with pytest.raises(UserError, match="is not a folder"):
        scan(tmp_path / "only.html")


def test_a_folder_with_rule_files_only_is_empty(tmp_path: Path) -> None:
    write_site(tmp_path, {"_redirects": "/a /b"})
    with pytest.raises(UserError, match="holds no file"):
        scan(tmp_path)
