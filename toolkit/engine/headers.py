"""From files and rules to assets: the headers that travel with each blob, and so the blob's key.

The object's own Cache-Control keeps it in the edge for a year (a blob never changes); what browsers are told travels in
`x-amz-meta-edge` and viewer_response.js puts it in place. See docs/routing-data.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from toolkit.engine import limits, mime
from toolkit.engine.errors import UserError
from toolkit.engine.model import Asset, HeaderRule, Settings, blob_key
from toolkit.engine.rules import matches
from toolkit.engine.scan import ScannedFile

EDGE_LIFETIME = "public, max-age=0, s-maxage=31536000"
REVALIDATE = "public, max-age=0, must-revalidate"
IMMUTABLE = "public, max-age=31536000, immutable"


def assets(files: Iterable[ScannedFile], rules: Sequence[HeaderRule], settings: Settings) -> dict[str, Asset]:
    """One asset per file, keyed by path."""
    return {entry.path: asset(entry, rules, settings) for entry in files}


def asset(entry: ScannedFile, rules: Sequence[HeaderRule], settings: Settings, status: int = 200) -> Asset:
    """The asset of one file; with `status` 404 the variant of it that answers for a missing page."""
    immutable = status == 200 and is_immutable(entry.path, settings.immutable)
    custom = _custom_headers(entry.path, rules, settings)
    media_type = custom.pop("content-type", "") or mime.content_type(entry.path)
    edge: dict[str, object] = {"c": custom.pop("cache-control", "") or (IMMUTABLE if immutable else REVALIDATE)}
    if status != 200:
        edge["s"] = status
    if custom:
        edge["h"] = custom
    packed = json.dumps(edge, sort_keys=True, separators=(",", ":"))
    if len(packed) + len("edge") > limits.METADATA_BYTES:
        raise UserError(
            f"the headers of {entry.path} take {len(packed)} bytes; an object carries at most {limits.METADATA_BYTES - 4}",
            "shorten the rules for it in _headers",
        )
    headers = {"content-type": media_type, "cache-control": EDGE_LIFETIME, "x-amz-meta-edge": packed}
    return Asset(entry.path, entry.sha256, entry.size, blob_key(entry.sha256, headers), headers, immutable)


def _custom_headers(path: str, rules: Sequence[HeaderRule], settings: Settings) -> dict[str, str]:
    found: dict[str, str] = {}
    for rule in rules:
        # A rule may name the page as visitors do (/about) or as it lies in the folder (/about.html).
        if matches(rule.pattern, path) or (settings.clean_urls and matches(rule.pattern, clean_path(path))):
            found.update(rule.headers)
    return found


def clean_path(path: str) -> str:
    """The canonical address of a page: `/about.html` -> `/about`, `/blog/index.html` -> `/blog/`; other files keep theirs."""
    if path.endswith("/index.html"):
        return path[: -len("index.html")]
    return path[: -len(".html")] if path.endswith(".html") and not path.endswith("/.html") else path


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
