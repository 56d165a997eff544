"""checkov's findings in templates, against the list of those that stay: checkov.toml, a reason for each."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.gates.tools import CHECKOV

SKIPS = Path(__file__).with_name("checkov.toml")


@dataclass(frozen=True, order=True)
class Failure:
    """One check that one resource of one template fails."""

    template: str
    check: str
    resource: str
    what: str

    def __str__(self) -> str:
        return f"{self.template}: {self.check} {self.resource}: {self.what}"


@dataclass(frozen=True)
class Skip:
    """Failures that stay: of the check `id`, in resources whose `Type.LogicalId` the expression `resources` finds."""

    id: str
    resources: str
    reason: str

    def covers(self, failure: Failure) -> bool:
        return failure.check == self.id and re.search(self.resources, failure.resource) is not None


@dataclass(frozen=True)
class Report:
    version: str
    passed: int
    failures: Sequence[Failure]


def skips() -> list[Skip]:
    return [Skip(**it) for it in tomllib.loads(SKIPS.read_text(encoding="utf-8"))["skip"]]


def run(paths: Sequence[Path]) -> Report:
    """What checkov says of these templates, with nothing skipped and nothing downloaded."""
    options = ["--framework", "cloudformation", "--output", "json", "--quiet", "--compact", "--skip-download", "--soft-fail"]
    files = [word for path in paths for word in ("--file", str(path))]
    done = subprocess.run([str(CHECKOV), *options, *files], capture_output=True, text=True, check=True)
    report = json.loads(done.stdout)
    assert report["summary"]["parsing_errors"] == 0, "checkov cannot read a template"
    failed = [Failure(Path(it["file_path"]).name, it["check_id"], it["resource"], it["check_name"]) for it in _failed(report)]
    return Report(report["summary"]["checkov_version"], report["summary"]["passed"], sorted(failed))


def _failed(report: dict) -> Iterable[dict]:  # type: ignore[type-arg]
    found: Iterable[dict] = report["results"]["failed_checks"]  # type: ignore[type-arg]
    return found


def unexpected(failures: Sequence[Failure], accepted: Sequence[Skip]) -> list[Failure]:
    return [failure for failure in failures if not any(skip.covers(failure) for skip in accepted)]


def unused(failures: Sequence[Failure], accepted: Sequence[Skip]) -> list[Skip]:
    return [skip for skip in accepted if not any(skip.covers(failure) for failure in failures)]
