"""Vercel's `cleanUrls` and `trailingSlash`.

Source: vercel.com/docs/project-configuration and the routes that the vendor's `@vercel/routing-utils` makes of the two settings.
These redirect by the look of a path, before anybody looks for a file, so one may lead to a 404 (`/a` -> `/a/` with only `/a.html`).
Which of `/c.html` and `/c/index.html` has `/c` under clean URLs is documented nowhere: here the first.
"""

from __future__ import annotations

import re

from toolkit.engine.slashes.answers import Answer, Exists, Move, Resolve, Serve, folder_index, move

_INDEX = re.compile(r"/(?:(.+)/)?index(?:\.html)?/?")
_PAGE = re.compile(r"/(.*)\.html/?")
_WELL_KNOWN = re.compile(r"/\.well-known(?:/.*)?")
_WITHOUT_DOT = re.compile(r"/(?:[^/]+/)*[^/.]+")
_FILE_WITH_SLASH = re.compile(r"/(?:[^/]+/)*[^/]+\.\w+/", re.ASCII)


def vercel(*, clean: bool, slash: bool | None) -> Resolve:
    """`slash`: `trailingSlash` as set, None when it is not."""

    def resolve(path: str, exists: Exists) -> Answer | None:
        moved = _clean(path, slash is True) if clean else None
        moved = moved or (_slashed(path) if slash else _unslashed(path) if slash is False else None)
        return moved or _file(path, exists, clean)

    return resolve


def _clean(path: str, slash: bool) -> Move | None:
    found = _INDEX.fullmatch(path) or _PAGE.fullmatch(path)
    if not found:
        return None
    if slash and path == "/index.html":
        # The vendor's own answer, kept as it is: browsers take this Location for one without a host and stay where they are.
        return Move("//", 308)
    name = found[1] or ""
    return move(f"/{name}/" if slash else f"/{name}", 308)


def _slashed(path: str) -> Move | None:
    if _WELL_KNOWN.fullmatch(path):
        return None
    if _WITHOUT_DOT.fullmatch(path):
        return move(f"{path}/", 308)
    return move(path[:-1], 308) if _FILE_WITH_SLASH.fullmatch(path) else None


def _unslashed(path: str) -> Move | None:
    return move(path[:-1], 308) if path.endswith("/") and path != "/" else None


def _file(path: str, exists: Exists, clean: bool) -> Serve | None:
    name = path.removesuffix("/")
    for file in (name, f"{name}.html") if clean else (name,):
        if exists(file):
            return Serve(file)
    return Serve(folder_index(name)) if exists(folder_index(name)) else None
