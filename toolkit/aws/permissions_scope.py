"""Where policies apply: the ARNs of what a site's stacks and the CDK's bootstrap make, as narrow as names let them be."""

from __future__ import annotations

from dataclasses import dataclass, field

from toolkit.aws.bootstrap import PARAMETER
from toolkit.engine.advice import PipelineFacts
from toolkit.engine.stacks import ALARMS, CERTIFICATE, EDGE_REGION, SITE, stack_name

# Of the bootstrap, unless somebody chose another ("Bootstrapping", CDK developer guide).
QUALIFIER = "hnb659fds"
# CloudFormation begins a name with this many characters of the stack's.
_NAME = 24
_PARTITIONS = {"cn-": "aws-cn", "us-gov-": "aws-us-gov"}


@dataclass(frozen=True)
class Scope:
    """Where: account and region ("*" while nobody said them), the site ("" for any), its own zone and the boundary of roles.

    `pipelines` are the site's; all that there can be for any site.
    """

    account: str
    region: str
    site: str = ""
    stack: str = ""
    zone: str = ""
    hosts: bool = False
    boundary: str = ""
    access_logs: bool = True
    pipelines: PipelineFacts = field(default_factory=PipelineFacts)

    @property
    def partition(self) -> str:
        """China and GovCloud have ARNs of their own ("Amazon Resource Names", AWS General Reference)."""
        return next((name for start, name in _PARTITIONS.items() if self.region.startswith(start)), "aws")

    @property
    def regions(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.region, EDGE_REGION))) if self.region != "*" else ("*",)

    @property
    def logical(self) -> str:
        """What the logical ids of the release's resources begin with, which some services make names of; "" when nobody knows."""
        return "" if self.stack else "Release"

    def name(self, is_lower: bool = False) -> str:
        """What the names of things that the site's stack makes begin with, with `*`."""
        whole = self.stack or (stack_name(SITE, self.site) if self.site else "")
        text = f"{whole[:_NAME]}*" if whole else "toolkit-site-*"
        return text.lower() if is_lower else text

    @property
    def keys(self) -> str:
        """Of the site's objects, with `*`."""
        return f"{self.site or '*'}/*"

    def stacks(self) -> list[str]:
        """The ARNs of the site's stacks; its site stack is in the region, the others are in us-east-1."""
        if self.stack:
            return [self.arn("cloudformation", f"stack/{self.stack}/*")]
        regions = {SITE: None, CERTIFICATE: EDGE_REGION, ALARMS: EDGE_REGION}
        return [
            self.arn("cloudformation", f"stack/{stack_name(kind, self.site or '*')}/*", region) for kind, region in regions.items()
        ]

    def arn(self, service: str, resource: str, region: str | None = None) -> str:
        """`region` "" for services that know none, None for the site's own."""
        return f"arn:{self.partition}:{service}:{self.region if region is None else region}:{self.account}:{resource}"

    def bucket(self, name: str) -> str:
        return f"arn:{self.partition}:s3:::{name}"

    def staging(self) -> list[str]:
        """The buckets that the bootstrap made."""
        return [self.bucket(f"cdk-{QUALIFIER}-assets-{self.account}-{region}") for region in self.regions]

    def bootstrap_version(self) -> list[str]:
        return [self.arn("ssm", f"parameter{PARAMETER}", region) for region in self.regions]

    def log_groups(self) -> list[str]:
        """Of functions, and of state machines, whose groups' names AWS prescribes the beginning of."""
        return [self.arn("logs", f"log-group:{name}") for name in (self.name(), "/aws/vendedlogs/states/*")]
