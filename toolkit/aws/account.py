"""`engine.stacks.Account`: the stacks of the command line in one AWS account, made with change sets.

The templates come from the CDK; the rest needs no CDK and no Node.js: files go to the bootstrap's bucket, a change set says what
would happen, CloudFormation does it. Stacks in two regions follow each other, and what one says in its outputs is given to the next
as the parameters of the same names.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from toolkit.aws import assembly, bootstrap, names, removal
from toolkit.aws.assembly import Assembly, FileAsset, StackArtifact
from toolkit.aws.assets import send
from toolkit.aws.cloudformation import STATEFUL, StackOperations
from toolkit.aws.dns import Lookup
from toolkit.aws.validation import ValidationRecords
from toolkit.engine.stacks import (
    ALARMS,
    CERTIFICATE,
    EDGE_REGION,
    SITE,
    Asset,
    Change,
    Deployed,
    Holding,
    Possessions,
    StackPlan,
    Step,
    stack_name,
)
from toolkit.errors import UserError

Synthesise = Callable[[Path], None]


class CloudAccount:
    """The stacks of `site`, whose own hosts are `hosts`. `synthesise` writes an assembly into a folder."""

    def __init__(
        self,
        session: Any,
        site: str,
        *,
        hosts: Sequence[str],
        synthesise: Synthesise,
        lookup: Lookup,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._session, self._site, self._hosts = session, site, tuple(hosts)
        self._synthesise, self._lookup, self._sleep = synthesise, lookup, sleep
        self._roles = bootstrap.Roles(session)
        self._place = bootstrap.place_of(session)
        self._assembly = Assembly((), ())
        self._known: dict[str, str] = {}

    def check(self) -> None:
        bootstrap.check(self._session, self._place, self._place.region)

    def synthesise(self) -> Sequence[str]:
        # Kept as long as this object: files are sent from it.
        self._folder = tempfile.TemporaryDirectory(prefix="toolkit-cdk-")
        self._synthesise(Path(self._folder.name))
        self._assembly = assembly.read(Path(self._folder.name), self._place)
        for stack in {stack.region: stack for stack in self._assembly.stacks}.values():
            where = stack.bootstrap_parameter or bootstrap.PARAMETER
            bootstrap.check(self._session, self._place, stack.region, least=stack.bootstrap, parameter=where)
        for stack in self._assembly.stacks:
            operations = self._operations(stack.name)
            if there := operations.describe():
                removal.check_owner(there, operations, self._site, self._place.region)
        return [stack.name for stack in self._assembly.stacks]

    def upload(self) -> Iterator[Asset]:
        for asset in self._assembly.assets:
            yield self._send(asset)

    def _send(self, asset: FileAsset) -> Asset:
        return send(self._roles.client("s3", asset.region, asset.role), asset, self._place.account)

    def settle(self, stack: str) -> Iterator[Step]:
        operations = self._operations(stack)
        there = operations.status()
        if there.endswith("_IN_PROGRESS") and there != "REVIEW_IN_PROGRESS":
            yield Step(0, 0, note=f"{stack}: waiting for the operation that is under way ({there})")
            with suppress(UserError):  # of the other operation; how it ended is what the new one begins with
                yield from operations.follow()
            there = operations.status()
        if there in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED"):
            # Of a first deployment that failed; CloudFormation updates no such stack.
            yield Step(0, 0, note=f"{stack}: clearing away the deployment that failed")
            yield from operations.delete(self._execution_role(stack))
        elif there.endswith("_FAILED"):
            raise UserError(
                f"the stack {stack} in {operations.region} is {there}: CloudFormation could not put it back to what it was",
                "mend what its events name, then choose `Continue update rollback` in the CloudFormation console",
            )

    def plan(self, stack: str) -> StackPlan:
        artifact = self._assembly.stack(stack)
        operations = self._operations(stack)
        return operations.plan(
            self._template_url(artifact),
            self._parameters(artifact),
            {**artifact.tags, removal.REGION_TAG: self._place.region},
            role=self._execution_role(stack),
        )

    def drop(self, plan: StackPlan) -> None:
        self._operations(plan.stack).drop(plan)

    def compare(self, stack: str) -> StackPlan:
        artifact, operations = self._assembly.stack(stack), self._operations(stack)
        there = operations.status()
        if there.endswith("_IN_PROGRESS") and there != "REVIEW_IN_PROGRESS":
            raise UserError(f"an operation is under way on the stack {stack} ({there})", "wait until it has ended: toolkit up does")
        if there in ("", "REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE"):
            # A change set would leave an empty stack behind.
            new = [Change("add", it["Type"], name, stateful=it["Type"] in STATEFUL) for name, it in _resources(artifact)]
            return StackPlan(stack, artifact.region, True, tuple(new))
        for asset in self._assembly.assets:
            if (asset.bucket, asset.key) == (artifact.bucket, artifact.key):  # CloudFormation reads the template there
                self._send(asset)
        plan = self.plan(stack)
        self._remember(operations)
        operations.drop(plan)
        return plan

    def apply(self, plan: StackPlan) -> Iterator[Step]:
        operations = self._operations(plan.stack)
        if plan.id:
            about = ValidationRecords(self._session, operations.region)
            yield from operations.apply(plan, about)
        self._remember(operations)

    def deployed(self) -> Deployed:
        outputs = self._operations(stack_name(SITE, self._site)).outputs()
        domain = outputs["DomainName"]
        plain = [host for host in self._hosts if not host.startswith("*.")]
        url = names.preview_link(plain[0] if plain else domain, domain)
        # Of `StaticSite`: there where the records are not made by the stack.
        records = tuple(filter(None, outputs.get("Records", "").split("; ")))
        return Deployed(self._place.account, self._place.region, outputs, url, records)

    def possessions(self) -> Possessions:
        found = removal.possessions([self._operations(name) for name in self._names()], self._session, self._site)
        if not found.stacks and not found.holdings:
            return Possessions(self._place.account, self._place.region, (), ())
        outputs = self._operations(stack_name(SITE, self._site)).outputs()
        domain = outputs.get("DomainName", "")
        pointing, unsure = removal.pointing(self._lookup, [host for host in self._hosts if host not in found.own_hosts], domain)
        where = (self._place.account, self._place.region)
        kept = tuple(removal.kept(outputs, found.holdings))
        return Possessions(*where, found.stacks, found.holdings, bool(domain), tuple(pointing), tuple(unsure), kept)

    def empty(self, holding: Holding) -> Iterator[int]:
        yield from removal.empty(self._session, holding)

    def delete(self, stack: str) -> Iterator[Step]:
        yield from self._operations(stack).delete()

    def discard(self, holding: Holding) -> bool:
        return removal.discard(self._session, holding)

    def _names(self) -> list[str]:
        """Of all stacks that a site can have, last made first."""
        return [stack_name(kind, self._site) for kind in (ALARMS, SITE, CERTIFICATE)]

    def _operations(self, stack: str) -> StackOperations:
        """By the synthesised stack where there is one, else by what is known of the command line's stacks."""
        artifact = next((it for it in self._assembly.stacks if it.name == stack), None)
        site = stack == stack_name(SITE, self._site)
        region = artifact.region if artifact else self._place.region if site else EDGE_REGION
        role = artifact.deploy_role if artifact else ""
        return StackOperations(lambda: self._roles.client("cloudformation", region, role), stack, region, self._sleep)

    def _execution_role(self, stack: str) -> str:
        """What CloudFormation acts with: its own role when the one to deploy with was assumed, else whoever asks."""
        artifact = self._assembly.stack(stack)
        return artifact.execution_role if self._roles.assumed(artifact.deploy_role) else ""

    def _template_url(self, artifact: StackArtifact) -> str:
        client = self._roles.client("s3", artifact.region, artifact.deploy_role)
        return f"{client.meta.endpoint_url}/{artifact.bucket}/{artifact.key}"

    def _parameters(self, artifact: StackArtifact) -> dict[str, str]:
        """A template's parameters by the outputs of the stacks before it. UserError for one that none of them says."""
        wanted = [name for name, about in artifact.template.get("Parameters", {}).items() if "Default" not in about]
        for name in wanted:
            if name not in self._known:
                raise UserError(f"the stack {artifact.name} needs {name}, which no stack before it says", "run `toolkit up` again")
        return {name: self._known[name] for name in wanted}

    def _remember(self, operations: StackOperations) -> None:
        self._known |= operations.outputs()


def _resources(artifact: StackArtifact) -> list[tuple[str, Mapping[str, Any]]]:
    return list(artifact.template.get("Resources", {}).items())
