"""From files, rules and settings to everything that a version can answer with: assets, their variants, error pages, fallbacks.

A header rule speaks of addresses, and headers travel with a blob: where one file answers at two addresses with different headers
it becomes two blobs. What is missing has no blob of its own, so header rules for it become variants of the error page, found by
pattern.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from toolkit.engine import headers, patterns, slashes, uris
from toolkit.engine.circles import without_circles
from toolkit.engine.decide import file_for
from toolkit.engine.dialects.common import Problem, Rules
from toolkit.engine.model import MAINTENANCE_FILES, Asset, Fallback, HeaderRule, Rule, Settings
from toolkit.engine.scan import ScannedFile

# Variants of error pages that a version may have; a site that needs more gets the first ones, and its plain page for the rest.
MOST_FALLBACKS = 24
# Without a 404.html Cloudflare Pages takes a site for a single-page app ("Serving Pages").
_APP_WITHOUT_ERROR_PAGE = {"cloudflare-pages"}
# What such a policy does to every path, in its host's own terms (`@vercel/routing-utils`).
_UNKNOWN = {
    "add": ((r"(?!/\.well-known(?:/|$))(/(?:[^/]+/)*[^/.]+)", "{1}/"), (r"(/(?:[^/]+/)*[^/]+\.\w+)/", "{1}")),
    "drop": ((r"(/.+)/", "{1}"),),
}


@dataclass
class Pages:
    """The parts of a manifest that come from files and rules; see `model.Manifest`. `problems` are rules that were left out,
    `warnings` what applies only in part."""

    assets: dict[str, Asset] = field(default_factory=dict)
    variants: dict[str, Asset] = field(default_factory=dict)
    error_pages: dict[str, Asset] = field(default_factory=dict)
    redirects: tuple[Rule, ...] = ()
    fallback: str = ""
    fallbacks: tuple[Fallback, ...] = ()
    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def pages(files: Sequence[ScannedFile], rules: Rules, settings: Settings) -> Pages:
    """Everything that the files can answer with. UserError when a file's headers do not fit."""
    by_path = {entry.path: entry for entry in files}
    addresses = slashes.addresses(settings.slashes, by_path)
    redirects, problems = without_circles((*rules.redirects, *_slash_rules(settings)), addresses)
    made = Pages(redirects=redirects, problems=problems)
    _add_assets(made, by_path, addresses, rules.headers, settings)
    everywhere = headers.matching("/", [rule for rule in rules.headers if patterns.is_universal(rule.pattern)], settings)
    for path, entry in by_path.items():
        if headers.is_error_page(path, settings):
            made.error_pages[f"404{path}"] = headers.error_page(entry, everywhere, settings, 404)
        if path in MAINTENANCE_FILES:
            made.error_pages[f"503{path}"] = headers.error_page(entry, {**everywhere, "retry-after": "300"}, settings, 503)
    for rule in made.redirects:
        file = file_for(addresses, rule.target) if _is_page(rule) else ""
        if file:
            given = headers.matching(uris.canonical_of(rule.paths[0]), rules.headers, settings) if rule.paths else everywhere
            made.error_pages.setdefault(f"{rule.status}{file}", headers.error_page(by_path[file], given, settings, rule.status))
    made.fallback = _fallback(made, addresses, settings)
    if not made.fallback:
        made.fallbacks = tuple(_fallbacks(made, by_path, addresses, rules.headers, settings))
    return made


def _add_assets(
    made: Pages,
    by_path: Mapping[str, ScannedFile],
    addresses: Mapping[str, slashes.Answer],
    rules: Sequence[HeaderRule],
    settings: Settings,
) -> None:
    homes: dict[str, list[str]] = {}
    for address, answer in addresses.items():
        if isinstance(answer, slashes.Serve):
            homes.setdefault(answer.file, []).append(address)
    for path, entry in by_path.items():
        here = homes.get(path, [path])
        home = path if path in here else min(here, key=len)
        made.assets[path] = headers.asset(entry, rules, settings, address=home)
        for address in here if rules else ():
            other = headers.asset(entry, rules, settings, address=address)
            if other.blob != made.assets[path].blob:
                made.variants[address] = other


def _slash_rules(settings: Settings) -> Iterator[Rule]:
    """Policies that respell every path, whether or not there is such a page, are rules that come last."""
    for pattern, target in _UNKNOWN.get(slashes.UNKNOWN[settings.slashes], ()):
        yield Rule(0, f'slashes = "{settings.slashes}"', 308, target, pattern=pattern, file="site.toml")


def _is_page(rule: Rule) -> bool:
    """Whether it answers with a file under a status of its own."""
    return not rule.is_redirect and rule.status != 200 and rule.target.startswith("/") and "{" not in rule.target


