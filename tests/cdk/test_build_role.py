"""What a build may do in AWS, worked out from the template: its own work, and nothing of anybody else's.

Anybody's code runs in a build, so each right that it must not have is tried, on the very resources that the template makes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.rehearsal.iam import Call, Caller, Policies
from tests.rehearsal.template import ACCOUNT, REGION, Deployed
from toolkit.presets.registry import get

CONNECTION = f"arn:aws:codeconnections:{REGION}:{ACCOUNT}:connection/0a1b2c3d-0000-4000-8000-000000000000"
SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:blog/cms-AbCdEf"
TLS = {"aws:securetransport": "true", "s3:tlsversion": "1.3"}
# Artifacts by the pipeline that they are of: what comes in, what is built.
ARTIFACTS = {
    "live": ("LiveSource", "LiveSite"),
    "preview": ("PrevSource", "PrevSite"),
    "pull": ("PullSource", "PullSite"),
    "upload": ("ZipProject", "ZipSite"),
}
ALL_ARTIFACTS = (*(name for pair in ARTIFACTS.values() for name in pair), "ZipSource", "DoneSource")
KEYS = tuple(ARTIFACTS)


@pytest.fixture(scope="module")
def stack(cdk: None, tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    """Two sites in one stack, each with all pipelines: what is whose can be told apart then. Nothing is built for a third."""
    from aws_cdk import App, Stack

    from toolkit.builds.cloud import cloud_spec
    from toolkit.cdk import GitHubSource, ReleaseWorkflow, SiteBuild, SitePipeline, StaticSite, ZipSource
    from toolkit.config import SiteConfig

    folder = tmp_path_factory.mktemp("builds")
    app = App(outdir=str(folder), analytics_reporting=False)
    made = Stack(app, "two")
    for name in ("blog", "shop"):
        workflow = ReleaseWorkflow(made, f"{name}Release", hosting=StaticSite(made, f"{name}Site"), site=name)
        SitePipeline(
            made,
            f"{name}Pipeline",
            workflow=workflow,
            github=GitHubSource(
                repository="we/sites",
                connection_arn=CONNECTION,
                pull_requests=True,
            ),
            uploads=ZipSource(),
            build=SiteBuild(
                spec=cloud_spec(SiteConfig(name=name, folder=folder, preset="vite"), f"sites/{name}"),
                zip_spec=cloud_spec(SiteConfig(name=name, folder=folder, preset="vite")),
                environment={"MODE": name},
                secrets={"TOKEN": f"/{name}/token", "CMS": f"{SECRET}:key" if name == "blog" else "cms"},
            ),
        )
    plain = SiteConfig(name="notes", folder=folder, output="public")
    SitePipeline(
        made,
        "notesPipeline",
        workflow=ReleaseWorkflow(made, "notesRelease", hosting=StaticSite(made, "notesSite"), site="notes"),
        github=GitHubSource(repository="we/sites", connection_arn=CONNECTION),
        uploads=ZipSource(),
        build=SiteBuild(spec=cloud_spec(plain, "sites/notes"), zip_spec=cloud_spec(plain)),
    )
    app.synth()
    return Deployed.read(folder / "two.template.json")


@pytest.fixture(scope="module")
def policies(stack: Deployed) -> Policies:
    return Policies([stack])


class Site:
    """A site's resources in the template, by what they are for."""

    def __init__(self, stack: Deployed, name: str) -> None:
        self.stack, self.name = stack, name

    def id_of(self, kind: str, beginning: str) -> str:
        (found,) = [it for it in self.stack.within(kind) if it.startswith(self.name + beginning)]
        return found

    def arn(self, kind: str, beginning: str) -> str:
        return str(self.stack.attribute(self.id_of(kind, beginning), "Arn"))

    def project(self, key: str) -> dict[str, Any]:
        return self.stack.properties(self.id_of("AWS::CodeBuild::Project", f"Pipeline{key.capitalize()}BuildProject"))

    def build(self, key: str) -> Caller:
        """Who a build of the pipeline is."""
        return Caller(arn=self.project(key)["ServiceRole"])

    @property
    def artifacts(self) -> str:
        return self.arn("AWS::S3::Bucket", "PipelineArtifacts")

    def artifact(self, name: str, pipeline: str = "two-some-pipeline-01") -> str:
        return f"{self.artifacts}/{pipeline}/{name}/aB3xYz9"

    def log(self, key: str) -> str:
        return self.arn("AWS::Logs::LogGroup", f"Pipeline{key.capitalize()}BuildLogs").removesuffix(":*")


