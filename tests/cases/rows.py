"""Rows of a case file: what they hold, and which site each of them is asked of. README.md has the format."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from toolkit.engine.model import Settings

KINDS = ("redirects", "headers", "trailing", "serve")
RULE_FILES = {"redirects": "_redirects", "headers": "_headers"}
REQUESTED = {"path", "query", "headers", "method", "scheme"}

# Whose rule files the toolkit reads, and how pages answer there where a row says nothing of it. The rows of "cloudflare" were
# answered by the assets handler of Workers; Pages has a policy of its own.
SPOKEN = {
    "netlify": ("netlify", "netlify"),
    "cloudflare": ("cloudflare", "cloudflare-auto"),
    "cloudflare-workers": ("cloudflare", "cloudflare-auto"),
    "cloudflare-pages": ("cloudflare", "cloudflare-pages"),
    "generic": ("netlify", "auto"),
}
# Their rule files come later; where only a policy is asked for, the rows of these hosts are answered like all others.
NOT_SPOKEN = ("vercel.json", "firebase.json", "amplify", "vercel", "firebase")
ONLY_POLICIES = ("vercel", "firebase", "amplify", "github-pages", "npm-serve")


def _combinations(vendor: str) -> dict[str, str]:
    """`cleanUrls` and `trailingSlash` of Vercel and Firebase as policy names."""
    clean, slash = {"false": "", "true": "-clean"}, {"unset": "", "true": "-slash", "false": "-no-slash"}
    return {f"{vendor}:cleanUrls={c},trailingSlash={s}": f"{vendor}{clean[c]}{slash[s]}" for c, s in product(clean, slash)}


POLICIES = {
    "cloudflare:auto-trailing-slash": "cloudflare-auto",
    "cloudflare:force-trailing-slash": "cloudflare-force",
    "cloudflare:drop-trailing-slash": "cloudflare-drop",
    "cloudflare:none": "cloudflare-none",
    "cloudflare-pages": "cloudflare-pages",
    "netlify:pretty-urls-on": "netlify",
    "netlify:pretty-urls-off": "netlify-plain",
    "github-pages": "github-pages",
    "amplify:default": "amplify",
    "npm-serve:default": "npm-serve",
    **_combinations("vercel"),
    **_combinations("firebase"),
}


@dataclass(frozen=True)
class Content:
    """What is published: equal contents are one site. `rules` maps the name of a rule file to its text."""

    files: tuple[str, ...]
    rules: tuple[tuple[str, str], ...]
    settings: Settings


@dataclass(frozen=True)
class Row:
    """One question and the answer that a host gives, as the case file has it."""

    id: str
    kind: str
    dialect: str
    policy: str
    files: tuple[str, ...]
    rules: str
    request: Mapping[str, Any]
    expect: Mapping[str, Any]
    basis: str
    # Why the row is not in the format, "" when it is.
    odd: str = ""

    @property
    def is_disputed(self) -> bool:
        return "(disputed)" in self.basis or "differs" in self.basis

    @property
    def is_spoken(self) -> bool:
        """False for a rule file in a dialect that the toolkit is known not to read yet."""
        return self.kind == "trailing" or self.dialect not in NOT_SPOKEN

    @property
    def asked_host(self) -> str:
        """The row's own Host, as written, or ""."""
        return next((str(value) for name, value in self.request["headers"].items() if name.lower() == "host"), "")

    @property
    def host(self) -> str:
        """The host that the row's site must have for that, or ""."""
        return self.asked_host.lower().partition(":")[0]

    @property
    def content(self) -> Content:
        """For a row in which `unknown` found nothing."""
        if self.kind == "trailing":
            spoken = SPOKEN.get(self.dialect, SPOKEN["generic"])[0]
            settings = Settings(dialect=spoken, slashes=POLICIES[self.policy])
            return Content(on_disk(self.files, self.request["path"]), (), settings)
        dialect, slashes = SPOKEN[self.dialect]
        rules = ((RULE_FILES[self.kind], self.rules),) if self.rules else ()
        return Content(on_disk(self.files, self.request["path"]), rules, Settings(dialect=dialect, slashes=slashes))

    def unknown(self) -> list[str]:
        """What cannot be asked of any site, in words; expectations are the business of `judge`."""
        if self.odd:
            return [self.odd]
        found = [f"{name!r} in the request" for name in sorted(set(self.request) - REQUESTED)]
        dialects = (*SPOKEN, *ONLY_POLICIES) if self.kind == "trailing" else (*SPOKEN, *NOT_SPOKEN)
        if self.kind not in KINDS:
            found.append(f"the kind {self.kind!r}")
        elif self.dialect not in dialects:
            found.append(f"the dialect {self.dialect!r}")
        elif self.kind == "trailing":
            found += self._unknown_policy()
        elif self.is_spoken and self.rules and self.kind not in RULE_FILES:
            found.append(f"rules in a row of the kind {self.kind}")
        return found

    def _unknown_policy(self) -> list[str]:
        """A policy row's rules only repeat its policy, as the host's own configuration file has it."""
        found = [] if self.policy in POLICIES else [f"the policy {self.policy!r}"]
        try:
            said = json.loads(self.rules or "{}")
        except ValueError:
            return [*found, "rules in a policy row that are no JSON"]
        said = said.get("hosting", said)
        known = {"html_handling", "cleanUrls", "trailingSlash", "not_found_handling"}
        found += [f"{name!r} in the rules" for name in sorted(set(said) - known)]
        if said.get("not_found_handling", "404-page") != "404-page":
            found.append(f"not_found_handling {said['not_found_handling']!r}")
        return found


