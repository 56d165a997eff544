"""Pipelines as CodePipeline gets them: their stages, what is handed on, and who may do what."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.validate import ParamValidator

from tests.cdk.pipelined import BUILT, CONNECTION, LONG, actions, add, pipelines, stacks
from tests.rehearsal.iam import Call, Caller, Policies
from tests.rehearsal.template import REGION, Deployed

TLS = {"aws:securetransport": "true", "s3:tlsversion": "1.3"}
# Stages as action: provider, by stack and pipeline.
STAGES = {
    ("github", "live"): "Source:CodeStarSourceConnection Build:CodeBuild Release:Lambda",
    ("github", "preview"): "Source:CodeStarSourceConnection Build:CodeBuild Release:Lambda",
    ("github", "pull"): "Source:CodeStarSourceConnection Build:CodeBuild Release:Lambda",
    ("github", "closed"): "Source:CodeStarSourceConnection Retire:Lambda",
    ("idle", "live"): "Source:CodeStarSourceConnection Release:Lambda",
    ("idle", "upload"): "Source:S3 Inspect:Lambda Direct:Lambda",
    ("zip", "upload"): "Source:S3 Inspect:Lambda Direct:Lambda Build:CodeBuild Release:Lambda",
}
HANDLERS = {"Inspect": "inspect_zip", "Direct": "deliver", "Release": "deliver", "Retire": "retire"}
TO = {"live": "live", "preview": "preview", "pull": "pull", "closed": "closed", "upload": "key"}
# The only variables of an execution that are written into JSON: nobody chooses their text.
VARIABLES = {"codepipeline.PipelineExecutionId", "variables.EventTime", "Inspect.Folder"}
WITHOUT_RESOURCE = {"codepipeline:PutJobFailureResult", "codepipeline:PutJobSuccessResult", "lambda:ListFunctions"}


@pytest.fixture(scope="module")
def made(cdk: None) -> dict[str, Deployed]:
    return stacks()


def every(made: dict[str, Deployed]) -> Iterator[tuple[Deployed, str, dict[str, Any]]]:
    """Each pipeline of each SitePipeline, with its stack and its key."""
    for name, stack in made.items():
        for within in ("ShopPipeline", "DocsPipeline") if name == LONG else ("Pipeline",):
            yield from ((stack, key, it) for key, it in pipelines(stack, within).items())


@pytest.mark.parametrize(("stack", "key"), STAGES)
def test_stages_are_in_order(made: dict[str, Deployed], stack: str, key: str) -> None:
    found = list(actions(pipelines(made[stack])[key]))
    assert " ".join(f"{it.stage}:{it.provider}" for it in found) == STAGES[stack, key]
    assert all(it.given["Name"] == it.stage for it in found)


def test_pipelines_are_of_the_kind_that_runs_side_by_side(made: dict[str, Deployed]) -> None:
    for _, key, it in every(made):
        assert (it["PipelineType"], it["ExecutionMode"], it["RestartExecutionOnUpdate"]) == ("V2", "PARALLEL", False), key


def test_codepipeline_s_api_would_take_them(made: dict[str, Deployed]) -> None:
    """The template has the API's structure with other first letters; its model knows each member and how long it may be."""
    shape = boto3.client("codepipeline", region_name=REGION).meta.service_model.operation_model("CreatePipeline").input_shape
    for stack, key, it in every(made):
        given = {name: value for name, value in it.items() if name != "RestartExecutionOnUpdate"}
        report = ParamValidator().validate({"pipeline": _as_api(given)}, shape)
        assert not report.has_errors(), f"{stack.stack} {key}: {report.generate_report()}"


def _as_api(value: Any) -> Any:
    if isinstance(value, list):
        return [_as_api(item) for item in value]
    if isinstance(value, dict):
        return {
            name[0].lower() + name[1:]: dict(item) if name == "Configuration" else _as_api(item) for name, item in value.items()
        }
    return value


