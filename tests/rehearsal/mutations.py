"""Mistakes made on purpose, each in a copy of the template: a rehearsal that lets one pass is worth nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.rehearsal import scenarios, trouble
from tests.rehearsal.checks import Scenario
from tests.rehearsal.machines import definition_of
from tests.rehearsal.template import Deployed

Mutation = Callable[[Deployed], None]
SHOP = "shop"


@dataclass(frozen=True)
class Mistake:
    """What is changed in the stack of `site`, the scenarios that are played to find it, and a word that they must find it by."""

    change: Mutation
    played: tuple[Scenario, ...]
    site: str
    because: str


# By what is done.
MUTATIONS: dict[str, Mistake] = {}


def mutation(says: str, *played: Scenario, site: str = SHOP, because: str = "") -> Callable[[Mutation], Mutation]:
    def add(change: Mutation) -> Mutation:
        MUTATIONS[says] = Mistake(change, played, site, because)
        return change

    return add


@mutation("flip before upload", scenarios.first, scenarios.second)
def flip_first(stack: Deployed) -> None:
    states = _release(stack)
    states["Begin"]["Next"] = "Flip"
    # What it hands on must still lead to a publish, or the machine would stop for a lesser reason.
    states["Flip"].update(Next="Publish", ResultPath="$.flipped")
    states["Flip"].pop("OutputPath")


@mutation("flip without a look at what was published", trouble.missing)
def flip_unseen(stack: Deployed) -> None:
    _release(stack)["Too large"]["Default"] = "Flip"


@mutation("wrong role: flip has that of notify", scenarios.first)
def wrong_role(stack: Deployed) -> None:
    function(stack, "flip")["Role"] = function(stack, "notify")["Role"]


@mutation("wrong environment: flip writes to another site's hosts", scenarios.first)
def wrong_environment(stack: Deployed) -> None:
    function(stack, "flip")["Environment"]["Variables"]["DOMAIN_NAME"] = "d000.cloudfront.net"


@mutation("policy on *: the edge may read all of the bucket", scenarios.bucket)
def edge_reads_all(stack: Deployed) -> None:
    statement = _edge_statement(stack)
    (name,) = (one for one in stack.within("AWS::S3::Bucket") if stack.name(one) == stack.outputs()["Bucket"])
    statement["Resource"] = {"Fn::Sub": f"${{{name}.Arn}}/*"}


@mutation("policy on *: any distribution may read the blobs", scenarios.bucket)
def any_edge_reads(stack: Deployed) -> None:
    _edge_statement(stack).pop("Condition")


@mutation("function without the store", scenarios.first)
def no_store(stack: Deployed) -> None:
    for name in list(stack.within("AWS::CloudFront::Function")):
        stack.body["Resources"][name]["Properties"]["FunctionConfig"].pop("KeyValueStoreAssociations", None)


@mutation("prune without grace", trouble.prune)
def no_grace(stack: Deployed) -> None:
    function(stack, "upkeep")["Environment"]["Variables"]["GRACE_HOURS"] = "0"


@mutation("a watch that nobody starts", trouble.watch)
def no_watch(stack: Deployed) -> None:
    _release(stack)["Flip"]["Next"] = "Notify"


def function(stack: Deployed, step: str) -> dict[str, Any]:
    handler = f"lambdas.{step}.handler"
    resources = stack.body["Resources"]
    found = [resources[name]["Properties"] for name in stack.within("AWS::Lambda::Function")]
    (one,) = (properties for properties in found if properties["Handler"] == handler)
    properties: dict[str, Any] = one
    return properties


def _edge_statement(stack: Deployed) -> dict[str, Any]:
    for name in stack.within("AWS::S3::BucketPolicy"):
        for statement in stack.body["Resources"][name]["Properties"]["PolicyDocument"]["Statement"]:
            if statement.get("Sid") == "EdgeReadsBlobs":
                found: dict[str, Any] = statement
                return found
    raise AssertionError("no statement lets the edge read blobs")


def _release(stack: Deployed) -> Any:
    """The states of the release's machine, to be changed: the definition is put back as an object."""
    arn = stack.outputs()["ReleaseArn"]
    (name,) = (one for one in stack.within("AWS::StepFunctions::StateMachine") if stack.attribute(one, "Arn") == arn)
    properties = stack.body["Resources"][name]["Properties"]
    definition = definition_of(stack.properties(name))
    for key in ("DefinitionString", "DefinitionSubstitutions"):
        properties.pop(key, None)
    properties["Definition"] = definition
    return definition["States"]
