"""What the edge does with one request, and why: asked of the routing functions themselves, not of a second implementation.

Which rule answers is found over a copy of the version whose rules lead to their numbers, which side of a canary a visitor is on
over a copy of the host's value whose sides lead to theirs: so an explanation cannot disagree with the edge about either.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from toolkit.engine import channels, layout, patterns, pointers, slashes, uris
from toolkit.engine.decide import addresses_of
from toolkit.engine.model import Manifest, Rule
from toolkit.engine.pointers import Pointer, pointer
from toolkit.engine.routes import compile_table

# As long as a nonce is before the compiler adds to it, so that sizes are those of a deploy.
NONCE = "explained"
_MARK = "/-/rule/"
_RULE = re.compile(rf"{_MARK}(\d+)(\?|$)")
_SIDE = re.compile(r"//side-(\d)\.invalid/")
_PREVIEW = "preview.invalid"
# Runs viewer-request for the request in question over a route store, given as a dict; what it answers.
Ask = Callable[[Mapping[str, str]], dict[str, Any]]


def host_of(host: str, label: str, read: Callable[[str], str | None], ask: Ask) -> str:
    """The host whose pointer answers a visitor of `host` with a preview's cookie: the preview's, where that leads there."""
    preview = f"{label}.{host}"
    value = read(layout.host_key(preview)) if channels.is_label(label) else None
    if not value:
        return host
    marked = {layout.host_key(preview): pointers.regated(value, lambda _: f"r{_PREVIEW}")}
    if own := read(layout.host_key(host)):
        marked[layout.host_key(host)] = own
    return preview if _location(ask(marked)).startswith(f"//{_PREVIEW}/") else host


def side(value: str, host: str, ask: Ask) -> Pointer | None:
    """The pointer of `host` that the visitor gets, None when this release did not write the value."""
    sides = pointers.read(value)
    if len(sides) < 2:
        return sides[0] if sides else None
    names = iter(range(len(sides)))
    marked = pointers.regated(value, lambda _: f"rside-{next(names)}.invalid")
    found = _SIDE.match(_location(ask({layout.host_key(host): marked})))
    return sides[int(found[1])] if found else None


def rule_for(manifest: Manifest, host: str, uri: str, ask: Ask) -> Rule | None:
    """The rule that answers for `uri` on `host`, None when a file does or nothing."""
    rules = tuple(rule for rule in manifest.redirects if not _leads_nowhere(rule, uri))
    marked = tuple(replace(rule, status=302, target=f"{_MARK}{number}") for number, rule in enumerate(rules))
    copy = replace(manifest, redirects=marked)
    table = compile_table(copy, NONCE)
    found = _RULE.match(_location(ask({**table.puts, layout.host_key(host): pointer(copy, table.ref, "")})))
    return rules[int(found[1])] if found else None


def shown(rule: Rule) -> str:
    """A rule and where it stands; one that a setting stands for has no line."""
    return f"{rule.file} line {rule.line}: {rule.text}" if rule.line else f"{rule.file}: {rule.text}"


def behind(gate: str, status: int) -> str:
    """In words, what a channel's gate does with a request that was answered `status`, "" when it lets it pass."""
    if gate[0] == "r":
        return f"canonical host: this host only leads to {gate[1:]}"
    if gate[0] == "m":
        return "maintenance: the channel is closed (toolkit maintenance off)"
    return "password: the visitor has not given it" if gate[0] == "p" and status == 401 else ""


def described(manifest: Manifest, uri: str, blob: str | None) -> str:
    """In words, what in the version answers `uri` with `blob`, when no rule does."""
    address = addresses_of(manifest).get(unquote(uri, errors="surrogateescape"))
    if isinstance(address, slashes.Move) and not blob:
        return "another spelling of a page: its canonical address answers"
    groups = (
        ("file", {**manifest.variants, **manifest.assets}),
        ("page for what is missing", manifest.error_pages),
        ("carried for old tabs", manifest.carried),
    )
    for name, assets in groups:
        for asset in assets.values():
            if blob and asset.blob == blob:
                fallback = name == "file" and address is None
                return f"nothing there: {asset.path} answers for it" if fallback else f"{name} {asset.path}"
    return "nothing there: 404"


def _location(answer: Mapping[str, Any]) -> str:
    return str(answer.get("headers", {}).get("location", {}).get("value", ""))


def _leads_nowhere(rule: Rule, uri: str) -> bool:
    try:
        url = uris.canonical(uri)
    except ValueError:
        return False
    match = patterns.compiled(rule.pattern).fullmatch(url) if rule.pattern else None
    return patterns.leads_nowhere(rule, url, match.groups() if match else ())
