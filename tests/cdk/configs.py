"""The configurations that every gate looks at: what the command line makes of site.toml, and two sites in somebody's own stack."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.cdk.templates import ALARM_TOPIC, CERTIFICATE, WEB_ACL, WEBHOOK, Template

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
SITE_STACKS = {f"toolkit-site-{name}": name for name in SITES}
ALARM_STACKS = {f"toolkit-alarms-{name}": f"alarms-{name}" for name in SITES}
STACKS = (
    SITE_STACKS
    | ALARM_STACKS
    | {
        "toolkit-certificate-hosts": "certificate",
        "toolkit-certificate-printed": "certificate-printed",
        "toolkit-certificate-wildcard": "certificate-wildcard",
        "pair": "pair",
    }
)


def build(app: App) -> None:
    """Add every configuration to `app`."""
    from aws_cdk import Stack

    from toolkit.cdk import ReleaseWorkflow, StaticSite
    from toolkit.cdk.stacks import Hosting
    from toolkit.cdk.stacks import build as build_site

    for name, given in SITES.items():
        build_site(app, Hosting(site=name, **given))  # type: ignore[arg-type]
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