@pytest.fixture(scope="module")
def blog(stack: Deployed) -> Site:
    return Site(stack, "blog")


@pytest.fixture(scope="module")
def shop(stack: Deployed) -> Site:
    return Site(stack, "shop")


def parameter(name: str) -> str:
    return f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/{name}"


def must(site: Site, key: str) -> Iterator[Call]:
    """What CodeBuild does for a build, with the build's role."""
    source, built = ARTIFACTS[key]
    yield Call("s3:GetObject", site.artifact(source), TLS)
    yield Call("s3:GetObjectVersion", site.artifact(source), TLS)
    yield Call("s3:PutObject", site.artifact(built), TLS)
    for action in ("s3:GetObject", "s3:PutObject"):
        yield Call(action, f"{site.artifacts}/cache/{key}/0a1b2c3d", TLS)
    yield Call("s3:ListBucket", site.artifacts, {**TLS, "s3:prefix": f"cache/{key}/0a1b"})
    for action in ("s3:GetBucketAcl", "s3:GetBucketLocation"):
        yield Call(action, site.artifacts, TLS)
    for action in ("logs:CreateLogStream", "logs:PutLogEvents"):
        yield Call(action, f"{site.log(key)}:log-stream:0a1b2c3d")


def secrets(site: Site) -> Iterator[Call]:
    yield Call("ssm:GetParameters", parameter(f"{site.name}/token"))
    yield Call("secretsmanager:GetSecretValue", SECRET) if site.name == "blog" else Call("ssm:GetParameters", parameter("cms"))


def must_not(site: Site, other: Site, key: str) -> Iterator[Call]:
    """What somebody would try whose code is built."""
    stack = site.stack
    for one in (site, other):
        yield from _with_the_site(one)
        yield from _with_releases(one)
        yield from _with_artifacts(one, key if one is site else "")
        yield from _with_uploads(one)
        for name in KEYS:
            if (one, name) != (site, key):
                yield Call("logs:PutLogEvents", f"{one.log(name)}:log-stream:0a1b2c3d")
            project = stack.attribute(one.id_of("AWS::CodeBuild::Project", f"Pipeline{name.capitalize()}BuildProject"), "Arn")
            for action in ("UpdateProject", "StartBuild", "DeleteProject", "BatchGetBuilds"):
                yield Call(f"codebuild:{action}", project)
    for role in stack.within("AWS::IAM::Role"):
        for action in ("iam:PassRole", "sts:AssumeRole", "iam:PutRolePolicy", "iam:AttachRolePolicy"):
            yield Call(action, stack.attribute(role, "Arn"))
    for name in ("other/token", "blog", "blog/token/more", "blog/tokens", f"{other.name}/token"):
        for action in ("ssm:GetParameter", "ssm:GetParameters", "ssm:PutParameter"):
            yield Call(action, parameter(name))
    yield Call("ssm:GetParametersByPath", parameter("blog"))
    yield Call("ssm:PutParameter", parameter("blog/token"))
    yield Call("secretsmanager:GetSecretValue", SECRET.replace("cms", "crm"))
    yield Call("secretsmanager:PutSecretValue", SECRET)
    yield Call("codeconnections:UseConnection", CONNECTION)
    yield Call("cloudformation:UpdateStack", stack.ref("AWS::StackId"))