def test_what_an_action_takes_an_earlier_one_made(made: dict[str, Deployed]) -> None:
    for stack, key, it in every(made):
        there: list[str] = []
        for action in actions(it):
            assert set(action.takes) <= set(there), f"{stack.stack} {key} {action.stage}"
            there += action.makes
        assert len(set(there)) == len(there)
        assert all(len(name) <= 10 for name in there), "rights go by names that CodePipeline does not cut"


def test_each_stage_takes_what_it_is_about(made: dict[str, Deployed]) -> None:
    def handed(stack: str, key: str) -> dict[str, tuple[list[str], list[str]]]:
        return {it.stage: (it.takes, it.makes) for it in actions(pipelines(made[stack])[key])}

    assert handed("zip", "upload") == {
        "Source": ([], ["ZipSource"]),
        "Inspect": (["ZipSource"], ["ZipProject"]),
        "Direct": (["ZipSource"], []),
        "Build": (["ZipProject"], ["ZipSite"]),
        "Release": (["ZipSite"], []),
    }
    for key, name in (("live", "Live"), ("preview", "Prev"), ("pull", "Pull")):
        source, site = [f"{name}Source"], [f"{name}Site"]
        assert handed("github", key) == {"Source": ([], source), "Build": (source, site), "Release": (site, [])}
    assert handed("idle", "live")["Release"] == (["LiveSource"], [])
    assert handed("github", "closed")["Retire"] == ([], [])


def test_no_two_pipelines_of_a_site_share_artifacts_builds_or_caches(made: dict[str, Deployed]) -> None:
    for name in ("github", "idle"):
        found = {key: list(actions(it)) for key, it in pipelines(made[name]).items()}
        artifacts = [it for key in found for action in found[key] for it in action.makes]
        builds = [it.configuration["ProjectName"] for key in found for it in found[key] if it.stage == "Build"]
        assert len(set(artifacts)) == len(artifacts) and len(set(builds)) == len(builds)
    projects = made["github"].of("AWS::CodeBuild::Project").items()
    assert len({it["Cache"]["Location"] for name, it in projects if name.startswith("Pipeline")}) == 3


def test_only_builds_of_pull_requests_know_no_secrets(made: dict[str, Deployed]) -> None:
    projects = made["github"].of("AWS::CodeBuild::Project")
    told = {name: json.dumps(it["Environment"].get("EnvironmentVariables", [])) for name, it in projects.items()}
    knowing = {name[8:12] for name, it in told.items() if name.startswith("Pipeline") and "/token" in it}
    assert knowing == {"Live", "Prev"} and any(name.startswith("PipelinePull") for name in told)


def test_stages_that_do_not_apply_are_skipped(made: dict[str, Deployed]) -> None:
    def conditions(stack: str, key: str) -> dict[str, tuple[str, str, str]]:
        found = {}
        for it in actions(pipelines(made[stack])[key]):
            if "BeforeEntry" in it.whole:
                ((condition),) = it.whole["BeforeEntry"]["Conditions"]
                ((rule),) = condition["Rules"]
                assert condition["Result"] == "SKIP"
                assert rule["RuleTypeId"] == {"Category": "Rule", "Owner": "AWS", "Provider": "VariableCheck", "Version": "1"}
                given = rule["Configuration"]
                found[it.stage] = (given["Variable"], given["Operator"], given["Value"])
        return found

    project, other = ("#{Inspect.Kind}", "EQ", "project"), ("#{Source.BranchName}", "NE", "main")
    assert conditions("zip", "upload") == {"Direct": ("#{Inspect.Kind}", "EQ", "site"), "Build": project, "Release": project}
    assert conditions("idle", "upload") == {}, "what is never built is always released as it is"
    assert conditions("github", "live") == conditions("github", "closed") == {}
    assert conditions("github", "preview") == conditions("github", "pull") == {"Build": other, "Release": other}
    assert conditions("tags", "preview") == {}, "where tags go live the branch has a preview"


