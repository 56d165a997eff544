"""Every configuration that the tests look at, synthesised once: starting the CDK's engine is what takes long."""

from __future__ import annotations

import os

import pytest

from tests.cdk import configs
from tests.cdk.templates import Template
from tests.conftest import require_tool


@pytest.fixture(scope="session")
def cdk() -> None:
    """The CDK can run, and does not comment on the Node.js that is there."""
    require_tool("node", "the CDK runs in it")
    for kind in ("END_OF_LIFE", "DEPRECATED", "UNTESTED"):
        os.environ[f"JSII_SILENCE_WARNING_{kind}_NODE_VERSION"] = "18,20,22,23,24,25,26"


@pytest.fixture(scope="session")
def templates(cdk: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Template]:
    """Those of tests/cdk/configs.py by name: plain, hosts, certificate (of `hosts`), given, bare, pair (two sites in a stack) …"""
    from aws_cdk import App

    folder = tmp_path_factory.mktemp("cdk.out")
    app = App(outdir=str(folder), analytics_reporting=False)
    configs.build(app)
    app.synth()
    return configs.read(folder)


@pytest.fixture(scope="session")
def plain(templates: dict[str, Template]) -> Template:
    """A site without anything said."""
    return templates["plain"]