def _with_the_site(site: Site) -> Iterator[Call]:
    bucket = site.arn("AWS::S3::Bucket", "SiteStorage")
    for folder in ("blobs", "versions", "releases", "locks", "runs", "uploads", "pins", "logs"):
        for action in ("s3:GetObject", "s3:PutObject", "s3:DeleteObject"):
            yield Call(action, f"{bucket}/{site.name}/{folder}/x", TLS)
    for action in ("s3:ListBucket", "s3:PutBucketPolicy", "s3:PutBucketNotification", "s3:DeleteBucketPolicy"):
        yield Call(action, bucket, TLS)
    store = site.arn("AWS::CloudFront::KeyValueStore", "SiteRouting")
    for action in ("DescribeKeyValueStore", "GetKey", "ListKeys", "PutKey", "DeleteKey", "UpdateKeys"):
        yield Call(f"cloudfront-keyvaluestore:{action}", store)
    for function in site.stack.within("AWS::CloudFront::Function"):
        yield Call("cloudfront:UpdateFunction", site.stack.attribute(function, "FunctionARN"))


def _with_releases(site: Site) -> Iterator[Call]:
    stack = site.stack
    for machine in stack.within("AWS::StepFunctions::StateMachine"):
        arn = stack.attribute(machine, "Arn")
        for action in ("StartExecution", "UpdateStateMachine", "DescribeStateMachine"):
            yield Call(f"states:{action}", arn)
        yield Call("states:StopExecution", f"{arn.replace(':stateMachine:', ':execution:')}:run")
    for token in ("SendTaskSuccess", "SendTaskFailure"):
        yield Call(f"states:{token}", "*")
    for function in stack.within("AWS::Lambda::Function"):
        for action in ("lambda:InvokeFunction", "lambda:UpdateFunctionCode", "lambda:UpdateFunctionConfiguration"):
            yield Call(action, stack.attribute(function, "Arn"))
    for pipeline in stack.within("AWS::CodePipeline::Pipeline"):
        arn = f"arn:aws:codepipeline:{REGION}:{ACCOUNT}:{stack.name(pipeline)}"
        for action in ("StartPipelineExecution", "UpdatePipeline", "ListActionExecutions", "OverrideStageCondition"):
            yield Call(f"codepipeline:{action}", arn)
        yield Call("codepipeline:RetryStageExecution", f"{arn}/Release")
    for action in ("PutJobSuccessResult", "PutJobFailureResult", "PollForJobs"):
        yield Call(f"codepipeline:{action}", "*")


def _with_artifacts(site: Site, key: str) -> Iterator[Call]:
    """`key`: the pipeline whose artifacts are its own; none of another site's are."""
    source, built = ARTIFACTS.get(key, ("", ""))
    for name in ALL_ARTIFACTS:
        place = site.artifact(name)
        if name != source:
            yield Call("s3:GetObject", place, TLS)
            yield Call("s3:GetObjectVersion", place, TLS)
        if name != built:
            yield Call("s3:PutObject", place, TLS)
        yield Call("s3:DeleteObject", place, TLS)
    for name in KEYS:
        if name != key:
            yield Call("s3:GetObject", f"{site.artifacts}/cache/{name}/0a1b2c3d", TLS)
            yield Call("s3:PutObject", f"{site.artifacts}/cache/{name}/0a1b2c3d", TLS)
            yield Call("s3:ListBucket", site.artifacts, {**TLS, "s3:prefix": f"cache/{name}/"})
    # Keys end in something random; who cannot list cannot find another branch's.
    for prefix in ({}, {"s3:prefix": ""}, {"s3:prefix": "two-some-pipeline-01/"}, {"s3:prefix": "cache/"}):
        yield Call("s3:ListBucket", site.artifacts, {**TLS, **prefix})
    for action in ("s3:PutBucketPolicy", "s3:PutLifecycleConfiguration", "s3:ListBucketVersions"):
        yield Call(action, site.artifacts, TLS)


