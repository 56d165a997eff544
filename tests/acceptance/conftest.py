"""One server per module: its cases share it, since each must leave it serving version one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.acceptance import world as worlds
from tests.acceptance.world import World, assert_serves, write_site


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """A server that serves version one of the site `shop`."""
    with worlds.world() as made:
        made.deploy(write_site(made.folder / "one", "one"))
        assert_serves(made, "one")
        yield made
