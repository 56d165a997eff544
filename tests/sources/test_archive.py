from __future__ import annotations

import io
import os
import re
import stat
import subprocess
import sys
import tempfile
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import require_tool
from tests.sources.rawzip import Archive, Raw, overlapping_bomb
from toolkit.errors import UserError
from toolkit.sources.archive import ArchiveLimits, check_complete, extract, strip_root, survey
from toolkit.sources.zip_members import read_members

SITE = [Raw(b"index.html", b"<h1>hi</h1>"), Raw("café/ten.txt".encode(), b"0123456789", deflate=True)]


def write(tmp_path: Path, body: bytes) -> Path:
    path = tmp_path / "site.zip"
    path.write_bytes(body)
    return path


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(tmp_path: Path, body: bytes, limits: ArchiveLimits | None = None) -> UserError:
    """The error; and nothing may be left of the attempt, inside or outside of the destination."""
    archive = write(tmp_path, body)
    with pytest.raises(UserError) as caught:
        extract(archive, tmp_path / "out", limits=limits or ArchiveLimits())
    assert [path.name for path in tmp_path.iterdir()] == ["site.zip"]
    assert caught.value.what.startswith("site.zip: ")
    assert caught.value.fix
    return caught.value


def test_an_honest_archive(tmp_path: Path) -> None:
    archive = write(tmp_path, Archive(SITE).to_bytes())
    assert extract(archive, tmp_path / "deep" / "out") == 2
    assert tree(tmp_path / "deep") == {"out/index.html": b"<h1>hi</h1>", "out/café/ten.txt": b"0123456789"}
    assert stat.S_IMODE((tmp_path / "deep/out").stat().st_mode) == 0o755


def test_of_one_folder_the_rest_may_be_what_it_likes(tmp_path: Path) -> None:
    """A repository has links, and names that no site can have; what is in the folder is checked as ever."""
    others = [Raw(b"link", b"README.md", attributes=LINK), Raw(b"a\\b", b"x"), Raw(b"../up", b"x"), Raw(b"web/dist2/x", b"x")]
    site = [Raw(b"web/dist/index.html", b"hi", deflate=True), Raw(b"web/dist/a/b.txt", b"there")]
    archive = write(tmp_path, Archive([*others, *site]).to_bytes())
    assert extract(archive, tmp_path / "out", within="web/dist") == 2
    assert tree(tmp_path / "out") == {"web/dist/index.html": b"hi", "web/dist/a/b.txt": b"there"}
    assert extract(archive, tmp_path / "none", within="dist") == 0 and (tmp_path / "none").is_dir()
    for hostile in (Raw(b"web/dist/link", b"x", attributes=LINK), Raw(b"web/dist/../../up", b"x")):
        with pytest.raises(UserError, match=r"link|\.\."):
            extract(write(tmp_path, Archive([*site, hostile]).to_bytes()), tmp_path / "hostile", within="web/dist")
        assert not (tmp_path / "hostile").exists()


