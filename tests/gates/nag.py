"""cdk-nag's AwsSolutions rules, on, in the synthesis itself: what nobody acknowledged makes it fail."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.cdk import configs
from tests.cdk.templates import Template

if TYPE_CHECKING:
    from aws_cdk import App

# Of a resource's path in the construct tree and a rule.
Finding = tuple[str, str]
MOST_ACKNOWLEDGED = 5


@dataclass(frozen=True)
class Synthesis:
    """The templates of tests/cdk/configs.py by name, and how the rules judged them; `error` is what the CDK failed with, if so."""

    templates: dict[str, Template]
    error: str
    found: Sequence[Finding]
    acknowledged: Sequence[Finding]
    reasons: Mapping[Finding, str]

    def acknowledged_by_site(self) -> dict[str, int]:
        """How many for each site of configs.SITES, in all of its stacks, and for each site of the stack `pair`."""
        return count(self.acknowledged)


def synthesise(folder: Path) -> Synthesis:
    """All configurations. They are written also where the rules object, so that other tests can look at them."""
    from aws_cdk import App, Validations
    from cdk_nag import AwsSolutionsChecks

    from toolkit.cdk.acknowledgements import acknowledge

    app = App(outdir=str(folder), analytics_reporting=False)
    checks = AwsSolutionsChecks(app)
    Validations.of(app).add_plugins(checks)
    configs.build(app)
    violations = checks.validate_scope(app).violations or ()
    found = [(resource.construct_path, it.rule_name) for it in violations for resource in _resources(it)]
    acknowledged, error = acknowledge(app), synth(app)
    reasons = {(path, rule): reason for path, rule, reason in acknowledged}
    return Synthesis(configs.read(folder), error, sorted(found), sorted((path, rule) for path, rule, _ in acknowledged), reasons)


def synth(app: App) -> str:
    """Nothing, or what the CDK says of findings that nobody acknowledged; those themselves are on stderr."""
    try:
        app.synth()
    except RuntimeError as error:
        if "ValidationFailed" not in str(error):
            raise
        return str(error)
    return ""


def _resources(violation: object) -> Iterable[object]:
    return violation.violating_resources  # type: ignore[attr-defined,no-any-return]


def count(findings: Iterable[Finding]) -> dict[str, int]:
    found: dict[str, int] = defaultdict(int)
    for path, _ in findings:
        found[site_of(path)] += 1
    return dict(found)


def site_of(path: str) -> str:
    """The site of a resource: `shop` for `toolkit-site-shop/…` and `toolkit-alarms-shop/…`, `pair/One` for `pair/OneRelease/…`."""
    stack, part, *_ = path.split("/")
    return stack.split("-", 2)[2] if stack.startswith("toolkit-") else f"{stack}/{part.removesuffix('Release')}"
