"""What answers each path of a version: addresses by the slash policy, then the rules, as far as they need no request.

The order is the one that hosts with shadowing have: of the rules that cover a path, the first that holds answers; where there is a
file, only a forced rule goes before it. A rule without conditions is decided here. Where a condition matters, the path's record is
either a short list for the edge, or says that the site's patterns come first.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from toolkit.engine import headers, patterns, slashes, uris
from toolkit.engine.model import Fallback, Manifest, Rule
from toolkit.engine.patterns import Entry

Groups = tuple[str | None, ...]


@dataclass(frozen=True)
class Decided:
    """A path's answer: `record` is a table record (F, E, C) or "R" and a text. With `rules` the edge tries those, in order; with
    `after_patterns` it tries the site's patterns first. `rule` is the rule that answers, for people."""

    record: str = ""
    rules: tuple[Entry, ...] = ()
    after_patterns: bool = False
    rule: Rule | None = None


@dataclass(frozen=True)
class Decisions:
    """`answers`: path (decoded) -> its answer; what is not there is up to `folders`, the patterns by folder, or missing."""

    answers: Mapping[str, Decided]
    folders: Mapping[str, list[Entry]] = field(default_factory=dict)


def decide(manifest: Manifest) -> Decisions:
    """Everything that can be known about a version's routes without a request."""
    return _Decider(manifest).decisions()


def addresses_of(manifest: Manifest) -> dict[str, slashes.Answer]:
    return slashes.addresses(manifest.settings.slashes, manifest.assets)


def landing(addresses: Mapping[str, slashes.Answer], path: str) -> str:
    """The file that a visitor of `path` (decoded) ends at without any rule, "" when there is none."""
    for _ in range(4):
        answer = addresses.get(path)
        if not isinstance(answer, slashes.Move):
            return answer.file if answer else ""
        path = answer.address
    return ""


def file_for(addresses: Mapping[str, slashes.Answer], target: str) -> str:
    """The file that a rule's target (canonical, perhaps with a query) names, "" when there is none."""
    return landing(addresses, uris.decoded(target.split("?")[0].split("#")[0]))