def _with_uploads(site: Site) -> Iterator[Call]:
    bucket = site.arn("AWS::S3::Bucket", "PipelineUploads")
    for action in ("s3:GetObject", "s3:PutObject", "s3:DeleteObject"):
        yield Call(action, f"{bucket}/uploads/site.zip", TLS)
    yield Call("s3:ListBucket", bucket, TLS)


@pytest.mark.parametrize("key", KEYS)
def test_a_build_may_do_its_work(policies: Policies, blog: Site, shop: Site, key: str) -> None:
    for site in (blog, shop):
        who = site.build(key)
        assert [str(call) for call in must(site, key) if not policies.allow(who, call)] == []


@pytest.mark.parametrize("key", ["live", "preview", "upload"])
def test_a_build_of_somebody_who_may_push_knows_the_secrets_of_its_site(
    policies: Policies, blog: Site, shop: Site, key: str
) -> None:
    for site in (blog, shop):
        assert [str(call) for call in secrets(site) if not policies.allow(site.build(key), call)] == []
        names = {it["Name"]: it["Type"] for it in site.project(key)["Environment"]["EnvironmentVariables"]}
        assert names.items() >= {"TOKEN": "PARAMETER_STORE", "MODE": "PLAINTEXT"}.items()


def test_a_build_of_a_pull_request_knows_none(policies: Policies, blog: Site, shop: Site) -> None:
    for site in (blog, shop):
        assert [str(call) for call in secrets(site) if policies.allow(site.build("pull"), call)] == []
        (variable,) = site.project("pull")["Environment"]["EnvironmentVariables"]
        assert variable == {"Name": "MODE", "Type": "PLAINTEXT", "Value": site.name}


@pytest.mark.parametrize("key", KEYS)
def test_a_build_may_do_nothing_else(policies: Policies, blog: Site, shop: Site, key: str) -> None:
    for site, other in ((blog, shop), (shop, blog)):
        who, tried = site.build(key), list(must_not(site, other, key))
        assert [str(call) for call in tried if policies.allow(who, call)] == []
        assert len(tried) > 400


def test_an_artifact_that_is_sent_without_tls_is_refused(policies: Policies, blog: Site) -> None:
    plain = {"aws:securetransport": "false"}
    assert not policies.allow(blog.build("live"), Call("s3:PutObject", blog.artifact("LiveSite"), plain))


def test_what_may_write_the_site_is_seen(stack: Deployed, blog: Site, shop: Site) -> None:
    """That nothing is allowed above is worth something only if a right too many shows, wherever it is given."""
    role = blog.project("live")["ServiceRole"].rpartition("/")[2]
    bucket = blog.arn("AWS::S3::Bucket", "SiteStorage")
    extra = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"{bucket}/*"}
    for kind in ("AWS::IAM::Role", "AWS::S3::BucketPolicy"):
        changed = stack.changed()
        for name in list(changed.within(kind)):
            properties = changed.body["Resources"][name]["Properties"]
            if kind == "AWS::IAM::Role" and changed.name(name) == role:
                properties["Policies"][0]["PolicyDocument"]["Statement"].append(extra)
            elif kind == "AWS::S3::BucketPolicy" and name.startswith("blogSite"):
                principal = {"AWS": blog.project("live")["ServiceRole"]}
                properties["PolicyDocument"]["Statement"].append({**extra, "Principal": principal})
        seen = Policies([changed])
        assert [call for call in must_not(blog, shop, "live") if seen.allow(blog.build("live"), call)], kind


