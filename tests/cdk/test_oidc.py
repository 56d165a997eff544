"""The roles of a repository's own CI: which of GitHub's tokens may take them, and that they do what a deploy needs and no more.

What `toolkit deploy` asks AWS for is recorded and put to an evaluator of IAM's rules, over the template's own policies.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.aws.account import BUCKET, FakeAccount
from tests.aws.calls import Call as Asked
from tests.aws.conftest import account as aws_account
from tests.aws.conftest import cli, project
from tests.aws.test_permissions import Heard
from tests.cdk.policies import as_list, findings
from tests.cdk.templates import Template, text
from tests.commands.conftest import Cli, write_site
from tests.contracts.kvs import ARN as STORE
from tests.rehearsal.iam import Call, Caller, Policies
from tests.rehearsal.iam import _holds as holds
from tests.rehearsal.template import Deployed
from toolkit.aws import permissions
from toolkit.config import load
from toolkit.engine.advice import SiteFacts

__all__ = ["aws_account", "cli", "project"]

EXAMPLE = Path(__file__).resolve().parent.parent.parent / "examples" / "github-actions"
ISSUER = "token.actions.githubusercontent.com"
AUDIENCE = "sts.amazonaws.com"
GIVEN = f"arn:aws:iam::111122223333:oidc-provider/{ISSUER}"
STACK = "toolkit-site-blog"
# Tokens as GitHub makes them: since July 2026 a new repository's subject has numbers, others' has none.
NAMES = ("Acme/site", "Acme@11/site@22")


@pytest.fixture(scope="module")
def stacks(cdk: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Template]:
    """A site with both roles; one whose account has the provider already and whose pull requests have no role; the example's."""
    from aws_cdk import App, Stack

    from toolkit.cdk import GitHubDeployRole, ReleaseWorkflow, StaticSite
    from toolkit.cdk.app import hosting
    from toolkit.cdk.stacks import build

    app = App(outdir=str(tmp_path_factory.mktemp("oidc")), analytics_reporting=False)
    for name, more in ((STACK, {}), ("given", {"branch": "release/1.x", "previews": False, "provider_arn": GIVEN})):
        stack = Stack(app, name)
        site = StaticSite(stack, "Site")
        workflow = ReleaseWorkflow(stack, "Release", hosting=site, site="blog")
        made = GitHubDeployRole(stack, "Ci", workflow=workflow, repository="Acme/site", **more)  # type: ignore[arg-type]
        assert set(made.outputs) == ({"DeployRole"} if more else {"DeployRole", "PreviewRole"})
    build(app, hosting(load(EXAMPLE), {}))
    out = Path(app.synth().directory)
    return {name: Template.read(out / f"{name}.template.json") for name in (STACK, "given", "toolkit-site-handmade")}


@pytest.fixture
def account(aws_account: FakeAccount) -> Iterator[Heard]:
    """One that writes down what is asked of it, in the place of the command line's own."""
    yield Heard()


def trust(template: Template, name: str) -> dict[str, Any]:
    """The only statement of who may take a role."""
    (statement,) = text(template.properties("AWS::IAM::Role", f"Ci{name}Role"))["AssumeRolePolicyDocument"]["Statement"]
    found: dict[str, Any] = statement
    return found


def token(subject: str, repository: str = "Acme/site", ref: str = "refs/heads/main", audience: str = AUDIENCE) -> dict[str, str]:
    claims = {"sub": subject, "repository": repository, "ref": ref, "aud": audience}
    return {f"{ISSUER}:{name}": value for name, value in claims.items()}


def admits(statement: dict[str, Any], claims: dict[str, str]) -> bool:
    """Whether STS lets the bearer of these claims take the role."""
    assert (statement["Effect"], statement["Action"]) == ("Allow", "sts:AssumeRoleWithWebIdentity")
    return holds({**statement, "Resource": "*"}, Call("sts:AssumeRoleWithWebIdentity", "role", claims))


@pytest.mark.parametrize("name", NAMES)
def test_live_is_for_pushes_to_the_branch_alone(stacks: dict[str, Template], name: str) -> None:
    live = trust(stacks[STACK], "Live")
    (provider,) = stacks[STACK].ids("AWS::IAM::OIDCProvider")
    assert live["Principal"] == {"Federated": f"${{{provider}.Arn}}"}
    assert admits(live, token(f"repo:{name}:ref:refs/heads/main"))
    for other in (
        token(f"repo:{name}:ref:refs/heads/main2", ref="refs/heads/main2"),
        token(f"repo:{name}:ref:refs/heads/feature/main", ref="refs/heads/feature/main"),
        token(f"repo:{name}:ref:refs/tags/main", ref="refs/tags/main"),
        token(f"repo:{name}:pull_request", ref="refs/pull/1/merge"),
        token(f"repo:{name}:environment:production"),
        # An environment's name is whatever somebody calls it, on whichever branch.
        token(f"repo:{name}:environment:x:ref:refs/heads/main", ref="refs/heads/feature"),
        token(f"repo:{name}:ref:refs/heads/main", audience="https://github.com/Acme"),
        token(f"repo:{name}:ref:refs/heads/main", repository="Acme/other"),
    ):
        assert not admits(live, other), other