def load(path: Path) -> list[Row]:
    """The rows, also those that are not in the format (`odd`). ValueError when the file is not a list."""
    rows = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(rows, list):
        raise ValueError("it is not a list of rows")
    return [_row(row) for row in rows]


def _check(row: Mapping[str, Any]) -> None:
    """ValueError when a field has not the type that it should have, or a file would lie outside of its folder."""
    request = row["request"]
    headers = request.get("headers") or {}
    texts = [row["id"], row["kind"], row["dialect"], row["rules"] or "", request["path"], request.get("query") or "", *row["files"]]
    texts += [*headers, *headers.values()] if isinstance(headers, Mapping) else [None]
    if not isinstance(row["files"], list) or not isinstance(row["expect"], Mapping):
        raise ValueError("`files` is no list, or `expect` no object")
    for text in texts:
        if not isinstance(text, str):
            raise ValueError(f"{text!r} is no text")
        text.encode()
    for file in row["files"]:
        if not file.startswith("/") or {"", ".", ".."} & set(file[1:].split("/")) or "\0" in file:
            raise ValueError(f"the file {file!r} is no path below a folder")
    re.compile(str(row["expect"].get("location_not_matching", "")))


def _row(row: Mapping[str, Any]) -> Row:
    try:
        _check(row)
        return Row(
            id=row["id"],
            kind=row["kind"],
            dialect=row["dialect"],
            policy=row.get("policy", ""),
            files=tuple(row["files"]),
            rules=row["rules"] or "",
            request={**row["request"], "query": row["request"].get("query") or "", "headers": row["request"].get("headers") or {}},
            expect=row["expect"],
            basis=row.get("basis", ""),
        )
    except (KeyError, TypeError, AttributeError, ValueError, re.error) as error:
        # One row that is not in the format says nothing of the others.
        name = str(row.get("id", "?")) if isinstance(row, Mapping) else "?"
        return Row(name, "", "", "", (), "", {"path": "/", "query": "", "headers": {}}, {}, "", odd=f"{error}")


def on_disk(files: tuple[str, ...], requested: str) -> tuple[str, ...]:
    """What one folder can hold: of `/a` and `/a/b` the first gives way, unless it is what the request names."""
    path = unquote(requested)
    gone: set[str] = set()
    for file in files:
        below = {other for other in files if other.startswith(f"{file}/")}
        if below:
            gone |= below if file == path else {file}
    return tuple(file for file in files if file not in gone)