def test_functions_are_told_where_to_release_by_the_pipeline_alone(made: dict[str, Deployed]) -> None:
    for stack, key, it in every(made):
        for action in (one for one in actions(it) if one.provider == "Lambda"):
            told = action.parameters
            used = set(re.findall(r"#\{([^}]*)\}", action.configuration["UserParameters"]))
            assert used <= VARIABLES, "a text that an author chooses would be JSON here"
            assert (told["pipeline"], told["action"], told["to"]) == (it["Name"], action.stage, TO[key])
            assert told["execution"] == "#{codepipeline.PipelineExecutionId}"
            assert len(action.configuration["UserParameters"]) <= 1000
            (function,) = [
                one
                for name, one in stack.of("AWS::Lambda::Function").items()
                if stack.ref(name) == action.configuration["FunctionName"]
            ]
            assert function["Handler"] == f"lambdas.{HANDLERS[action.stage]}.handler"


def test_functions_are_told_what_an_upload_is_and_where_a_site_is_in_what_is_not_built(made: dict[str, Deployed]) -> None:
    def told(stack: str, key: str) -> dict[str, dict[str, str]]:
        found = {it.stage: it.parameters for it in actions(pipelines(made[stack])[key]) if it.provider == "Lambda"}
        known = ("pipeline", "execution", "action", "to")
        return {stage: {name: it for name, it in given.items() if name not in known} for stage, given in found.items()}

    upload = {"prefix": "in/zips/", "time": "#{variables.EventTime}"}
    assert told("zip", "upload") == {"Inspect": {}, "Direct": upload, "Release": upload}
    assert told("idle", "upload")["Direct"] == {**upload, "prefix": "uploads/", "folder": "#{Inspect.Folder}"}
    assert told("idle", "live") == {"Release": {"folder": "web/public"}}
    assert told("github", "live") == {"Release": {}}


def test_where_tags_go_live_what_is_in_the_branch_does_not_when_the_pipeline_is_made(made: dict[str, Deployed]) -> None:
    def first(stack: str) -> dict[str, str]:
        found = {key: list(actions(it))[-1].parameters for key, it in pipelines(made[stack]).items()}
        return {key: told["first"] for key, told in found.items() if "first" in told}

    assert first("tags") == {"live": "skip"} and first("github") == first("idle") == {}
    live = f"arn:aws:codepipeline:{REGION}:123456789012:{pipelines(made['tags'])['live']['Name']}"
    assert able(made["tags"], "codepipeline:GetPipelineExecution", live) == {"PipelineFunctionsDeliver"}


def test_functions_know_what_they_work_on(made: dict[str, Deployed]) -> None:
    def environment(stack: str, name: str) -> dict[str, str]:
        its = made[stack].of("AWS::Lambda::Function").values()
        (found,) = [it["Environment"]["Variables"] for it in its if it["Handler"] == f"lambdas.{name}.handler"]
        return dict(found)

    assert environment("zip", "inspect_zip") == {"SITE": "zip", "PREFIX": "in/zips/", "IDLE": "false", "OUTPUT": ""}
    assert environment("idle", "inspect_zip") == {"SITE": "idle", "PREFIX": "uploads/", "IDLE": "true", "OUTPUT": "web/public"}
    (machine,) = [name for name in made["zip"].of("AWS::StepFunctions::StateMachine") if name.startswith("ReleaseMachine")]
    assert environment("github", "deliver").keys() == {"SITE", "RELEASE_ARN"}
    assert environment("zip", "deliver") == {
        "SITE": "zip",
        "RELEASE_ARN": made["zip"].ref(machine),
        "UPLOAD_BUCKET": made["zip"].ref("PipelineUploads54BB0EE5"),
    }
    assert environment("github", "retire").keys() == {"SITE", "BUCKET", "STORE_ARN"}


def test_names_are_unique_and_of_the_length_that_codepipeline_takes(made: dict[str, Deployed]) -> None:
    names = [it["Name"] for _, _, it in every(made)]
    assert len(made[LONG].stack) > 120 and len(set(names)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9.@_-]{1,100}", name) for name in names)
    assert pipelines(made["github"])["live"]["Name"].startswith("github-live-")


