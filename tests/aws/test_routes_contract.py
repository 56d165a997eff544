"""The KeyValueStore adapter keeps the contract, on a stand-in for AWS's data plane behind boto3's own client."""

from __future__ import annotations

import pytest

from tests.aws.support import routes_on
from tests.contracts.kvs import FakeKeyValueStore
from tests.contracts.routes import RouteStoreContract
from toolkit.aws.routes import KeyValueRoutes


class TestKeyValueRoutes(RouteStoreContract):
    # How AWS refuses a stale tag, and whether it minds deleting what is not there, cannot be found out without an account.
    @pytest.fixture(params=["ConflictException", "PreconditionFailed", "ValidationException", "keys must be there"])
    def store(self, request: pytest.FixtureRequest) -> KeyValueRoutes:
        if request.param == "keys must be there":
            return routes_on(FakeKeyValueStore(needs_keys=True))
        return routes_on(FakeKeyValueStore(mismatch=request.param))
