"""examples/cdk-app: two sites in somebody's own stack, made by its own app.py."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.cdk import snapshot
from tests.cdk.policies import findings
from tests.cdk.templates import CERTIFICATE, Template, text
from toolkit.config import load

SITES = {"Shop": "shop", "Handbook": "handbook"}


@pytest.fixture(scope="module")
def app(cdk: None, tmp_path_factory: pytest.TempPathFactory) -> Template:
    folder = tmp_path_factory.mktemp("example")
    return Template(folder / "cdk.out" / f"{snapshot.STACK}.template.json", snapshot.synthesise(folder))


def test_the_template_is_the_one_that_was_looked_at(app: Template) -> None:
    seen = snapshot.SNAPSHOT.read_text(encoding="utf-8")
    assert snapshot.masked(app.body) == seen, "look at it, then write it anew: python -m tests.cdk.snapshot"


def test_the_cdk_has_nothing_to_warn_of(app: Template) -> None:
    """`cdk synth` shows its remarks to people at each run."""
    said = [file for file in app.path.parent.glob("*.json") if "aws:cdk:warning" in file.read_text(encoding="utf-8")]
    assert not said


def test_a_changed_template_is_noticed_and_changed_code_is_not(app: Template) -> None:
    seen = snapshot.masked(app.body)
    changed: dict[str, Any] = json.loads(json.dumps(app.body))
    changed["Resources"][app.ids("AWS::SNS::Topic")[0]]["Properties"]["DisplayName"] = "another"
    assert snapshot.masked(changed) != seen
    code: dict[str, Any] = json.loads(json.dumps(app.body))
    code["Resources"][app.ids("AWS::CloudFront::Function")[0]]["Properties"]["FunctionCode"] += ";"
    function = code["Resources"][app.ids("AWS::Lambda::Function")[0]]["Properties"]
    function["Code"]["S3Key"] = f"{'0' * 64}.zip"
    assert snapshot.masked(code) == seen
    assert not re.search("[0-9a-f]{64}", seen)


@pytest.mark.parametrize("prefix", SITES)
def test_the_command_line_finds_each_site_by_its_outputs(app: Template, prefix: str) -> None:
    config = load(snapshot.EXAMPLE / "sites" / SITES[prefix])
    assert (config.name, config.target, config.aws.stack, config.aws.outputs) == (SITES[prefix], "aws", snapshot.STACK, prefix)
    names = {"Bucket", "KeyValueStoreArn", "DistributionId", "DomainName", "ReleaseArn", "WatchArn", "TopicArn"}
    assert {prefix + name for name in names} <= set(app.body["Outputs"])
    for name in names:
        assert prefix in json.dumps(app.body["Outputs"][prefix + name]["Value"])


def test_one_site_has_hosts_of_its_own_and_the_other_has_not(app: Template) -> None:
    shop, handbook = (text(app.properties("AWS::CloudFront::Distribution", prefix))["DistributionConfig"] for prefix in SITES)
    hosts = list(load(snapshot.EXAMPLE / "sites" / "shop").hosts)
    assert (shop["Aliases"], shop["ViewerCertificate"]["AcmCertificateArn"]) == (hosts, CERTIFICATE)
    assert "Aliases" not in handbook and "ViewerCertificate" not in handbook
    assert len(app.ids("AWS::Route53::RecordSet")) == 2 * len(hosts)
    kept = {name: app.body["Resources"][name]["DeletionPolicy"] for name in app.ids("AWS::S3::Bucket")}
    assert {name[:4]: policy for name, policy in kept.items()} == {"Shop": "RetainExceptOnCreate", "Hand": "Delete"}


def test_a_workflow_acts_on_its_own_site_alone(app: Template) -> None:
    """Neither site's resources name anything of the other: no role, bucket, store, function or machine."""
    for prefix, other in (("Shop", "Handbook"), ("Handbook", "Shop")):
        own = {name: it for name, it in app.body["Resources"].items() if name.startswith(prefix)}
        assert len(own) > 30
        # Descriptions and names may hold anything; references are what counts.
        referred = set(re.findall(r'"(?:Ref|Fn::GetAtt)": \[?"([A-Za-z0-9]+)"', json.dumps(own)))
        assert not [name for name in referred if name.startswith(other)]
    machines = [text(app.body["Resources"][name]["Properties"]) for name in app.ids("AWS::StepFunctions::StateMachine")]
    assert len(machines) == 4
    assert all(it["LoggingConfiguration"]["Level"] == "ALL" and it["TracingConfiguration"]["Enabled"] for it in machines)


def test_what_each_function_is_told(app: Template) -> None:
    def environment(name: str) -> dict[str, str]:
        (found,) = [it for it in app.ids("AWS::Lambda::Function") if it.startswith(name)]
        variables: dict[str, str] = text(app.body["Resources"][found]["Properties"])["Environment"]["Variables"]
        return variables

    shop = environment("ShopReleasesUpkeep")
    assert (shop["SITE"], shop["KEEP"], shop["PREVIEW_DAYS"]) == ("shop", "20", "30")
    assert shop["BUCKET"].startswith("${ShopStorageBucket")
    assert environment("HandbookReleasesUpkeep")["PREVIEW_DAYS"] == "7"
    assert json.loads(environment("ShopReleasesFlip")["HOSTS"]) == ["www.example.com", "example.com"]
    assert environment("ShopReleasesFlip")["CANONICAL"] == "www.example.com"


def test_its_policies_are_as_narrow_as_in_the_command_line_s_stacks(app: Template) -> None:
    assert findings(app.body, [CERTIFICATE]) == []


def test_it_may_acknowledge_what_we_acknowledge(cdk: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from aws_cdk import App, Stack

    from tests.cdk.bundles import stand_in
    from toolkit.cdk import ReleaseWorkflow, StaticSite
    from toolkit.cdk.acknowledgements import acknowledge

    monkeypatch.setenv("TOOLKIT_BUNDLE", str(stand_in(tmp_path)))
    stack = Stack(App(outdir=str(tmp_path / "out")), "own")
    site = StaticSite(stack, "Site")
    ReleaseWorkflow(stack, "Releases", hosting=site, site="site")
    paths = {path for path, *_ in acknowledge(stack)}
    assert paths == {"own/Site/Delivery/Distribution/Resource", "own/Releases/Telemetry/Policy/Resource"}
