"""Constructs for a CDK app (`from toolkit.cdk import StaticSite, ReleaseWorkflow`), and the app of the command line's own stacks.

The only package that may import aws_cdk. Names are loaded when they are asked for: aws_cdk starts a Node.js process.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toolkit.cdk.alarms import SiteAlarms
    from toolkit.cdk.builds import SiteBuild
    from toolkit.cdk.dashboard import SiteDashboard
    from toolkit.cdk.oidc import GitHubDeployRole
    from toolkit.cdk.pipeline import SitePipeline
    from toolkit.cdk.site import StaticSite
    from toolkit.cdk.sources import GitHubSource, ZipSource
    from toolkit.cdk.workflow import ReleaseWorkflow

__all__ = [
    "GitHubDeployRole", "GitHubSource", "ReleaseWorkflow", "SiteAlarms", "SiteBuild", "SiteDashboard", "SitePipeline",
    "StaticSite", "ZipSource",
]  # fmt: skip

_MODULES = {
    "GitHubDeployRole": "oidc",
    "GitHubSource": "sources",
    "ReleaseWorkflow": "workflow",
    "SiteAlarms": "alarms",
    "SiteBuild": "builds",
    "SiteDashboard": "dashboard",
    "SitePipeline": "pipeline",
    "StaticSite": "site",
    "ZipSource": "sources",
}


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return getattr(importlib.import_module(f"toolkit.cdk.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
