"""Cloudflare's `_redirects` and `_headers`, as its Pages and its Workers' static assets read them.

Sources: developers.cloudflare.com, "Redirects" and "Headers" (Pages, Workers static assets), and what the parser that
wrangler ships does with a file where the pages are silent. Where the two part, the code counts: lines may have 2,000 characters.

Redirects run before files are looked up. Exact rules above the first pattern need no order among themselves; an exact rule below a
pattern takes its turn among the patterns. So the order of the file is the order of evaluation.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from toolkit.engine import uris
from toolkit.engine.dialects.cloudflare_paths import CAPTURE, QUERY, Source, compile_source, fill, path_of
from toolkit.engine.dialects.common import FORBIDDEN, Problem, Rules, header_name, header_value, lines, target
from toolkit.engine.model import HeaderRule, Rule

STATUSES = (200, 301, 302, 303, 307, 308)
MAX_LINE = 2_000
MAX_STATIC = 2_000
MAX_DYNAMIC = 100
MAX_HEADER_RULES = 100
# Unlike other dialects, this one lets a rule replace the entity tag.
_RESERVED = FORBIDDEN - {"etag"}
# White space as ECMAScript's `\s` and `trim` know it; Python's also takes U+001C to U+001F and U+0085.
_SPACE = (
    "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
)
_SPACES = re.compile(f"[{_SPACE}]+")
_COMMENT = re.compile(f"[{_SPACE}]+#.*", re.DOTALL)
_ABSOLUTE = re.compile(r"https://+([^/?#]+)/?(.*)", re.DOTALL)
_PATH_LINE = re.compile(f"/|[^{_SPACE}]+://")
_NUMBER_IN_BRACES = re.compile(r"\{[0-9]+\}")


def redirects(text: str, rules: Rules) -> None:
    """Append what `_redirects` says to `rules`, in the order of evaluation."""
    reader = _Redirects()
    for number, line in _content(text):
        try:
            rules.redirects.append(reader.read(line, number))
        except ValueError as error:
            rules.problems.append(Problem("_redirects", number, str(error)))


def headers(text: str, rules: Rules) -> None:
    """Append what `_headers` says to `rules`; a header that `! Name` takes out has an empty value."""
    reader = _Headers()
    for number, line in _content(text):
        try:
            reader.read(line, number)
        except ValueError as error:
            reader.problems.append(Problem("_headers", number, str(error)))
    rules.headers.extend(reader.finish())
    rules.problems.extend(sorted(reader.problems, key=lambda problem: problem.line))


def _content(text: str) -> list[tuple[int, str]]:
    stripped = [(number, line.strip(_SPACE)) for number, line in lines(text)]
    return [(number, line) for number, line in stripped if line and not line.startswith("#")]


def _check_length(line: str) -> None:
    # In UTF-16 units, as the vendor counts.
    if len(line.encode("utf-16-le", "surrogatepass")) > 2 * MAX_LINE:
        raise ValueError(f"the line is longer than {MAX_LINE} characters")


class _Redirects:
    """One pass over a file: which rules there have been decides how the next one is read."""

    def __init__(self) -> None:
        self._static = 0
        self._dynamic = 0
        self._seen: set[tuple[str, tuple[str, ...]]] = set()

    def read(self, line: str, number: int) -> Rule:
        """The rule of one line. ValueError when it is none."""
        _check_length(line)
        words = _SPACES.split(_COMMENT.sub("", line))
        if len(words) not in (2, 3):
            raise ValueError(f"needs a path, a target and perhaps a status: 2 or 3 words, not {len(words)}")
        if _ABSOLUTE.match(words[0]):
            raise ValueError(f"the path {words[0]!r} must begin with /: rules answer on every host of the site")
        path = path_of(words[0])
        self._count(CAPTURE.search(path) is not None)
        source = compile_source(path)
        status = _status(words[2] if len(words) == 3 else "302")
        place, is_local = self._target(words[1], source.names)
        if is_local and path.endswith(("/", "/*")) and re.search(r"/index(.html)?\Z", place):
            # Its answer is redirected to the folder's address, where the rule holds again.
            raise ValueError(f'{path} to {place} is an endless loop there; for a single-page app set mode = "spa" in site.toml')
        key = (source.pattern, source.names)
        if key in self._seen:
            raise ValueError(f"an earlier rule is for {path} already")
        self._seen.add(key)
        if status == 200:
            if not is_local:
                raise ValueError(f"a rewrite (200) must stay on the site, not go to {place} (Netlify's dialect can)")
            place = QUERY.split(place, maxsplit=1)[0]
        return _rule(number, line, status, fill(place, source.names), source, path)

    def _count(self, dynamic: bool) -> None:
        if dynamic or self._dynamic:
            self._dynamic += 1
            if self._dynamic > MAX_DYNAMIC:
                raise ValueError(f"beyond the {MAX_DYNAMIC} rules with * or :name, or below one, that a file may have")
        else:
            self._static += 1
            if self._static > MAX_STATIC:
                raise ValueError(f"beyond the {MAX_STATIC} exact rules that a file may have")

    def _target(self, text: str, names: tuple[str, ...]) -> tuple[str, bool]:
        """The target with its captures still by name, and whether it is a path."""
        absolute = _ABSOLUTE.fullmatch(text)
        if absolute and fill(absolute[1], names) != absolute[1]:
            raise ValueError(f"the target {text!r} lets the visitor choose its host")
        if not absolute and not text.startswith("/"):
            raise ValueError(f"the target {text!r} must begin with / or https://")
        rest = absolute[2] if absolute else text
        # What follows the path begins where `path_of` stopped reading.
        after = rest[len(QUERY.split(rest, maxsplit=1)[0]) :]
        path = path_of(rest)
        if absolute:
            return target(f"https://{absolute[1]}{path}{after}"), False
        return target((re.sub("/+", "/", path) if self._dynamic else path) + after), True


def _status(word: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", word, re.ASCII) or int(word) not in STATUSES:
        raise ValueError(f"{word!r} is not a status that a rule may have (allowed: {', '.join(map(str, STATUSES))})")
    return int(word)


def _rule(number: int, line: str, status: int, place: str, source: Source, path: str) -> Rule:
    exact = uris.decoded(path)
    if re.search(r"[\x00-\x1f\x7f]", exact):
        raise ValueError(f"the path {path!r} holds a control character")
    # An encoded slash is a character of a name, which no decoded path can tell from a separator.
    if source.names or "%2f" in path.lower():
        return Rule(number, line, status, place, pattern=source.pattern, prefix=source.prefix, force=True)
    return Rule(number, line, status, place, paths=(exact,), force=True)


@dataclass
class _Block:
    """A path line and what follows it. `given` counts header lines, also those with a name or value that the edge cannot send."""

    line: int
    text: str
    host: str
    source: Source
    values: dict[str, str] = field(default_factory=dict)
    removed: dict[str, str] = field(default_factory=dict)
    given: int = 0

    def rules(self) -> list[HeaderRule]:
        """Removals come first, wherever they stand in the block: what it both removes and sets is set anew."""
        if self.removed.keys() & self.values.keys():
            parts = [self.removed, self.values]
        else:
            parts = [{**self.removed, **self.values}]
        return [HeaderRule(self.source.pattern, part, self.line, self.text) for part in parts if part]


class _Headers:
    """One pass over a file."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._block: _Block | None = None
        self._refused = False
        self._complete = 0
        self._kept: dict[tuple[str, Source], _Block] = {}

    def read(self, line: str, number: int) -> None:
        """Take in one line. ValueError when it is neither a path nor a header."""
        _check_length(line)
        if _PATH_LINE.match(line):
            self._begin(line, number)
        elif self._block:
            _add(line, self._block)
        elif not self._refused:
            raise ValueError("a header without a path above it")

    def finish(self) -> list[HeaderRule]:
        self._close()
        return [rule for block in self._kept.values() for rule in block.rules()]

    def _begin(self, line: str, number: int) -> None:
        # The vendor counts before it closes the rule above, so that one more than documented applies.
        full = self._complete >= MAX_HEADER_RULES
        self._close()
        self._refused = True
        if full:
            raise ValueError(f"beyond the {MAX_HEADER_RULES} rules that a file may have; the headers below it do not apply")
        host, path = _header_path(line)
        self._block = _Block(number, line, host, compile_source(path))

    def _close(self) -> None:
        block, self._block = self._block, None
        if not block:
            return
        if not block.given:
            self.problems.append(Problem("_headers", block.line, f"no headers for {block.text}"))
            return
        self._complete += 1
        key = (block.host, block.source)
        earlier = self._kept.get(key)
        if earlier:
            reason = f"the rule in line {block.line} is for the same path and takes the place of this one"
            self.problems.append(Problem("_headers", earlier.line, reason))
        self._kept[key] = block


