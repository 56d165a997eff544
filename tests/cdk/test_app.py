"""What `cdk synth` runs: `python -m toolkit.cdk.app` in a folder with a site.toml."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cdk.templates import CONNECTION
from toolkit.config import parse
from toolkit.errors import UserError


def run(folder: Path, context: dict[str, Any], **variables: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "CDK_OUTDIR": str(folder / "cdk.out"), "CDK_CONTEXT_JSON": json.dumps(context), **variables}
    command = [sys.executable, "-m", "toolkit.cdk.app"]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)


def test_the_stacks_of_the_site_in_this_folder(cdk: None, tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text('name = "shop"\nhosts = ["www.example.com"]\n', encoding="utf-8")
    done = run(tmp_path, {"toolkit:stage": "development", "toolkit:accessLogs": "false", "@aws-cdk/core:other": True})
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    stacks = {
        name: artifact
        for name, artifact in json.loads((tmp_path / "cdk.out" / "manifest.json").read_text(encoding="utf-8"))["artifacts"].items()
        if artifact["type"] == "aws:cloudformation:stack"
    }
    assert {name: it["environment"] for name, it in stacks.items()} == {
        "toolkit-certificate-shop": "aws://unknown-account/us-east-1",
        "toolkit-site-shop": "aws://unknown-account/unknown-region",
        "toolkit-alarms-shop": "aws://unknown-account/us-east-1",
    }
    assert "toolkit-site-shop" in stacks["toolkit-alarms-shop"]["dependencies"], "the alarms come last"
    assert "toolkit-certificate-shop" in stacks["toolkit-site-shop"]["dependencies"], "the certificate comes first"
    template = json.loads((tmp_path / "cdk.out" / "toolkit-site-shop.template.json").read_text(encoding="utf-8"))
    kinds = [it["Type"] for it in template["Resources"].values()]
    assert kinds.count("AWS::S3::Bucket") == 2 and "AWS::CDK::Metadata" not in kinds
    (distribution,) = [it for it in template["Resources"].values() if it["Type"] == "AWS::CloudFront::Distribution"]
    assert "Logging" not in distribution["Properties"]["DistributionConfig"]
    assert not (tmp_path / "cdk.context.json").exists(), "nothing was looked up"


def test_a_folder_without_a_site_is_said_to_be_one(cdk: None, tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    done = run(tmp_path, {})
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"error: no site.toml in {tmp_path} or above it\n  fix: run `toolkit init` there\n"


def test_without_node_it_says_what_to_install(tmp_path: Path) -> None:
    done = run(tmp_path, {}, JSII_NODE="no-such-node")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: the CDK needs Node.js, and there is no no-such-node here\n  fix: install Node.js 22 or newer\n"


def test_context_is_what_site_toml_does_not_say(cdk: None) -> None:
    from toolkit.cdk.app import hosting
    from toolkit.cdk.stacks import Hosting

    config = parse(b'name = "shop"\nhosts = ["www.example.com"]\n', Path("site.toml"))
    assert hosting(config, {}) == Hosting(site="shop", hosts=("www.example.com",))
    said = {"folder": ".", "certificateArn": "arn", "hostedZoneId": "Z1", "accessLogs": True, "logDays": "7", "priceClass": 100}
    assert hosting(config, said) == Hosting(
        site="shop", hosts=("www.example.com",), certificate_arn="arn", hosted_zone_id="Z1", log_days=7, price_class="100"
    )


def test_site_toml_says_it_and_context_goes_before_it(cdk: None) -> None:
    from toolkit.cdk.app import hosting
    from toolkit.cdk.stacks import Hosting

    aws = '[aws]\nregion = "eu-west-1"\nprofile = "work"\nstage = "development"\nlog_days = 30\npermissions_boundary = "ours"\n'
    config = parse(f'name = "shop"\n{aws}watch_minutes = 5\n'.encode(), Path("site.toml"))
    said = Hosting(site="shop", stage="development", log_days=30, permissions_boundary="ours", watch_minutes=5)
    assert hosting(config, {}) == said
    assert hosting(config, {"stage": "production", "watchMinutes": "0"}) == dataclasses.replace(
        said, stage="production", watch_minutes=0
    )


def test_pipelines_are_made_of_what_site_toml_says(cdk: None) -> None:
    from toolkit.builds.cloud import cloud_spec
    from toolkit.cdk.app import hosting

    text = f"""
name = "shop"
preset = "vite"
branch = "trunk"
[previews]
enabled = false
[build]
secrets = ["TOKEN", "KEY"]
node = "22"
[aws.github]
repository = "octo-cat/shop"
connection_arn = "{CONNECTION}"
[aws.build]
compute = "medium"
architecture = "x86"
timeout_minutes = 45
secrets = {{ KEY = "/shared/key" }}
"""
    config = parse(text.encode(), Path("site.toml"))
    made = hosting(config, {})
    assert (made.branch, made.previews, made.github, made.uploads) == ("trunk", False, config.aws.github, None)
    assert made.build and made.build.spec == cloud_spec(config)
    assert made.build.environment == {"NODE_VERSION": "22"}
    assert made.build.secrets == {"TOKEN": "/toolkit/shop/TOKEN", "KEY": "/shared/key"}
    assert (made.build.compute, made.build.architecture, made.build.timeout_minutes) == ("medium", "x86", 45)


def test_a_site_without_pipelines_has_no_build(cdk: None) -> None:
    from toolkit.cdk.app import hosting

    alone = b'name = "shop"\nbuild_spec = "not-there.yml"\n[aws.github]\nrepository = "o/n"\ndeploy_role = true\n'
    assert hosting(parse(alone, Path("site.toml")), {}).build is None, "the repository's own CI builds it"


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ({"workflow": "true"}, "toolkit:workflow is not part of this release of the toolkit"),
        ({"accessLogs": "no"}, "toolkit:accessLogs is 'no'"),
        ({"logDays": "0"}, "toolkit:logDays is '0'"),
        ({"logDays": "2.5"}, "toolkit:logDays is '2.5'"),
    ],
)
def test_context_that_says_nothing_known_is_refused(cdk: None, said: dict[str, str], what: str) -> None:
    from toolkit.cdk.app import hosting

    with pytest.raises(UserError) as caught:
        hosting(parse(b'name = "shop"\n', Path("site.toml")), said)
    assert caught.value.what == what and caught.value.fix
