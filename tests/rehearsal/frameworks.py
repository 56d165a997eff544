"""Real projects of examples/, with the preset's build spec as it is: from a push, and from a zip, to all answers they must give."""

from __future__ import annotations

import json

from tests.expect import check as differences
from tests.rehearsal.checks import check, scenario
from tests.rehearsal.deliveries import zipped
from tests.rehearsal.executions import SUCCEEDED
from tests.rehearsal.pushes import fine, only
from tests.rehearsal.sites import PROJECTS, ROOT
from tests.rehearsal.stage import Stage
from tests.rehearsal.uploads import put


@scenario("a framework's project, pushed: the preset's build spec, unmodified, and every answer of its expect.json")
def framework_push(stage: Stage) -> None:
    project = PROJECTS[stage.site]
    _has_the_presets_spec(stage)
    repository = stage.deliveries.repository
    repository.take(project.write(stage.folder / "pushed"))
    done = fine(stage, only(stage, repository.push_files({}, "First version"), "LivePipeline"))
    check(done.stages["Build"] == SUCCEEDED, f"{done.stages}")
    _answers(stage)
    check(not stage.aws.denied, "a role lacks a right", *stage.aws.denied)


@scenario("the same project as a zip, with a folder around it")
def framework_upload(stage: Stage) -> None:
    project = PROJECTS[stage.site]
    folder = project.write(stage.folder / "zipped")
    body = zipped(
        {f"project/{path.relative_to(folder)}": path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    )
    done = fine(stage, put(stage, "uploads/project.zip", body))
    check(done.stages["Build"] == SUCCEEDED, f"{done.stages}")
    _answers(stage)
    check(not stage.aws.denied, "a role lacks a right", *stage.aws.denied)


def _has_the_presets_spec(stage: Stage) -> None:
    preset = {"vite": "vite", "mkdocs": "mkdocs"}[stage.site]
    wanted = (ROOT / "build_specs" / f"{preset}.yml").read_text(encoding="utf-8")
    for name, project in stage.stack.of("AWS::CodeBuild::Project").items():
        if project["Source"]["Type"] == "CODEPIPELINE":
            check(project["Source"]["BuildSpec"] == wanted, f"{name} has another build spec than build_specs/{preset}.yml")


def _answers(stage: Stage) -> None:
    folder = ROOT / "examples" / PROJECTS[stage.site].example
    rows = json.loads((folder / "expect.json").read_text(encoding="utf-8"))
    url = f"http://127.0.0.1:{stage.edges[0].port}"
    wrong = differences(url, stage.outputs["DomainName"], rows, folder)
    check(not wrong, f"{len(wrong)} of {len(rows)} answers differ", *wrong[:5])
