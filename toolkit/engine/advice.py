"""What a target says of itself before and after it is set up: findings, checks, policies and costs, as values to print."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Protocol

from toolkit.engine import pipelines, stacks

# States of findings and checks. UNKNOWN: it could not be found out, which is no verdict.
OK, WARNING, PROBLEM, UNKNOWN = "ok", "warning", "problem", "unknown"
# What a managed policy may hold, white space not counted ("IAM and AWS STS quotas", IAM user guide).
POLICY_CHARACTERS = 6144
# What somebody does with a site, and needs rights for.
STEPS = ("bootstrap", "up", "deploy", "deliver", "destroy", "doctor", "verify")


@dataclass(frozen=True)
class PipelineFacts:
    """What of site.toml decides about a site's pipelines; the fields are those of `[aws.github]`, `[aws.uploads]`, `[aws.build]`.

    `repository` is "" where nothing is pushed, `connection_arn` where the repository's own CI deploys. `bucket` is an upload bucket
    of somebody's own. `builds`: there is something to build before a release. `secrets` says by name where in AWS a build's secrets
    are: the name of a parameter, or the ARN of a secret.
    """

    repository: str = ""
    connection_arn: str = ""
    previews: bool = True
    pull_requests: bool = False
    deploy_role: bool = False
    oidc_provider_arn: str = ""
    uploads: bool = False
    bucket: str = ""
    prefix: str = "uploads/"
    builds: bool = True
    compute: str = "small"
    architecture: str = "arm"
    secrets: Mapping[str, str] = field(default_factory=dict)

    @property
    def keys(self) -> tuple[str, ...]:
        """The pipelines that there are (`engine.pipelines`)."""
        return pipelines.keys(
            pushes=bool(self.connection_arn), previews=self.previews, pull_requests=self.pull_requests, uploads=self.uploads
        )


@dataclass(frozen=True)
class SiteFacts:
    """What of site.toml decides about a site's hosting; the fields are those of `[aws]`. `site` is "" outside a project."""

    site: str = ""
    hosts: tuple[str, ...] = ()
    region: str = ""
    profile: str = ""
    stack: str = ""
    outputs: str = ""
    certificate_arn: str = ""
    hosted_zone_id: str = ""
    hosted_zone_name: str = ""
    web_acl_arn: str = ""
    permissions_boundary: str = ""
    access_logs: bool = True
    log_days: int = 90
    watch_minutes: int = 15
    keep: int = 10
    pipelines: PipelineFacts = field(default_factory=PipelineFacts)

    @property
    def site_stack(self) -> str:
        """The name of the stack that the hosting is in."""
        return stacks.site_stack(self.stack, self.site)


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `fix` is what to do about anything but OK."""

    topic: str
    state: str
    what: str
    fix: str = ""


@dataclass(frozen=True)
class Check:
    """One thing that was tried where sites run. `note` is the row of docs/fidelity.md that it proves, `found` what was seen."""

    note: str
    what: str
    state: str
    found: str = ""


@dataclass(frozen=True)
class Statement:
    """Part of a policy: who has it may do `actions` to `resources`. `reason` says in which step, and what for."""

    sid: str
    actions: Sequence[str]
    resources: Sequence[str]
    reason: str
    conditions: Mapping[str, Mapping[str, str | Sequence[str]]] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        """As IAM takes it."""
        said: dict[str, object] = {
            "Sid": self.sid,
            "Effect": "Allow",
            "Action": sorted(self.actions),
            "Resource": list(self.resources),
        }
        return {**said, "Condition": self.conditions} if self.conditions else said


@dataclass(frozen=True)
class Policy:
    """A managed policy. `holder` says whose it is, for people."""

    name: str
    holder: str
    statements: tuple[Statement, ...]

    def document(self) -> dict[str, object]:
        return {"Version": "2012-10-17", "Statement": [one.as_json() for one in self.statements]}

    @property
    def size(self) -> int:
        """Characters as IAM counts them."""
        return len(json.dumps(self.document(), separators=(",", ":")))


@dataclass(frozen=True)
class Traffic:
    """What a site is assumed to do in a month; sizes in KB of 1,000 bytes. `changed` is the share of files that a deploy sends.

    `previews` are built by pipelines; a build of theirs takes `build_minutes`.
    """

    visits: int = 10_000
    pages_per_visit: float = 3.0
    requests_per_page: float = 12.0
    page_kb: float = 500.0
    deploys: int = 30
    files: int = 500
    site_mb: float = 50.0
    changed: float = 0.05
    routes: int = 1_500
    previews: int = 60
    build_minutes: float = 3.0


@dataclass(frozen=True)
class CostLine:
    """`amount` of `unit` in a month, of which `free` cost nothing; `dollars` is what the rest costs, `full` what all would.

    `why` is how the amount comes about, `source` the page of the price.
    """

    what: str
    amount: float
    unit: str
    free: float
    dollars: float
    full: float
    why: str
    source: str


@dataclass(frozen=True)
class Bill:
    """A month's cost and a deploy's, in US dollars before tax. `assumptions` are lines for people; prices are as of `dated`.

    `delivery` is what comes on top of a deploy where a pipeline makes it; empty where there is none.
    """

    dated: str
    region: str
    lines: tuple[CostLine, ...]
    deploy: tuple[CostLine, ...]
    assumptions: tuple[str, ...]
    delivery: tuple[CostLine, ...] = ()

    @property
    def month(self) -> float:
        return sum(line.dollars for line in self.lines)

    @property
    def month_without_free(self) -> float:
        return sum(line.full for line in self.lines)

    @property
    def per_deploy(self) -> float:
        return sum(line.full for line in self.deploy)

    @property
    def per_delivery(self) -> float:
        """A deploy by a pipeline, all in all; 0 where there is none."""
        return self.per_deploy + sum(line.full for line in self.delivery) if self.delivery else 0.0

    def as_json(self) -> dict[str, object]:
        sums = {"month": self.month, "month_without_free_tier": self.month_without_free, "deploy": self.per_deploy}
        sums |= {"delivery": self.per_delivery} if self.delivery else {}
        return {**asdict(self), "dollars": {name: round(value, 6) for name, value in sums.items()}}


class Advisor(Protocol):
    """What a target can say of itself. UserError where a question makes no sense for it."""

    def doctor(self) -> Sequence[Finding]:
        """Look at all that must be in order; it raises nothing and takes a few seconds at most."""

    def verify(self, *, seconds: float) -> Iterator[Check]:
        """Try on the running target what only it can prove, and clean up. `seconds`: how long writes of the store are watched."""

    def permissions(self, step: str, *, boundary: str = "", account: str = "*") -> Sequence[Policy]:
        """The smallest policies for a step; `boundary` names a managed policy that roles must carry, `account` is its number."""

    def cost(self, traffic: Traffic) -> Bill:
        """What that traffic would cost."""


def worst(states: Iterable[str]) -> str:
    """The gravest of these states; OK of none."""
    order = (OK, UNKNOWN, WARNING, PROBLEM)
    return max(states, key=order.index, default=OK)
