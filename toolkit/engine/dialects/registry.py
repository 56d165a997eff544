"""Which dialects of rule files there are, and how a version's files are read. A new dialect is one module and one name here."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Protocol, cast

from toolkit.engine.dialects.common import Rules

DIALECTS = {"netlify": "toolkit.engine.dialects.netlify", "cloudflare": "toolkit.engine.dialects.cloudflare"}


class Dialect(Protocol):
    """A module that appends to `rules` what it reads, and a Problem for every line that it cannot; it raises nothing."""

    def redirects(self, text: str, rules: Rules) -> None: ...

    def headers(self, text: str, rules: Rules) -> None: ...


def parse(files: Mapping[str, str], dialect: str) -> Rules:
    """Read a version's rule files, name -> text. KeyError for a dialect that there is not: the configuration has been checked."""
    module = cast(Dialect, import_module(DIALECTS[dialect]))
    rules = Rules()
    if "_redirects" in files:
        module.redirects(files["_redirects"], rules)
    if "_headers" in files:
        module.headers(files["_headers"], rules)
    return rules
