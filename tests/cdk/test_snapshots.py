"""What pipelines add to the stacks of the command line: as it was last looked at, and nothing where nobody asked."""

from __future__ import annotations

import pytest

from tests.cdk import configs, snapshot
from tests.cdk.templates import Template

# Kept when a stack goes. Under another logical id CloudFormation would make it anew, empty.
KEPT = {"SiteStorageBucket5BDB9672", "SiteLogsBucketEB9B49C8", "SiteRoutingStore817D757E"}
UPLOADS = "PipelineUploads54BB0EE5"


@pytest.mark.parametrize("site", snapshot.SITES)
def test_the_templates_are_as_they_were_looked_at(templates: dict[str, Template], site: str) -> None:
    seen = snapshot.path_of(site).read_text(encoding="utf-8")
    assert snapshot.of_pipelines(templates[site].body) == seen, "look at it, then write it anew: python -m tests.cdk.snapshot"


def test_a_site_without_pipelines_has_nothing_of_them(templates: dict[str, Template]) -> None:
    for name in configs.SITES:
        assert not [it for it in templates[name].body["Resources"] if it.startswith(("Pipeline", "Deploy", "Uploads"))], name
        assert not templates[name].ids("AWS::CodePipeline::Pipeline")


def test_what_is_kept_has_its_logical_id_for_good(templates: dict[str, Template]) -> None:
    def held(name: str) -> set[str]:
        resources = templates[name].body["Resources"].items()
        return {logical_id for logical_id, it in resources if it.get("DeletionPolicy", "Delete") != "Delete"}

    for name in ("plain", "tags", "shop", "docs"):
        assert held(name) == KEPT, name
    for name in ("github", "zips"):
        assert held(name) == {*KEPT, UPLOADS}, name
    for name in ("bare", "own"):
        assert held(name) == set(), f"{name} is for development"


def test_what_can_be_made_again_goes_with_its_stack(templates: dict[str, Template]) -> None:
    for name in configs.PIPELINES:
        (artifacts,) = [it for it in templates[name].ids("AWS::S3::Bucket") if it.startswith("PipelineArtifacts")]
        assert templates[name].body["Resources"][artifacts]["DeletionPolicy"] == "Delete"
