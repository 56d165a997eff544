"""What a host's key in the route store holds: see docs/routing-data.md. Apart from the compiler, which a rollback does not need."""

from __future__ import annotations

from toolkit.engine.model import Manifest

FORMAT = "2"
FIELDS = 8


def pointer(manifest: Manifest, table_ref: str, previous_ref: str, gate: str = "-") -> str:
    """`2|site|version|table|fallback|error page|table known to have spread|gate`, `-` where there is none."""
    fields = (FORMAT, manifest.site, manifest.version, table_ref, _fallback(manifest), _error(manifest), previous_ref or "-", gate)
    return "|".join(fields)


def _fallback(manifest: Manifest) -> str:
    """The blob that answers for missing pages, with a star before it for everything that is missing."""
    star = "*" if manifest.fallback.startswith("*") else ""
    return f"{star}{manifest.assets[manifest.fallback.removeprefix('*')].blob}" if manifest.fallback else "-"


def _error(manifest: Manifest) -> str:
    page = manifest.error_pages.get(f"404{manifest.settings.not_found}")
    return page.blob if page else "-"
