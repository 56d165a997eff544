"""Where sites run. The only place that knows which targets there are; everybody else gets a Target and asks no more.

An adapter is loaded when it is chosen: a local deploy imports nothing of AWS.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.engine import stacks
from toolkit.engine.advice import Advisor, PipelineFacts, SiteFacts
from toolkit.engine.ports import RouteStore
from toolkit.engine.stacks import Account
from toolkit.engine.target import EdgeRun, Target
from toolkit.errors import INSTALL_AWS, UsageError, UserError
from toolkit.paths import resource
from toolkit.workspace import home

if TYPE_CHECKING:
    from toolkit.config import SiteConfig

NAMES = ("local", "aws")
DEFAULT = "local"
# Those with a server of their own to run.
SERVERS = ("local",)
# The one that permissions, costs and proofs are asked of.
REMOTE = "aws"


@dataclass(frozen=True)
class Ways:
    """How the world outside is reached; a test brings its own. `connect` makes a boto3 session of a region and a profile, `lookup`
    asks DNS (`aws.dns`), `fetch` a site (`aws.web`); `synthesise` makes templates (`synth`), `sleep` waits between questions."""

    connect: Callable[[str, str], Any] | None = None
    lookup: Callable[[str, str], tuple[str, ...]] | None = None
    fetch: Callable[[Any], Any] | None = None
    synthesise: Callable[[SiteConfig, Path], None] | None = None
    sleep: Callable[[float], None] = time.sleep


def open_target(
    name: str = DEFAULT, root: Path | None = None, *, site: Callable[[], SiteConfig] | None = None, ways: Ways | None = None
) -> Target:
    """The named target, its state on this machine below `root` (default: `workspace.home()`).

    `site` is asked where a target is one site's alone. UserError when the target is not set up, UsageError for an unknown name.
    """
    if name == "local":
        from toolkit.local.target import LocalTarget

        return LocalTarget(root or home())
    if name == "aws":
        if site is None:
            raise UsageError(f"the target {name} is one site's: there is none here", "name it with --site")
        return _aws_target(site(), ways or Ways())
    raise UsageError(f"there is no target {name!r}", f"choose one of: {', '.join(NAMES)}")


def _aws_target(config: SiteConfig, ways: Ways) -> Target:
    _check_installed("boto3")
    from toolkit.aws import outputs
    from toolkit.aws.target import AwsTarget

    session = _session(config, ways)
    found = outputs.find(session, stacks.site_stack(config.aws.stack, config.name), config.aws.outputs)
    return AwsTarget(
        session,
        found,
        hosts=config.hosts,
        watch_minutes=config.aws.watch_minutes,
        branch=config.branch,
        is_tagged=bool(config.aws.github and config.aws.github.tags),
        sleep=ways.sleep,
        edge=_edge,
    )


def open_account(name: str, config: SiteConfig, *, ways: Ways | None = None) -> Account | None:
    """The stacks that the site has on the named target; None where a target needs none. UserError for a stack of somebody's own."""
    if name != "aws":
        return None
    if config.aws.stack:
        raise UserError(
            f"the site {config.name} is part of the stack {config.aws.stack}, which is your own ([aws] stack)",
            "deploy, compare and delete it where it is made",
        )
    return _aws_account(config, ways or Ways())


def _aws_account(config: SiteConfig, ways: Ways) -> Account:
    _check_installed("boto3")
    from toolkit import synth
    from toolkit.aws import dns
    from toolkit.aws.account import CloudAccount

    synthesise = ways.synthesise or synth.synthesise
    return CloudAccount(
        _session(config, ways),
        config.name,
        hosts=config.hosts,
        synthesise=lambda folder: synthesise(config, folder),
        lookup=ways.lookup or dns.lookup,
        sleep=ways.sleep,
    )


def open_advisor(name: str, config: SiteConfig | None = None, *, ways: Ways | None = None) -> Advisor:
    """What can be said of the named target before and while it runs; `config` is None outside a project. It need not be set up."""
    if name == "local":
        from toolkit.local.advice import LocalAdvisor

        return LocalAdvisor(home(), REMOTE)
    if name == "aws":
        return _aws_advisor(config, ways or Ways())
    raise UsageError(f"there is no target {name!r}", f"choose one of: {', '.join(NAMES)}")


def _aws_advisor(config: SiteConfig | None, ways: Ways) -> Advisor:
    _check_installed("boto3")
    from toolkit import bundle
    from toolkit.aws import dns, session, web
    from toolkit.aws.advice import AwsAdvisor
    from toolkit.aws.doctor_tools import Tools

    return AwsAdvisor(
        _facts(config),
        Tools(bundle.is_made),
        connect=ways.connect or session.session,
        lookup=ways.lookup or dns.lookup,
        fetch=ways.fetch or web.fetch,
    )


def _facts(config: SiteConfig | None) -> SiteFacts:
    if config is None:
        return SiteFacts()
    of_aws = {item.name for item in fields(config.aws)} & {item.name for item in fields(SiteFacts)}
    given = {name: getattr(config.aws, name) for name in of_aws}
    return SiteFacts(site=config.name, hosts=config.hosts, keep=config.keep, pipelines=_pipeline_facts(config), **given)


def _pipeline_facts(config: SiteConfig) -> PipelineFacts:
    from toolkit.config import DEFAULT_PRESET
    from toolkit.config_aws import secret_places

    github, uploads, build = config.aws.github, config.aws.uploads, config.aws.build
    return PipelineFacts(
        repository=github.repository if github else "",
        connection_arn=github.connection_arn if github else "",
        previews=config.previews,
        pull_requests=bool(github and github.pull_requests),
        deploy_role=bool(github and github.deploy_role),
        oidc_provider_arn=github.oidc_provider_arn if github else "",
        uploads=uploads is not None,
        bucket=uploads.bucket if uploads else "",
        prefix=uploads.prefix if uploads else PipelineFacts.prefix,
        # What builds nothing is asked of the preset only; a build spec of the site's own is taken to build.
        builds=bool(config.build_spec) or config.preset != DEFAULT_PRESET,
        compute=build.compute,
        architecture=build.architecture,
        secrets=secret_places(config.name, config.secrets, config.aws) if config.aws.has_pipelines else {},
    )


def _session(config: SiteConfig, ways: Ways) -> Any:
    from toolkit.aws import session

    made = (ways.connect or session.session)(config.aws.region, config.aws.profile)
    session.check(made)
    return made


def _edge(routes: Mapping[str, str] | RouteStore) -> EdgeRun:
    """The functions run on this machine, as CloudFront does not say which of its answers came from where."""
    from toolkit.local.edge import Edge

    return Edge(routes, resource("functions") / "edge")


def _check_installed(library: str) -> None:
    if importlib.util.find_spec(library) is None:
        raise UserError(f"the target aws needs {library}, which is not installed", INSTALL_AWS)
