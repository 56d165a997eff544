"""Every configuration that the tests look at, synthesised once: starting the CDK's engine is what takes long."""

from __future__ import annotations

import fcntl
import os
import pickle
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cdk import bundles
from tests.cdk.templates import Template
from tests.conftest import require_tool

if TYPE_CHECKING:
    from tests.gates.nag import Synthesis


@pytest.fixture(scope="session")
def cdk(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The CDK can run, does not comment on the Node.js that is there, and finds a bundle of functions."""
    require_tool("node", "the CDK runs in it")
    for kind in ("END_OF_LIFE", "DEPRECATED", "UNTESTED"):
        os.environ[f"JSII_SILENCE_WARNING_{kind}_NODE_VERSION"] = "18,20,22,23,24,25,26"
    os.environ["TOOLKIT_BUNDLE"] = str(bundles.stand_in(tmp_path_factory.mktemp("bundle")))


@pytest.fixture(scope="session")
def synthesis(cdk: None, tmp_path_factory: pytest.TempPathFactory) -> Synthesis:
    """All configurations, with cdk-nag on; tests/cdk/test_gates.py asks what it said."""
    own = tmp_path_factory.getbasetemp()
    return _made_once((own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "configs")


def _made_once(folder: Path) -> Synthesis:
    """By whichever process of a run comes first: the others wait for it, which takes them less than making their own."""
    from tests.gates import nag

    folder.mkdir(exist_ok=True)
    kept = folder / "synthesis"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            kept.write_bytes(pickle.dumps(nag.synthesise(folder / "cdk.out")))
    made: Synthesis = pickle.loads(kept.read_bytes())
    return made


@pytest.fixture(scope="session")
def templates(synthesis: Synthesis) -> dict[str, Template]:
    """Those of tests/cdk/configs.py by name: plain, hosts, certificate (of `hosts`), given, bare, pair (two sites in a stack) …"""
    return synthesis.templates


@pytest.fixture(scope="session")
def plain(templates: dict[str, Template]) -> Template:
    """A site without anything said."""
    return templates["plain"]
