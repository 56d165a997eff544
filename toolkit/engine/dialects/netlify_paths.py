"""Paths in Netlify's rule files as patterns of the route model (`engine.model`). The two files read their stars differently."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from toolkit.engine import uris
from toolkit.engine.dialects import common
from toolkit.engine.dialects.common import literal

# What JavaScript takes for white space (ECMA-262, `\s`); Python's own set differs.
SPACE = "\t\n\v\f\r \xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
_URL = re.compile(r"(https?)://([^/?#]*)([^?#]*).*", re.DOTALL)
_DEFAULT_PORT = {"http": ":80", "https": ":443"}


def source(text: str) -> tuple[dict[str, Any], list[str]]:
    """What a rule matches, as fields of a Rule, and the names of the pattern's groups."""
    fields: dict[str, Any] = {}
    url = _URL.fullmatch(text)
    if url:
        fields = {"scheme": url[1], "host": common.host(url[2]).removesuffix(_DEFAULT_PORT[url[1]])}
    path = url[3] if url else text
    path = (path if path.startswith("/") else f"/{path}").rstrip("/") or "/"
    if "//" in path:
        raise ValueError(f"the path {text!r} holds an empty segment and matches nothing")
    if "?" in path:
        raise ValueError(f"the path {text!r} matches nothing with a ? in it: queries are written `/path name=value /target`")
    if path.startswith("/.netlify"):
        raise ValueError("paths in /.netlify cannot have rules")
    if re.search(r"[\x00-\x1f\x7f]", uris.decoded(path)):
        raise ValueError(f"the path {text!r} holds a control character")
    found, names = _pattern([segment for segment in path.split("/") if segment])
    return {**fields, **found}, names


def _pattern(segments: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Fields of a Rule for a path, whose slash at the end, if any, says nothing; and the names of the groups.

    `:name` is one segment. `*` at the end of a segment is everything from there on, also nothing; elsewhere it is just a star.
    """
    fixed = next((index for index, one in enumerate(segments) if _is_name(one) or one.endswith("*")), len(segments))
    head, rest = segments[:fixed], segments[fixed:]
    start = "".join(f"/{one}" for one in head)
    folder = uris.canonical(f"{start}/")
    if "%2F" not in folder:
        if not rest:
            return {"paths": (uris.decoded(start), uris.decoded(start) + "/") if start else ("/",)}, []
        if rest == ["*"]:
            bare = (uris.decoded(start),) if start else ()
            return {"paths": bare, "pattern": f"{literal(start)}/(.*)", "prefix": folder}, ["splat"]
    names: list[str] = []
    has_star, pattern = False, literal(start)
    for one in rest:
        if _is_name(one):
            names.append(one[1:])
            pattern += "/([^/]+)"
        elif one.endswith("*"):
            if has_star:
                raise ValueError("only one * can stand for a part of the path")
            has_star = True
            names.append("splat")
            pattern += "(?:/(.*))?" if one == "*" else f"/{literal(one[:-1])}/?(.*)"
        else:
            pattern += f"/{literal(one)}"
    ends_open = bool(rest) and not _is_name(rest[-1]) and rest[-1].endswith("*")
    if not rest or rest == ["*"]:
        folder = folder[: folder.rindex("/", 0, -1) + 1]
    return {"pattern": pattern if ends_open else f"{pattern}/?", "prefix": folder}, names


def _is_name(segment: str) -> bool:
    return segment.startswith(":") and len(segment) > 1


def coverage(path: str) -> str:
    """The pattern of a path, in which `*` is anything, a segment `:name` one segment, and slashes at the ends say nothing.

    A segment that is only a star takes the slash before it along: `/a/*` covers `/a`, and `/ab` too.
    """
    pattern = ""
    for part in filter(None, (re.sub(f"[{SPACE}]+$", "", part) for part in path.split("/"))):
        if part.startswith(":"):
            pattern += "/[^/]+"
        else:
            pattern += ("" if part == "*" else "/") + ".*".join(literal(piece) for piece in part.split("*"))
    pattern = re.sub(r"(?:\.\*){2,}", ".*", pattern or "/").replace("[^/]+.*", "[^/].*")
    # Stars before the last piece are tried again and again by the engines: two of them, apart, are still quick on a path of 8 KB.
    _first, *pieces = pattern.split(".*")
    tried = pieces[: -1 if pieces and not pieces[-1] else None]
    if len(tried) > 2 or (len(tried) == 2 and not re.search("/[^/]|[^/]/", tried[0])):
        raise ValueError("no more than two * can stand before the end of a path, with a whole segment between them")
    return pattern if pattern.endswith(".*") else f"{pattern}/?"
