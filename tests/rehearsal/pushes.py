"""What a push does: to the live branch, to others, and what is left when they are merged."""

from __future__ import annotations

from tests.rehearsal.checks import check, mark, scenario, serves
from tests.rehearsal.content import files
from tests.rehearsal.executions import SUCCEEDED, Execution
from tests.rehearsal.sites import BUILD, SPEC
from tests.rehearsal.stage import Stage


def source(version: str) -> dict[str, str | None]:
    """A commit's files: the version's pages, and how they are built."""
    return {"buildspec.yml": SPEC, "build.sh": BUILD, **{f"pages/{name}": text for name, text in files(version).items()}}


def fine(stage: Stage, execution: Execution) -> Execution:
    """The same, once it ended well."""
    execution.wait()
    check(
        execution.status == SUCCEEDED,
        f"{execution.pipeline.name} ended {execution.story()}",
        *stage.aws.broken,
        *stage.aws.denied[-3:],
        *stage.functions.errors[-3:],
    )
    return execution


def only(stage: Stage, started: list[Execution], output: str) -> Execution:
    """The one execution that a change started, of the pipeline that it should be."""
    names = [one.pipeline.name for one in started]
    check(names == [stage.outputs[output]], f"{output} alone should start, not {names or 'nothing'}")
    return started[0]


def push_live(stage: Stage) -> str:
    """A new version by a push to main; its word."""
    version = mark()
    fine(stage, only(stage, stage.deliveries.repository.push_files(source(version), f"Version {version}"), "LivePipeline"))
    return version


@scenario("a first push goes live by itself: build, release and what visitors get, with no right missing")
def first_push(stage: Stage) -> None:
    version = push_live(stage)
    serves(stage, version)
    check(not stage.aws.denied, "a role lacks a right", *stage.aws.denied)
    check(not stage.aws.broken, "the rehearsal broke", *stage.aws.broken)