def test_a_pipeline_in_a_nested_stack_has_a_name_of_its_own_too(cdk: None) -> None:
    from aws_cdk import App, NestedStack, Stack, assertions

    from toolkit.cdk import ZipSource

    outer = Stack(App(), "outer")
    inner = [NestedStack(outer, name) for name in ("one", "two")]
    for stack in inner:
        add(stack, stack.node.id, uploads=ZipSource())
    found = [
        it["Properties"]["Name"]
        for stack in inner
        for it in assertions.Template.from_stack(stack).to_json()["Resources"].values()
        if it["Type"] == "AWS::CodePipeline::Pipeline"
    ]
    assert len(set(found)) == 2 and all(name.startswith("outer-upload-") for name in found)


def test_a_pipeline_is_made_when_its_rights_apply(made: dict[str, Deployed]) -> None:
    """It runs once when it is made."""
    for stack, key, it in every(made):
        (name,) = [one for one, found in stack.of("AWS::CodePipeline::Pipeline").items() if found["Name"] == it["Name"]]
        policies = [
            one
            for one in stack.body["Resources"][name]["DependsOn"]
            if stack.body["Resources"][one]["Type"].endswith("BucketPolicy")
        ]
        created = key == "upload" and stack.stack != "own"
        assert len(policies) >= (3 if created else 2), f"{stack.stack} {key}"


def roles(stack: Deployed, service: str) -> dict[str, str]:
    """ARNs of the roles that a service may take, by logical id."""
    policies = Policies([stack])
    arns = {name: stack.attribute(name, "Arn") for name in stack.of("AWS::IAM::Role")}
    return {name: arn for name, arn in arns.items() if policies.trusts(arn, service)}


def test_roles_of_pipelines_word_for_word(made: dict[str, Deployed]) -> None:
    bucket = ["s3:GetBucketAcl", "s3:GetBucketLocation", "s3:GetBucketVersioning"]
    connection = ["codeconnections:UseConnection"]
    ends = ["codepipeline:PutJobFailureResult", "codepipeline:PutJobSuccessResult"]
    common = {"ArtifactBucket": bucket, "Functions": ["lambda:InvokeFunction"], "Lists": ["lambda:ListFunctions"], "Jobs": ends}
    build = {"Build": ["codebuild:BatchGetBuilds", "codebuild:StartBuild", "codebuild:StopBuild"]}
    reads = ["s3:GetObject", "s3:GetObjectTagging", "s3:GetObjectVersion", "s3:GetObjectVersionTagging"]
    wanted = {
        ("github", "Live"): {"Connection": connection, **build, **common},
        ("github", "Preview"): {"Connection": connection, **build, **common},
        ("github", "Pull"): {"Connection": connection, **build, **common},
        ("github", "Closed"): {"Connection": connection, **common},
        ("idle", "Live"): {"Connection": connection, **common},
        ("zip", "Upload"): {"UploadBucket": bucket, **build, **common},
        ("own", "Upload"): {"UploadBucket": bucket, "Uploads": reads, **common},
    }
    for (stack, key), statements in wanted.items():
        (arn,) = [it for name, it in roles(made[stack], "codepipeline.amazonaws.com").items() if name.startswith(f"Pipeline{key}")]
        found: dict[str, list[str]] = {}
        for one in Policies([made[stack]]).of_roles[arn]:
            listed = one["Action"] if isinstance(one["Action"], list) else [one["Action"]]
            found[one["Sid"]] = listed
            assert not any("*" in action for action in listed)
            assert one["Resource"] != "*" or set(listed) <= WITHOUT_RESOURCE
        assert found == statements, (stack, key)


def able(stack: Deployed, action: str, resource: str) -> set[str]:
    """The roles that may do that, by the beginnings of their logical ids."""
    policies = Policies([stack])
    arns = {name: stack.attribute(name, "Arn") for name in stack.of("AWS::IAM::Role")}
    found = [name for name, arn in arns.items() if policies.allow(Caller(arn), Call(action, resource, TLS))]
    return {name.removesuffix(name[-8:]).removesuffix("Role") for name in found}


