"""HTTP as an edge must speak it, as pure functions: conditions, ranges, dates, content negotiation, compression.

Sources: RFC 9110 (sections 12.5.3, 13, 14), "Serve compressed files" and "Range GETs" (CloudFront developer guide).
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import formatdate, parsedate_to_datetime
from functools import lru_cache

COMPRESS_FROM = 1_000
COMPRESS_UP_TO = 10_000_000
_BROTLI_QUALITY = 5
_GZIP_LEVEL = 6
_TAG = re.compile(r'(?:W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_TAGS = re.compile(rf"[ \t]*(?:{_TAG.pattern}[ \t]*)?(?:,[ \t]*(?:{_TAG.pattern}[ \t]*)?)*")
_RANGE = re.compile(r"bytes[ \t]*=[ \t]*(?:(\d{1,18})-(\d{0,18})|-(\d{1,18}))[ \t]*", re.IGNORECASE)

_COMPRESSIBLE_TYPES = """
    application/dash+xml application/eot application/font application/font-sfnt application/javascript application/json
    application/opentype application/otf application/pkcs7-mime application/protobuf application/rss+xml application/truetype
    application/ttf application/vnd.apple.mpegurl application/vnd.mapbox-vector-tile application/vnd.ms-fontobject
    application/xhtml+xml application/xml application/x-font-opentype application/x-font-truetype application/x-font-ttf
    application/x-httpd-cgi application/x-javascript application/x-mpegurl application/x-opentype application/x-otf
    application/x-perl application/x-ttf font/eot font/opentype font/otf font/ttf image/svg+xml text/css text/csv text/html
    text/javascript text/js text/plain text/richtext text/tab-separated-values text/xml text/x-component text/x-java-source
    text/x-script vnd.apple.mpegurl
"""
COMPRESSIBLE = frozenset(_COMPRESSIBLE_TYPES.split())


@lru_cache(maxsize=256)
def accepted_encoding(accept: str) -> str:
    """Accept-Encoding as CloudFront normalises it for the cache key: "br" (preferred), "gzip" or "" (none)."""
    offered = set()
    for item in accept.lower().split(","):
        name, *parameters = (part.strip() for part in item.split(";"))
        if not any(re.fullmatch(r"q\s*=\s*0(\.0*)?", parameter) for parameter in parameters):
            offered.add(name)
    return next((name for name in ("br", "gzip") if name in offered), "")


def is_compressible(headers: Mapping[str, str], size: int) -> bool:
    """Whether CloudFront compresses an object with these headers and this size in bytes."""
    if not COMPRESS_FROM <= size <= COMPRESS_UP_TO or "content-encoding" in headers:
        return False
    return headers.get("content-type", "").split(";")[0].strip().lower() in COMPRESSIBLE


def compress(body: bytes, encoding: str) -> bytes:
    """The body in "br" or "gzip"; equal bodies give equal bytes."""
    if encoding == "gzip":
        return gzip.compress(body, _GZIP_LEVEL, mtime=0)
    import brotli

    return bytes(brotli.compress(body, quality=_BROTLI_QUALITY))


def weakened(etag: str) -> str:
    return etag if etag.startswith("W/") else f"W/{etag}"


def http_date(seconds: float) -> str:
    return formatdate(int(seconds), usegmt=True)


@lru_cache(maxsize=1024)
def parse_date(text: str) -> int | None:
    """Seconds since the epoch of any of HTTP's three date formats; None when it is none of them (RFC 9110, 5.6.7)."""
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    try:
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        return None


def is_not_modified(request: Mapping[str, str], etag: str, modified: float) -> bool:
    """Whether a GET or HEAD with these headers is answered by 304: If-None-Match compares weakly and hides If-Modified-Since."""
    wanted = request.get("if-none-match")
    if wanted is not None:
        return names_tag(wanted, etag)
    since = request.get("if-modified-since")
    if since is None:
        return False
    moment = parse_date(since)
    return moment is not None and int(modified) <= moment


def names_tag(field: str, etag: str) -> bool:
    """Whether an If-None-Match field is `*` or lists the tag, compared weakly (RFC 9110, 8.8.3.2); a malformed one does not."""
    if field.strip() == "*":
        return True
    if not _TAGS.fullmatch(field):
        return False
    opaque = etag.removeprefix("W/").strip('"')
    return any(found == opaque for found in _TAG.findall(field))


@dataclass(frozen=True)
class Span:
    """Bytes `first` to `last` of a body, both included. `first` above `last` means that no byte is there: 416."""

    first: int
    last: int

    @property
    def length(self) -> int:
        return self.last - self.first + 1


UNSATISFIABLE = Span(0, -1)


def wanted_span(request: Mapping[str, str], etag: str, modified: float, size: int) -> Span | None:
    """What a Range header asks of a body of `size` bytes; None means the whole body, UNSATISFIABLE means 416.

    A Range that is malformed, names several ranges, or comes with an If-Range that does not match is ignored.
    """
    field = request.get("range")
    if field is None:
        return None
    found = _RANGE.fullmatch(field)
    if not found or not _if_range_holds(request.get("if-range"), etag, modified):
        return None
    first, last, suffix = found.groups()
    if suffix is not None:
        length = int(suffix)
        if length == 0:
            return UNSATISFIABLE
        return Span(max(0, size - length), size - 1) if size else None
    if last and int(last) < int(first):
        return None
    if int(first) >= size:
        return UNSATISFIABLE
    return Span(int(first), min(int(last), size - 1) if last else size - 1)


def _if_range_holds(field: str | None, etag: str, modified: float) -> bool:
    """If-Range needs the same strong tag, or exactly the date of Last-Modified (RFC 9110, 13.1.5)."""
    if field is None:
        return True
    field = field.strip()
    if field.startswith(('"', "W/")):
        return field == etag and not etag.startswith("W/")
    moment = parse_date(field)
    return moment is not None and moment == int(modified)


def edge_lifetime(headers: Mapping[str, str]) -> float:
    """Seconds that the edge keeps an object: s-maxage, else max-age, else a day; 0 for what must not be kept."""
    directives = headers.get("cache-control", "").lower()
    if re.search(r"\b(no-store|private|no-cache)\b", directives):
        return 0.0
    for name in ("s-maxage", "max-age"):
        found = re.search(rf"(?:^|[\s,]){name}\s*=\s*\"?(\d+)", directives)
        if found:
            return float(found[1])
    return 86_400.0


def now_as_date() -> str:
    return http_date(datetime.now(UTC).timestamp())
