"""Where sites run. The only place that knows which targets there are; everybody else gets a Target and asks no more.

An adapter is loaded when it is chosen: a local deploy imports nothing of AWS.
"""

from __future__ import annotations

from pathlib import Path

from toolkit.engine.target import Target
from toolkit.errors import UsageError
from toolkit.workspace import home

NAMES = ("local",)
DEFAULT = "local"


def open_target(name: str = DEFAULT, root: Path | None = None) -> Target:
    """The named target, its state below `root` (default: `workspace.home()`). UsageError for an unknown name."""
    if name == "local":
        from toolkit.local.target import LocalTarget

        return LocalTarget(root or home())
    raise UsageError(f"there is no target {name!r}", f"choose one of: {', '.join(NAMES)}")
