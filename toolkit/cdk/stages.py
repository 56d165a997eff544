"""What a stack is for, and so what happens to its data when it is deleted."""

from __future__ import annotations

from typing import Literal, get_args

from aws_cdk import RemovalPolicy

from toolkit.cdk.errors import PropertyError

Stage = Literal["production", "development"]
STAGES: tuple[Stage, ...] = get_args(Stage)


def removal_policy(stage: str) -> RemovalPolicy:
    """Of buckets and stores: those of production outlive their stack, unless its first deployment failed. They are empty then, and
    the store's name would be taken when it is tried again. PropertyError for a stage that is not one of STAGES."""
    if stage not in STAGES:
        raise PropertyError(f"{stage!r} is not a stage", f"choose one of: {', '.join(STAGES)}")
    return RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE if stage == "production" else RemovalPolicy.DESTROY
