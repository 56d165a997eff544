"""The folder store keeps the contract."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contracts.objects import ObjectStoreContract
from toolkit.local.objects import FolderObjects


class TestFolderObjects(ObjectStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> FolderObjects:
        return FolderObjects(tmp_path / "root")
