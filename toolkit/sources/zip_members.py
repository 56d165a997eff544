"""The members of a zip archive, every one checked before a byte is written.

Stages: the end record (is the archive whole?), the directory's size and count, `zipfile` for its entries, then each name,
type and size, the tree that the names make, and last the place of each member in the file. `zipfile` alone is not enough:
up to 3.11.7 it drops `..`, cuts names at NUL, keeps the last of two equal names and reads members that overlap. The price
is 30 bytes more to read for each member. Format: PKWARE APPNOTE 6.3.10.
"""

from __future__ import annotations

import stat
import struct
import zipfile
from dataclasses import dataclass
from itertools import compress
from typing import BinaryIO

from toolkit.errors import UserError
from toolkit.sources.zip_names import FLAG_UTF8, check_tree, decoded, is_clutter, segments

_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR64 = struct.Struct("<4sLQL")
_ENTRY_BYTES = 46
_LOCAL = struct.Struct("<4s2x2H16x2H")
_ENCRYPTED = 0x1 | 0x40 | 0x2000
_COPY_AGAIN = "copy or upload it again; if that does not help, make the zip again"
_ZIP_AGAIN = "make the zip again from inside the site's folder: zip -r site.zip ."
_RENAME = "rename it and make the zip again"


@dataclass(frozen=True)
class ArchiveLimits:
    """What an archive may ask for. `files` counts folders too; `ratio` (inflated : compressed) holds above `ratio_above` bytes."""

    files: int = 100_000
    total_bytes: int = 5 * 1024**3
    ratio: int = 1000
    ratio_above: int = 1024**2
    directory_bytes: int = 64 * 1024**2
    name_bytes: int = 1024


@dataclass(frozen=True)
class End:
    """Where the directory of an archive is (bytes from the start of the file) and how many entries it says it has."""

    entries: int
    size: int
    offset: int


@dataclass(frozen=True)
class Member:
    """One file or folder. `path` is relative with slashes; `start` is where its `compressed` bytes begin in the archive."""

    path: str
    folder: bool
    executable: bool
    deflated: bool
    size: int
    compressed: int
    crc: int
    start: int


def read_members(file: BinaryIO, limits: ArchiveLimits, within: str = "") -> list[Member]:
    """Every member worth unpacking, in the order of the archive. UserError naming the first that must not be.

    within: only what is in this folder of the archive. The rest has to have its place in the file, and may be called what it likes.
    """
    end = find_end(file)
    every = entries(file, end, limits)
    inside = [not within or decoded(info).startswith(f"{within}/") for info in every]
    infos = list(compress(every, inside))
    paths = [_checked(info, limits) for info in infos]
    wanted = [not is_clutter(path) for path in paths]
    check_tree([(p, _is_folder(i)) for p, i, want in zip(paths, infos, wanted, strict=True) if want], limits.files)
    total = sum(info.file_size for info in infos)
    if total > limits.total_bytes:
        raise UserError(f"unpacks to {total:,} bytes, {limits.total_bytes:,} are allowed", "deploy fewer or smaller files")
    starts = compress(_locate(file, every, end), inside)
    return [
        Member(
            path="/".join(path),
            folder=_is_folder(info),
            executable=bool(info.external_attr >> 16 & stat.S_IXUSR),
            deflated=info.compress_type == zipfile.ZIP_DEFLATED,
            size=info.file_size,
            compressed=info.compress_size,
            crc=info.CRC,
            start=start,
        )
        for path, info, start, want in zip(paths, infos, starts, wanted, strict=True)
        if want and path
    ]


def find_end(file: BinaryIO) -> End:
    """The end record, which is written last. UserError when it is missing or does not fit the file: truncated, or no zip.

    Nothing may stand before the first member: else a truncated archive that holds another archive would pass for that one.
    """
    length = file.seek(0, 2)
    tail_at = max(0, length - _END.size - 0xFFFF)
    file.seek(tail_at)
    tail = file.read()
    at = len(tail) - _END.size
    if at < 0 or tail[at : at + 4] != b"PK\5\6" or tail[-2:] != b"\0\0":
        at = tail.rfind(b"PK\5\6", 0, max(0, at + 4))
    if at < 0:
        raise _no_end(file, length)
    _, disk, _, _, entries, size, offset, comment = _END.unpack_from(tail, at)
    place = tail_at + at
    wide_bytes = _END64.size + _LOCATOR64.size
    if place >= wide_bytes:
        file.seek(place - wide_bytes)
        record = file.read(wide_bytes)
        if record[_END64.size :].startswith(b"PK\6\7"):
            signature, _, _, _, _, _, _, entries, size, offset = _END64.unpack_from(record)
            place = place - wide_bytes if signature == b"PK\6\6" else -1
    if disk or offset + size != place or tail_at + at + _END.size + comment != length:
        raise UserError("is truncated or damaged: its end record does not fit its length", _COPY_AGAIN)
    return End(entries=entries, size=size, offset=offset)