def test_who_reads_and_writes_which_artifacts(made: dict[str, Deployed]) -> None:
    def who(stack: str, verb: str, artifact: str) -> set[str]:
        (bucket,) = [made[stack].ref(it) for it in made[stack].of("AWS::S3::Bucket") if "Artifacts" in it]
        return able(made[stack], f"s3:{verb}Object", f"arn:aws:s3:::{bucket}/some-pipeline/{artifact}/x1y2")

    publishers = {"ReleasePublish", "ReleaseLarge"}
    for key, name in (("Live", "Live"), ("Preview", "Prev"), ("Pull", "Pull")):
        pipeline, build = f"Pipeline{key}", f"Pipeline{key}Build"
        assert who("github", "Get", f"{name}Source") == {pipeline, build}
        assert who("github", "Get", f"{name}Site") == {pipeline, *publishers}
        assert who("github", "Put", f"{name}Source") == {pipeline}
        assert who("github", "Put", f"{name}Site") == {pipeline, build}
    assert who("github", "Get", "DoneSource") == {"PipelineClosed"}
    upload, inspect, build = "PipelineUpload", "PipelineFunctionsInspectzip", "PipelineUploadBuild"
    assert who("zip", "Get", "ZipSource") == {upload, inspect, *publishers}
    assert who("zip", "Put", "ZipProject") == {upload, inspect}
    assert who("zip", "Get", "ZipProject") == {upload, build}
    assert who("zip", "Get", "ZipSite") == {upload, *publishers}
    assert who("idle", "Get", "LiveSource") == {"PipelineLive", *publishers}
    assert who("idle", "Get", "ZipSource") == {upload, inspect, *publishers}
    assert who("zip", "Delete", "ZipSite") == set()


def test_a_pipeline_may_write_its_artifacts_in_the_way_that_codepipeline_does(made: dict[str, Deployed]) -> None:
    """A connection's upload names an ACL, an upload from S3 has the tags of its source: each is a right of its own."""
    for stack, artifact, pipeline in (
        ("github", "LiveSource", "Live"),
        ("github", "DoneSource", "Closed"),
        ("zip", "ZipSource", "Upload"),
    ):
        (bucket,) = [made[stack].ref(it) for it in made[stack].of("AWS::S3::Bucket") if "Artifacts" in it]
        for action in ("s3:PutObject", "s3:PutObjectAcl", "s3:PutObjectTagging"):
            assert able(made[stack], action, f"arn:aws:s3:::{bucket}/some-pipeline/{artifact}/x1y2") == {f"Pipeline{pipeline}"}, (
                action
            )


def test_who_starts_releases_and_who_ends_actions(made: dict[str, Deployed]) -> None:
    stack = made["github"]
    (machine,) = [stack.ref(name) for name in stack.of("AWS::StepFunctions::StateMachine") if name.startswith("ReleaseMachine")]
    executions = machine.replace(":stateMachine:", ":execution:")
    execution = f"{executions}:0a1b2c3d-0000-4000-8000-000000000000"
    deliver, retire = "PipelineFunctionsDeliver", "PipelineFunctionsRetire"
    assert able(stack, "states:StartExecution", machine) == {deliver}
    assert deliver in able(stack, "states:DescribeExecution", execution)
    assert deliver not in able(stack, "states:DescribeExecution", f"{executions}:build-4711"), "somebody else's"
    assert able(stack, "states:StopExecution", execution) == set()
    # The roles of pipelines share a policy with the functions'; nobody but CodePipeline itself takes them.
    pipes = {"PipelineLive", "PipelinePreview", "PipelinePull", "PipelineClosed"}
    for word in ("Success", "Failure"):
        assert able(stack, f"codepipeline:PutJob{word}Result", "*") == {deliver, retire, *pipes}
    arns = {key: f"arn:aws:codepipeline:{REGION}:123456789012:{it['Name']}" for key, it in pipelines(stack).items()}
    assert {key: able(stack, "codepipeline:ListActionExecutions", arn) for key, arn in arns.items()} == {
        "live": {deliver},
        "preview": {deliver},
        "pull": {deliver},
        "closed": {retire},
    }
    assert all(able(stack, "codepipeline:StartPipelineExecution", arn) == set() for arn in arns.values())


