"""From files and rules to assets: the headers that travel with each blob, and so the blob's key.

The object's own Cache-Control keeps it in the edge for a year (a blob never changes); what browsers are told travels in
`x-amz-meta-edge` and viewer_response.js puts it in place. See docs/routing-data.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from toolkit.engine import limits, mime, patterns, uris
from toolkit.engine.errors import UserError
from toolkit.engine.model import Asset, HeaderRule, Settings, blob_key
from toolkit.engine.scan import ScannedFile

EDGE_LIFETIME = "public, max-age=0, s-maxage=31536000"
REVALIDATE = "public, max-age=0, must-revalidate"
IMMUTABLE = "public, max-age=31536000, immutable"


@dataclass(frozen=True)
class Traits:
    """How a dialect treats headers: whether a name that several rules set gets all of their values, whether redirects carry them
    too, what a missing page's Cache-Control is whatever the rules say ("" = as they say), and whether a rewrite to another
    spelling of a page sends visitors there."""

    is_joined: bool = False
    on_redirects: bool = False
    missing: str = ""
    rewrites_respell: bool = False


# Cloudflare Pages, "Headers" and "Serving Pages"; Netlify, "Custom headers".
_TRAITS = {"netlify": Traits(), "cloudflare": Traits(is_joined=True, on_redirects=True, missing="no-store", rewrites_respell=True)}


def traits(settings: Settings) -> Traits:
    return _TRAITS[settings.dialect]


def asset(entry: ScannedFile, rules: Sequence[HeaderRule], settings: Settings, address: str = "") -> Asset:
    """The asset of one file as visitors of `address` (decoded; its own path by default) get it."""
    given = matching(uris.canonical_of(address or entry.path), rules, settings) if rules else {}
    immutable = is_immutable(entry.path, settings.immutable)
    cache = given.pop("cache-control", "") or (IMMUTABLE if immutable else REVALIDATE)
    return _asset(entry, given, {"c": cache}, immutable)


def error_page(entry: ScannedFile, given: Mapping[str, str], settings: Settings, status: int) -> Asset:
    """The variant of a file that answers under `status`, with the headers `given`."""
    rest = dict(given)
    cache = rest.pop("cache-control", "") or REVALIDATE
    return _asset(entry, rest, {"c": (traits(settings).missing if status == 404 else "") or cache, "s": status}, False)


def _asset(entry: ScannedFile, given: dict[str, str], edge: dict[str, object], immutable: bool) -> Asset:
    media_type = given.pop("content-type", "") or mime.content_type(entry.path)
    if given:
        edge["h"] = given
    packed = json.dumps(edge, sort_keys=True, separators=(",", ":"))
    if len(packed) + len("edge") > limits.METADATA_BYTES:
        raise UserError(
            f"the headers of {entry.path} take {len(packed)} bytes; an object carries at most {limits.METADATA_BYTES - 4}",
            "shorten the rules for it in _headers",
        )
    headers = {"content-type": media_type, "cache-control": EDGE_LIFETIME, "x-amz-meta-edge": packed}
    return Asset(entry.path, entry.sha256, entry.size, blob_key(entry.sha256, headers), headers, immutable)


def matching(path: str, rules: Iterable[HeaderRule], settings: Settings) -> dict[str, str]:
    """What the rules set for a canonical path; an empty value takes a header out that the edge would set by itself."""
    found: dict[str, str] = {}
    for rule in rules:
        match = patterns.compiled(rule.pattern, rule.ignore_case).fullmatch(path)
        if match:
            filled = {name: patterns.fill(value, match.groups()) for name, value in rule.headers.items()}
            # Only a rule that says so takes a header out; an empty capture does not.
            add(found, {name: value for name, value in filled.items() if value or not rule.headers[name]}, settings)
    return found


def add(found: dict[str, str], more: Mapping[str, str], settings: Settings) -> None:
    """What a further rule sets, on top of `found`: it replaces what is there, or adds to it where the dialect has it so."""
    for name, value in more.items():
        joins = traits(settings).is_joined and value and found.get(name)
        found[name] = f"{found[name]}, {value}" if joins else value


def is_error_page(file: str, settings: Settings) -> bool:
    """Whether a file is the site's own page for what is missing, or that of one of its folders."""
    return bool(file) and file.rsplit("/", 1)[1] == settings.not_found.rsplit("/", 1)[1]


def is_immutable(path: str, globs: Sequence[str]) -> bool:
    """Whether the name carries a hash by one of the preset's globs. A run of `?` that spells a plain word is not a hash."""
    for glob in globs:
        match = _glob(glob).fullmatch(path)
        if match and all(re.search(r"[0-9A-Z]", group) for group in match.groups()):
            return True
    return False


@lru_cache(maxsize=256)
def _glob(glob: str) -> re.Pattern[str]:
    """`**` matches across folders, `*` inside one, a run of `?` is a hash of exactly that length."""
    source = ""
    for part in re.split(r"(\*\*|\*|\?+)", glob if glob.startswith(("/", "**")) else f"/{glob}"):
        if part == "**":
            source += ".*"
        elif part == "*":
            source += "[^/]*"
        elif part.startswith("?"):
            source += rf"([A-Za-z0-9_-]{{{len(part)}}})"
        else:
            source += re.escape(part)
    return re.compile(source)
