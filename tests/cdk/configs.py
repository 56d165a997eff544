"""The configurations that every gate looks at: what the command line makes of site.toml, and two sites in somebody's own stack."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.cdk.templates import (
    ALARM_TOPIC,
    BUILD_SECRET,
    CERTIFICATE,
    CONNECTION,
    OLD_CONNECTION,
    PROVIDER,
    WEB_ACL,
    WEBHOOK,
    Template,
)
from toolkit.config import parse

if TYPE_CHECKING:
    from aws_cdk import App

ZONE = {"hosted_zone_id": "Z0123456789", "hosted_zone_name": "example.com"}
# Each is a site of the command line; the fields are those of `Hosting`.
SITES = {
    # Nothing said: the distribution's own domain, visitors logged, no WAF.
    "plain": {},
    # Own hosts in a Route 53 zone; the certificate is a stack of its own.
    "hosts": {"hosts": ("www.example.com", "example.com"), **ZONE},
    # Own hosts whose records and validation are made by hand.
    "printed": {"hosts": ("www.example.net",)},
    # Everything is there already: certificate and WAF.
    "given": {"hosts": ("www.example.org",), "certificate_arn": CERTIFICATE, "web_acl_arn": WEB_ACL},
    # A wildcard for previews.
    "wildcard": {"hosts": ("example.com", "*.example.com"), **ZONE},
    # As little as can be.
    "bare": {"stage": "development", "access_logs": False, "price_class": "100", "watch_minutes": 0},
    # Everything about releases said.
    "full": {
        "hosts": ("www.example.org", "example.org"),
        "certificate_arn": CERTIFICATE,
        "canonical": "example.org",
        "keep": 3,
        "grace_hours": 1.5,
        "preview_days": 7,
        "watch_minutes": 5,
        "strict": True,
        "webhook_secret_arn": WEBHOOK,
        "alarm_topic_arn": ALARM_TOPIC,
        "permissions_boundary": "ours",
    },
}
_GIVEN = f'hosts = ["www.example.org"]\n[aws]\ncertificate_arn = "{CERTIFICATE}"\nweb_acl_arn = "{WEB_ACL}"'
_MONOREPO = f"""
[aws.github]
repository = "octo-cat/monorepo"
connection_arn = "{CONNECTION}"
"""
# Sites with pipelines, as site.toml says them, without their names.
PIPELINES = {
    # All that there is: previews, pull requests, secrets of both kinds, a role for the repository's own CI, and zips.
    "github": f"""
preset = "vite"
{_GIVEN}
[aws.github]
repository = "octo-cat/web.site"
connection_arn = "{CONNECTION}"
pull_requests = true
deploy_role = true
[aws.build]
secrets = {{ CMS_KEY = "{BUILD_SECRET}" }}
[build]
secrets = ["NPM_TOKEN", "CMS_KEY"]
[aws.uploads]
""",
    # Tags release, pushes to some branches are previewed; bounded roles.
    "tags": f"""
preset = "astro"
branch = "trunk"
{_GIVEN}
permissions_boundary = "ours"
[aws.github]
repository = "octo-cat/website"
connection_arn = "{OLD_CONNECTION}"
tags = ["v*", "release-*"]
branches = ["feature/**", "trunk"]
[aws.build]
compute = "large"
architecture = "x86"
timeout_minutes = 60
""",
    # Zips in a bucket that is made, which hold a site or a project; the repository's own CI deploys as well.
    "zips": """
preset = "mkdocs"
hosts = ["www.example.net"]
[aws.uploads]
[aws.github]
repository = "octo-cat/docs"
deploy_role = true
""",
    # Nothing to build, no previews, and what one has already: a bucket for zips, the account's provider for GitHub.
    "own": f"""
{_GIVEN}
stage = "development"
[previews]
enabled = false
[aws.uploads]
bucket = "our-zips"
prefix = "sites/own/"
[aws.github]
repository = "octo-cat/website"
connection_arn = "{CONNECTION}"
deploy_role = true
oidc_provider_arn = "{PROVIDER}"
""",
    # Two sites of one repository, each of its own folder.
    "shop": f"""
preset = "vite"
root = "apps/shop"
hosts = ["shop.example.com"]
{_MONOREPO}
paths = ["apps/shop/**", "packages/**"]
""",
    "docs": f"""
preset = "mkdocs"
root = "apps/docs"
output = "html"
hosts = ["docs.example.com"]
{_MONOREPO}
paths = ["apps/docs/**"]
""",
}
EVERY = (*SITES, *PIPELINES)
SITE_STACKS = {f"toolkit-site-{name}": name for name in EVERY}
ALARM_STACKS = {f"toolkit-alarms-{name}": f"alarms-{name}" for name in EVERY}
CERTIFICATE_STACKS = ("hosts", "printed", "wildcard", "zips", "shop", "docs")
STACKS = (
    SITE_STACKS
    | ALARM_STACKS
    | {f"toolkit-certificate-{name}": "certificate" if name == "hosts" else f"certificate-{name}" for name in CERTIFICATE_STACKS}
    | {"pair": "pair"}
)


def build(app: App) -> None:
    """Add every configuration to `app`."""
    from aws_cdk import Stack

    from toolkit.cdk import ReleaseWorkflow, StaticSite
    from toolkit.cdk.app import hosting
    from toolkit.cdk.stacks import Hosting
    from toolkit.cdk.stacks import build as build_site

    for name, given in SITES.items():
        build_site(app, Hosting(site=name, **given))  # type: ignore[arg-type]
    for name, said in PIPELINES.items():
        build_site(app, hosting(parse(f'name = "{name}"\n{said}'.encode(), Path("/project/site.toml")), {}))
    pair = Stack(app, "pair")
    one = StaticSite(pair, "One", domain_names=["*.example.org"], certificate_arn=CERTIFICATE, log_days=7)
    two = StaticSite(pair, "Two", stage="development")
    ReleaseWorkflow(pair, "OneRelease", hosting=one, site="one")
    ReleaseWorkflow(pair, "TwoRelease", hosting=two, site="two")


def read(folder: Path) -> dict[str, Template]:
    """The synthesised templates by the names of STACKS' values; every stack of the folder must be one of them."""
    found = {path.name.removesuffix(".template.json"): path for path in folder.glob("*.template.json")}
    assert set(found) == set(STACKS)
    return {name: Template.read(found[stack]) for stack, name in STACKS.items()}
