"""What the readers of rule files share: their result, their lines, and what may stand in a target, a pattern or a header.

The checks raise ValueError with a reason that reads well after "_redirects line 3: ".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from dataclasses import dataclass, field

from toolkit.engine import uris
from toolkit.engine.model import HeaderRule, Rule

MAX_TARGET = 1900
# CloudFront refuses these from a function, or sets them itself ("Restrictions on edge functions"); hop-by-hop: RFC 9110, 7.6.1.
FORBIDDEN = frozenset({
    "accept-ranges", "age", "connection", "content-encoding", "content-length", "content-range", "date", "etag", "expect",
    "host", "keep-alive", "last-modified", "proxy-authenticate", "proxy-authorization", "proxy-connection", "server",
    "set-cookie", "te", "trailer", "transfer-encoding", "upgrade", "vary", "via", "warning", "x-cache", "x-forwarded-proto",
    "x-real-ip",
})  # fmt: skip
_FORBIDDEN_PREFIXES = ("x-accel-", "x-amz-", "x-edge-")
# Not `str.splitlines`: that also ends lines at form feeds and U+2028, and every number after them would be wrong.
_LINE_END = re.compile(r"\r\n|\n|\r")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_ABSOLUTE = re.compile(r"(https?)://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)
_HOST = re.compile(r"[a-z0-9_]([a-z0-9._-]*[a-z0-9_])?\.?(:[0-9]{1,5})?|\[[0-9a-f:.]+\](:[0-9]{1,5})?")
_NOT_IN_A_URI = re.compile(r'[^!-~]|["<>^`{|}]|%(?![0-9A-Fa-f]{2})')
_SPECIAL = re.compile(r"[.*+?^$(){}|\[\]\\]")


@dataclass(frozen=True)
class Problem:
    """A line of a rule file that does not apply, and why. Lines count from 1."""

    file: str
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file} line {self.line}: {self.reason}"


@dataclass
class Rules:
    """Everything read from a version's rule files: redirects and headers in the order in which they are evaluated."""

    redirects: list[Rule] = field(default_factory=list)
    headers: list[HeaderRule] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines of a rule file with their numbers from 1, as editors count them; a byte order mark is no part of the first."""
    return enumerate(_LINE_END.split(text.removeprefix("\ufeff")), 1)


def literal(text: str) -> str:
    """The regular expression for a piece of a path as it stands in a rule file: canonical (`engine.uris`), nothing special in it.

    ValueError when its percent-encoding is not UTF-8.
    """
    return _SPECIAL.sub(r"\\\g<0>", uris.canonical(text))


def target(text: str) -> str:
    """A target as it can stand in a Location: a path with one leading slash, or an http(s) URL; with its query and fragment.

    What no URI may hold (RFC 3986) is percent-encoded, braces too, so that a dialect can put its `{1}` in afterwards; escapes stay
    as they are. ValueError when it could lead off the site unseen, holds spaces, controls or backslashes, or exceeds 1,900 bytes.
    """
    if re.search(r"[\x00-\x20\x7f\\]", text):
        raise ValueError(f"the target {text!r} holds a space, a control character or a backslash")
    absolute = _ABSOLUTE.fullmatch(text)
    if absolute:
        origin, rest = f"{absolute[1].lower()}://{host(absolute[2])}", absolute[3]
    elif text.startswith("/") and not text.startswith("//"):
        origin, rest = "", text
    else:
        # A scheme-relative target would leave the site without saying so.
        raise ValueError(f"the target {text!r} must start with a single / or with http:// or https://")
    return bounded(origin + encoded(rest))


def bounded(text: str) -> str:
    """A target, if it is not too long. ValueError when it is."""
    if len(text) > MAX_TARGET:
        raise ValueError(f"the target is longer than {MAX_TARGET} bytes")
    return text


def encoded(text: str) -> str:
    """The text with what no URI may hold percent-encoded, as `target` does it. ValueError when it is no Unicode text."""
    return _NOT_IN_A_URI.sub(lambda match: _escape(match[0]), text)


def host(text: str) -> str:
    """The host of a URL, perhaps with a port, in ASCII and lower case. ValueError when it is none; `user@host` is none."""
    try:
        name = text.lower() if text.isascii() else text.encode("idna").decode().lower()
    except UnicodeError:
        name = ""
    if not _HOST.fullmatch(name):
        raise ValueError(f"{text!r} is not the name of a host")
    return name


def header_name(text: str, forbidden: Set[str] = FORBIDDEN) -> str:
    """A header's name in lower case. ValueError when it is none (RFC 9110, section 5.1) or is not for the user to set."""
    name = text.strip(" \t").lower()
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"{text!r} is not a header name (RFC 9110, section 5.1)")
    if name == "basic-auth":
        raise ValueError("Basic-Auth is no header: it would show the password to every visitor")
    if name in forbidden or name.startswith(_FORBIDDEN_PREFIXES):
        raise ValueError(f"the header {name} is set by the edge and cannot be given")
    return name


def header_value(name: str, text: str) -> str:
    """A header's value: printable ASCII, without spaces around it. ValueError when it is empty or holds anything else."""
    # A tab in a value means a space (RFC 9110, section 5.5), and objects keep no tabs.
    value = text.replace("\t", " ").strip(" ")
    if not value:
        raise ValueError(f"the header {name} has no value")
    if not all(" " <= character <= "~" for character in value):
        raise ValueError(f"the value of {name} holds a character outside printable ASCII")
    return value


def _escape(character: str) -> str:
    try:
        return "".join(f"%{byte:02X}" for byte in character.encode())
    except UnicodeEncodeError:
        raise ValueError(f"the target holds half a character ({character!r})") from None