def test_what_zipfile_writes(tmp_path: Path) -> None:
    content = {f"d{i % 7}/f{i} %?#é.txt": os.urandom(i * 1000) + b"a" * 70_000 for i in range(30)}
    with zipfile.ZipFile(tmp_path / "site.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.mkdir("empty")
        for name, body in content.items():
            file.writestr(name, body)
        with file.open("wide.bin", "w", force_zip64=True) as wide:
            wide.write(b"wide")
    assert extract(tmp_path / "site.zip", tmp_path / "out") == 31
    assert tree(tmp_path / "out") == {**content, "wide.bin": b"wide"}
    assert (tmp_path / "out/empty").is_dir()


def test_more_members_than_a_short_record_counts(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "site.zip", "w") as archive:
        for index in range(65_600):
            archive.writestr(zipfile.ZipInfo(f"{index % 256}/{index}"), b"")
    check_complete(tmp_path / "site.zip")
    with pytest.raises(UserError, match="more than 65,000 files"):
        extract(tmp_path / "site.zip", tmp_path / "out", limits=ArchiveLimits(files=65_000))
    with (tmp_path / "site.zip").open("rb") as file:
        assert len(read_members(file, ArchiveLimits())) == 65_600


def test_what_info_zip_writes(tmp_path: Path) -> None:
    zip_tool = require_tool("zip")
    site = tmp_path / "site"
    (site / "bin").mkdir(parents=True)
    (site / "index.html").write_text("x" * 10_000)
    (site / "é ü.html").write_text("accents")
    (site / "bin/build.sh").write_text("#!/bin/sh\n")
    (site / "bin/build.sh").chmod(0o700)
    subprocess.run([zip_tool, "-qr", "../site.zip", "."], cwd=site, check=True)
    extract(tmp_path / "site.zip", tmp_path / "out")
    assert tree(tmp_path / "out") == tree(site)
    assert (tmp_path / "out/bin/build.sh").stat().st_mode & stat.S_IXUSR
    assert not (tmp_path / "out/index.html").stat().st_mode & stat.S_IXUSR


def test_a_streamed_archive_with_data_descriptors(tmp_path: Path) -> None:
    class Pipe(io.RawIOBase):
        """Cannot seek, so zipfile writes sizes after the data."""

        def __init__(self) -> None:
            self.body = b""

        def writable(self) -> bool:
            return True

        def write(self, data: object) -> int:
            self.body += bytes(data)  # type: ignore[call-overload]
            return len(bytes(data))  # type: ignore[call-overload]

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as file:  # type: ignore[arg-type]
        file.writestr("index.html", b"a" * 5000)
        file.writestr("b.html", b"b")
    extract(write(tmp_path, pipe.body), tmp_path / "out")
    assert tree(tmp_path / "out") == {"index.html": b"a" * 5000, "b.html": b"b"}


@pytest.mark.parametrize(
    ("raw", "flags", "extra", "name"),
    [
        ("é.html".encode(), 0, b"", "é.html"),
        (b"\x82.html", 0, b"", "é.html"),
        (b"?.html", 0, b"\x75\x70\x0c\x00\x01\xb2\x8d\x11\xe1" + "é.html".encode(), "é.html"),
        (b"a.html", 0, b"\x75\x70\x0b\x00\x01\x00\x00\x00\x00b.html", "a.html"),
        (b"100%.html", 0, b"", "100%.html"),
        (b"./a/./b.html", 0, b"", "a/b.html"),
    ],
    ids=["utf-8 unmarked", "cp437", "unicode path field", "field of another name", "ascii", "dots"],
)
def test_how_names_are_read(tmp_path: Path, raw: bytes, flags: int, extra: bytes, name: str) -> None:
    if extra and name == "é.html":
        extra = extra[:5] + zlib.crc32(raw).to_bytes(4, "little") + extra[9:]
    extract(write(tmp_path, Archive([Raw(raw, b"x", flags=flags, extra=extra)]).to_bytes()), tmp_path / "out")
    assert tree(tmp_path / "out") == {name: b"x"}


def test_clutter_is_left_out(tmp_path: Path) -> None:
    names = [b"__MACOSX/._index.html", b"__MACOSX/index.html", b".DS_Store", b"a/.DS_Store", b".git/config", b"a/.GIT/config"]
    members = [*SITE, *(Raw(name) for name in names), Raw(b".gitignore"), Raw(b".well-known/a")]
    assert extract(write(tmp_path, Archive(members).to_bytes()), tmp_path / "out") == 4
    assert set(tree(tmp_path / "out")) == {"index.html", "café/ten.txt", ".gitignore", ".well-known/a"}


LINK = (stat.S_IFLNK | 0o777) << 16
HOSTILE: dict[str, tuple[list[Raw], str]] = {
    "parent": ([Raw(b"../evil")], r"'\.\./evil' leads out"),
    "parent inside": ([Raw(b"a/../../evil")], "leads out"),
    "parent alone": ([Raw(b"a/..")], "leads out"),
    "absolute": ([Raw(b"/etc/evil")], "'/etc/evil' has an absolute path"),
    "drive": ([Raw(b"C:evil")], "absolute path"),
    "backslash": ([Raw(b"a\\..\\evil")], "backslash"),
    "nul": ([Raw(b"index.html\0.txt")], r"'index\.html\\x00\.txt' has a control character"),
    "escape": ([Raw(b"a\x1b[31m")], "control character"),
    "c1 control": ([Raw("a\x9b31m".encode())], "control character"),
    "empty segment": ([Raw(b"a//b")], "empty name"),
    "no name": ([Raw(b"")], "empty name"),
    "dot": ([Raw(b".")], "without a name"),
    "long segment": ([Raw("é".encode() * 128)], "too long a name"),
    "long path": ([Raw(b"a/" * 600 + b"b")], "too long a name"),
    "not utf-8": ([Raw(b"\xff.html")], r"b'\\xff\.html' has a name that is not UTF-8"),
    "symlink": ([Raw(b"link", b"/etc/passwd", attributes=LINK)], "'link' is a symbolic link"),
    "folder symlink": ([Raw(b"link/", b"", attributes=LINK)], "'link/' is a symbolic link"),
    "fifo": ([Raw(b"pipe", b"", attributes=(stat.S_IFIFO | 0o644) << 16)], "neither a plain file"),
    "device": ([Raw(b"disk", b"", attributes=(stat.S_IFBLK | 0o644) << 16)], "neither a plain file"),
    "folder as file": ([Raw(b"dir", b"", attributes=(stat.S_IFDIR | 0o755) << 16)], "neither a plain file"),
    "duplicate": ([Raw(b"a"), Raw(b"a", b"other")], "'a' is in the archive twice"),
    "duplicate by dot": ([Raw(b"a"), Raw(b"./a", b"other")], "'a' is in the archive twice"),
    "case": ([Raw(b"Logo.png"), Raw(b"logo.PNG")], "'Logo.png' and 'logo.PNG' differ only by case"),
    "case of folders": ([Raw(b"Img/a"), Raw(b"img/b")], "'Img' and 'img' differ only by case"),
    "sharp s": ([Raw("straße".encode()), Raw(b"STRASSE")], "differ only by case"),
    "normalisation": ([Raw("caf\u00e9".encode()), Raw("cafe\u0301".encode())], "the form of accents"),
    "order of accents": ([Raw("α\u0345\u0301".encode()), Raw("α\u0301\u0345".encode())], "the form of accents"),
    "file then folder": ([Raw(b"a"), Raw(b"a/b")], "'a' is both a file and a folder"),
    "folder then file": ([Raw(b"a/b"), Raw(b"a")], "'a' is both a file and a folder"),
    "entry folder then file": ([Raw(b"a/", b""), Raw(b"a")], "'a' is both a file and a folder"),
    "file then folder by case": ([Raw(b"A"), Raw(b"a/b")], "differ only by case"),
    "encrypted": ([Raw(b"a", flags=0x801)], "'a' is encrypted"),
    "encrypted locally": ([Raw(b"a", local_flags=1)], "header that is not"),
    "bzip2": ([Raw(b"a", method=12)], r"unsupported way \(method 12\)"),
    "deflate64": ([Raw(b"a", method=9)], r"unsupported way \(method 9\)"),
    "header of another name": ([Raw(b"a.html", local_name=b"../b.html")], "header that is not"),
    "checksum": ([Raw(b"a", b"abc", crc=1)], "'a' is damaged: its checksum"),
    "checksum deflated": ([Raw(b"a", b"abc", deflate=True, crc=1)], "'a' is damaged: its checksum"),
    "garbage": ([Raw(b"a", b"abc", compressed=b"\xff" * 9)], "'a' is damaged: .*invalid block"),
    "data cut off": ([Raw(b"a", b"abc" * 50, compressed=b"\x4b\x4c")], "unpacks to less than the 150 bytes"),
    "more than promised": ([Raw(b"a", b"abc" * 9, deflate=True, size=5)], "unpacks to more than the 5 bytes"),
    "less than promised": ([Raw(b"a", b"abc", deflate=True, size=5)], "unpacks to less than the 5 bytes"),
    "stored sizes differ": ([Raw(b"a", b"abc", size=5)], "sizes that contradict"),
    "folder with content": ([Raw(b"a/", b"abc")], "sizes that contradict"),
    "ratio": ([Raw(b"a", bytes(2_000_000), deflate=True)], "more than 1000:1"),
    "same place twice": ([Raw(b"a"), Raw(b"b", local_name=b"a", offset=0)], "'a' and 'b' overlap"),
    "beyond the end": ([Raw(b"a", stored_size=500, size=500)], "reaches beyond"),
    "offset beyond the end": ([Raw(b"a", offset=5000)], "header that is not"),
    "nothing": ([], "holds no files"),
    "only folders": ([Raw(b"a/", b"")], "holds no files"),
    "only clutter": ([Raw(b"__MACOSX/a")], "holds no files"),
}


@pytest.mark.parametrize(("members", "message"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_members_are_refused(tmp_path: Path, members: list[Raw], message: str) -> None:
    error = refused(tmp_path, Archive(members).to_bytes())
    assert re.search(message, error.what), error.what


@pytest.mark.parametrize("message", ["leads out", "checksum"])
def test_one_bad_member_after_good_ones_leaves_nothing(tmp_path: Path, message: str) -> None:
    bad = Raw(b"../evil") if message == "leads out" else Raw(b"bad", b"abc", crc=1)
    assert message in refused(tmp_path, Archive([*SITE, bad]).to_bytes()).what


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    body = Archive(SITE).to_bytes()
    for length in range(len(body)):
        refused(tmp_path, body[:length])
        with pytest.raises(UserError):
            check_complete(tmp_path / "site.zip")
    check_complete(write(tmp_path, body))


@pytest.mark.parametrize("text", [b"", b"PK", b"<html>not a zip</html>" * 99, b"\x1f\x8b\x08" + bytes(500)])
def test_what_is_no_zip(tmp_path: Path, text: bytes) -> None:
    assert "truncated" not in refused(tmp_path, text).what


def test_a_truncated_archive_does_not_pass_for_the_one_inside_it(tmp_path: Path) -> None:
    inner = Archive([Raw(b"index.html", b"the wrong site")]).to_bytes()
    outer = Archive([Raw(b"downloads/inner.zip", inner), *SITE]).to_bytes()
    cut = outer[: outer.index(inner) + len(inner)]
    assert zipfile.ZipFile(io.BytesIO(cut)).namelist() == ["index.html"]
    assert "truncated" in refused(tmp_path, cut).what


def test_something_before_or_after_the_archive(tmp_path: Path) -> None:
    body = Archive(SITE).to_bytes()
    refused(tmp_path, b"#!/bin/sh\n" + body)
    refused(tmp_path, body + b"\0")
    refused(tmp_path, Archive(SITE, entries=1).to_bytes())


def test_damage_anywhere_is_refused_or_harmless(tmp_path: Path) -> None:
    body = Archive(SITE).to_bytes()
    for index in range(len(body)):
        archive = write(tmp_path, body[:index] + bytes([body[index] ^ 0x40]) + body[index + 1 :])
        target = tmp_path / f"out{index}"
        try:
            extract(archive, target)
        except UserError:
            assert not target.exists()
        else:
            assert sorted(map(len, tree(target).values())) == [10, 11]
    assert not list(tmp_path.glob(".*"))


def test_limits(tmp_path: Path) -> None:
    body = Archive([Raw(f"a/{i}".encode(), bytes(1000)) for i in range(10)]).to_bytes()
    assert "more than 9 files" in refused(tmp_path, body, ArchiveLimits(files=9)).what
    assert "more than 10 files" in refused(tmp_path, body, ArchiveLimits(files=10)).what
    assert "unpacks to 10,000 bytes, 9,999" in refused(tmp_path, body, ArchiveLimits(total_bytes=9999)).what
    assert "directory of" in refused(tmp_path, body, ArchiveLimits(directory_bytes=99)).what
    assert extract(tmp_path / "site.zip", tmp_path / "out", limits=ArchiveLimits(files=11, total_bytes=10_000)) == 10


def test_deep_folders_count(tmp_path: Path) -> None:
    body = Archive([Raw(b"%d/" % i + b"a/" * 500 + b"b") for i in range(30)]).to_bytes()
    assert "more than 10,000 files and folders" in refused(tmp_path, body, ArchiveLimits(files=10_000, name_bytes=2000)).what


def test_an_overlapping_bomb_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    bomb = overlapping_bomb(250, 900_000)
    with zipfile.ZipFile(io.BytesIO(bomb)) as honest_reader:
        assert sum(info.file_size for info in honest_reader.infolist()) > 225_000_000
        assert len(honest_reader.read("00248")) > 900_000
    assert len(bomb) < 50_000
    archive = write(tmp_path, bomb)
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match="'00000' and '00001' overlap"):
            extract(archive, tmp_path / "out")
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()
    assert [path.name for path in tmp_path.iterdir()] == ["site.zip"]


def test_inflating_takes_little_memory(tmp_path: Path) -> None:
    body = Archive([Raw(b"big", bytes(40_000_000), deflate=True)]).to_bytes()
    archive = write(tmp_path, body)
    tracemalloc.start()
    try:
        extract(archive, tmp_path / "out", limits=ArchiveLimits(ratio=2000))
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()
    assert (tmp_path / "out/big").stat().st_size == 40_000_000


def test_the_destination(tmp_path: Path) -> None:
    archive = write(tmp_path, Archive(SITE).to_bytes())
    (tmp_path / "empty").mkdir()
    assert extract(archive, tmp_path / "empty") == 2
    with pytest.raises(UserError, match="there already"):
        extract(archive, tmp_path / "empty")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="there already"):
        extract(archive, tmp_path / "link")
    with pytest.raises(UserError, match=r"gone\.zip cannot be unpacked: No such file"):
        extract(tmp_path / "gone.zip", tmp_path / "out")


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (Raw(b"big", os.urandom(200_000)), "site.zip cannot be unpacked: File too large"),
        (Raw(b"big", bytes(9_000_000), deflate=True, size=5), "unpacks to more than the 5 bytes it promises"),
    ],
    ids=["full disk", "a member that hides its size"],
)
def test_a_write_that_would_be_too_much(tmp_path: Path, member: Raw, message: str) -> None:
    """A limit on the size of files stands for the full disk: the one write fails half-way, the other never gets there."""
    code = (
        "import resource, signal, sys; from pathlib import Path; from toolkit.sources.archive import extract\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n"
        "from toolkit.errors import UserError\n"
        "try: extract(Path(sys.argv[1]), Path(sys.argv[2]))\n"
        "except UserError as error: print(error)\n"
    )
    archive = write(tmp_path, Archive([*SITE, member]).to_bytes())
    command = [sys.executable, "-c", code, str(archive), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert message in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["site.zip"]


@pytest.mark.parametrize(
    ("names", "root"),
    [
        (["repo-1a2b3c/index.html", "repo-1a2b3c/a/b"], "repo-1a2b3c"),
        (["repo/package.json", "repo/src/index.html"], "repo"),
        (["about/page.html"], "."),
        (["index.html"], "."),
        (["a/index.html", "b/index.html"], "."),
        (["a/index.html", "robots.txt"], "."),
        (["a/b/index.html"], "."),
        (["__MACOSX/._x", "site/index.html", ".DS_Store"], "site"),
    ],
)
def test_strip_root(tmp_path: Path, names: list[str], root: str) -> None:
    extract(write(tmp_path, Archive([Raw(name.encode()) for name in names]).to_bytes()), tmp_path / "out")
    assert strip_root(tmp_path / "out") == tmp_path / "out" / root


PIECES = st.sampled_from(["a", "A", "b", "..", ".", "", "é", "e\u0301", "C:", "\\", "\0", "~", "…", "con", "a" * 300, ".git"])
NAMES = st.one_of(
    st.lists(PIECES, min_size=1, max_size=4).map("/".join).map(str.encode),
    st.binary(max_size=12),
    st.text(max_size=12).map(str.encode),
)
MEMBERS = st.lists(
    st.builds(
        Raw,
        name=NAMES,
        data=st.binary(max_size=20),
        deflate=st.booleans(),
        flags=st.sampled_from([0, 0x800, 0x800, 0x801]),
        attributes=st.sampled_from([None, 0, 0o100644 << 16, 0o100755 << 16, 0o40755 << 16, LINK, 0xFFFFFFFF]),
        size=st.none() | st.integers(0, 30),
        offset=st.none() | st.none() | st.integers(0, 200),
        local_name=st.none() | st.none() | NAMES,
    ),
    max_size=5,
)


@settings(max_examples=400, deadline=None)
@given(MEMBERS, st.integers(0, 300), st.binary(max_size=3))
def test_nothing_is_ever_written_outside(members: list[Raw], at: int, patch: bytes) -> None:
    body = Archive(members).to_bytes()
    body = body[:at] + patch + body[at + len(patch) :]
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        (top / "in").mkdir()
        archive = write(top / "in", body)
        try:
            count = extract(archive, top / "a" / "b" / "out")
        except UserError:
            assert sorted(path.name for path in top.rglob("*")) in (["in", "site.zip"], ["a", "b", "in", "site.zip"])
            return
        entries = list((top / "a/b/out").rglob("*"))
        assert all(stat.S_ISREG(path.lstat().st_mode) or stat.S_ISDIR(path.lstat().st_mode) for path in entries)
        assert count == sum(path.is_file() for path in entries)
        outside = {path for path in top.rglob("*") if not path.is_relative_to(top / "a/b/out")}
        assert outside == {top / "in", archive, top / "a", top / "a/b"}


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.from_regex(r"[a-z]{1,3}(/[a-z]{1,3}){0,2}", fullmatch=True), st.binary(max_size=2000), min_size=1))
def test_what_zipfile_writes_comes_back(content: dict[str, bytes]) -> None:
    if any(f"{name}/" == other[: len(name) + 1] for name in content for other in content):
        return
    with tempfile.TemporaryDirectory() as name:
        with zipfile.ZipFile(Path(name, "site.zip"), "w", zipfile.ZIP_DEFLATED) as file:
            for member, body in content.items():
                file.writestr(member, body)
        extract(Path(name, "site.zip"), Path(name, "out"))
        assert tree(Path(name, "out")) == content


def test_a_survey_tells_the_work_from_the_directory_alone() -> None:
    body = Archive([*SITE, *(Raw(f"{number}.txt".encode(), b"x" * 1000, deflate=True) for number in range(50))]).to_bytes()
    size = 50_000 + sum(len(member.data) for member in SITE)
    assert survey(io.BytesIO(body), "site.zip") == (52, size)
    damaged = body.replace(b"<h1>hi</h1>", b"<h1>no</h1>")
    assert survey(io.BytesIO(damaged), "site.zip") == (52, size), "that the members are sound is for others to say"
    assert survey(io.BytesIO(body), "site.zip", limits=ArchiveLimits(files=10)) == (52, 0), "enough to know that it is much"
    with pytest.raises(UserError, match=r"^site\.zip: is truncated"):
        survey(io.BytesIO(body[:-1]), "site.zip")
