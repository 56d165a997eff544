"""The gates' own tools, which `make gates` installs below build/gates: checkov wants other versions of our libraries."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
TOOLS = ROOT / "build" / "gates"
CHECKOV = TOOLS / "checkov" / "bin" / "checkov"
ASL_VALIDATOR = TOOLS / "asl" / "node_modules" / "asl-validator" / "dist" / "bin" / "asl-validator.js"


def require(tool: Path) -> Path:
    """`tool`, or the test skips; with CI=true a missing tool is a failure."""
    if tool.exists():
        return tool
    message = f"{tool.name} is not installed: run `make gate-tools`"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)
