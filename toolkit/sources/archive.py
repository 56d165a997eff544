"""Unpack a zip that somebody sent: all of it, exactly as named, inside one folder, or nothing.

Stages: every member is checked (`zip_members`), then inflated into a hidden folder beside the destination, its bytes
counted and its CRC checked, then the folder is renamed into place. Inflating is done here with zlib, not by `zipfile`, so
that a member ends where its data ends and not where a header says. The cost: one pass over all headers before anything
is written, tens of microseconds a member.
"""

from __future__ import annotations

import errno
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from toolkit.errors import UserError
from toolkit.sources.staging import staged
from toolkit.sources.zip_members import ArchiveLimits, Member, entries, find_end, read_members

__all__ = ["DEFAULT", "PROJECT_FILES", "ArchiveLimits", "check", "check_complete", "extract", "is_project", "strip_root", "survey"]

DEFAULT = ArchiveLimits()
# A folder with one of these at its root is a project to build; none of them belongs into a built site.
PROJECT_FILES = (
    "site.toml", "package.json", "deno.json", "pyproject.toml", "requirements.txt", "Gemfile", "composer.json", "go.mod",
    "Cargo.toml", "mkdocs.yml", "mkdocs.yaml", "hugo.toml", "zola.toml", "book.toml", "_config.yml", "_config.yaml",
    "pelicanconf.py", "pubspec.yaml",
)  # fmt: skip
_CHUNK = 256 * 1024
_EMPTY = ("holds no files", "zip the built site: its index.html and everything beside it")
_COPY_AGAIN = "copy or upload it again; if that does not help, make the zip again"


def extract(archive: Path, dest: Path, *, limits: ArchiveLimits = DEFAULT, within: str = "") -> int:
    """Unpack `archive` into the new folder `dest` and return how many files were written.

    UserError naming the archive, the member and what to do, for anything that is not an honest tree of files; then `dest` does not
    exist. Files are 0644, or 0755 where the archive marks them executable (a project's scripts). `__MACOSX`, `.DS_Store` and `.git`
    are left out. within: only that folder of the archive (with forward slashes), in its place below `dest`; none is no error.
    """
    try:
        with archive.open("rb") as file:
            members = read_members(file, limits, within)
            files = [member for member in members if not member.folder]
            if not files and not within:
                raise UserError(*_EMPTY)
            with staged(dest) as folder:
                _write_all(file, members, folder)
            return len(files)
    except UserError as error:
        raise UserError(f"{archive.name}: {error.what}", error.fix) from error
    except OSError as error:
        raise _unwritten(archive, dest, error) from error


def survey(file: BinaryIO, name: str, *, limits: ArchiveLimits = DEFAULT) -> tuple[int, int]:
    """How many files and folders an archive holds, and how many bytes they unpack to, by its directory; `name` is for messages.

    Reads the end of the file only, and past `limits.files` not even all of that: it says how much work there is, not that it is
    sound. UserError when there is no directory.
    """
    try:
        end = find_end(file)
        if end.entries > limits.files:
            return end.entries, 0
        return end.entries, sum(info.file_size for info in entries(file, end, limits))
    except UserError as error:
        raise UserError(f"{name}: {error.what}", error.fix) from error


def check(archive: Path, *, limits: ArchiveLimits = DEFAULT) -> None:
    """All of `extract`'s checks that need no inflating: UserError for what is truncated, dangerous, too large or empty.

    Reads the directory and 30 bytes of each member. That the data is what the directory says is for `extract` to see.
    """
    try:
        with archive.open("rb") as file:
            if all(member.folder for member in read_members(file, limits)):
                raise UserError(*_EMPTY)
    except UserError as error:
        raise UserError(f"{archive.name}: {error.what}", error.fix) from error
    except OSError as error:
        raise UserError(f"{archive} cannot be read: {error.strerror or error}", "check its name and its mode") from error


def check_complete(archive: Path) -> None:
    """UserError when the archive does not end as a whole zip does: truncated, still being written, or no zip at all.

    Reads the last 64 KB only; that the members are sound is for `extract` to say.
    """
    try:
        with archive.open("rb") as file:
            find_end(file)
    except UserError as error:
        raise UserError(f"{archive.name}: {error.what}", error.fix) from error


def strip_root(dest: Path) -> Path:
    """Where the site or project is: `dest`, or the one folder in it that wraps everything, as in GitHub's zips."""
    found = list(dest.iterdir())
    if len(found) == 1 and found[0].is_dir():
        names = {"index.html", *PROJECT_FILES}
        if any((found[0] / name).is_file() for name in names):
            return found[0]
    return dest


def is_project(folder: Path) -> bool:
    """Whether `folder` has to be built: all but a built site, which has an index.html and no package manifest or site.toml."""
    return not (folder / "index.html").is_file() or any((folder / name).is_file() for name in PROJECT_FILES)


def _write_all(file: BinaryIO, members: list[Member], folder: Path) -> None:
    made = {""}
    for member in members:
        parent = member.path if member.folder else member.path.rpartition("/")[0]
        if parent not in made:
            (folder / parent).mkdir(parents=True, exist_ok=True)
            made.add(parent)
        if not member.folder:
            _write(file, member, folder / member.path)


def _write(file: BinaryIO, member: Member, path: Path) -> None:
    """One file; never more bytes than the directory promised, whatever the data inflates to."""
    mode = 0o755 if member.executable else 0o644
    size = crc = 0
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode), "wb") as out:
        for chunk in _inflated(file, member):
            size += len(chunk)
            if size > member.size:
                break
            crc = zlib.crc32(chunk, crc)
            out.write(chunk)
    if size != member.size:
        much = "more" if size > member.size else "less"
        raise UserError(f"member {member.path!r} unpacks to {much} than the {member.size:,} bytes it promises", _COPY_AGAIN)
    if crc != member.crc:
        raise UserError(f"member {member.path!r} is damaged: its checksum is wrong", _COPY_AGAIN)


def _inflated(file: BinaryIO, member: Member) -> Iterator[bytes]:
    """The member's content in pieces of at most 256 KB, so that memory stays small at any ratio."""
    file.seek(member.start)
    left = member.compressed
    if not member.deflated:
        while left and (chunk := file.read(min(_CHUNK, left))):
            left -= len(chunk)
            yield chunk
        return
    engine = zlib.decompressobj(-zlib.MAX_WBITS)
    pending = b""
    while not engine.eof:
        if not pending:
            pending = file.read(min(_CHUNK, left))
            left -= len(pending)
        fed = len(pending)
        try:
            chunk = engine.decompress(pending, _CHUNK)
        except zlib.error as error:
            raise UserError(f"member {member.path!r} is damaged: {error}", _COPY_AGAIN) from error
        pending = engine.unconsumed_tail
        if chunk:
            yield chunk
        elif not fed:
            return


def _unwritten(archive: Path, dest: Path, error: OSError) -> UserError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return UserError(
            f"{archive.name} cannot be unpacked: no space left on {dest.parent}", "free some space there and try again"
        )
    reason = f"{error.strerror or error} ({error.filename or dest})"
    return UserError(f"{archive.name} cannot be unpacked: {reason}", "check that the zip can be read and the folder written")
