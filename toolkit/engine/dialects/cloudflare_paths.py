"""The paths of Cloudflare's rules: what `*` and `:name` match, and where their captures go.

Sources: developers.cloudflare.com, "Redirects" (splats, placeholders), and what the asset worker in wrangler does with them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from toolkit.engine import uris
from toolkit.engine.dialects.common import literal

CAPTURE = re.compile(r"\*|:([A-Za-z]\w*)", re.ASCII)
QUERY = re.compile(r"[?#]")


@dataclass(frozen=True)
class Source:
    """What a rule answers: `names` are those of the pattern's groups, none for an exact path."""

    pattern: str
    names: tuple[str, ...]
    prefix: str


def compile_source(path: str) -> Source:
    """Compile `*` and `:name`. ValueError for captures that the vendor accepts in the file and then never matches."""
    pattern, names, placeholders, end = "", list[str](), list[str](), 0
    for found in CAPTURE.finditer(path):
        name = found[1] or "splat"
        # The vendor puts a placeholder's group in wherever the text stands, also at the beginning of a longer name.
        if name in names or (found[1] and name.startswith(tuple(placeholders))):
            raise ValueError(f"{found[0]!r} is there twice in {path!r}, or begins with the name of another placeholder")
        pattern += literal(path[end : found.start()]) + ("([^/]+)" if found[1] else "(.*)")
        names.append(name)
        placeholders += [name] if found[1] else []
        end = found.end()
    first = CAPTURE.search(path)
    start = uris.canonical(path[: first.start()] if first else path)
    return Source(pattern + literal(path[end:]), tuple(names), start[: start.rindex("/") + 1])


def fill(text: str, names: tuple[str, ...]) -> str:
    """Put `{1}`, `{2}` … where the text names captures: also at the beginning of a longer word, earlier captures first."""
    if not names:
        return text
    return re.sub("|".join(f":{name}" for name in names), lambda found: f"{{{names.index(found[0][1:]) + 1}}}", text)


def path_of(text: str) -> str:
    """The path of a URL: without query and fragment, with a leading slash, dot segments resolved (WHATWG URL, section 4.4)."""
    segments, last = list[str](), ""
    for segment in QUERY.split(text, maxsplit=1)[0].removeprefix("/").split("/"):
        last = segment.lower().replace("%2e", ".")
        if last == "..":
            segments = segments[:-1]
        elif last != ".":
            segments.append(segment)
    return "/" + "/".join([*segments, ""] if last in (".", "..") else segments)
