"""Names inside a zip archive: how they are decoded, which are refused, and whether they can stand beside each other.

A name is refused rather than mended: whoever made the archive learns of it, and no two readers can see different files.
"""

from __future__ import annotations

import re
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable, Iterator

from toolkit.errors import UserError

FLAG_UTF8 = 0x800
_UNICODE_PATH = 0x7075
_SEGMENT_BYTES = 255
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_ZIP_AGAIN = "make the zip again from inside the site's folder: zip -r site.zip ."
_RENAME = "rename it and make the zip again"


def decoded(info: zipfile.ZipInfo) -> str:
    """The name as its writer meant it. Without the UTF-8 flag: Info-ZIP's Unicode field, else UTF-8 if it is that, else cp437.

    Info-ZIP on Linux writes UTF-8 and does not set the flag; `zipfile` alone would show `├⌐` for `é`.
    """
    if info.flag_bits & FLAG_UTF8:
        return info.orig_filename
    raw = info.orig_filename.encode("cp437")
    try:
        for kind, data in _extra_fields(info.extra):
            if kind == _UNICODE_PATH and data[:5] == b"\1" + struct.pack("<L", zlib.crc32(raw)):
                return data[5:].decode()
        return raw.decode()
    except UnicodeDecodeError:
        return info.orig_filename


def _extra_fields(extra: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        yield kind, extra[at + 4 : at + 4 + length]
        at += 4 + length


def segments(name: str, max_bytes: int) -> tuple[str, ...]:
    """`a/b/c` as its segments; `.` is dropped. UserError for a name that could leave the folder or confuse a reader."""
    shown = f"member {name!r}"
    if _CONTROL.search(name):
        raise UserError(f"{shown} has a control character in its name", _RENAME)
    if "\\" in name:
        raise UserError(f"{shown} has a backslash in its name", "make the zip again with a tool that writes / between folders")
    if name.startswith("/") or re.match("[A-Za-z]:", name):
        raise UserError(f"{shown} has an absolute path", _ZIP_AGAIN)
    parts = name.removesuffix("/").split("/")
    if ".." in parts:
        raise UserError(f"{shown} leads out of the folder with ..", _ZIP_AGAIN)
    if "" in parts:
        raise UserError(f"{shown} has an empty name or folder name", _ZIP_AGAIN)
    if len(name.encode()) > max_bytes or any(len(part.encode()) > _SEGMENT_BYTES for part in parts):
        allowed = f"{max_bytes} bytes are allowed, {_SEGMENT_BYTES} between slashes"
        raise UserError(f"{shown} has too long a name: {allowed}", _RENAME)
    path = tuple(part for part in parts if part != ".")
    if not path and not name.endswith("/"):
        raise UserError(f"{shown} is a file without a name", _RENAME)
    return path


def is_clutter(path: tuple[str, ...]) -> bool:
    """What macOS puts in, and a repository that was zipped along: git would obey its config, and visitors could read it."""
    return bool(path) and (path[0] == "__MACOSX" or path[-1] == ".DS_Store" or any(p.lower() == ".git" for p in path))


def check_tree(paths: Iterable[tuple[tuple[str, ...], bool]], max_nodes: int) -> None:
    """Each name once, also on a disk that ignores case or the form of accents, and nothing both file and folder.

    `paths` are the segments of each member and whether it is a folder; the folders that they imply are counted and compared too.
    """
    seen: dict[str, tuple[str, bool]] = {}
    folders: set[str] = set()
    for path, is_folder in paths:
        for depth in range(1, len(path) + 1):
            name, folder = "/".join(path[:depth]), is_folder or depth < len(path)
            if folder and name in folders:
                continue
            key = _folded(name)
            if key in seen:
                raise _collision(seen[key], (name, folder))
            if len(seen) == max_nodes:
                raise UserError(f"holds more than {max_nodes:,} files and folders", "deploy fewer files")
            seen[key] = (name, folder)
            if folder:
                folders.add(name)


def _folded(name: str) -> str:
    """Equal for names that a disk without case, or one that keeps accents in another form, takes for the same (Unicode D145)."""
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold())


def _collision(first: tuple[str, bool], second: tuple[str, bool]) -> UserError:
    name = second[0]
    if first[0] != name:
        return UserError(f"members {first[0]!r} and {name!r} differ only by case or by the form of accents", _RENAME)
    if first[1] != second[1]:
        return UserError(f"member {name!r} is both a file and a folder", _RENAME)
    return UserError(f"member {name!r} is in the archive twice", "take one out and make the zip again")
