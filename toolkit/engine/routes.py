"""Compile a version's routes into the table that the edge reads: see docs/routing-data.md for the layout.

Stages: every path that has an answer becomes one fixed-width record (`entries`), records are dealt into shards of at most 1 KB by a
hash of salt and path (`compile_table`), redirect targets go into a pool. Cost: one MD5 per path and attempt; 50,000 routes take
about 1.6 MB of the store and are found in 2 reads, however many there are.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from toolkit.engine import limits
from toolkit.engine.errors import UserError
from toolkit.engine.headers import clean_path
from toolkit.engine.model import BLOB_KEY_LENGTH, Manifest, Redirect

FINGERPRINT = 7
REF = BLOB_KEY_LENGTH
RECORD = FINGERPRINT + 1 + REF
PER_SHARD = limits.VALUE_BYTES // RECORD
EMPTY = "-"
_MEAN_LOAD = 19


@dataclass(frozen=True)
class Table:
    """A compiled table: `puts` are its keys and values in the store; `ref` is how a pointer names it."""

    nonce: str
    salt: str
    shards: int
    routes: int
    puts: Mapping[str, str] = field(repr=False)

    @property
    def ref(self) -> str:
        return f"{self.nonce}.{self.salt}.{self.shards}"

    @property
    def bytes(self) -> int:
        return sum(len(key) + len(value) for key, value in self.puts.items())


def entries(manifest: Manifest) -> tuple[dict[str, str], list[Redirect]]:
    """Every path that has an answer of its own -> kind and reference. Redirects refer to their index in the returned list.

    Precedence: forced rules, files, their clean addresses, other rules, then assets carried over for old tabs.
    """
    found: dict[str, str] = {}
    used: list[Redirect] = []
    for rule in manifest.redirects:
        if rule.force:
            _add_redirect(rule, found, used)
    for asset in manifest.error_pages.values():
        for path in {asset.path, clean_path(asset.path)} if manifest.settings.clean_urls else {asset.path}:
            found.setdefault(path, f"E{asset.blob}")
    if manifest.settings.clean_urls:
        _add_clean(manifest, found)
    for path, asset in manifest.assets.items():
        found.setdefault(path, f"F{asset.blob}")
        if path.endswith("/index.html"):
            found.setdefault(path[: -len("index.html")], f"F{asset.blob}")
    for rule in manifest.redirects:
        if not rule.force:
            _add_redirect(rule, found, used)
    for path, asset in manifest.carried.items():
        found.setdefault(path, f"F{asset.blob}")
    return found, used


def _add_redirect(rule: Redirect, found: dict[str, str], used: list[Redirect]) -> None:
    # As on Netlify, a rule answers with and without the trailing slash.
    paths = [path for path in (rule.path, _other_slash(rule.path)) if path and path not in found and not _loops(path, rule.target)]
    if paths:
        used.append(rule)
    for path in paths:
        found[path] = f"R{len(used) - 1}"


def _loops(path: str, target: str) -> bool:
    """Whether a browser that follows `target` asks for `path` again: also encoded otherwise, or by way of `/x/..`."""
    landing = unquote(re.split(r"[?#]", target, maxsplit=1)[0])
    slash = "/" if landing.endswith(("/", "/.", "/..")) else ""
    return f"{posixpath.normpath(landing).rstrip('/')}{slash}" == path


def _add_clean(manifest: Manifest, found: dict[str, str]) -> None:
    """Give each page one address and send its other spellings there: `/a.html`, `/a/` -> `/a`; `/b` -> `/b/`.

    Where a file or a forced rule has the address already, the page answers at the other spelling, else under its file's name. What
    our redirects lead to is always a page and never a redirect: together with a site's own rules they make no circle.
    """
    assets = manifest.assets
    pages = {path: clean_path(path) for path in assets if path.endswith(".html") and found.get(path, "")[:1] != "E"}
    pages = {path: address for path, address in pages.items() if address not in assets}
    homes: dict[str, str] = {}
    for choice in (lambda path: pages[path], lambda path: _other_slash(pages[path]), lambda path: path):
        for path in pages:
            home = choice(path)
            if home and path not in homes and home not in found and (home == path or home not in assets):
                homes[path] = home
                found[home] = f"F{assets[path].blob}"
    for path, home in homes.items():
        found.setdefault(path, _canonical_rule(path, home))
        other = _other_slash(home) if home != path else ""
        if other and other not in assets:
            found.setdefault(other, _canonical_rule(other, home))


def _other_slash(path: str) -> str:
    """The path with its last slash taken off or put on; "" for the root."""
    return path[:-1] if path.endswith("/") else f"{path}/"


def _canonical_rule(path: str, address: str) -> str:
    """`C`, status, how many characters to cut from the end (all ASCII), then `/` to add one or `-`."""
    add = "/" if address.endswith("/") and not path.startswith(address) else ""
    return f"C308{len(path) - len(address) + len(add):02d}{add or '-'}"


def compile_table(manifest: Manifest, nonce: str) -> Table:
    """Deal the routes into shards. `nonce` makes the keys unique: a late delete of an older table cannot hit this one."""
    found, used = entries(manifest)
    pool, refs = _pool(used, nonce)
    records = {path: refs[int(ref[1:])] if ref[0] == "R" else ref for path, ref in found.items()}
    shards = max(1, -(-len(records) // _MEAN_LOAD))
    for attempt in range(200):
        salt = f"{nonce}{attempt}"
        dealt = _deal(records, salt, shards)
        if dealt is not None:
            puts = {f"t:{nonce}:{number}": "".join(parts) or EMPTY for number, parts in enumerate(dealt)}
            return Table(nonce, salt, shards, len(records), {**puts, **pool})
        # An overfull shard or two paths with one fingerprint: another salt, and now and then a little more room.
        if attempt % 4 == 3:
            shards += max(1, shards // 16)
    raise UserError(f"the {len(records)} routes do not fit into shards", "please report this")


def _deal(records: Mapping[str, str], salt: str, shards: int) -> list[list[str]] | None:
    dealt: list[list[str]] = [[] for _ in range(shards)]
    seen: set[tuple[int, str]] = set()
    for path, record in records.items():
        digest = hashlib.md5((salt + path).encode(), usedforsecurity=False).hexdigest()
        number = int(digest[:8], 16) % shards
        fingerprint = digest[8 : 8 + FINGERPRINT]
        if (number, fingerprint) in seen or len(dealt[number]) == PER_SHARD:
            return None
        seen.add((number, fingerprint))
        dealt[number].append(f"{fingerprint}{record:~<{REF + 1}}")
    return dealt


def _pool(used: list[Redirect], nonce: str) -> tuple[dict[str, str], list[str]]:
    """Targets, packed into values of at most 1 KB, and for each rule the record that finds its own."""
    chunks: list[str] = [""]
    refs: list[str] = []
    for rule in used:
        text = f"{rule.status} {rule.target}"
        if len(chunks[-1]) + len(text) > limits.VALUE_BYTES:
            chunks.append("")
        refs.append(f"R{len(chunks) - 1}.{len(chunks[-1])}.{len(text)}.")
        chunks[-1] += text
    return {f"x:{nonce}:{number}": chunk for number, chunk in enumerate(chunks) if chunk}, refs
