"""What is said of a site's stacks in an account: their names, what an update would change, how far it has come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

# The order in which they are made; they go in the opposite one. `cdk/stacks.py` makes them, `aws/` finds them by these names.
CERTIFICATE, SITE, ALARMS = "certificate", "site", "alarms"
# CloudFront reads certificates and web ACLs of this region only, and reports its metrics to it, whatever region the rest is in.
EDGE_REGION = "us-east-1"


def stack_name(kind: str, site: str) -> str:
    """`toolkit-site-blog`. Not the site's name with an ending: another site may be called so."""
    return f"toolkit-{kind}-{site}"


def site_stack(own: str, site: str) -> str:
    """The stack that a site's hosting is in: the one of somebody's `own` where there is one, else the command line's."""
    return own or stack_name(SITE, site)


@dataclass(frozen=True)
class Change:
    """One resource that a stack would make, alter or lose.

    `action`: "add", "modify" or "remove". `replaced`: "", "maybe" or "yes": it would be made anew. `kind` is CloudFormation's type,
    `because` names the properties that change. `stateful`: what it holds cannot be made again.
    """

    action: str
    kind: str
    name: str
    replaced: str = ""
    because: tuple[str, ...] = ()
    stateful: bool = False

    @property
    def is_loss(self) -> bool:
        """Whether something would go that nobody can bring back."""
        return self.stateful and (self.action == "remove" or bool(self.replaced))


@dataclass(frozen=True)
class StackPlan:
    """What would become of one stack. `id` names the change set that does it, "" when there is nothing to do."""

    stack: str
    region: str
    is_new: bool
    changes: tuple[Change, ...]
    id: str = ""


@dataclass(frozen=True)
class Step:
    """How far an operation on a stack has come, in resources. `doing` is for people; `note` is what they should know or do now."""

    done: int
    total: int
    doing: str = ""
    note: str = ""


@dataclass(frozen=True)
class Asset:
    """A file that stacks refer to. `sent`: it was not in the account yet."""

    name: str
    bytes: int
    sent: bool


@dataclass(frozen=True)
class Deployed:
    """A site's hosting as it stands: outputs of its stack, its address, and the DNS records that a person has to make."""

    account: str
    region: str
    outputs: dict[str, str]
    url: str
    records: tuple[str, ...] = ()


@dataclass(frozen=True)
class Holding:
    """What a stack keeps data in: a bucket, a route store or a log group, by CloudFormation's type and its name in the account."""

    kind: str
    name: str
    region: str


@dataclass(frozen=True)
class Possessions:
    """What `destroy` would take away: stacks that are there (last made first) and what they hold, or left behind earlier.

    `is_open`: the site's stack is finished, so that its content can be reached. `pointing`: hosts whose DNS leads here by records
    that the stacks do not own; `unsure`: hosts for which DNS did not answer. `kept`: what the site uses and is somebody's own, in
    words: it stays.
    """

    account: str
    region: str
    stacks: tuple[str, ...]
    holdings: tuple[Holding, ...]
    is_open: bool = False
    pointing: tuple[str, ...] = ()
    unsure: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


class Account(Protocol):
    """The stacks of one site in an AWS account. Every method may raise UserError."""

    def check(self) -> None:
        """That credentials, region and bootstrap are in order."""

    def synthesise(self) -> Sequence[str]:
        """Make the templates; the names of the stacks, in the order in which they are deployed."""

    def upload(self) -> Iterator[Asset]:
        """Send the files that the stacks refer to, those only that are not there."""

    def plan(self, stack: str) -> StackPlan:
        """What deploying the stack would change; for `apply` to do."""

    def drop(self, plan: StackPlan) -> None:
        """Forget a plan."""

    def compare(self, stack: str) -> StackPlan:
        """What deploying the stack would change; nothing stays of having asked."""

    def settle(self, stack: str) -> Iterator[Step]:
        """Wait until no operation is under way on the stack, and clear away what a first deployment that failed left of it."""

    def apply(self, plan: StackPlan) -> Iterator[Step]:
        """Do what was planned. UserError with the resource and the reason when it fails; the stack is what it was before then."""

    def deployed(self) -> Deployed:
        """The site's hosting as it stands now."""

    def possessions(self) -> Possessions:
        """What the site has in this account."""

    def empty(self, holding: Holding) -> Iterator[int]:
        """Delete what a bucket holds: numbers of objects that went."""

    def delete(self, stack: str) -> Iterator[Step]:
        """Delete the stack."""

    def discard(self, holding: Holding) -> bool:
        """Delete what outlived its stack; False when it was gone already."""
