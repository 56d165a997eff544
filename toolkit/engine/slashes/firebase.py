"""Firebase Hosting's `cleanUrls` and `trailingSlash`.

Source: firebase.google.com/docs/hosting/full-config and the answers of the vendor's `superstatic`. A folder's index comes before a
page of the same name: `/c` is `/c/index.html`, and `/c.html` cannot be reached where URLs are clean.
"""

from __future__ import annotations

from toolkit.engine.slashes.answers import Answer, Exists, Resolve, Serve, folder_index, move


def firebase(*, clean: bool, slash: bool | None) -> Resolve:
    """`slash`: `trailingSlash` as set, None when it is not."""

    def resolve(path: str, exists: Exists) -> Answer | None:
        if exists(path):
            return _cleaned(path, slash) if clean and path.endswith(".html") else Serve(path)
        if exists(folder_index(path)):
            # Unset, the slash is added, except that clean URLs leave both spellings alone.
            return _at_slash(path, folder_index(path), True if slash is None and not clean else slash)
        return _page(path, exists, slash) if clean else None

    return resolve


def _at_slash(path: str, index: str, slash: bool | None) -> Answer:
    if slash and not path.endswith("/"):
        return move(f"{path}/", 301)
    if slash is False and path.endswith("/") and path != "/":
        return move(path[:-1], 301)
    return Serve(index)


def _cleaned(path: str, slash: bool | None) -> Answer:
    address = path.removesuffix(".html").removesuffix("/index")
    return move(f"{address}/" if slash else address, 301)


def _page(path: str, exists: Exists, slash: bool | None) -> Answer | None:
    if path.endswith("/") and slash is None:
        return None
    stem = path.removesuffix("/")
    file = f"{stem}.html"
    if not exists(file):
        return None
    if slash is False and path.endswith("/"):
        return move(stem, 301)
    if slash and not path.endswith("/"):
        return move(f"{stem.removesuffix('/index')}/", 301)
    if stem.endswith("/index"):
        return move(stem.removesuffix("/index"), 301)
    return Serve(file)
