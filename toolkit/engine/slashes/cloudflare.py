"""Cloudflare's `html_handling` for Workers assets, and Pages.

Source: developers.cloudflare.com/workers/static-assets/routing/advanced/html-handling and
developers.cloudflare.com/pages/configuration/serving-pages; compared with what the vendor's own handlers answer.

Every page has one home; its other spellings lead there. Two pages can want the same home (`/c.html` and `/c/index.html`), or a file
without extension can have it: then the loser answers under its own file name and nothing leads to it.
"""

from __future__ import annotations

from collections.abc import Callable

from toolkit.engine.slashes.answers import Answer, Exists, Move, Resolve, Serve, move

# The home of the page `<stem>.html` or, when the flag is set, of `<stem>/index.html`; "" when another page or file has it.
_Home = Callable[[str, bool, Exists], str]


def _auto_home(stem: str, is_index: bool, exists: Exists) -> str:
    if is_index:
        return f"{stem}/"
    return "" if exists(stem) else stem


def _own_home(stem: str, is_index: bool, exists: Exists) -> str:
    # "/a/index.html" means a folder's page, also where the only such file is "/a/index.html.html": that one would have no address.
    return _auto_home(stem, is_index, exists) if is_index or not stem.endswith(".html") else ""


def _force_home(stem: str, is_index: bool, exists: Exists) -> str:
    return f"{stem}/" if is_index or not exists(f"{stem}/index.html") else ""


def _drop_home(stem: str, is_index: bool, exists: Exists) -> str:
    if is_index and exists(f"{stem}.html"):
        return ""
    return "" if exists(stem) else stem or "/"


def _meanings(path: str) -> tuple[tuple[str, bool], ...]:
    """The pages that a visitor of `path` may mean, likeliest first: stem, and whether it is the folder's index."""
    if path.endswith("/"):
        return (path[:-1], True), (path[:-1], False)
    if path.endswith("/index"):
        stem = path.removesuffix("/index")
        return (stem, True), (stem, False), (path, True)
    if path.endswith("/index.html"):
        stem = path.removesuffix("/index.html")
        return (stem, True), (stem, False), (path, False), (path, True)
    if path.endswith(".html"):
        stem = path.removesuffix(".html")
        return (stem, False), (stem, True), (path, False), (path, True)
    return (path, False), (path, True)


def _workers(home_of: _Home, status: int) -> Resolve:
    def resolve(path: str, exists: Exists) -> Answer | None:
        if not path.endswith(".html") and exists(path):
            return Serve(path)
        for stem, is_index in _meanings(path):
            file = f"{stem}/index.html" if is_index else f"{stem}.html"
            if not exists(file):
                continue
            # A file that is named just `.html` has no other spelling.
            home = "" if stem.endswith("/") else home_of(stem, is_index, exists)
            if home == path or (not home and file == path):
                return Serve(file)
            if home:
                return Move(home, status)
        return None

    return resolve


workers_auto = _workers(_auto_home, 307)
workers_force = _workers(_force_home, 307)
workers_drop = _workers(_drop_home, 307)
own_auto = _workers(_own_home, 308)


def workers_none(path: str, exists: Exists) -> Answer | None:
    return Serve(path) if exists(path) else None


def pages(path: str, exists: Exists) -> Answer | None:
    if path.endswith("/"):
        return _pages_folder(path, exists)
    if exists(path):
        stem = path.removesuffix(".html")
        if stem == path:
            return Serve(path)
        if stem.endswith("/index"):
            return move(stem.removesuffix("index"), 308)
        return Serve(path) if stem.endswith("/") or exists(stem) else move(stem, 308)
    if path.endswith("/index"):
        return move(path.removesuffix("index"), 308)
    if exists(f"{path}.html"):
        return Serve(f"{path}.html")
    return move(f"{path}/", 308) if exists(f"{path}/index.html") else None


def _pages_folder(path: str, exists: Exists) -> Answer | None:
    if exists(f"{path}index.html"):
        return Serve(f"{path}index.html")
    if path.endswith("/index/"):
        return move(path.removesuffix("index/"), 308)
    return move(path[:-1], 308) if exists(f"{path[:-1]}.html") else None
