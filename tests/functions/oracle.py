"""What the documentation says that a request is answered with, worked out from the rules one by one: no table, no lists, no shards.

The first rule that covers the path and whose conditions hold decides; where there is a file it answers instead, unless the rule is
forced; a redirect to where the visitor is does not hold; what nothing answers is missing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from tests.engine.support import Answer
from toolkit.engine import slashes, uris
from toolkit.engine.model import Manifest, Rule


@dataclass(frozen=True)
class Request:
    """A GET of an encoded path; `query` in order, with single encoded values."""

    uri: str
    query: Mapping[str, str] = field(default_factory=dict)
    country: str = ""
    language: str = ""
    cookies: tuple[str, ...] = ()


def answer(manifest: Manifest, asked: Request) -> Answer:
    """Status, and blob or Location."""
    addresses = slashes.addresses(manifest.settings.slashes, manifest.assets)
    try:
        path, url = uris.decoded(asked.uri), uris.canonical(asked.uri)
    except ValueError:
        return _missing(manifest)
    for rule in manifest.redirects:
        captured = _captured(rule, path, url, asked)
        if captured is None:
            continue
        if path in addresses and not rule.force:
            break
        target = _filled(rule.target, captured)
        if not rule.is_redirect:
            # A rewrite to nothing shows the site's own page, not that of a folder.
            return _rewritten(manifest, addresses, rule, target, asked) or _missing(manifest)
        used = {name for name, value in rule.query if value == "{}"}
        if used or (re.split("[?#]", target)[0] or "/") != url:
            return Answer(rule.status, location=_with_query(target, asked.query, used))
    return _file(manifest, addresses, path, asked.query)


def _captured(rule: Rule, path: str, url: str, asked: Request) -> list[str] | None:
    """What the rule's groups and query parameters hold, None when it does not apply."""
    match = re.fullmatch(rule.pattern, url) if rule.pattern else None
    if path in rule.paths:
        groups = [""] * re.compile(rule.pattern).groups
    elif match:
        groups = [group or "" for group in match.groups()]
    else:
        return None
    if rule.countries and asked.country.lower() not in rule.countries:
        return None
    language = asked.language.lower()
    if rule.languages and not {language, language.split("-")[0]} & set(rule.languages):
        return None
    if rule.cookies and not set(rule.cookies) & set(asked.cookies):
        return None
    for name, wanted in rule.query:
        if name not in asked.query:
            return None
        value = uris.canonical(asked.query[name])
        if wanted == "{}":
            groups.append(value)
        elif uris.canonical(wanted) != value:
            return None
    return groups


def _filled(target: str, captured: list[str]) -> str:
    for number, value in enumerate(captured, 1):
        target = target.replace(f"{{{number}}}", value)
    if not target.startswith("/"):
        return target
    path, mark, rest = re.match(r"([^?#]*)([?#]?)(.*)", target).groups()  # type: ignore[union-attr]
    return f"{re.sub('/+', '/', path)}{mark}{rest}"


def _with_query(target: str, query: Mapping[str, str], used: set[str]) -> str:
    pairs = [f"{name}={value}" if value else name for name, value in query.items() if name not in used]
    if not pairs or "?" in target:
        return target
    path, mark, fragment = target.partition("#")
    return f"{path}?{'&'.join(pairs)}{mark}{fragment}"


def _rewritten(
    manifest: Manifest, addresses: Mapping[str, slashes.Answer], rule: Rule, target: str, asked: Request
) -> Answer | None:
    file = _landing(addresses, unquote(target.split("?")[0]))
    if not file:
        return None
    there = addresses[unquote(target.split("?")[0])]
    respells = manifest.settings.dialect == "cloudflare" and rule.status == 200 and isinstance(there, slashes.Move)
    if respells and uris.canonical_of(there.address) != uris.canonical(asked.uri):
        return Answer(there.status, location=_with_query(uris.canonical_of(there.address), asked.query, set()))
    if rule.status != 200:
        return Answer(rule.status, blob=manifest.error_pages[f"{rule.status}{file}"].blob)
    if "{" in rule.target and f"404{file}" in manifest.error_pages and file.endswith("/404.html"):
        return Answer(404, blob=manifest.error_pages[f"404{file}"].blob)
    return Answer(200, blob=manifest.assets[file].blob)


def _file(manifest: Manifest, addresses: Mapping[str, slashes.Answer], path: str, query: Mapping[str, str]) -> Answer:
    found = addresses.get(path)
    if found is None:
        return _missing(manifest, path)
    file = _landing(addresses, path)
    if file.endswith("/404.html"):
        return Answer(404, blob=manifest.error_pages[f"404{file}"].blob)
    if isinstance(found, slashes.Move):
        return Answer(found.status, location=_with_query(uris.canonical_of(found.address), query, set()))
    return Answer(200, blob=manifest.assets[found.file].blob)


def _landing(addresses: Mapping[str, slashes.Answer], path: str) -> str:
    found = addresses.get(path)
    while isinstance(found, slashes.Move):
        found = addresses.get(found.address)
    return found.file if found else ""


def _missing(manifest: Manifest, path: str = "/") -> Answer:
    """The nearest error page up the tree from a decoded path."""
    if manifest.fallback:
        return Answer(200, blob=manifest.assets[manifest.fallback.lstrip("*")].blob)
    while path:
        path = path[: path.rindex("/")]
        page = manifest.error_pages.get(f"404{path}/404.html")
        if page:
            return Answer(404, blob=page.blob)
    return Answer(404)
