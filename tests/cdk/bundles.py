"""A bundle that stands in for the real one, which takes pip and seconds: templates depend on where code lies, not on what it is."""

from __future__ import annotations

from pathlib import Path


def stand_in(folder: Path) -> Path:
    """A small bundle in `folder`, for the variable TOOLKIT_BUNDLE."""
    for name in ("code/lambdas/publish.py", "dependencies/python/library.py"):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"# stands in for {name}\n", encoding="utf-8")
    return folder
