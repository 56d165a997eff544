"""Constructs for a CDK app (`from toolkit.cdk import StaticSite`), and the app of the command line's own stacks.

The only package that may import aws_cdk. Names are loaded when they are asked for: aws_cdk starts a Node.js process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toolkit.cdk.site import StaticSite

__all__ = ["StaticSite"]


def __getattr__(name: str) -> object:
    if name == "StaticSite":
        from toolkit.cdk.site import StaticSite

        return StaticSite
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
