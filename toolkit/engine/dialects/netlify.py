"""Netlify's `_redirects` and `_headers`.

Grammar: docs.netlify.com, "Redirects and rewrites" and "Custom headers"; where those are silent, what Netlify's own packages
(redirect-parser, headers-parser, redirector) answered when they were run. Where Netlify drops a rule in silence, or lets one stand
that can never match, the line is reported here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from toolkit.engine import uris
from toolkit.engine.dialects import common
from toolkit.engine.dialects.common import Problem, Rules
from toolkit.engine.dialects.netlify_paths import SPACE, coverage, source
from toolkit.engine.model import HeaderRule, Rule

_SPACES = re.compile(f"[{SPACE}]+")
_AROUND = re.compile(f"^[{SPACE}]+|[{SPACE}]+$")
_COMMA = re.compile(f"[{SPACE}]*,[{SPACE}]*")
# How `parseInt` begins to read.
_INTEGER = re.compile(r"([+-]?)(?:0[xX]([0-9a-fA-F]+)|([0-9]+))")
_REDIRECTS = (300, 301, 302, 303, 307, 308)
_WITHOUT_BODY = (204, 205, 206)
# Beyond what the edge keeps to itself (docs.netlify.com, "Custom headers", limitations).
_FORBIDDEN = common.FORBIDDEN | {"allow", "alt-svc", "location"}
_COOKIE = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TAG = re.compile(r"[A-Za-z0-9_-]+")


def redirects(text: str, rules: Rules) -> None:
    """Append the rules of a `_redirects` file, and a problem for each line that cannot apply.

    A rule for a role holds for nobody, as there is no identity here; so its paths answer 404 where no other rule for them does.
    That goes before a later pattern that leaves paths to their files, since those would be open then.
    """
    closed: list[Rule] = []
    for number, raw in common.lines(text):
        words = _words(raw)
        if not words:
            continue
        try:
            rule, role = _rule(number, _AROUND.sub("", raw), words)
        except ValueError as error:
            rules.problems.append(Problem("_redirects", number, str(error)))
            continue
        if role:
            reason = "there are no roles here: its path is closed to everybody (404) where no other rule applies"
            rules.problems.append(Problem("_redirects", number, reason))
            closed.append(rule)
            continue
        for one in [one for one in closed if not rule.force and rule.pattern and one.prefix.startswith(rule.prefix)]:
            rules.redirects.append(one)
            closed.remove(one)
        rules.redirects.append(rule)
    rules.redirects.extend(closed)


def _words(line: str) -> list[str]:
    """The words of a line up to a comment, which begins with a word that begins with `#`."""
    words = [word for word in _SPACES.split(line) if word]
    return words[: next((index for index, word in enumerate(words) if word.startswith("#")), len(words))]


def _rule(number: int, text: str, words: Sequence[str]) -> tuple[Rule, bool]:
    """The rule of a line, and whether it is for a role: then it is the 404 that stands in for it."""
    origin, *rest = words
    if not rest:
        raise ValueError("needs a path and a target")
    if _integer(rest[0]) is not None:
        query_words, target, last = [], "", rest
    else:
        index = next((index for index, word in enumerate(rest) if word.startswith(("/", "http://", "https://"))), -1)
        if index < 0:
            raise ValueError("needs a target that starts with /, http:// or https://")
        query_words, target, last = rest[:index], rest[index], rest[index + 1 :]
    place, names = source(origin)
    query, more = _query(query_words)
    pairs = _pairs(last[1:])
    conditions = {key: value for key, value in pairs.items() if key not in ("Role", "role")}
    if len(conditions) < len(pairs):
        return Rule(number, text, 404, "", force=True, query=query, **place, **_conditions(conditions)), True
    status, force = _status(last)
    _check_proxy(target, status)
    target = _target(target or _itself(origin, status), status, [*names, *more])
    return Rule(number, text, status, target, force=force, query=query, **place, **_conditions(conditions)), False


def _check_proxy(target: str, status: int) -> None:
    """ValueError for an origin that the edge cannot be sent to ("Origin settings", CloudFront developer guide), or with a query."""
    if status != 200 or target.startswith("/"):
        return
    if "?" in target.split("#")[0]:
        raise ValueError("a proxy passes on the visitor's query; its target can have none")
    port = re.match(r"https?://[^/]*?:(\d+)(?:/|$)", target)
    if "[" in target or (port and not (int(port[1]) in (80, 443) or 1024 <= int(port[1]) <= 65535)):
        raise ValueError("the edge reaches origins by name, at port 80, 443, or 1024 to 65535")


def _integer(word: str) -> int | None:
    found = _INTEGER.match(word)
    if not found:
        return None
    return int(f"{found[1]}{found[2] or found[3]}", 16 if found[2] else 10)


def _status(words: Sequence[str]) -> tuple[int, bool]:
    if not words:
        return 301, False
    status = _integer(words[0])
    if status is None:
        raise ValueError(f"{words[0]!r} is not a status; conditions come after one")
    if not (status in _REDIRECTS or 400 <= status < 600 or (200 <= status < 300 and status not in _WITHOUT_BODY)):
        raise ValueError(f"no answer can have the status {status} (allowed: 200, {', '.join(map(str, _REDIRECTS))}, 400 to 599)")
    return status, words[0].endswith("!")


def _pairs(words: Sequence[str]) -> dict[str, str]:
    """`key=value` words; the last one with a key counts, a word without `=` says nothing."""
    return {word.split("=")[0]: word.split("=")[1] for word in words if "=" in word}


def _query(words: Sequence[str]) -> tuple[tuple[tuple[str, str], ...], list[str]]:
    """The query parameters that a rule asks for, "{}" for a value that it captures, and the names of those."""
    found, names = [], []
    for key, value in _pairs(words).items():
        if not key:
            raise ValueError("a query parameter needs a name")
        if value.startswith(":"):
            names.append(value[1:])
        found.append((uris.canonical(key), "{}" if value.startswith(":") else uris.canonical(value)))
    return tuple(found), names


def _conditions(pairs: Mapping[str, str]) -> dict[str, Any]:
    """The conditions of a rule, as fields of a Rule; of a list one value has to hold."""
    unknown = pairs.keys() - {"Country", "country", "Language", "language", "Cookie"}
    if unknown & {"Sign", "signed"}:
        raise ValueError("requests are not signed here")
    if unknown:
        raise ValueError(f"{min(unknown)!r} is not a condition (allowed: Country, Language, Cookie)")
    return {
        "countries": _values("Country", pairs.get("country", pairs.get("Country")), _TAG),
        "languages": _values("Language", pairs.get("language", pairs.get("Language")), _TAG),
        "cookies": _values("Cookie", pairs.get("Cookie"), _COOKIE),
    }


def _values(name: str, text: str | None, form: re.Pattern[str]) -> tuple[str, ...]:
    if text is None:
        return ()
    values = [value for value in text.split(",") if value]
    if not values or not all(form.fullmatch(value) for value in values):
        raise ValueError(f"the condition {name} cannot hold for {text!r}")
    return tuple(values if name == "Cookie" else [value.lower() for value in values])


def _itself(origin: str, status: int) -> str:
    """The target of a rule that has none: the very path, where the rule is only there to bring conditions or `!` with it."""
    if not origin.endswith("/*") or not origin.startswith("/") or not 200 <= status < 300:
        raise ValueError("needs a target; only `/path/* 200` can do without")
    return f"{origin[:-1]}:splat"


def _target(text: str, status: int, names: Sequence[str]) -> str:
    """The target with `{1}`, `{2}` … for the captures of that name; a name that captured nothing stays as it is."""
    is_url = not text.startswith("/")
    if is_url and any(f":{name}" in re.split("[/?#]", text)[2] for name in names if name):
        raise ValueError("a host cannot be made from what a visitor sends")
    if text.startswith("/.netlify/"):
        raise ValueError("Netlify's own services in /.netlify/ are not here")
    if not 300 <= status < 400:
        # What is served is named by a path; only a proxied server can read a query.
        text = re.split("[#]" if is_url else "[?#]", text, maxsplit=1)[0]
    pieces: list[str | int] = [common.target(text)]
    for number, name in enumerate(names, 1):
        if name:
            pieces = [part for piece in pieces for part in _parted(piece, f":{common.encoded(name)}", number)]
    target = "".join(piece if isinstance(piece, str) else f"{{{piece}}}" for piece in pieces)
    if not 300 <= status < 400 and status != 200 and (is_url or len(pieces) > 1):
        raise ValueError(f"the page for a status {status} must be one page of the site")
    return common.bounded(target)


def _parted(piece: str | int, mark: str, number: int) -> list[str | int]:
    if isinstance(piece, int):
        return [piece]
    first, *others = piece.split(mark)
    return [first, *(part for other in others for part in (number, other))]


def headers(text: str, rules: Rules) -> None:
    """Append the rules of a `_headers` file, and a problem for each line that cannot apply.

    `Basic-Auth` asks for a password at Netlify. Here it does not, so what it covers is taken off the site, before all other rules.
    """
    found: list[HeaderRule] = []
    values: dict[str, str] | None = None
    for number, raw in common.lines(text):
        line = _AROUND.sub("", raw)
        if not line or line.startswith("#"):
            continue
        try:
            if line.startswith("/"):
                values = {}
                found.append(HeaderRule(coverage(line), values, number, line, ignore_case=True))
            elif _is_password(line) and found and found[-1].headers is values:
                closed = Rule(
                    number, f"{found[-1].source} Basic-Auth", 404, "", pattern=found[-1].pattern, force=True, file="_headers"
                )
                rules.redirects.insert(0, closed)
                raise ValueError("pages cannot ask for a password here: what it covers is closed to everybody (404)")
            else:
                _add(line, values)
        except ValueError as error:
            rules.problems.append(Problem("_headers", number, str(error)))
    rules.headers.extend(rule for rule in found if rule.headers)


def _is_password(line: str) -> bool:
    return _AROUND.sub("", line.partition(":")[0]).lower() == "basic-auth"


def _add(line: str, values: dict[str, str] | None) -> None:
    """Read a line into its block; a name that comes again adds to the value."""
    name, colon, value = line.partition(":")
    if not colon:
        raise ValueError("needs `Name: value`")
    if values is None:
        raise ValueError("a header needs a path above it")
    name = common.header_name(_AROUND.sub("", name), _FORBIDDEN)
    value = common.header_value(name, _COMMA.sub(", ", _AROUND.sub("", value)))
    if re.search(r"\{[0-9]+\}", value):
        raise ValueError(f"the value of {name} holds a number in braces, which stands for a capture here")
    values[name] = f"{values[name]}, {value}" if name in values else value