def _header_path(line: str) -> tuple[str, str]:
    """The host that a rule names, and its path. The host decides nothing: the site's own ones all serve the same version."""
    absolute = _ABSOLUTE.fullmatch(line)
    if not absolute and not line.startswith("/"):
        raise ValueError(f"{line!r} must begin with / or https://; the headers below it do not apply")
    host = absolute[1] if absolute else ""
    if re.search(r":[0-9]+\Z", host):
        raise ValueError(f"the host {host!r} must not have a port; the headers below it do not apply")
    # Mostly `X-Robots-Tag: noindex` for previews: for every host, such a rule would take the site out of search engines.
    if CAPTURE.search(host) or host.lower().endswith((".pages.dev", ".workers.dev")):
        raise ValueError(f"the host {host!r} is not one of the site's; the headers below it do not apply")
    return host.lower(), path_of(absolute[2] if absolute else line)


def _add(line: str, block: _Block) -> None:
    text, colon, value = line.partition(":")
    if not colon and line.startswith("! "):
        block.given += 1
        block.removed[header_name(line[2:], _RESERVED)] = ""
        return
    text, value = text.strip(_SPACE), value.strip(_SPACE)
    if not colon or not text or " " in text or not value:
        raise ValueError("needs `Name: value` or `! Name`")
    block.given += 1
    name = header_name(text, _RESERVED)
    value = header_value(name, value)
    if _NUMBER_IN_BRACES.search(value):
        raise ValueError(f"the value of {name} holds a number in braces, which stands for a capture here")
    value = fill(value, block.source.names)
    block.values[name] = f"{block.values[name]}, {value}" if name in block.values else value
