"""A build's project in the template, and what a build cannot be given."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.cdk.templates import Template, text
from toolkit.builds.cloud import CloudSpec
from toolkit.cdk.errors import PropertyError

SPEC = CloudSpec(idle=False, text="# ours\nversion: 0.2\nphases: {build: {commands: ['echo ${HOME} $(date)']}}\n")
OWN = CloudSpec(
    idle=False,
    text="version: 0.2\nenv: {parameter-store: {A: /a}}\nphases: {build: {commands: [x]}}\nartifacts: {files: ['**/*']}\n",
    file="ci/buildspec.yml",
    parameters=("/a", "arn:aws:ssm:eu-west-1:111122223333:parameter/b"),
    secrets=("cms:key", "arn:aws:secretsmanager:eu-west-1:111122223333:secret:cms-AbCdEf:key:AWSCURRENT"),
)
IMAGES = {
    "arm": ("ARM_CONTAINER", "aws/codebuild/amazonlinux-aarch64-standard:3.0"),
    "x86": ("LINUX_CONTAINER", "aws/codebuild/amazonlinux-x86_64-standard:5.0"),
}
MACHINES = [(size, kind) for size in ("small", "medium", "large") for kind in IMAGES]


@pytest.fixture(scope="module")
def template(cdk: None, tmp_path_factory: pytest.TempPathFactory) -> Template:
    """Projects by id: own (trusted), pull (not), elsewhere (a bucket of another app), and one for each machine."""
    from aws_cdk import App, Stack
    from aws_cdk import aws_s3 as s3

    from toolkit.cdk.builds import BuildProject, SiteBuild

    folder = tmp_path_factory.mktemp("project")
    app = App(outdir=str(folder), analytics_reporting=False)
    stack = Stack(app, "builds")
    bucket = s3.Bucket(stack, "Artifacts")

    def make(name: str, build: SiteBuild, **more: Any) -> None:
        given = {"artifacts": bucket, "pipeline_key": name, "source_artifact": "In", "site_artifact": "Out", **more}
        BuildProject(stack, name, build=build, **given)

    own = SiteBuild(spec=OWN, environment={"MODE": "x", "BRANCH": "mine"}, secrets={"T": "/t", "U": "u"}, timeout_minutes=7)
    make("own", own, environment={"BRANCH": "main", "MORE": "1"})
    make("pull", own, with_secrets=False)
    make("elsewhere", SiteBuild(spec=SPEC), artifacts=s3.Bucket.from_bucket_name(stack, "Other", "other"))
    for size, kind in MACHINES:
        make(f"{size}{kind}", SiteBuild(spec=SPEC, compute=size, architecture=kind))
    app.synth()
    return Template.read(folder / "builds.template.json")


def project(template: Template, name: str) -> dict[str, Any]:
    return template.properties("AWS::CodeBuild::Project", f"{name}Project")


def statements(template: Template, name: str) -> dict[str, dict[str, Any]]:
    """Of the role, by their ids."""
    found = [
        it
        for policy in template.properties("AWS::IAM::Role", f"{name}Role")["Policies"]
        for it in policy["PolicyDocument"]["Statement"]
    ]
    return {it["Sid"]: text(it) for it in found}


@pytest.mark.parametrize(("size", "kind"), MACHINES)
def test_the_machine_is_the_one_that_was_asked_for(template: Template, size: str, kind: str) -> None:
    made = project(template, f"{size}{kind}")["Environment"]
    assert (made["Type"], made["Image"]) == IMAGES[kind]
    assert (made["ComputeType"], made["PrivilegedMode"]) == (f"BUILD_GENERAL1_{size.upper()}", False)


def test_the_build_spec_is_in_the_template_as_it_is(template: Template) -> None:
    assert project(template, "smallarm")["Source"] == {"Type": "CODEPIPELINE", "BuildSpec": SPEC.text}


def test_an_own_build_spec_is_named_where_it_may_ask_for_secrets_and_is_copied_where_not(template: Template) -> None:
    assert project(template, "own")["Source"]["BuildSpec"] == OWN.file
    assert project(template, "pull")["Source"]["BuildSpec"] == OWN.without_secrets().text


def test_variables_are_the_site_s_before_the_pipeline_s_and_secrets_are_references(template: Template) -> None:
    found = {it["Name"]: (it["Type"], it["Value"]) for it in project(template, "own")["Environment"]["EnvironmentVariables"]}
    assert found == {
        "MODE": ("PLAINTEXT", "x"),
        "BRANCH": ("PLAINTEXT", "mine"),
        "MORE": ("PLAINTEXT", "1"),
        "T": ("PARAMETER_STORE", "/t"),
        "U": ("PARAMETER_STORE", "u"),
    }
    assert {it["Name"] for it in project(template, "pull")["Environment"]["EnvironmentVariables"]} == {"MODE", "BRANCH"}


def test_what_the_build_spec_itself_asks_for_may_be_read_and_nothing_beside_it(template: Template) -> None:
    found = statements(template, "own")
    assert set(found) == {"Logs", "Bucket", "CacheKeys", "Parameters", "Secrets"}
    here = "${AWS::Region}:${AWS::AccountId}"
    mine = [f"arn:${{AWS::Partition}}:ssm:{here}:parameter/{name}" for name in ("a", "t", "u")]
    assert sorted(found["Parameters"]["Resource"]) == sorted([*mine, "arn:aws:ssm:eu-west-1:111122223333:parameter/b"])
    assert sorted(found["Secrets"]["Resource"]) == [
        f"arn:${{AWS::Partition}}:secretsmanager:{here}:secret:cms-??????",
        "arn:aws:secretsmanager:eu-west-1:111122223333:secret:cms-AbCdEf",
    ]
    assert set(statements(template, "pull")) == {"Logs", "Bucket", "CacheKeys"}


def test_rights_to_objects_stand_in_the_bucket_s_policy_or_the_role_s_where_that_is_not_ours(template: Template) -> None:
    written = text(template.properties("AWS::S3::BucketPolicy"))["PolicyDocument"]["Statement"]
    sids = [it["Sid"] for it in written]
    assert len(set(sids)) == len(sids) and {"OwnBuildSource", "OwnBuildSite", "OwnBuildCache"} <= set(sids)
    found = statements_of_policies(template, "elsewhere")
    assert {sid: it["Resource"] for sid, it in found.items()} == {
        "ElsewhereBuildSource": "arn:${AWS::Partition}:s3:::other/*/In/*",
        "ElsewhereBuildSite": "arn:${AWS::Partition}:s3:::other/*/Out/*",
        "ElsewhereBuildCache": "arn:${AWS::Partition}:s3:::other/cache/elsewhere/*",
    }


def statements_of_policies(template: Template, name: str) -> dict[str, dict[str, Any]]:
    found = template.properties("AWS::IAM::Policy", f"{name}Role")["PolicyDocument"]["Statement"]
    return {it["Sid"]: text(it) for it in found}


def test_a_build_ends_in_time_and_its_log_is_forgotten(template: Template) -> None:
    made = project(template, "own")
    assert (made["TimeoutInMinutes"], made["QueuedTimeoutInMinutes"]) == (7, 30)
    assert project(template, "smallarm")["TimeoutInMinutes"] == 30
    logs = template.body["Resources"][made["LogsConfig"]["CloudWatchLogs"]["GroupName"]["Ref"]]
    assert (logs["Properties"]["RetentionInDays"], logs["DeletionPolicy"]) == (90, "Delete")


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"compute": "huge"}, "compute is 'huge'"),
        ({"architecture": "mips"}, "architecture is 'mips'"),
        ({"timeout_minutes": 4}, "timeout_minutes is 4"),
        ({"timeout_minutes": 481}, "timeout_minutes is 481"),
        ({"environment": {"CODEBUILD_X": "1"}}, "CODEBUILD_X"),
        ({"environment": {"A-B": "1"}}, "A-B"),
        ({"secrets": {"A\n": "/a"}}, "A"),
        ({"environment": {"A": "1"}, "secrets": {"A": "/a"}}, "A is in environment and in secrets"),
        ({"zip_spec": CloudSpec(idle=True, text="")}, "there is something to build in a zip or in the repository"),
        ({"zip_spec": replace(OWN, parameters=("*",))}, "the build spec asks for the secret '*'"),
        ({"secrets": {"A": "my secret"}}, "the secret A is 'my secret'"),
        ({"secrets": {"A": "/a/*"}}, "the secret A is"),
        ({"secrets": {"A": ""}}, "the secret A is ''"),
        ({"secrets": {"A": "arn:aws:s3:::bucket"}}, "the secret A is"),
        ({"secrets": {"A": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:*"}}, "the secret A is"),
    ],
)
def test_what_a_build_cannot_be_given_is_said(cdk: None, given: dict[str, Any], what: str) -> None:
    from toolkit.cdk.builds import SiteBuild

    with pytest.raises(PropertyError) as caught:
        SiteBuild(spec=SPEC, **given)
    assert what in caught.value.what and caught.value.fix


@pytest.mark.parametrize(
    ("parameters", "secrets"),
    [
        (("/blog/*",), ()),
        (("",), ()),
        (("arn:aws:ssm:eu-west-1:111122223333:parameter/*",), ()),
        (("arn:aws:secretsmanager:eu-west-1:111122223333:secret:cms-AbCdEf",), ()),
        ((), ("*",)),
        ((), ("cms?:key",)),
        ((), ("arn:aws:secretsmanager:eu-west-1:111122223333:secret:*:key",)),
        ((), ("arn:aws:ssm:eu-west-1:111122223333:parameter/a",)),
    ],
)
def test_a_build_spec_in_the_repository_opens_no_more_than_it_names(
    cdk: None, parameters: tuple[str, ...], secrets: tuple[str, ...]
) -> None:
    from toolkit.cdk.builds import SiteBuild

    with pytest.raises(PropertyError, match="the build spec asks for the secret"):
        SiteBuild(spec=replace(OWN, parameters=parameters, secrets=secrets))
