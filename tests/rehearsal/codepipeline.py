"""The template's pipelines as CodePipeline reads them: stages, actions, artifacts, variables, conditions; what it would refuse."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.rehearsal.iam import BeyondThis
from tests.rehearsal.template import Deployed

_VARIABLE = re.compile(r"#\{([^}]*)\}")
# docs.aws.amazon.com/codepipeline/latest/userguide/limits.html
_NAME = re.compile(r"[A-Za-z0-9.@_-]{1,100}")
_ARTIFACT = re.compile(r"[A-Za-z0-9_-]{1,100}")


@dataclass(frozen=True)
class Action:
    name: str
    category: str
    provider: str
    order: int
    configuration: Mapping[str, str]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    namespace: str
    role: str


@dataclass(frozen=True)
class PipelineStage:
    """`conditions` are those before it: (what happens when one does not hold, its rules)."""

    name: str
    actions: tuple[Action, ...]
    conditions: tuple[tuple[str, tuple[Mapping[str, Any], ...]], ...]


@dataclass(frozen=True)
class Pipeline:
    """A pipeline of the template. `bucket` holds its artifacts, `variables` are the defaults of its own variables."""

    name: str
    arn: str
    role: str
    bucket: str
    variables: Mapping[str, str]
    stages: tuple[PipelineStage, ...]
    triggers: tuple[Mapping[str, Any], ...] = field(default=())

    @property
    def source(self) -> Action:
        (action,) = self.stages[0].actions
        return action


def pipelines(stack: Deployed) -> dict[str, Pipeline]:
    """By name."""
    found = {}
    for logical_id, given in stack.of("AWS::CodePipeline::Pipeline").items():
        name = stack.name(logical_id)
        assert (given["PipelineType"], given["ExecutionMode"]) == ("V2", "PARALLEL"), f"{name} is of another type or mode"
        store = given["ArtifactStore"]
        assert store["Type"] == "S3" and "EncryptionKey" not in store, f"{name} keeps artifacts in {store}"
        arn = f"arn:aws:codepipeline:{stack.region}:123456789012:{name}"
        defaults = {one["Name"]: one.get("DefaultValue", "") for one in given.get("Variables", ())}
        stages = tuple(_stage(one, given["RoleArn"]) for one in given["Stages"])
        found[name] = Pipeline(name, arn, given["RoleArn"], store["Location"], defaults, stages, tuple(given.get("Triggers", ())))
    return found


def _stage(given: Mapping[str, Any], role: str) -> PipelineStage:
    unknown = set(given) - {"Name", "Actions", "BeforeEntry", "Blockers"}
    if unknown:
        raise BeyondThis(f"{sorted(unknown)} of a stage")
    conditions = given.get("BeforeEntry", {}).get("Conditions", ())
    return PipelineStage(
        given["Name"],
        tuple(_action(one, role) for one in given["Actions"]),
        tuple((one["Result"], tuple(one["Rules"])) for one in conditions),
    )


def _action(given: Mapping[str, Any], role: str) -> Action:
    kind = given["ActionTypeId"]
    assert (kind["Owner"], kind["Version"]) == ("AWS", "1"), f"{given['Name']} is of {kind}"
    configuration = given.get("Configuration", {})
    if isinstance(configuration, str):
        configuration = json.loads(configuration)
    return Action(
        name=given["Name"],
        category=kind["Category"],
        provider=kind["Provider"],
        order=int(given.get("RunOrder", 1)),
        configuration={name: _text(value) for name, value in configuration.items()},
        inputs=tuple(one["Name"] for one in given.get("InputArtifacts", ())),
        outputs=tuple(one["Name"] for one in given.get("OutputArtifacts", ())),
        namespace=given.get("Namespace", ""),
        role=given.get("RoleArn", role),
    )


def _text(value: Any) -> str:
    """A value of an action's configuration is text; CloudFormation makes it of booleans and numbers."""
    return json.dumps(value) if isinstance(value, bool | int) else str(value)


def problems(pipeline: Pipeline) -> list[str]:
    """What CreatePipeline would refuse: its documentation's rules on structure ("pipeline structure requirements")."""
    found, made, names = [], set[str](), set[str]()
    if not 2 <= len(pipeline.stages) <= 50:
        found.append(f"it has {len(pipeline.stages)} stages")
    for number, stage in enumerate(pipeline.stages):
        if (number == 0) != all(one.category == "Source" for one in stage.actions):
            found.append(f"source actions belong into the first stage, and only they: {stage.name}")
        for action in sorted(stage.actions, key=lambda one: one.order):
            found += [f"{action.name} takes {one}, which no action before it makes" for one in action.inputs if one not in made]
            found += [f"{one} is made twice" for one in action.outputs if one in made]
            found += [f"{one} is no name of an artifact" for one in action.outputs if not _ARTIFACT.fullmatch(one)]
            if action.namespace and action.namespace in names:
                found.append(f"the namespace {action.namespace} is used twice")
            names.add(action.namespace)
            made |= set(action.outputs)
    found += [f"{one!r} is no name" for one in _names(pipeline) if not _NAME.fullmatch(one)]
    return found


def _names(pipeline: Pipeline) -> list[str]:
    return [pipeline.name, *(stage.name for stage in pipeline.stages), *(one.name for it in pipeline.stages for one in it.actions)]


class Unresolved(Exception):
    """A variable that no action before set: CodePipeline fails the action."""


def filled(text: str, variables: Mapping[str, str]) -> str:
    """Text with its `#{namespace.name}` filled in, once: what a value holds is not looked at again."""

    def value(found: re.Match[str]) -> str:
        if found[1] not in variables:
            raise Unresolved(f"the variable {found[0]} has no value")
        return variables[found[1]]

    return _VARIABLE.sub(value, text)


def may_enter(stage: PipelineStage, variables: Mapping[str, str]) -> str:
    """ "" when the stage runs, else what happens instead: SKIP or FAIL. A rule that cannot be read fails."""
    for result, rules in stage.conditions:
        if not all(_holds(rule, variables) for rule in rules):
            return result
    return ""


def _holds(rule: Mapping[str, Any], variables: Mapping[str, str]) -> bool:
    """VariableCheck (docs.aws.amazon.com/codepipeline/latest/userguide/rule-reference-VariableCheck.html)."""
    kind = rule["RuleTypeId"]
    if (kind["Provider"], kind.get("Category"), kind.get("Owner")) != ("VariableCheck", "Rule", "AWS"):
        raise BeyondThis(f"the rule {kind}")
    given = rule["Configuration"]
    found, wanted = filled(given["Variable"], variables), given["Value"]
    match given["Operator"]:
        case "EQ":
            return bool(found == wanted)
        case "NE":
            return bool(found != wanted)
    raise BeyondThis(f"the operator {given['Operator']}")
