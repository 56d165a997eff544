"""The file of routes keeps the contract."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contracts.routes import RouteStoreContract
from toolkit.local.routes import FileRoutes


class TestFileRoutes(RouteStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> FileRoutes:
        return FileRoutes(tmp_path / "routes.db")