def _fallback(made: Pages, addresses: Mapping[str, slashes.Answer], settings: Settings) -> str:
    everything = (rule for rule in made.redirects if patterns.is_universal(rule.pattern) and not rule.is_conditional)
    rule = next(everything, None)
    if rule and rule.status == 200 and rule.target.startswith("/") and "{" not in rule.target:
        file = file_for(addresses, rule.target)
        return f"*{file}" if file else ""
    if "/index.html" not in made.assets:
        return ""
    if settings.mode == "spa":
        return "/index.html"
    return "*/index.html" if settings.slashes in _APP_WITHOUT_ERROR_PAGE and not made.error_pages else ""


def _fallbacks(
    made: Pages,
    by_path: Mapping[str, ScannedFile],
    addresses: Mapping[str, slashes.Answer],
    rules: Sequence[HeaderRule],
    settings: Settings,
) -> Iterator[Fallback]:
    """The nearest error page up the tree, each with the headers that only some of the missing paths get; most specific first."""
    sets = _rule_sets([rule for rule in rules if _covers_missing(rule, addresses)])
    nested = sorted((path for path in by_path if headers.is_error_page(path, settings) and path != settings.not_found), key=len)
    left = MOST_FALLBACKS
    for page in [*reversed(nested), settings.not_found]:
        folder = "/" if page == settings.not_found else uris.canonical_of(page.rsplit("/", 1)[0] + "/")
        inside = "" if folder == "/" else f"{re.escape(folder)}.*"
        for some in sets:
            prefix = _common([folder, *(_folder_of(rule) for rule in some)])
            if not prefix:
                continue
            left -= 1
            if left < 0:
                continue
            covering = [inside, *(rule.pattern for rule in some)]
            yield _with_headers(made, by_path.get(page), page, covering, prefix, some, rules, settings)
        if inside:
            yield Fallback(inside, folder, f"404{page}")
    if left < 0:
        made.warnings.append(
            f"_headers: {-left} combinations of rules, of {MOST_FALLBACKS - left}, do not apply to missing pages: a site has "
            f"{MOST_FALLBACKS} variants of its error pages at most"
        )


def _with_headers(
    made: Pages,
    entry: ScannedFile | None,
    page: str,
    covering: Sequence[str],
    prefix: str,
    some: Sequence[HeaderRule],
    rules: Sequence[HeaderRule],
    settings: Settings,
) -> Fallback:
    wanted = [pattern for pattern in covering if pattern]
    pattern = wanted[0] if len(wanted) == 1 else "".join(f"(?={one}$)" for one in wanted) + ".*"
    # Captures keep their numbers only where one rule makes the pattern alone; elsewhere, and in a page's metadata, they are empty.
    given: dict[str, str] = {}
    for rule in rules:
        if rule in some or patterns.is_universal(rule.pattern):
            keeps = len(wanted) == 1 and rule in some and entry is None
            headers.add(
                given, rule.headers if keeps else {name: patterns.fill(value, ()) for name, value in rule.headers.items()}, settings
            )
    ignore_case = any(rule.ignore_case for rule in some)
    if entry is None:
        shown = {name: value for name, value in given.items() if value}
        return Fallback(pattern, prefix, "", shown, ignore_case)
    key = f"404{page}#{len(made.error_pages)}"
    made.error_pages[key] = headers.error_page(entry, given, settings, 404)
    return Fallback(pattern, prefix, key, ignore_case=ignore_case)


def _covers_missing(rule: HeaderRule, addresses: Mapping[str, slashes.Answer]) -> bool:
    """Whether it says something of paths that are not there, and not of all of them."""
    if patterns.is_universal(rule.pattern):
        return False
    literal = patterns.literal_of(rule.pattern)
    return literal is None or rule.ignore_case or uris.decoded(literal) not in addresses


def _rule_sets(rules: Sequence[HeaderRule]) -> list[tuple[HeaderRule, ...]]:
    """Two rules that can meet in one path, then each by itself; those with wildcards before those for one path."""
    wild = sorted(rules, key=lambda rule: patterns.literal_of(rule.pattern) is not None)
    pairs = [pair for pair in combinations(wild[:MOST_FALLBACKS], 2) if _can_meet(*pair)]
    return [*pairs, *((rule,) for rule in wild)]


def _can_meet(one: HeaderRule, other: HeaderRule) -> bool:
    literals = (patterns.literal_of(one.pattern), patterns.literal_of(other.pattern))
    if all(literal is not None for literal in literals):
        return False
    for literal, rule in ((literals[0], other), (literals[1], one)):
        if literal is not None:
            return bool(patterns.compiled(rule.pattern, rule.ignore_case).fullmatch(literal))
    return bool(_common([_folder_of(one), _folder_of(other)]))


def _folder_of(rule: HeaderRule) -> str:
    """The folder that everything it covers lies in; of a rule that takes any case, only the root is sure."""
    return "/" if rule.ignore_case else patterns.folder_of(rule.pattern)


def _common(folders: Sequence[str]) -> str:
    """The deepest of some folders when they lie in each other, "" when no path lies in all."""
    deepest = max(folders, key=len)
    return deepest if all(deepest.startswith(folder) for folder in folders) else ""
