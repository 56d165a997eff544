"""The stacks of the command line: one for a site's hosting and its releases; in us-east-1 one for the certificate of its own
hosts, and one for the alarms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from aws_cdk import App, CfnOutput, CfnParameter, Environment, PermissionsBoundary, Stack
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from toolkit.cdk.alarms import SiteAlarms
from toolkit.cdk.builds import SiteBuild
from toolkit.cdk.dashboard import SiteDashboard
from toolkit.cdk.domains import CERTIFICATE_PATTERN, SiteCertificate
from toolkit.cdk.errors import PropertyError
from toolkit.cdk.logs import DEFAULT_DAYS
from toolkit.cdk.oidc import GitHubDeployRole
from toolkit.cdk.pipeline import SitePipeline
from toolkit.cdk.site import StaticSite
from toolkit.cdk.sources import GitHubSource, ZipSource
from toolkit.cdk.stages import Stage
from toolkit.cdk.workflow import ReleaseWorkflow
from toolkit.config_aws import GitHubConfig, UploadsConfig
from toolkit.engine.model import Settings
from toolkit.engine.stacks import ALARMS, CERTIFICATE, EDGE_REGION, SITE, stack_name

CERTIFICATE_PARAMETER = "CertificateArn"
# Outputs of the site's stack that are parameters of the alarms' stack, with what they are.
ALARM_PARAMETERS = {
    "DistributionId": r"^[A-Z0-9]+$",
    "RequestFunction": r"^[A-Za-z0-9_-]{1,64}$",
    "ResponseFunction": r"^[A-Za-z0-9_-]{1,64}$",
}
PRICE_CLASSES = {
    "all": cloudfront.PriceClass.PRICE_CLASS_ALL,
    "200": cloudfront.PriceClass.PRICE_CLASS_200,
    "100": cloudfront.PriceClass.PRICE_CLASS_100,
}


@dataclass(frozen=True)
class Hosting:
    """What the stacks of one site are made of; the fields are those of `StaticSite` and `ReleaseWorkflow`.

    `price_class` is a name of PRICE_CLASSES, `permissions_boundary` the name of a managed policy that bounds every role,
    `webhook_secret_arn` the whole ARN of the secret, `alarm_topic_arn` a topic of us-east-1. `github` and `uploads` are the tables
    of site.toml; with either (unless `github` is there for its role alone) `build` says how the site is built.
    """

    site: str
    hosts: Sequence[str] = ()
    stage: Stage = "production"
    certificate_arn: str | None = None
    hosted_zone_id: str | None = None
    hosted_zone_name: str | None = None
    price_class: str = "all"
    access_logs: bool = True
    log_days: int = DEFAULT_DAYS
    web_acl_arn: str | None = None
    canonical: str = ""
    settings: Settings = field(default_factory=Settings)
    keep: int = 10
    grace_hours: float = 24.0
    preview_days: int = 30
    watch_minutes: int = 15
    strict: bool = False
    webhook_secret_arn: str | None = None
    alarm_topic_arn: str | None = None
    permissions_boundary: str | None = None
    branch: str = "main"
    previews: bool = True
    github: GitHubConfig | None = None
    uploads: UploadsConfig | None = None
    build: SiteBuild | None = None


def build(app: App, hosting: Hosting) -> None:
    """Add a site's stacks to `app`. PropertyError for values that do not fit."""
    certificate = None
    if hosting.hosts and hosting.certificate_arn is None:
        certificate = CertificateStack(app, stack_name(CERTIFICATE, hosting.site), hosting=hosting)
    site = SiteStack(app, stack_name(SITE, hosting.site), hosting=hosting)
    if certificate:
        # Its ARN is a parameter of the site's stack.
        site.node.add_dependency(certificate)
    # What it is about are its parameters, too.
    AlarmsStack(app, stack_name(ALARMS, hosting.site), hosting=hosting).node.add_dependency(site)


class CertificateStack(Stack):
    """The certificate of a site's hosts. Its output `CertificateArn` is given to the site's stack as the parameter of that name:
    a reference between regions would need custom resources."""

    def __init__(self, scope: Construct, construct_id: str, *, hosting: Hosting) -> None:
        super().__init__(
            scope,
            construct_id,
            env=Environment(region=EDGE_REGION),
            description=f"Certificate of the site {hosting.site}, for CloudFront",
            tags={"toolkit:site": hosting.site},
        )
        made = SiteCertificate(
            self,
            "Site",
            domain_names=hosting.hosts,
            hosted_zone_id=hosting.hosted_zone_id,
            hosted_zone_name=hosting.hosted_zone_name,
        )
        output = CfnOutput(self, "Arn", value=made.certificate.certificate_arn, description="parameter of the site's stack")
        output.override_logical_id(CERTIFICATE_PARAMETER)