def test_no_other_repository_s_token_is_taken(stacks: dict[str, Template]) -> None:
    for name, subject in (("Live", "ref:refs/heads/main"), ("Preview", "pull_request")):
        statement = trust(stacks[STACK], name)
        for repository in ("Acme/site2", "Acme2/site", "acme/site", "Acme/other"):
            assert not admits(statement, token(f"repo:{repository}:{subject}", repository=repository))
            owner, _, own = repository.partition("/")
            assert not admits(statement, token(f"repo:{owner}@1/{own}@2:{subject}", repository=repository))
        # Whoever administers another repository of the owner may choose what its subjects look like, and not what it is called.
        assert not admits(statement, token(f"repo:Acme@1/evil@3:workflow:x/site@1:{subject}", repository="Acme/evil"))


@pytest.mark.parametrize("name", NAMES)
def test_previews_are_for_pull_requests_alone(stacks: dict[str, Template], name: str) -> None:
    preview = trust(stacks[STACK], "Preview")
    assert admits(preview, token(f"repo:{name}:pull_request", ref="refs/pull/7/merge"))
    assert not admits(preview, token(f"repo:{name}:ref:refs/heads/main"))


def test_the_account_s_own_provider_is_taken_where_it_is_given(stacks: dict[str, Template]) -> None:
    given = stacks["given"]
    assert not given.ids("AWS::IAM::OIDCProvider")
    live = trust(given, "Live")
    assert live["Principal"] == {"Federated": GIVEN}
    assert admits(live, token("repo:Acme/site:ref:refs/heads/release/1.x", ref="refs/heads/release/1.x"))
    assert not [it for it in given.ids("AWS::IAM::Role") if it.startswith("CiPreview")]
    made = stacks[STACK].properties("AWS::IAM::OIDCProvider")
    assert made == {"ClientIdList": ["sts.amazonaws.com"], "Url": f"https://{ISSUER}"}, "no thumbprints, which grow old"


def test_the_example_s_stack_has_the_outputs_that_its_readme_names(stacks: dict[str, Template]) -> None:
    made, config = stacks["toolkit-site-handmade"], load(EXAMPLE)
    assert {"DeployRole", "PreviewRole"} <= set(made.body["Outputs"])
    readme = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    assert "`DeployRole`, `PreviewRole`" in readme and "toolkit-site-handmade" in readme
    assert config.aws.github and not made.ids("AWS::CodePipeline::Pipeline")
    roles = text([made.body["Resources"][name] for name in made.ids("AWS::IAM::Role") if name.startswith("Deploy")])
    assert len(roles) == 2 and str(roles).count(f"'{config.aws.github.repository}'") == 2


def test_nothing_in_the_templates_is_what_no_policy_may_say(stacks: dict[str, Template]) -> None:
    assert findings(stacks[STACK].body) == [] and findings(stacks["given"].body, [GIVEN]) == []


# --- rights
class Rights:
    """The policies of a template, asked about what was recorded in another account."""

    def __init__(self, template: Template) -> None:
        self.deployed = Deployed.read(template.path)
        self.policies = Policies([self.deployed])
        (bucket,) = [it for it in template.ids("AWS::S3::Bucket") if it.startswith("SiteStorage")]
        (watch,) = [it for it in template.ids("AWS::StepFunctions::StateMachine") if it.startswith("ReleaseWatch")]
        (store,) = template.ids("AWS::CloudFront::KeyValueStore")
        self._names = {
            BUCKET: str(self.deployed.ref(bucket)),
            STORE: str(self.deployed.attribute(store, "Arn")),
            "arn:aws:states:eu-west-1:123456789012:stateMachine:watch": str(self.deployed.ref(watch)),
        }

    def caller(self, name: str) -> Caller:
        (logical_id,) = [it for it in self.deployed.of("AWS::IAM::Role") if it.startswith(f"Ci{name}Role")]
        return Caller(arn=str(self.deployed.attribute(logical_id, "Arn")))

    def call(self, asked: Asked) -> Call:
        resource = asked.resource
        for there, here in self._names.items():
            resource = resource.replace(there, here)
        return Call(asked.action, resource, {"aws:securetransport": "true", "s3:tlsversion": "1.3"})

    def refused(self, name: str, account: Heard) -> set[str]:
        """What of the recorded calls the role may not do."""
        return {str(call) for call in map(self.call, account.recorder.own()) if not self.policies.allow(self.caller(name), call)}

    def granted(self, name: str) -> set[str]:
        """All actions that the role has."""
        arn = self.caller(name).arn
        there = [it for them in self.policies.of_resources.values() for it in them if _names(it, arn)]
        return {action for it in (*self.policies.of_roles[arn], *there) for action in as_list(it["Action"])}


def _names(statement: dict[str, Any], arn: str) -> bool:
    return statement["Effect"] == "Allow" and arn in str(statement["Principal"])


@pytest.fixture
def rights(stacks: dict[str, Template]) -> Rights:
    return Rights(stacks[STACK])