def test_only_codebuild_in_this_account_takes_the_role_and_nobody_hands_it_on(stack: Deployed, blog: Site) -> None:
    for key in KEYS:
        role = blog.id_of("AWS::IAM::Role", f"Pipeline{key.capitalize()}BuildRole")
        properties = stack.properties(role)
        (trust,) = properties["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Principal"] == {"Service": "codebuild.amazonaws.com"}
        assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
        assert "ManagedPolicyArns" not in properties
        assert stack.attribute(role, "Arn") == blog.project(key)["ServiceRole"]
    assert not [it for it in stack.of("AWS::IAM::Policy").values() if any("Build" in str(role) for role in it["Roles"])]


def test_each_pipeline_has_a_project_a_role_a_log_and_a_cache_of_its_own(blog: Site, shop: Site) -> None:
    projects = [site.project(key) for site in (blog, shop) for key in KEYS]
    for what in (
        [it["ServiceRole"] for it in projects],
        [it["LogsConfig"]["CloudWatchLogs"]["GroupName"] for it in projects],
        [it["Cache"]["Location"] for it in projects],
    ):
        assert len(set(what)) == len(projects)


def test_the_cache_is_where_the_role_may_keep_it(policies: Policies, blog: Site) -> None:
    for key in KEYS:
        place = blog.project(key)["Cache"]["Location"]
        assert policies.allow(blog.build(key), Call("s3:PutObject", f"arn:aws:s3:::{place}/0a1b2c3d", TLS))


def test_artifacts_go_by_the_names_that_roles_have(stack: Deployed, blog: Site) -> None:
    """The pipelines hand on what the builds' roles say that they do, and CodePipeline cuts no name."""
    found = {}
    for pipeline in stack.of("AWS::CodePipeline::Pipeline").values():
        for action in (action for stage in pipeline["Stages"] for action in stage["Actions"]):
            names = [it["Name"] for kind in ("InputArtifacts", "OutputArtifacts") for it in action.get(kind, ())]
            assert all(len(name) <= 10 for name in names)
            if action["ActionTypeId"]["Provider"] == "CodeBuild":
                found[action["Configuration"]["ProjectName"]] = tuple(names)
    for key, names in ARTIFACTS.items():
        project = stack.name(blog.id_of("AWS::CodeBuild::Project", f"Pipeline{key.capitalize()}BuildProject"))
        assert found[project] == names


def test_a_zip_begins_with_the_project_and_a_repository_above_it(blog: Site, shop: Site) -> None:
    for site in (blog, shop):
        found = {key: site.project(key)["Source"]["BuildSpec"] for key in KEYS}
        assert {key for key, text in found.items() if f'cd "$CODEBUILD_SRC_DIR"/sites/{site.name}' in text} == set(KEYS) - {
            "upload"
        }
        assert found["upload"] == get("vite").spec_path.read_text(encoding="utf-8")


def test_what_is_not_built_lies_in_the_repository_below_the_site_s_folder(stack: Deployed) -> None:
    assert not [name for name in stack.within("AWS::CodeBuild::Project") if name.startswith("notesPipeline")]
    outputs = [it["Environment"]["Variables"] for it in stack.of("AWS::Lambda::Function").values()]
    assert [it["OUTPUT"] for it in outputs if it["SITE"] == "notes" and it.get("IDLE") == "true"] == ["public"]
    (live,) = [name for name in stack.within("AWS::CodePipeline::Pipeline") if name.startswith("notesPipelineLive")]
    (release,) = stack.properties(live)["Stages"][-1]["Actions"]
    assert json.loads(release["Configuration"]["UserParameters"])["folder"] == "sites/notes/public"


def test_builds_run_as_they_should(stack: Deployed, blog: Site) -> None:
    for key in KEYS:
        project = blog.project(key)
        assert project["Environment"]["PrivilegedMode"] is False
        assert project["Artifacts"] == {"Type": "CODEPIPELINE"}
        assert project["Source"]["Type"] == "CODEPIPELINE"
        branch = [it["Value"] for it in project["Environment"]["EnvironmentVariables"] if it["Name"] == "BRANCH"]
        assert branch == (["main"] if key == "live" else []), "a branch that somebody else named is not handed to commands"