class SiteStack(Stack):
    """A site's hosting and its releases, in any region.

    Outputs: those of `StaticSite.outputs` and `ReleaseWorkflow.outputs`, and of `SitePipeline` and `GitHubDeployRole` where there
    are such, under their plain names.
    """

    def __init__(self, scope: Construct, construct_id: str, *, hosting: Hosting) -> None:
        super().__init__(
            scope,
            construct_id,
            description=f"Hosting of the site {hosting.site}",
            tags={"toolkit:site": hosting.site},
            permissions_boundary=_boundary(hosting.permissions_boundary),
        )
        site = StaticSite(
            self,
            "Site",
            stage=hosting.stage,
            domain_names=hosting.hosts,
            certificate_arn=self._certificate_arn(hosting),
            hosted_zone_id=hosting.hosted_zone_id,
            hosted_zone_name=hosting.hosted_zone_name,
            price_class=_price_class(hosting.price_class),
            access_logs=hosting.access_logs,
            log_days=hosting.log_days,
            web_acl_arn=hosting.web_acl_arn,
            comment=f"toolkit: {hosting.site}",
        )
        workflow = self._workflow(site, hosting)
        SiteDashboard(self, "Dashboard", hosting=site, workflow=workflow, site=hosting.site)
        more = {**self._pipeline(workflow, hosting), **self._deploy_role(workflow, hosting)}
        for name, output in {**site.outputs, **workflow.outputs, **more}.items():
            output.override_logical_id(name)

    def _workflow(self, site: StaticSite, hosting: Hosting) -> ReleaseWorkflow:
        arn = hosting.webhook_secret_arn
        return ReleaseWorkflow(
            self,
            "Release",
            hosting=site,
            site=hosting.site,
            hosts=hosting.hosts,
            canonical=hosting.canonical,
            settings=hosting.settings,
            keep=hosting.keep,
            grace_hours=hosting.grace_hours,
            preview_days=hosting.preview_days,
            watch_minutes=hosting.watch_minutes,
            strict=hosting.strict,
            webhook_secret=secretsmanager.Secret.from_secret_complete_arn(self, "Webhook", arn) if arn else None,
        )

    def _pipeline(self, workflow: ReleaseWorkflow, hosting: Hosting) -> dict[str, CfnOutput]:
        github, uploads = _github_source(hosting), self._zip_source(hosting.uploads)
        if hosting.build is None or not (github or uploads):
            return {}
        return SitePipeline(self, "Pipeline", workflow=workflow, github=github, uploads=uploads, build=hosting.build).outputs

    def _zip_source(self, uploads: UploadsConfig | None) -> ZipSource | None:
        if uploads is None:
            return None
        bucket = s3.Bucket.from_bucket_name(self, "Uploads", uploads.bucket) if uploads.bucket else None
        return ZipSource(bucket=bucket, prefix=uploads.prefix)

    def _deploy_role(self, workflow: ReleaseWorkflow, hosting: Hosting) -> dict[str, CfnOutput]:
        github = hosting.github
        if not (github and github.deploy_role):
            return {}
        return GitHubDeployRole(
            self,
            "Deploy",
            workflow=workflow,
            repository=github.repository,
            branch=hosting.branch,
            # Where pipelines make the previews, nobody needs a role that could move more than those.
            previews=hosting.previews and not github.connection_arn,
            provider_arn=github.oidc_provider_arn or None,
        ).outputs

    def _certificate_arn(self, hosting: Hosting) -> str | None:
        if hosting.certificate_arn is not None or not hosting.hosts:
            return hosting.certificate_arn
        parameter = CfnParameter(
            self,
            CERTIFICATE_PARAMETER,
            type="String",
            allowed_pattern=CERTIFICATE_PATTERN,
            description=f"output {CERTIFICATE_PARAMETER} of the stack {stack_name(CERTIFICATE, hosting.site)} in {EDGE_REGION}",
            constraint_description=f"must be the ARN of a certificate in {EDGE_REGION}",
        )
        return parameter.value_as_string


class AlarmsStack(Stack):
    """The alarms of a site. Its parameters are the outputs of the site's stack of the same names: it may be of another region."""

    def __init__(self, scope: Construct, construct_id: str, *, hosting: Hosting) -> None:
        super().__init__(
            scope,
            construct_id,
            env=Environment(region=EDGE_REGION),
            description=f"Alarms of the site {hosting.site}, which flip its releases back",
            tags={"toolkit:site": hosting.site},
        )
        source = f"of the stack {stack_name(SITE, hosting.site)}"
        given = {
            name: CfnParameter(self, name, type="String", allowed_pattern=pattern, description=f"output {name} {source}")
            for name, pattern in ALARM_PARAMETERS.items()
        }
        SiteAlarms(
            self,
            "Alarms",
            distribution_id=given["DistributionId"].value_as_string,
            request_function=given["RequestFunction"].value_as_string,
            response_function=given["ResponseFunction"].value_as_string,
            topic_arn=hosting.alarm_topic_arn,
        )


def _github_source(hosting: Hosting) -> GitHubSource | None:
    """The pipelines' source; None where the table is there for the role of the repository's own CI alone."""
    github = hosting.github
    if not (github and github.connection_arn):
        return None
    return GitHubSource(
        repository=github.repository,
        connection_arn=github.connection_arn,
        branch=hosting.branch,
        paths=github.paths,
        tags=github.tags,
        branches=github.branches,
        previews=hosting.previews,
        pull_requests=github.pull_requests,
    )


def _boundary(name: str | None) -> PermissionsBoundary | None:
    return PermissionsBoundary.from_name(name) if name else None


def _price_class(name: str) -> cloudfront.PriceClass:
    if name not in PRICE_CLASSES:
        raise PropertyError(f"{name!r} is not a price class", f"choose one of: {', '.join(PRICE_CLASSES)}")
    return PRICE_CLASSES[name]
