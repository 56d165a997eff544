"""What a host's key in the route store holds: see docs/routing-data.md. Apart from the compiler, which a rollback does not need."""

from __future__ import annotations

from toolkit.engine.model import Manifest


def pointer(manifest: Manifest, table_ref: str, previous_ref: str) -> str:
    """What a host's key holds: `1|site|version|table|spa page|404 page|table known to have spread`, `-` where there is none."""
    spa = manifest.assets.get("/index.html") if manifest.settings.mode == "spa" else None
    error = manifest.error_pages.get("/")
    fields = ("1", manifest.site, manifest.version, table_ref, spa.blob if spa else "-", error.blob if error else "-")
    return "|".join((*fields, previous_ref or "-"))