class Coverage:
    """Which rules cover a path, found without trying all of them."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = rules
        self.exact: dict[str, list[int]] = {}
        self._by_prefix: dict[str, list[int]] = {}
        for index, rule in enumerate(rules):
            for path in rule.paths:
                self.exact.setdefault(path, []).append(index)
            if rule.pattern:
                self._by_prefix.setdefault(rule.prefix, []).append(index)

    def over(self, path: str) -> Iterator[tuple[Rule, Groups]]:
        """The rules that cover a decoded path, in order, with the groups of their patterns; not those that lead back to it."""
        url = uris.canonical_of(path)
        covering = list(self.exact.get(path, ()))
        for folder in patterns.folders(url):
            covering += self._by_prefix.get(folder, ())
        for index in sorted(set(covering)):
            rule = self.rules[index]
            match = patterns.compiled(rule.pattern).fullmatch(url) if rule.pattern else None
            groups = match.groups() if match else ()
            if (match or path in rule.paths) and not patterns.leads_nowhere(rule, url, groups):
                yield rule, groups


class _Decider:
    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest
        self.rules = manifest.redirects
        self.addresses = addresses_of(manifest)
        self.coverage = Coverage(manifest.redirects)
        self.exact = self.coverage.exact

    def decisions(self) -> Decisions:
        base = {path: self._base(path, answer) for path, answer in self.addresses.items()}
        for path, asset in self.manifest.carried.items():
            if path not in self.exact:
                base.setdefault(path, f"F{asset.blob}")
        answers: dict[str, Decided] = {}
        for path in [*base, *(path for path in self.exact if path not in base)]:
            decided = self._decided(path, base.get(path, "")) if self.rules else Decided(base[path])
            if decided:
                answers[path] = decided
            elif path in self.manifest.carried and path in self.exact:
                answers[path] = Decided(f"F{self.manifest.carried[path].blob}")
        folders = patterns.by_folder(self._entries())
        lists = (*folders.values(), *(answer.rules for answer in answers.values()))
        if any(entry.outcome[0] in "WV" for entries in lists for entry in entries):
            answers.update(self._files(base, answers))
        return Decisions(answers, folders)

    @staticmethod
    def _files(base: Mapping[str, str], answers: Mapping[str, Decided]) -> dict[str, Decided]:
        """The files at paths that rules decide about, for rewrites, which no rule applies to again: under `=` and the path."""
        hidden = (path for path in base if path not in answers or answers[path].record != base[path])
        return {f"={path}": Decided(base[path]) for path in hidden}

    # --- files

    def _base(self, path: str, answer: slashes.Answer) -> str:
        """The record of an address that the files give."""
        file = landing(self.addresses, path)
        page = self.manifest.error_pages.get(f"404{file}") if headers.is_error_page(file, self.manifest.settings) else None
        if page:
            return f"E{page.blob}"
        if isinstance(answer, slashes.Serve):
            return f"F{self.manifest.served_at(path, answer.file).blob}"
        extra = self._redirect_headers(uris.canonical_of(path))
        return (not extra and _respelling(path, answer)) or f"R{answer.status} {uris.canonical_of(answer.address)}{extra}"

    def _redirect_headers(self, path: str, pattern: str = "") -> str:
        """Headers that the site's rules give a redirect, as they follow its target; of a pattern those that apply everywhere."""
        settings = self.manifest.settings
        if not headers.traits(settings).on_redirects:
            return ""
        rules = [rule for rule in self.manifest.header_rules if not pattern or patterns.is_universal(rule.pattern)]
        found = {name: value for name, value in headers.matching(path, rules, settings).items() if value}
        return f" {json.dumps(found, sort_keys=True, separators=(',', ':'))}" if found else ""

    # --- rules

    def _decided(self, path: str, base: str) -> Decided | None:
        chain = list(self._chain(path, bool(base)))
        while chain and not chain[-1][1]:
            chain.pop()  # it leads to the file, as does what comes after it
        if not chain:
            return Decided(base) if base else None
        if base and all(path not in rule.paths for rule, _ in chain):
            only = chain[0][0]
            # Of a path that the table does not hold, the edge asks the patterns.
            return None if not only.is_conditional else Decided(base, after_patterns=True)
        entries = [self._entry(order, patterns.at_its_paths(rule) if path in rule.paths else rule) if answers else
                   Entry(order, "", "/", True, base, patterns.conditions(rule))
                   for order, (rule, answers) in enumerate(chain)]  # fmt: skip
        first = entries[0]
        if not first.when and not first.pattern and first.outcome[0] in "FER":
            record = first.outcome
            return Decided(record + (self._redirect_headers(uris.canonical_of(path)) if record[0] == "R" else ""), rule=chain[0][0])
        if base and chain[-1][0].is_conditional:
            entries.append(Entry(len(entries), "", "/", True, base))
        return Decided(rules=tuple(entries), rule=chain[0][0])

    def _chain(self, path: str, exists: bool) -> Iterator[tuple[Rule, bool]]:
        """The rules that may decide about a path, in order, each with whether it answers itself or leaves it to the file."""
        for rule, _ in self.coverage.over(path):
            yield rule, rule.force or not exists
            if not rule.is_conditional:
                return

    def _entries(self) -> list[Entry]:
        """The patterns, as far as the edge can get to them, then the pages for what is missing."""
        found: list[Entry] = []
        for order, rule in enumerate(self.rules):
            everywhere = patterns.is_universal(rule.pattern) and not rule.is_conditional
            if everywhere and self.manifest.fallback == f"*{self._page_of(rule)}":
                return found
            if rule.pattern:
                found.append(self._entry(order, rule))
            # A redirect does not hold where it leads to the very path: there the rules after it have their turn.
            if everywhere and not rule.is_redirect:
                return found
        return found + patterns.of_fallbacks(self.manifest.fallbacks, len(self.rules), self._fallback)

    def _fallback(self, one: Fallback) -> str:
        if one.page:
            return f"E{self.manifest.error_pages[one.page].blob}"
        return f"N {json.dumps(dict(one.headers), sort_keys=True, separators=(',', ':'))}"

    def _page_of(self, rule: Rule) -> str:
        return file_for(self.addresses, rule.target) if rule.status == 200 and rule.target.startswith("/") else ""

    def _entry(self, order: int, rule: Rule) -> Entry:
        outcome = self._outcome(rule)
        if rule.pattern and outcome[0] == "R":
            outcome += self._redirect_headers("/", rule.pattern)
        return Entry(order, rule.pattern, rule.prefix, rule.force, outcome, patterns.conditions(rule))

    def _outcome(self, rule: Rule) -> str:
        if rule.is_redirect:
            return f"R{rule.status} {rule.target}"
        if not rule.target:
            return "N"
        if not rule.target.startswith("/"):
            return f"P{rule.target}"
        respells = headers.traits(self.manifest.settings).rewrites_respell
        if "{" in rule.target:
            return f"{'V' if respells else 'W'}{rule.target}"
        there = self.addresses.get(uris.decoded(rule.target)) if rule.status == 200 and respells else None
        if isinstance(there, slashes.Move) and there.address not in rule.paths:
            # A pattern may cover the page itself: then only the edge knows whether the visitor is there.
            return f"V{rule.target}" if rule.pattern else f"R{there.status} {uris.canonical_of(there.address)}"
        file = file_for(self.addresses, rule.target)
        if rule.status == 200:
            return f"F{self.manifest.assets[file].blob}" if file else "N"
        page = self.manifest.error_pages.get(f"{rule.status}{file}")
        return f"E{page.blob}" if page else "N"


def _respelling(path: str, move: slashes.Move) -> str:
    """`C`, status, how many characters to cut from the end (all ASCII), then `/` to add one or `-`; "" where that is not all."""
    for add in ("", "/"):
        stem = move.address[: len(move.address) - len(add)]
        tail = path[len(stem) :]
        if move.address.endswith(add) and path.startswith(stem) and tail.isascii() and len(tail) < 100 and stem + add != "//":
            return f"C{move.status}{len(tail):02d}{add or '-'}"
    return ""
