"""Read `_redirects` and `_headers`: exact redirects and basic header rules.

A bad line never stops the good ones: it comes back as a Problem with file, line and reason. Grammar as documented by Netlify
("Redirects and rewrites", "Custom headers") and Cloudflare Pages; what goes beyond exact rules is reported, not guessed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import unquote

from toolkit.engine.model import HeaderRule, Redirect

STATUSES = (301, 302, 303, 307, 308)
_TOKEN = re.compile(r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")
# CloudFront refuses these from a function, or sets them itself ("Restrictions on edge functions"); hop-by-hop: RFC 9110, 7.6.1.
FORBIDDEN = {
    "accept-ranges", "age", "connection", "content-encoding", "content-length", "content-range", "date", "etag", "expect",
    "host", "keep-alive", "last-modified", "proxy-authenticate", "proxy-authorization", "proxy-connection", "server",
    "set-cookie", "te", "trailer", "transfer-encoding", "upgrade", "vary", "via", "warning", "x-cache", "x-forwarded-proto",
    "x-real-ip",
}  # fmt: skip
_FORBIDDEN_PREFIXES = ("x-accel-", "x-amz-", "x-edge-")
# Not `str.splitlines`: that also ends lines at form feeds and U+2028, and every number after them would be wrong.
_LINE_END = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True)
class Problem:
    """A line of a rule file that does not apply, and why."""

    file: str
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file} line {self.line}: {self.reason}"


@dataclass
class Rules:
    """Everything read from a version's rule files. `spa` is set by the idiom `/* /index.html 200`."""

    redirects: list[Redirect] = field(default_factory=list)
    headers: list[HeaderRule] = field(default_factory=list)
    spa: bool = False
    problems: list[Problem] = field(default_factory=list)


def parse(files: dict[str, str]) -> Rules:
    """Read the rule files of a version, given as name -> text."""
    rules = Rules()
    if "_redirects" in files:
        _parse_redirects(files["_redirects"], rules)
    if "_headers" in files:
        _parse_headers(files["_headers"], rules)
    return rules


def _parse_redirects(text: str, rules: Rules) -> None:
    for number, raw in enumerate(_LINE_END.split(text), 1):
        line = re.split(r"(?:^|[ \t])#", raw, maxsplit=1)[0].strip(" \t")
        if not line:
            continue
        try:
            _parse_redirect(line, number, rules)
        except ValueError as error:
            rules.problems.append(Problem("_redirects", number, str(error)))


def _parse_redirect(line: str, number: int, rules: Rules) -> None:
    words = re.split(r"[ \t]+", line)
    if len(words) < 2:
        raise ValueError("needs a path and a target")
    path, target, *rest = words
    status, force = 301, False
    if rest:
        match = re.fullmatch(r"(\d{3})(!?)", rest[0])
        if not match or len(rest) > 1:
            raise ValueError(f"{' '.join(rest)!r} is not a status; conditions are not supported here")
        status, force = int(match[1]), bool(match[2])
    if (path, target, status) == ("/*", "/index.html", 200):
        rules.spa = True
        return
    if status not in STATUSES:
        raise ValueError(f"status {status} is not supported here (allowed: {', '.join(map(str, STATUSES))})")
    if not path.startswith("/"):
        raise ValueError(f"the path {path!r} must start with /")
    if "?" in path:
        raise ValueError(f"the query in {path!r} is not supported here: a rule answers whatever the query is")
    if "*" in path or re.search(r"/:\w", path):
        raise ValueError(f"the pattern {path!r} is not supported here: only exact paths are")
    rules.redirects.append(Redirect(unquote(path), _target(target), status, force, number))


def _target(target: str) -> str:
    if re.match(r"https?://[^/\s]+", target):
        pass
    elif not target.startswith("/") or re.match(r"/[/\\]", target):
        # A scheme-relative target would leave the site without saying so.
        raise ValueError(f"the target {target!r} must start with a single / or with http:// or https://")
    if re.search(r"[\x00-\x20\x7f\\]", target):
        raise ValueError(f"the target {target!r} holds a character that a Location may not")
    encoded = "".join(c if ord(c) < 128 else "".join(f"%{byte:02X}" for byte in c.encode()) for c in target)
    if len(encoded) > 900:
        raise ValueError("the target is longer than 900 bytes")
    return encoded


def _parse_headers(text: str, rules: Rules) -> None:
    pattern, started, values = "", 0, {}  # type: str, int, dict[str, str]
    for number, line in enumerate(_LINE_END.split(text), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if not line[0].isspace():
            _close(pattern, values, started, rules)
            pattern, started, values = line.strip(), number, {}
            if not pattern.startswith("/"):
                rules.problems.append(Problem("_headers", number, f"the path {pattern!r} must start with /"))
                pattern = ""
        elif not pattern:
            rules.problems.append(Problem("_headers", number, "a header without a valid path above it"))
        else:
            _add_header(line.strip(" \t"), number, values, rules)
    _close(pattern, values, started, rules)


def _close(pattern: str, values: dict[str, str], line: int, rules: Rules) -> None:
    if pattern and values:
        rules.headers.append(HeaderRule(pattern, dict(values), line))


def _add_header(line: str, number: int, values: dict[str, str], rules: Rules) -> None:
    if line.startswith("! "):
        name, value = line[2:].strip().lower(), ""
    else:
        name, colon, value = line.partition(":")
        # A tab in a value means a space (RFC 9110 section 5.5), and objects keep no tabs.
        name, value = name.strip().lower(), value.replace("\t", " ").strip(" ")
        if not colon or not value:
            rules.problems.append(Problem("_headers", number, "needs `Name: value`"))
            return
    reason = _refusal(name, value)
    if reason:
        rules.problems.append(Problem("_headers", number, reason))
    elif value and values.get(name):
        values[name] = f"{values[name]}, {value}"
    else:
        values[name] = value


def _refusal(name: str, value: str) -> str:
    if not _TOKEN.match(name):
        return f"{name!r} is not a header name (RFC 9110 section 5.1)"
    if name in FORBIDDEN or name.startswith(_FORBIDDEN_PREFIXES):
        return f"the header {name} is set by the edge and cannot be given"
    if not all(32 <= ord(character) < 127 for character in value):
        return f"the value of {name} holds a character outside printable ASCII"
    return ""


def matches(pattern: str, path: str) -> bool:
    """Whether a header rule's pattern covers a path: `*` matches anything, `:name` one segment, the rest is literal."""
    return _compiled(pattern).fullmatch(path) is not None


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    first, *rest = [_piece(text) for text in pattern.split("*")]
    # Between two stars the earliest place is always as good as any, so that it need never be tried again (hence `?>`): a pattern
    # of many stars takes no longer than one of few.
    middle = "".join(f"(?>.*?{piece})" for piece in rest[:-1])
    return re.compile(first + middle + (f".*{rest[-1]}" if rest else ""), re.DOTALL)


def _piece(text: str) -> str:
    """The expression for what stands between two stars."""
    parts = re.split(r"((?<=/):[A-Za-z]\w*)", text)
    return "".join("[^/]+?" if index % 2 else re.escape(unquote(part)) for index, part in enumerate(parts))
