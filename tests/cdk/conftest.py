"""Every configuration that the tests look at, synthesised once: starting the CDK's engine is what takes long."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cdk.templates import CERTIFICATE, WEB_ACL, Template
from tests.conftest import require_tool


@pytest.fixture(scope="session")
def cdk() -> None:
    """The CDK can run, and does not comment on the Node.js that is there."""
    require_tool("node", "the CDK runs in it")
    for kind in ("END_OF_LIFE", "DEPRECATED", "UNTESTED"):
        os.environ[f"JSII_SILENCE_WARNING_{kind}_NODE_VERSION"] = "18,20,22,23,24,25,26"


@pytest.fixture(scope="session")
def templates(cdk: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Template]:
    """By name: plain, hosts, given, bare (stacks of the command line), certificate (of `hosts`), pair (two sites in a stack)."""
    from aws_cdk import App, Stack

    from toolkit.cdk import StaticSite
    from toolkit.cdk.stacks import Hosting, build

    folder = tmp_path_factory.mktemp("cdk.out")
    app = App(outdir=str(folder), analytics_reporting=False)
    zone = {"hosted_zone_id": "Z0123456789", "hosted_zone_name": "example.com"}
    build(app, Hosting(site="plain"))
    build(app, Hosting(site="hosts", hosts=("www.example.com", "example.com"), **zone))
    build(app, Hosting(site="given", hosts=("www.example.org",), certificate_arn=CERTIFICATE, web_acl_arn=WEB_ACL))
    build(app, Hosting(site="bare", stage="development", access_logs=False, price_class="100"))
    pair = Stack(app, "pair")
    StaticSite(pair, "One", domain_names=["*.example.org"], certificate_arn=CERTIFICATE, log_days=7)
    StaticSite(pair, "Two", stage="development")
    app.synth()
    names = {f"toolkit-site-{name}": name for name in ("plain", "hosts", "given", "bare")}
    names |= {"toolkit-certificate-hosts": "certificate", "pair": "pair"}
    found = {path.name.removesuffix(".template.json"): path for path in Path(folder).glob("*.template.json")}
    assert set(found) == set(names)
    return {name: Template.read(found[stack]) for stack, name in names.items()}


@pytest.fixture(scope="session")
def plain(templates: dict[str, Template]) -> Template:
    """A site without anything said."""
    return templates["plain"]
