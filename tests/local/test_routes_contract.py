"""The file of routes keeps the contract."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from tests.contracts.routes import RouteStoreContract
from toolkit.local.routes import FileRoutes


class TestFileRoutes(RouteStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> FileRoutes:
        return FileRoutes(tmp_path / "routes.db")


def test_a_new_file_is_opened_by_many_at_once(tmp_path: Path) -> None:
    at_once = 8
    with ThreadPoolExecutor(at_once) as pool:
        for number in range(200):
            barrier = Barrier(at_once)

            def etag(_: int, path: Path = tmp_path / f"{number}.db", barrier: Barrier = barrier) -> str:
                barrier.wait()
                return FileRoutes(path).etag()

            assert len(set(pool.map(etag, range(at_once)))) == 1
