"""The stacks of the command line: one for a site's hosting, one in us-east-1 for the certificate of its own hosts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aws_cdk import App, CfnOutput, CfnParameter, Environment, Stack
from aws_cdk import aws_cloudfront as cloudfront
from constructs import Construct

from toolkit.cdk.domains import CERTIFICATE_PATTERN, EDGE_REGION, SiteCertificate
from toolkit.cdk.errors import PropertyError
from toolkit.cdk.logs import DEFAULT_DAYS
from toolkit.cdk.site import StaticSite
from toolkit.cdk.stages import Stage

CERTIFICATE_PARAMETER = "CertificateArn"
PRICE_CLASSES = {
    "all": cloudfront.PriceClass.PRICE_CLASS_ALL,
    "200": cloudfront.PriceClass.PRICE_CLASS_200,
    "100": cloudfront.PriceClass.PRICE_CLASS_100,
}


@dataclass(frozen=True)
class Hosting:
    """What the stacks of one site are made of; the fields are those of `StaticSite`, `price_class` is a name of PRICE_CLASSES."""

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


def site_stack_name(site: str) -> str:
    return f"toolkit-site-{site}"


def certificate_stack_name(site: str) -> str:
    # Not the site's stack name with an ending: another site may be called so.
    return f"toolkit-certificate-{site}"


def build(app: App, hosting: Hosting) -> None:
    """Add a site's stacks to `app`. PropertyError for values that do not fit."""
    certificate = None
    if hosting.hosts and hosting.certificate_arn is None:
        certificate = CertificateStack(app, certificate_stack_name(hosting.site), hosting=hosting)
    site = SiteStack(app, site_stack_name(hosting.site), hosting=hosting)
    if certificate:
        # Its ARN is a parameter of the site's stack.
        site.node.add_dependency(certificate)


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
    """A site's hosting, in any region. Outputs: those of `StaticSite.outputs`, under their plain names."""

    def __init__(self, scope: Construct, construct_id: str, *, hosting: Hosting) -> None:
        super().__init__(
            scope,
            construct_id,
            description=f"Hosting of the site {hosting.site}",
            tags={"toolkit:site": hosting.site},
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
        for name, output in site.outputs.items():
            output.override_logical_id(name)

    def _certificate_arn(self, hosting: Hosting) -> str | None:
        if hosting.certificate_arn is not None or not hosting.hosts:
            return hosting.certificate_arn
        parameter = CfnParameter(
            self,
            CERTIFICATE_PARAMETER,
            type="String",
            allowed_pattern=CERTIFICATE_PATTERN,
            description=f"output {CERTIFICATE_PARAMETER} of the stack {certificate_stack_name(hosting.site)} in {EDGE_REGION}",
            constraint_description=f"must be the ARN of a certificate in {EDGE_REGION}",
        )
        return parameter.value_as_string


def _price_class(name: str) -> cloudfront.PriceClass:
    if name not in PRICE_CLASSES:
        raise PropertyError(f"{name!r} is not a price class", f"choose one of: {', '.join(PRICE_CLASSES)}")
    return PRICE_CLASSES[name]
