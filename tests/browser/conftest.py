"""A real local server with sites that the command line put there, and a fresh browser for each test.

Screenshots go to the folder that TOOLKIT_SCREENSHOTS names, else to the test's own temporary folder.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.acceptance import world as worlds
from tests.acceptance.world import World
from tests.browser.browser import Browser, browser
from tests.conftest import require_tool

EXAMPLE = Path(__file__).parents[2] / "examples" / "plain"
Shot = Callable[[str], Path]


@pytest.fixture(scope="package")
def programs() -> tuple[str, str]:
    return require_tool("chromium", "a browser test needs it"), require_tool("chromedriver", "a browser test needs it")


@pytest.fixture(scope="package")
def world(programs: tuple[str, str]) -> Iterator[World]:
    with worlds.world() as made:
        yield made


@pytest.fixture(scope="package")
def example(world: World) -> Path:
    """The project of the site `plain`, which is live."""
    project = world.folder / "plain"
    shutil.copytree(EXAMPLE, project)
    world.up(cwd=project)
    world.deploy("public", cwd=project)
    return project


@pytest.fixture
def visitor(programs: tuple[str, str], tmp_path: Path, world: World) -> Iterator[Browser]:
    with browser(*programs, tmp_path, world.env) as made:
        yield made


@pytest.fixture
def shot(visitor: Browser, tmp_path: Path) -> Shot:
    """Take a picture of the tab that is in front."""
    folder = Path(os.environ.get("TOOLKIT_SCREENSHOTS") or tmp_path / "screenshots")
    folder.mkdir(parents=True, exist_ok=True)

    def take(name: str) -> Path:
        file = folder / f"{name}.png"
        assert visitor.driver.save_screenshot(str(file))
        return file

    return take