def test_a_pipeline_calls_its_own_build_and_functions_only(made: dict[str, Deployed]) -> None:
    stack = made["github"]
    builds = {name: stack.attribute(name, "Arn") for name in stack.of("AWS::CodeBuild::Project") if name.startswith("Pipeline")}
    assert {name[8:12]: able(stack, "codebuild:StartBuild", arn) for name, arn in builds.items()} == {
        "Live": {"PipelineLive"},
        "Prev": {"PipelinePreview"},
        "Pull": {"PipelinePull"},
    }
    for name, callers in (("Deliver", {"Live", "Preview", "Pull"}), ("Retire", {"Closed"})):
        (arn,) = [
            stack.attribute(it, "Arn") for it in stack.of("AWS::Lambda::Function") if it.startswith(f"PipelineFunctions{name}")
        ]
        assert able(stack, "lambda:InvokeFunction", arn) == {f"Pipeline{key}" for key in callers}


def test_of_the_functions_only_that_which_removes_previews_reaches_the_site(made: dict[str, Deployed]) -> None:
    stack = made["github"]
    store = next(stack.attribute(name, "Arn") for name in stack.of("AWS::CloudFront::KeyValueStore"))
    site = next(stack.ref(name) for name in stack.of("AWS::S3::Bucket") if name.startswith("SiteStorage"))
    ours = {name for name in able(stack, "cloudfront-keyvaluestore:UpdateKeys", store) if name.startswith("Pipeline")}
    assert ours == {"PipelineFunctionsRetire"}
    for folder in ("blobs", "versions", "runs", "releases", "locks"):
        writers = able(stack, "s3:PutObject", f"arn:aws:s3:::{site}/github/{folder}/x")
        expected = {"PipelineFunctionsRetire"} if folder in ("releases", "locks") else set()
        assert {name for name in writers if name.startswith("Pipeline")} == expected, folder


def test_outputs_are_those_of_the_pipelines_that_there_are(made: dict[str, Deployed]) -> None:
    def outputs(stack: str) -> set[str]:
        prefix = "PipelineOutputs"
        return {name.removeprefix(prefix)[:-8] for name in made[stack].outputs() if name.startswith(prefix)}

    assert outputs("github") == {"LivePipeline", "PreviewPipeline", "PullPipeline", "ClosedPipeline", "ArtifactBucket"}
    assert outputs("zip") == {"UploadPipeline", "UploadBucket", "UploadPrefix", "ArtifactBucket"}
    assert outputs("idle") == outputs("zip") | {"LivePipeline"}


def test_a_site_has_one_set_of_pipelines_and_that_has_a_source(cdk: None) -> None:
    from aws_cdk import App, Stack

    from toolkit.cdk import SiteBuild, SitePipeline, ZipSource
    from toolkit.cdk.errors import PropertyError

    stack = Stack(App(), "twice")
    workflow, _ = add(stack, "twice", uploads=ZipSource())
    with pytest.raises(PropertyError, match="twice/Release has the pipeline twice/Pipeline already"):
        SitePipeline(stack, "Second", workflow=workflow, build=SiteBuild(spec=BUILT), uploads=ZipSource())
    with pytest.raises(PropertyError, match="needs a source"):
        SitePipeline(stack, "Third", workflow=workflow, build=SiteBuild(spec=BUILT))


def test_what_an_action_is_told_has_the_length_that_codepipeline_takes(cdk: None) -> None:
    from aws_cdk import App, Stack

    from toolkit.builds.cloud import CloudSpec
    from toolkit.cdk import GitHubSource, ZipSource
    from toolkit.cdk.errors import PropertyError

    deep = CloudSpec(idle=True, text="", folder="/".join(["folder"] * 160))
    github = GitHubSource(repository="we/sites", connection_arn=CONNECTION)
    with pytest.raises(PropertyError, match=r"UserParameters of the action Release has 1\d{3} characters, CodePipeline takes 1000"):
        add(Stack(App(), "deep"), "deep", spec=deep, github=github)
    with pytest.raises(PropertyError, match="S3ObjectKey of the action Source has 1008 characters"):
        add(Stack(App(), "far"), "far", uploads=ZipSource(prefix=f"{'x' * 999}/"))
