"""What a host's key in the route store holds: see docs/routing-data.md. Apart from the compiler, which a rollback does not need.

One line is one pointer. With a canary there are three: the stable pointer, the rule that picks visitors, the next pointer.
What needs nothing but its table begins with a head of fixed width, so that the edge finds the table without looking for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from toolkit.engine.model import Manifest

FORMAT = "2"
NONE = "-"
NONCE_LENGTH = 11
_SHARDS_LENGTH = 5


class Pointer(NamedTuple):
    """One line of a host's value; `NONE` where there is nothing.

    `table` and `previous` are references of tables, `previous` one that every edge is known to have. `fallback` is the blob for
    what is missing (pages only; with `*` before it, everything), `error` that of the 404 page, `gate` what stands before the site.
    """

    site: str
    version: str
    table: str
    fallback: str
    error: str
    previous: str = NONE
    gate: str = NONE

    def __str__(self) -> str:
        return "|".join((FORMAT, *self))

    def alone(self) -> str:
        """The line as a host's whole value: with its head where no gate stands before the site."""
        nonce, shards, *_ = [*self.table.split("."), ""]
        if self.gate != NONE or len(nonce) != NONCE_LENGTH or len(shards) > _SHARDS_LENGTH:
            return str(self)
        return f"{FORMAT}{nonce}{shards:0>{_SHARDS_LENGTH}}{len(self.site):02d}{str(self)[len(FORMAT) :]}"


def pointer(manifest: Manifest, table_ref: str, previous_ref: str, gate: str = NONE) -> str:
    """The line `2<head>|site|version|table|fallback|error|previous|gate`. No `previous_ref` is an empty one."""
    fields = (manifest.site, manifest.version, table_ref, _fallback(manifest), _error(manifest), previous_ref or NONE, gate)
    return Pointer(*fields).alone()


def canaried(stable: str, choice: str, following: str) -> str:
    """The value of a host with a canary: two pointers, and between them who gets the second one."""
    return "\n".join((str(read(stable)[0]), choice, following))


def _fallback(manifest: Manifest) -> str:
    """The blob that answers for missing pages, with a star before it for everything that is missing."""
    star = "*" if manifest.fallback.startswith("*") else ""
    return f"{star}{manifest.assets[manifest.fallback.removeprefix('*')].blob}" if manifest.fallback else NONE


def _error(manifest: Manifest) -> str:
    page = manifest.error_pages.get(f"404{manifest.settings.not_found}")
    return page.blob if page else NONE


def read(value: str | None) -> list[Pointer]:
    """The stable pointer, then a canary's. Empty for what this release did not write."""
    lines = [line.split("|") for line in (value or "").split("\n")[::2]]
    whole = all(fields[0].startswith(FORMAT) and len(fields) == 8 for fields in lines)
    return [Pointer(*fields[1:]) for fields in lines] if whole else []


def regated(value: str, gate: Callable[[Pointer], str]) -> str:
    """The same value with other gates; one that this release did not write stays as it is."""
    lines = value.split("\n")
    for number, found in enumerate(read(value)):
        line = found._replace(gate=gate(found))
        lines[2 * number] = line.alone() if len(lines) == 1 else str(line)
    return "\n".join(lines)


def owner(value: str | None) -> str:
    """The site that a host's value belongs to, "" without one; also of values that an earlier release wrote."""
    return (value or "").split("\n")[0].partition("|")[2].partition("|")[0]


def tables(value: str) -> set[str]:
    """References of all tables that a value needs; also of values that an earlier release wrote."""
    lines = [line.split("|") for line in value.split("\n")[::2]]
    return {ref for fields in lines for ref in fields[3:7:3]} - {NONE}
