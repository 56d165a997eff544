"""State machines of templates, checked by asl-validator."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.cdk.templates import Template, text
from tests.gates.tools import ASL_VALIDATOR

KIND = "AWS::StepFunctions::StateMachine"
DEPLOYED = {"AWS::Partition": "aws", "AWS::Region": "eu-west-1", "AWS::AccountId": "111122223333"}


def definitions(templates: Mapping[str, Template]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each machine's name, `template.LogicalId`, and its definition, with ARNs as of an account in the partition `aws`."""
    for name, template in templates.items():
        for logical_id in template.ids(KIND):
            properties = text(template.body["Resources"][logical_id]["Properties"])
            yield f"{name}.{logical_id}", json.loads(filled(properties["DefinitionString"]))


def filled(definition: str) -> str:
    for name, value in DEPLOYED.items():
        definition = definition.replace(f"${{{name}}}", value)
    return definition


def run(machines: Mapping[str, Mapping[str, Any]], folder: Path) -> list[str]:
    """What the validator says, a line for each machine that it refuses; the definitions are written below `folder`."""
    wrong = []
    for name, definition in machines.items():
        file = folder / f"{name.replace('/', '-')}.asl.json"
        file.write_text(json.dumps(definition), encoding="utf-8")
        command = ["node", str(ASL_VALIDATOR), "--json-path", str(file)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            wrong.append(f"{name}: {(done.stdout + done.stderr).strip()}")
    return wrong