def play(cli: Cli, account: Heard, project: Path, *channel: str) -> None:
    """Deploys one after the other: the first, a changed one, the same again; then a dry run."""
    for word in ("one", "two", "two"):
        write_site(project / "dist", word)
        done = cli("deploy", "dist", *channel)
        assert done.code == 0, done.err
    assert cli("deploy", "dist", "--dry-run", *channel).code == 0
    # A build's log is stored beside the version.
    (project / "site.toml").write_text('name = "blog"\ntarget = "aws"\noutput = "dist"\n')
    assert cli("deploy", *channel).code == 0


def test_the_role_for_live_may_deploy_and_no_more(cli: Cli, account: Heard, project: Path, rights: Rights) -> None:
    account.set_up(WatchArn=account.machine())
    account.recorder.calls.clear()
    play(cli, account, project)
    assert rights.refused("Live", account) == set()
    # Tables that nobody needs any more are looked for now and then.
    asked = {call.action for call in account.recorder.own()} | {"cloudfront-keyvaluestore:ListKeys"}
    assert asked == rights.granted("Live")
    policy = permissions.policies("deploy", SiteFacts(site="blog", region="eu-west-1"), "123456789012")
    assert rights.granted("Live") == {action for one in policy for it in one.statements for action in it.actions}


def test_the_role_for_previews_may_deploy_and_remove_previews(cli: Cli, account: Heard, project: Path, rights: Rights) -> None:
    account.set_up(WatchArn=account.machine())
    assert cli("deploy", "dist").code == 0, "live is there before, by others"
    account.recorder.calls.clear()
    play(cli, account, project, "--channel", "preview/pr-1")
    assert cli("preview", "list").code == 0 and cli("preview", "rm", "pr-1").code == 0
    assert rights.refused("Preview", account) == set()
    assert {call.action for call in account.recorder.own()} == rights.granted("Preview")
    assert rights.granted("Live") - rights.granted("Preview") == {"states:StartExecution"}


def test_a_preview_s_deploy_to_live_is_refused_where_iam_can_tell(cli: Cli, account: Heard, project: Path, rights: Rights) -> None:
    account.set_up(WatchArn=account.machine())
    account.recorder.calls.clear()
    assert cli("deploy", "dist").code == 0
    refused = rights.refused("Preview", account)
    assert {it.partition(" on ")[0] for it in refused} == {"s3:PutObject", "states:StartExecution"}
    assert [it for it in refused if "/blog/releases/live/" in it]


@pytest.mark.parametrize("name", ["Live", "Preview"])
def test_neither_reaches_anything_else(rights: Rights, name: str) -> None:
    bucket = f"arn:aws:s3:::{rights.deployed.ref(next(iter(rights.deployed.of('AWS::S3::Bucket'))))}"
    (release,) = [it for it in rights.deployed.of("AWS::StepFunctions::StateMachine") if it.startswith("ReleaseMachine")]
    for action, resource in (
        ("s3:GetObject", f"{bucket}/shop/blobs/x"),
        ("s3:PutObject", f"{bucket}/blog/pins/x.json"),
        ("s3:GetObject", f"{bucket}/blog/logs/x.log"),
        ("s3:DeleteObject", f"{bucket}/blog/releases/live/00000001.json"),
        ("s3:PutBucketPolicy", bucket),
        ("states:StartExecution", str(rights.deployed.ref(release))),
        ("cloudformation:UpdateStack", f"arn:aws:cloudformation:eu-west-1:123456789012:stack/{STACK}/1"),
        ("cloudformation:DescribeStacks", "arn:aws:cloudformation:eu-west-1:123456789012:stack/toolkit-site-shop/1"),
        ("cloudfront-keyvaluestore:UpdateKeys", "arn:aws:cloudfront::123456789012:key-value-store/another"),
        ("sts:AssumeRole", "arn:aws:iam::123456789012:role/admin"),
    ):
        call = Call(action, resource, {"aws:securetransport": "true", "s3:tlsversion": "1.3"})
        assert not rights.policies.allow(rights.caller(name), call), call


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"repository": "https://github.com/Acme/site"}, "repository"),
        ({"repository": "site"}, "repository"),
        ({"repository": "Acme/*"}, "repository"),
        ({"repository": "Acme/site", "branch": "*"}, "branch"),
        ({"repository": "Acme/site", "branch": "release/?"}, "branch"),
        ({"repository": "Acme/site", "branch": ""}, "branch"),
        ({"repository": "Acme/site", "provider_arn": "arn:aws:iam::111122223333:role/ci"}, "provider_arn"),
    ],
)
def test_what_a_trust_must_not_be_made_of_is_refused(cdk: None, given: dict[str, Any], what: str) -> None:
    from aws_cdk import App, Stack

    from toolkit.cdk import GitHubDeployRole
    from toolkit.cdk.errors import PropertyError

    with pytest.raises(PropertyError) as caught:
        GitHubDeployRole(Stack(App(), "stack"), "Ci", workflow=None, **given)  # type: ignore[arg-type]
    assert what in caught.value.what and caught.value.fix
