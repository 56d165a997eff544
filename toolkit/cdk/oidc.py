"""`GitHubDeployRole`: roles that a repository's own CI takes to run `toolkit deploy`, without a key that lasts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from aws_cdk import Aws, CfnOutput, Token
from aws_cdk import aws_iam as iam
from constructs import Construct

from toolkit.cdk import roles
from toolkit.cdk.errors import PropertyError
from toolkit.cdk.roles import Access
from toolkit.cdk.workflow import ReleaseWorkflow
from toolkit.engine.pipelines import GITHUB_ISSUER as ISSUER

AUDIENCE = "sts.amazonaws.com"
_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*/[A-Za-z0-9._-]+")
# What git allows in a branch's name (git-check-ref-format) and IAM takes literally in a pattern: no `*` and `?`, which no ref has.
_BRANCH = re.compile(r"(?!/)[^\x00-\x20\x7f~^:?*\[\\]+(?<!/)")
_PROVIDER = re.compile(rf"arn:[a-z-]+:iam::[0-9]{{12}}:oidc-provider/{re.escape(ISSUER)}")
# What the engine's calls come to when a deploy publishes and releases, as in toolkit/cdk/roles.py; its build log is stored, too.
_DEPLOY = Access(
    read=("blobs", "locks", "releases", "versions"),
    list=("locks", "releases"),
    write=("blobs", "locks", "logs", "versions"),
    delete=("blobs", "locks", "versions"),
)
_LIVE = Access(read=(), write=("releases",))
_PREVIEWS = Access(read=(), write=("releases/preview",))


class GitHubDeployRole(Construct):
    """A role that GitHub Actions takes in a push to `branch`, with the rights of `toolkit deploy`; with `previews` another one for
    pull requests, with those of `toolkit deploy --channel preview/…` and `toolkit preview rm`.

    repository: "owner/name", as GitHub spells it; with upper and lower case.
    provider_arn: the account's identity provider for GitHub. IAM knows one per account: without an ARN this stack makes it, and
        takes it away when the stack goes; where several sites have such roles, make it once by hand and give its ARN to each.

    What IAM cannot tell apart: the pointers of live and of the previews are keys of one KeyValueStore, and blobs of all channels
    lie in one folder. The role for pull requests can write neither live's ledger nor start a watch, but code that does not use the
    toolkit could move live's pointer with it. It is taken by workflows of pull requests from branches of the repository itself
    (GitHub gives those from forks no token), so whoever may push a branch has it: say `previews=False` where that is not who may
    change live, and let `SitePipeline` make the previews, whose builds have no rights at all.

    Attributes: `role`, `preview_role` (None without previews), `finds` (their common policy), and `outputs` by name. PropertyError
    for values that do not fit.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        workflow: ReleaseWorkflow,
        repository: str,
        branch: str = "main",
        previews: bool = True,
        provider_arn: str | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        _check(repository, branch, provider_arn)
        self._workflow, self._repository = workflow, repository
        self._provider = provider_arn or self._made_provider()
        self.finds = self._finds()
        watch = iam.PolicyStatement(sid="Watch", actions=["states:StartExecution"], resources=[workflow.watch.state_machine_arn])
        ref = f"refs/heads/{branch}"
        live, preview = self._tokens(f"ref:{ref}", ref=ref), self._tokens("pull_request")
        self.role = self._role("Live", live, "live, in a push to its branch", [watch])
        self.preview_role = self._role("Preview", preview, "previews, in a pull request") if previews else None
        bucket, site = workflow.facts.hosting.bucket, workflow.facts.site
        both = [self.role, *([self.preview_role] if self.preview_role else [])]
        roles.allow_in_bucket(bucket, site, "Ci", both, _DEPLOY)
        roles.allow_in_bucket(bucket, site, "CiLive", [self.role], _LIVE)
        if self.preview_role:
            roles.allow_in_bucket(bucket, site, "CiPreview", [self.preview_role], _PREVIEWS)
        self.outputs = self._outputs()

    def _made_provider(self) -> str:
        """Without thumbprints: AWS checks GitHub's certificate by its own list of authorities (IAM API reference,
        CreateOpenIDConnectProvider)."""
        provider = iam.CfnOIDCProvider(self, "Provider", url=f"https://{ISSUER}", client_id_list=[AUDIENCE])
        return provider.attr_arn

    def _finds(self) -> iam.ManagedPolicy:
        """The outputs of the stack, which both roles read. Whoever asks by the stack's name asks for `<name>/*`, whatever its id
        (docs.aws.amazon.com/service-authorization/latest/reference/list_awscloudformation.html)."""
        stack = f"arn:{Aws.PARTITION}:cloudformation:{Aws.REGION}:{Aws.ACCOUNT_ID}:stack/{Aws.STACK_NAME}/*"
        find = iam.PolicyStatement(sid="FindTheSite", actions=["cloudformation:DescribeStacks"], resources=[stack])
        return iam.ManagedPolicy(self, "Finds", description="Finds the site", statements=[find])

    def _role(self, name: str, tokens: Mapping[str, object], about: str, more: Sequence[iam.PolicyStatement] = ()) -> iam.Role:
        store = self._workflow.facts.hosting.store.key_value_store_arn
        return iam.Role(
            self,
            f"{name}Role",
            assumed_by=iam.WebIdentityPrincipal(self._provider, tokens),
            description=f"GitHub Actions of {self._repository} releases {self._workflow.facts.site}: {about}",
            inline_policies={"Own": iam.PolicyDocument(statements=[roles.uses_store(store), *more])},
            managed_policies=[self.finds],
        )

    def _tokens(self, subject: str, **claims: str) -> dict[str, dict[str, object]]:
        """Which tokens are taken: those of this repository, for `subject` alone, in which `claims` are exactly so.

        The subject of repositories made since 15 July 2026, and of those that opted in, has numbers that nobody knows before
        (`repo:owner@1/name@2:…`, github.blog/changelog/2026-04-23-immutable-subject-claims-for-github-actions-oidc-tokens).
        As a pattern for them also matches what others may call an environment, or make of the subjects of another repository, the
        claims themselves are compared, which AWS does since January 2026
        (aws.amazon.com/about-aws/whats-new/2026/01/aws-sts-supports-validation-identity-provider-claims). (F57)
        """
        owner, _, name = self._repository.partition("/")
        subjects = [f"repo:{owner}/{name}:{subject}", f"repo:{owner}@*/{name}@*:{subject}"]
        exact = {"aud": AUDIENCE, "repository": self._repository, **claims}
        return {
            "StringEquals": {f"{ISSUER}:{claim}": value for claim, value in exact.items()},
            "StringLike": {f"{ISSUER}:sub": subjects},
        }

    def _outputs(self) -> dict[str, CfnOutput]:
        """What the workflow in the repository is told."""
        values = {"DeployRole": (self.role.role_arn, "the role of GitHub Actions for live")}
        if self.preview_role:
            values["PreviewRole"] = (self.preview_role.role_arn, "the role of GitHub Actions for previews")
        outputs = Construct(self, "Outputs")
        return {name: CfnOutput(outputs, name, value=value, description=text) for name, (value, text) in values.items()}


def _check(repository: str, branch: str, provider_arn: str | None) -> None:
    if not _REPOSITORY.fullmatch(repository):
        raise PropertyError(f"the repository is {repository!r}", "write owner/name, as in its address on github.com")
    if not _BRANCH.fullmatch(branch):
        raise PropertyError(f"{branch!r} is no branch", "name one branch, such as main; a pattern would let others change live")
    if provider_arn and not Token.is_unresolved(provider_arn) and not _PROVIDER.fullmatch(provider_arn):
        raise PropertyError(
            f"provider_arn is {provider_arn!r}", f"give the ARN of the account's provider: it ends in :oidc-provider/{ISSUER}"
        )
