"""Walk an output folder and hash what will be published.

One pass of `os.scandir`, one read of each file. Nothing is written anywhere; whatever cannot be published is refused here, before
the first byte goes to a store.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from toolkit.engine.errors import UserError

RULE_FILES = ("_redirects", "_headers")
IGNORED_NAMES = {".DS_Store", "Thumbs.db", "desktop.ini", "node_modules", "site.toml"}
_BLOCK = 1 << 20


@dataclass(frozen=True)
class ScannedFile:
    """A file to publish: its URL path (decoded, leading slash), where it lies, its size in bytes and hex SHA-256."""

    path: str
    file: Path
    size: int
    sha256: str


@dataclass(frozen=True)
class Scan:
    """What a folder holds. `ignored` are paths left out by name (dot files, rule files, editor litter)."""

    files: tuple[ScannedFile, ...]
    rules: dict[str, str]
    ignored: tuple[str, ...]


def scan(folder: Path) -> Scan:
    """Hash every publishable file below `folder`. UserError for anything that a site cannot hold or that cannot be read."""
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder", "name the folder that holds the built site")
    files: list[ScannedFile] = []
    ignored: list[str] = []
    rules: dict[str, str] = {}
    root = folder.resolve()
    for path, file in _walk(root, root, "", ignored):
        if path[1:] in RULE_FILES:
            rules[path[1:]] = _read_text(file)
            continue
        files.append(_hashed(path, file))
    if not files:
        raise UserError(f"{folder} holds no file to publish", "check the build's output folder")
    return Scan(tuple(sorted(files, key=lambda entry: entry.path)), rules, tuple(sorted(ignored)))


def _walk(root: Path, folder: Path, prefix: str, ignored: list[str]) -> Iterator[tuple[str, Path]]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise UserError(f"cannot read folder {folder}: {error.strerror}", "check its permissions") from error
    for entry in entries:
        path = f"{prefix}/{entry.name}"
        # Dot files are private by habit (.env, .git); .well-known is public by RFC 8615.
        if entry.name in IGNORED_NAMES or (entry.name.startswith(".") and entry.name != ".well-known"):
            ignored.append(path)
            continue
        _check_name(path, entry)
        if entry.is_symlink():
            _check_link(path, entry, root)
        if entry.is_dir():
            if entry.is_symlink():
                raise UserError(f"{path} is a link to a folder", "copy the folder in, or remove the link")
            yield from _walk(root, Path(entry.path), path, ignored)
        elif entry.is_file():
            yield path, Path(entry.path)
        else:
            raise UserError(f"{path} is neither a file nor a folder", "remove it from the output folder")


def _check_link(path: str, entry: os.DirEntry[str], root: Path) -> None:
    try:
        inside = Path(entry.path).resolve(strict=True).is_relative_to(root)
    except (OSError, RuntimeError) as error:  # a circle is a RuntimeError up to Python 3.12
        raise UserError(f"{path} is a link that leads nowhere", "remove the link") from error
    if not inside:
        raise UserError(f"{path} is a link that leads out of {root}", "copy the file in, or remove the link")


def _check_name(path: str, entry: os.DirEntry[str]) -> None:
    try:
        length = len(path.encode())
    except UnicodeEncodeError as error:
        raise UserError(f"the name {entry.name!a} is not valid UTF-8", "rename the file") from error
    if any(ord(character) < 32 or ord(character) == 127 for character in entry.name):
        raise UserError(f"the name {entry.name!a} holds a control character", "rename the file")
    if length > 1024:
        raise UserError(f"the path {path[:60]}… is longer than 1,024 bytes", "shorten it")


def _hashed(path: str, file: Path) -> ScannedFile:
    digest = hashlib.sha256()
    size = 0
    try:
        with file.open("rb") as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
                size += len(block)
    except OSError as error:
        raise UserError(f"cannot read {file}: {error.strerror}", "check its permissions") from error
    return ScannedFile(path, file, size, digest.hexdigest())


def _read_text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{file} is not UTF-8 text (byte {error.start})", "save it as UTF-8") from error
    except OSError as error:
        raise UserError(f"cannot read {file}: {error.strerror}", "check its permissions") from error