def _no_end(file: BinaryIO, length: int) -> UserError:
    file.seek(0)
    start = file.read(4)
    if start == b"PK\3\4":
        return UserError("is truncated: the record that ends a zip archive is missing", _COPY_AGAIN)
    return UserError("is an empty file" if not length else "is not a zip archive", _ZIP_AGAIN)


def entries(file: BinaryIO, end: End, limits: ArchiveLimits) -> list[zipfile.ZipInfo]:
    """The directory's entries, counted by hand first: `zipfile` would make an object of each of millions."""
    if end.size > limits.directory_bytes:
        raise UserError(f"has a directory of {end.size:,} bytes, {limits.directory_bytes:,} are allowed", _ZIP_AGAIN)
    file.seek(end.offset)
    directory = file.read(end.size)
    count = at = 0
    while at < len(directory):
        if directory[at : at + 4] != b"PK\1\2" or at + _ENTRY_BYTES > len(directory):
            raise UserError("is damaged: its directory cannot be read", _COPY_AGAIN)
        at += _ENTRY_BYTES + sum(struct.unpack_from("<3H", directory, at + 28))
        count += 1
        if count > limits.files:
            raise UserError(f"holds more than {limits.files:,} files and folders", "deploy fewer files")
    if count != end.entries or at != len(directory):
        raise UserError(f"is damaged: its directory has {count:,} entries instead of {end.entries:,}", _COPY_AGAIN)
    try:
        return zipfile.ZipFile(file).infolist()
    except UnicodeDecodeError as error:
        raise UserError(f"member {error.object!r} has a name that is not UTF-8 though marked so", _RENAME) from error
    except (zipfile.BadZipFile, NotImplementedError, struct.error, ValueError) as error:
        raise UserError(f"is damaged: {error}", _COPY_AGAIN) from error


def _checked(info: zipfile.ZipInfo, limits: ArchiveLimits) -> tuple[str, ...]:
    """The segments of one entry's path. UserError when its name, type or sizes are not those of an honest file or folder."""
    name = decoded(info)
    path = segments(name, limits.name_bytes)
    shown = f"member {name!r}"
    kind = stat.S_IFMT(info.external_attr >> 16)
    folder = _is_folder(info)
    if kind == stat.S_IFLNK:
        raise UserError(f"{shown} is a symbolic link", "put the file itself into the zip: zip -r without --symlinks")
    if kind not in (0, stat.S_IFDIR if folder else stat.S_IFREG):
        raise UserError(f"{shown} is neither a plain file nor a folder", "take it out and make the zip again")
    if info.flag_bits & _ENCRYPTED:
        raise UserError(f"{shown} is encrypted", "make the zip again without a password")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise UserError(
            f"{shown} is compressed in an unsupported way (method {info.compress_type})",
            "make the zip again with the usual method, deflate",
        )
    stored = info.compress_type == zipfile.ZIP_STORED
    if (stored and info.compress_size != info.file_size) or (folder and info.file_size):
        raise UserError(f"{shown} has sizes that contradict each other", _COPY_AGAIN)
    if info.file_size > limits.ratio_above and info.file_size > limits.ratio * info.compress_size:
        raise UserError(
            f"{shown} unpacks {info.compress_size:,} bytes to {info.file_size:,}, more than {limits.ratio}:1",
            "this looks like a zip bomb; if it is not, deploy the folder instead of a zip",
        )
    return path


def _is_folder(info: zipfile.ZipInfo) -> bool:
    return info.orig_filename.endswith("/")


def _locate(file: BinaryIO, infos: list[zipfile.ZipInfo], end: End) -> list[int]:
    """Where the bytes of each member begin. UserError when a local header disagrees with the directory or members overlap.

    Overlapping members are how a few kilobytes unpack to petabytes (Fifield, "A better zip bomb", WOOT 2019).
    """
    starts = [0] * len(infos)
    before, before_end = "", 0
    for index in sorted(range(len(infos)), key=lambda i: infos[i].header_offset):
        info = infos[index]
        if info.header_offset < before_end:
            raise UserError(
                f"members {before!r} and {decoded(info)!r} overlap in the archive",
                "this is what a zip bomb does; make the zip again with another tool",
            )
        starts[index] = _data_start(file, info)
        before, before_end = decoded(info), starts[index] + info.compress_size
        if before_end > end.offset:
            raise UserError(f"member {before!r} reaches beyond the archive's files", _COPY_AGAIN)
    return starts


def _data_start(file: BinaryIO, info: zipfile.ZipInfo) -> int:
    file.seek(info.header_offset)
    header = file.read(_LOCAL.size)
    if len(header) == _LOCAL.size:
        signature, flags, method, name_bytes, extra_bytes = _LOCAL.unpack(header)
        name = info.orig_filename.encode("utf-8" if info.flag_bits & FLAG_UTF8 else "cp437")
        plain = signature == b"PK\3\4" and not flags & _ENCRYPTED and method == info.compress_type
        if plain and file.read(name_bytes) == name:
            return info.header_offset + _LOCAL.size + int(name_bytes) + int(extra_bytes)
    raise UserError(f"member {decoded(info)!r} has a header that is not what the directory says", _COPY_AGAIN)
