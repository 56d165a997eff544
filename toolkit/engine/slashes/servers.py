"""Hosts without switches, or with one: Netlify, GitHub Pages, Amplify, `npx serve`, and a plain file server.

Source: the live tables of github.com/slorber/trailing-slash-guide (Netlify, GitHub Pages), docs.netlify.com (Pretty URLs, for the
status), docs.aws.amazon.com/amplify (Trailing slashes and clean URLs), and the answers of npm's `serve-handler`.
"""

from __future__ import annotations

import posixpath

from toolkit.engine.slashes.answers import Answer, Exists, Serve, folder_index, move


def exact(path: str, exists: Exists) -> Answer | None:
    """Files under their own names; a folder's address serves its index."""
    return _first_of(exists, path, folder_index(path)) if path.endswith("/") else _first_of(exists, path)


def folders(path: str, exists: Exists) -> Answer | None:
    """GitHub Pages and Amplify: `/a` serves `/a.html`, `/b` leads to `/b/`, `/a/` is nothing."""
    if path.endswith("/"):
        return _first_of(exists, folder_index(path))
    return _first_of(exists, path, f"{path}.html") or (move(f"{path}/", 301) if exists(folder_index(path)) else None)


def netlify_pretty(path: str, exists: Exists) -> Answer | None:
    """As `folders`, but a page beats a folder of its name, also at the address with the slash: `/c/` leads to `/c`."""
    if path.endswith("/") and exists(f"{path[:-1]}.html"):
        return move(path[:-1], 301)
    return folders(path, exists)


def netlify_plain(path: str, exists: Exists) -> Answer | None:
    """Serves everything everywhere; the vendor does not say which of `/c.html` and `/c/index.html` has `/c` and which `/c/`."""
    if path.endswith("/"):
        return _first_of(exists, folder_index(path), f"{path[:-1]}.html")
    return _first_of(exists, path, f"{path}.html", folder_index(path))


def npm_serve(path: str, exists: Exists) -> Answer | None:
    """Cuts `.html` or `/index` off, one a redirect. Where nothing is cut, pages come before a file that has no extension."""
    for ending in (".html", "/index"):
        if path.endswith(ending):
            return move(path.removesuffix(ending), 301)
    if posixpath.splitext(path)[1] and exists(path):
        return Serve(path)
    return _first_of(exists, folder_index(path), f"{path.removesuffix('/')}.html", path)


def _first_of(exists: Exists, *files: str) -> Serve | None:
    for file in files:
        if exists(file):
            return Serve(file)
    return None
