"""The fakes keep the contracts that the real stores keep."""

from __future__ import annotations

import pytest

from tests.contracts.fakes import MemoryObjects, MemoryRoutes
from tests.contracts.objects import ObjectStoreContract
from tests.contracts.routes import RouteStoreContract


class TestMemoryObjects(ObjectStoreContract):
    @pytest.fixture
    def store(self) -> MemoryObjects:
        return MemoryObjects()


class TestMemoryRoutes(RouteStoreContract):
    @pytest.fixture
    def store(self) -> MemoryRoutes:
        return MemoryRoutes()
