"""docs/security.md shows what the gates find now."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cdk import configs
from tests.cdk.templates import Template
from tests.gates import offline, security, tools
from tests.gates.nag import Synthesis
from tests.gates.rights import Right, rights, short


@pytest.fixture(scope="module")
def gates(synthesis: Synthesis, tmp_path_factory: pytest.TempPathFactory) -> security.Gates:
    return security.judge(synthesis, tmp_path_factory.mktemp("gates"))


def test_the_page_is_up_to_date(gates: security.Gates) -> None:
    page = security.DOCUMENT.read_text(encoding="utf-8")
    missing = [tool for tool, found in (("checkov", gates.checked), ("asl-validator", gates.refused)) if found is None]
    now = security.written(page, security.tables(gates, offline.Took(0.0, 0.0)))
    assert security.masked(now, missing) == security.masked(page, missing), "run `make security`"


def test_a_finding_that_is_new_fails_the_command(gates: security.Gates) -> None:
    assert gates.wrong == []
    new = Synthesis(gates.synthesis.templates, "", [*gates.synthesis.found, ("toolkit-site-plain/New", "AwsSolutions-S10")], [], {})
    worse = security.Gates(new, ["a.template.json: W2001 unused"], None, ["refused"], ["Role: wildcard"], ["old"])
    assert "AwsSolutions-S10 toolkit-site-plain/New" in worse.wrong
    assert {"a.template.json: W2001 unused", "refused", "Role: wildcard", "old"} <= set(worse.wrong)


def test_only_dates_times_sizes_and_versions_may_differ() -> None:
    page = "Measured on 2026-11-21 with cdk-nag 3.0.2\n| synthesis | 7.3 s (warm) |\n| checkov | 4 |\n| x | 3 of 10,240 bytes |"
    later = page.replace("11-21", "12-24").replace("7.3", "8.1").replace("3.0.2", "3.1.0").replace("3 of 10,240", "9 of 10,240")
    assert security.masked(page) == security.masked(later)
    assert security.masked(page) != security.masked(page.replace("| 4 |", "| 5 |"))
    assert security.masked(page, ["checkov"]) == security.masked(page.replace("| 4 |", "| 5 |"), ["checkov"])


def test_rights_are_those_of_roles_and_of_policies_that_name_them(plain: Template) -> None:
    found = rights(plain)
    (flip,) = [name for name in plain.ids("AWS::IAM::Role") if name.startswith("ReleaseFlipRole")]
    own = [right for right in found if right.who == flip]
    writes = [resource for right in own for resource in right.resources if right.actions == ["s3:PutObject"]]
    assert any(resource.endswith("/plain/locks/*") for resource in writes), "in the bucket's"
    assert any("cloudfront-keyvaluestore:UpdateKeys" in right.actions for right in own), "in its own"
    assert any(right.resources == ["*"] for right in own), "in the policy that roles share"
    assert Right("a", ["s3:Get*"], ["b"]).is_wide and Right("a", ["s3:Get"], ["b/*"]).is_wide
    assert Right("a", ["s3:GetObject"], ["b?"]).is_wide and not Right("a", ["s3:GetObject"], ["b"]).is_wide


def test_who_serves_and_who_moves_pointers_is_as_the_page_says(plain: Template) -> None:
    """What prose in docs/security.md promises: visitors' reads are blobs only, no role may change the stacks or other roles."""
    edge = [right for right in rights(plain) if right.who == "cloudfront.amazonaws.com"]
    assert [(right.actions, right.resources[0].split("/", 1)[1]) for right in edge] == [(["s3:GetObject"], "*/blobs/*")]
    services = {action.split(":")[0] for right in rights(plain) for action in right.actions}
    assert not services & {"iam", "sts", "cloudformation", "cloudfront", "kms", "lambda:Update"}
    assert not [right for right in rights(plain) if "s3:PutBucketPolicy" in right.actions]


def test_what_pipelines_may_is_as_the_page_says(templates: dict[str, Template]) -> None:
    """Builds reach neither store nor site; of what pipelines add, only the end of a preview and a CI hold the store."""
    for name in configs.PIPELINES:
        found = rights(templates[name])
        added = [right for right in found if right.who.startswith(("Pipeline", "Deploy"))]
        assert {short(right.who) for right in added if "cloudfront-keyvaluestore:UpdateKeys" in right.actions} <= {
            "PipelineFunctionsRetireRole", "DeployLiveRole", "DeployPreviewRole",
        }  # fmt: skip
        builds = [right for right in added if short(right.who).endswith("BuildRole")]
        services = {action.split(":")[0] for right in builds for action in right.actions}
        assert services <= {"logs", "s3", "ssm", "secretsmanager"}
        assert all("PipelineArtifacts" in it for right in builds for it in right.resources if "s3:" in right.actions[0])
        secrets = {short(right.who) for right in builds if right.actions[0].startswith(("ssm:", "secretsmanager:"))}
        assert secrets == ({f"Pipeline{it}BuildRole" for it in ("Live", "Preview", "Upload")} if name == "github" else set())
        assert not {action for right in added for action in right.actions if action.startswith(("iam:", "sts:", "kms:"))}
        changes = {action for right in added for action in right.actions if action.startswith(("cloudformation:", "cloudfront:"))}
        assert changes <= {"cloudformation:DescribeStacks"}


def test_a_ci_may_do_previews_only_where_pipelines_do_not(templates: dict[str, Template]) -> None:
    taken = {
        name: {short(it) for it in templates[name].ids("AWS::IAM::Role") if it.startswith("Deploy")} for name in configs.PIPELINES
    }
    made = {name: roles for name, roles in taken.items() if roles}
    assert made == {"github": {"DeployLiveRole"}, "own": {"DeployLiveRole"}, "zips": {"DeployLiveRole", "DeployPreviewRole"}}


def test_tools_are_where_make_puts_them() -> None:
    makefile = (tools.ROOT / "Makefile").read_text(encoding="utf-8")
    assert "GATES := build/gates" in makefile and Path(tools.ROOT / "build" / "gates") == tools.TOOLS
