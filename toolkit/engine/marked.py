"""Which rule answers a request: asked of the routing function itself, over a copy of the version whose rules lead to their numbers.

So `explain` cannot disagree with the edge about conditions, order or patterns, as a second implementation of them could.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from toolkit.engine import layout, patterns, uris
from toolkit.engine.model import Manifest, Rule
from toolkit.engine.pointers import pointer
from toolkit.engine.routes import compile_table

_MARK = "/-/rule/"
_ANSWER = re.compile(rf"{_MARK}(\d+)(\?|$)")
Ask = Callable[[Mapping[str, str]], dict[str, Any]]


def rule_for(manifest: Manifest, host: str, uri: str, ask: Ask) -> Rule | None:
    """The rule that answers for `uri` on `host`, None when a file does or nothing.

    `ask` runs viewer-request for the request in question over a route store, given as a dict, and returns what it answers.
    """
    rules = tuple(rule for rule in manifest.redirects if not _leads_nowhere(rule, uri))
    marked = tuple(replace(rule, status=302, target=f"{_MARK}{number}") for number, rule in enumerate(rules))
    copy = replace(manifest, redirects=marked)
    table = compile_table(copy, "explain")
    answer = ask({**table.puts, layout.host_key(host): pointer(copy, table.ref, "")})
    found = _ANSWER.match(answer.get("headers", {}).get("location", {}).get("value", ""))
    return rules[int(found[1])] if found else None


def _leads_nowhere(rule: Rule, uri: str) -> bool:
    try:
        url = uris.canonical(uri)
    except ValueError:
        return False
    match = patterns.compiled(rule.pattern).fullmatch(url) if rule.pattern else None
    return patterns.leads_nowhere(rule, url, match.groups() if match else ())
