"""What a push does: to the live branch, to others, and what is left when they are merged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.rehearsal.checks import check, mark, scenario, serves, shows, unbroken_ledger
from tests.rehearsal.content import files, page
from tests.rehearsal.executions import FAILED, SKIPPED, SUCCEEDED, Execution
from tests.rehearsal.filters import OPENED
from tests.rehearsal.sites import BUILD, SECRET_VALUE, SPEC
from tests.rehearsal.stage import Stage
from toolkit.engine import channels

_OLD_SERVES = "What was serving still serves"


def source(version: str, folder: str = "") -> dict[str, str | None]:
    """A commit's files: the version's pages, and how they are built."""
    made = {"buildspec.yml": SPEC, "build.sh": BUILD, **{f"pages/{name}": text for name, text in files(version).items()}}
    return {folder + name: text for name, text in made.items()}


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


def push_branch(stage: Stage, branch: str) -> str:
    version = mark()
    started = stage.deliveries.repository.push_files(source(version), f"Version {version}", branch=branch)
    done = fine(stage, only(stage, started, "PreviewPipeline"))
    check(done.run("Release").variables["Channel"] == f"preview/{branch}", f"it went to {done.run('Release').variables}")
    return version


def at(stage: Stage, channel: str) -> dict[str, Any]:
    """How visitors ask for a preview."""
    return {"host": channels.hosts(stage.site, channel, stage.target.names)[0]}


def is_gone(stage: Stage, channel: str) -> None:
    answer = stage.get("/", **at(stage, channel))
    check(answer.status == 404, f"{channel} is still there: {answer.status} {answer.text!r}")


@contextmanager
def gate(folder: Path) -> Iterator[tuple[str, Path]]:
    """A build script that waits, and the file that lets it go on; it is there at the latest when this ends."""
    opened = folder / f"gate-{mark()}"
    try:
        yield f'while [ ! -e "{opened}" ]; do sleep 0.05; done\n{BUILD}', opened
    finally:
        opened.touch()


@scenario("a first push goes live by itself: build, release and what visitors get, with no right missing")
def first_push(stage: Stage) -> None:
    version = push_live(stage)
    serves(stage, version)
    shows(stage, "/build.txt", "token: known, kept: \n")
    build = stage.deliveries.builds.done[-1]
    check(SECRET_VALUE not in build.log and SECRET_VALUE not in str(build.environment), "the secret is in the log")
    push_live(stage)
    shows(stage, "/build.txt", "token: known, kept: x\n")
    check(stage.deliveries.builds.done[-1].had_cache, "the second build had no cache")
    check(not stage.aws.denied, "a role lacks a right", *stage.aws.denied)
    check(not stage.aws.broken, "the rehearsal broke", *stage.aws.broken)


@scenario("AWS starts a pipeline when it is made: main goes live, and becomes no preview of itself")
def made(stage: Stage) -> None:
    version = mark()
    stage.deliveries.repository.commit(source(version))
    runs = stage.deliveries.pipelines.made()
    started = {output: runs[name].wait() for output, name in stage.outputs.items() if name in runs}
    fine(stage, started["LivePipeline"])
    serves(stage, version)
    for output in ("PreviewPipeline", "PullPipeline"):
        check(started[output].stages.get("Release") == SKIPPED, f"{output}: {started[output].stages}")
    check(started["UploadPipeline"].status == FAILED, "an upload was found where none is")
    others = [denied for denied in stage.aws.denied if not denied.endswith("none.zip is missing")]
    check(not others, "a role lacks a right", *others)
    stage.aws.denied.clear()
    is_gone(stage, "preview/main")
    is_gone(stage, "preview/pr/main")


@scenario("a branch's push is a preview, its merge goes live, and the end of its pull request takes the preview away")
def branch(stage: Stage) -> None:
    live, name = push_live(stage), "feature/menu"
    shown = push_branch(stage, name)
    serves(stage, shown, **at(stage, f"preview/{name}"))
    serves(stage, live)
    shows(stage, "/build.txt", "token: known, kept: \n", **at(stage, f"preview/{name}"))
    _pull_request(stage, name, shown)
    pushed, closed = stage.deliveries.repository.merge(name)
    fine(stage, only(stage, pushed, "LivePipeline"))
    ended = fine(stage, only(stage, closed, "ClosedPipeline"))
    removed = set(ended.run("Retire").variables["Removed"].split())
    check(removed == {f"preview/{name}", f"preview/pr/{name}"}, f"removed: {removed}")
    serves(stage, shown)
    for channel in removed:
        is_gone(stage, channel)
    check(not stage.aws.denied, "a role lacks a right", *stage.aws.denied)


def _pull_request(stage: Stage, name: str, shown: str) -> None:
    """It is built with neither the secrets nor the cache of those who may push."""
    started = stage.deliveries.repository.pull_request(name, event=OPENED)
    fine(stage, only(stage, started, "PullPipeline"))
    serves(stage, shown, **at(stage, f"preview/pr/{name}"))
    shows(stage, "/build.txt", "token: , kept: \n", **at(stage, f"preview/pr/{name}"))
    build = stage.deliveries.builds.done[-1]
    check(not build.secrets and not build.had_cache, f"a pull request's build had {build.secrets or 'the cache of others'}")


@scenario("a pull request that ends while its branch has a newer preview leaves that alone")
def newer_preview(stage: Stage) -> None:
    push_live(stage)
    push_branch(stage, "fix")
    repository = stage.deliveries.repository
    repository.git("tag", "ended-at", "fix")
    version = push_branch(stage, "fix")
    ended = fine(stage, only(stage, repository.closed("fix", "ended-at"), "ClosedPipeline"))
    check(ended.run("Retire").variables["Removed"] == "none", f"removed: {ended.run('Retire').variables}")
    serves(stage, version, **at(stage, "preview/fix"))


@scenario("two branches at once: each has its own preview, and live is nobody's")
def two_branches(stage: Stage) -> None:
    live, repository = push_live(stage), stage.deliveries.repository
    names = {"feature/a": mark(), "feature-a": mark()}
    with gate(stage.folder) as (script, opened):
        started = [
            only(stage, repository.push_files({**source(version), "build.sh": script}, branch=name), "PreviewPipeline")
            for name, version in names.items()
        ]
        check(all(one.status != SUCCEEDED for one in started), "they did not run at the same time")
        opened.touch()
        for one in started:
            fine(stage, one)
    for name, version in names.items():
        serves(stage, version, **at(stage, f"preview/{name}"))
    serves(stage, live)
    unbroken_ledger(stage)


@scenario("an older push whose build ends later does not go live, and says so")
def slow_build(stage: Stage) -> None:
    repository, old, new = stage.deliveries.repository, mark(), mark()
    with gate(stage.folder) as (script, opened):
        slow = only(stage, repository.push_files({**source(old), "build.sh": script}), "LivePipeline")
        quick = only(stage, repository.push_files(source(new)), "LivePipeline")
        fine(stage, quick)
        serves(stage, new)
        opened.touch()
        fine(stage, slow)
    said = slow.run("Release")
    check(said.variables["Outcome"] == "superseded", f"the older one ended {said.variables}: {said.summary}")
    serves(stage, new)
    unbroken_ledger(stage)


@scenario("a build that fails: nothing is released, and the pipeline names the command")
def failing_build(stage: Stage) -> None:
    live = push_live(stage)
    broken = {**source(mark()), "build.sh": "echo no such module: moons >&2\nexit 3\n"}
    failed = only(stage, stage.deliveries.repository.push_files(broken), "LivePipeline").wait()
    says = failed.run("Build").says
    check(failed.status == FAILED and failed.stages.get("Release") is None, f"it ended {failed.story()}")
    check("sh build.sh" in says and "exit status 3" in says, f"it says {says}")
    check("no such module: moons" in stage.deliveries.builds.done[-1].log, "the log does not say why")
    serves(stage, live)
    push_live(stage)


@scenario("a build whose site cannot be published fails its release in words, and what was serving still serves")
def unpublishable(stage: Stage) -> None:
    live = push_live(stage)
    script = "mkdir -p out kept; cp pages/index.html out/; cp pages/index.html \"out/$(printf 'a\\tb').html\""
    odd = {**source(mark()), "build.sh": script}
    failed = only(stage, stage.deliveries.repository.push_files(odd), "LivePipeline").wait()
    says = failed.run("Release").says
    check(failed.status == FAILED and "control character" in says and _OLD_SERVES in says, f"it ended {failed.story()}")
    serves(stage, live)


@scenario("a branch with a name out of an attacker's book is a preview of that name, and nothing else")
def odd_branches(stage: Stage) -> None:
    live = push_live(stage)
    for name in ('x"},{"to","live"}', "live", "#{variables.x}/ünï-code"):
        version = push_branch(stage, name)
        serves(stage, version, **at(stage, f"preview/{name}"))
    serves(stage, live)


@scenario("a monorepo: a push that does not touch the site's folder starts nothing")
def monorepo(stage: Stage) -> None:
    repository, version, folder = stage.deliveries.repository, mark(), f"web/{stage.site}"
    repository.push_files({"README.md": "Two sites\n"})
    for path in ("README.md", f"{folder}s/index.html", f"web/other/{stage.site}/x", f"{folder}.txt"):
        started = repository.push_files({path: mark()})
        check(not started, f"{path} started {[one.pipeline.name for one in started]}")
    check(not repository.push_files({"api/more.py": "pass\n"}, branch="api"), "a branch that does not touch it is previewed")
    started = repository.push_files({**source(version, f"{folder}/"), "api/main.py": "pass\n"})
    fine(stage, only(stage, started, "LivePipeline"))
    serves(stage, version)


@scenario("a site without a build: its folder of the repository is released, by tags where they are asked for")
def tags(stage: Stage) -> None:
    repository = stage.deliveries.repository
    version = mark()
    folder: dict[str, str | None] = {f"public/{name}": text for name, text in files(version).items()}
    fine(stage, only(stage, repository.push_files({**folder, "private.txt": "not to be seen"}), "PreviewPipeline"))
    for execution in stage.deliveries.pipelines.made().values():
        execution.wait()
    check(stage.get("/").status == 404, "a push, or the pipeline's first run, went live although tags do")
    stage.aws.denied.clear()
    check(not repository.tag("nightly-1"), "any tag goes live")
    fine(stage, only(stage, repository.tag("v1.0"), "LivePipeline"))
    serves(stage, version)
    shows(stage, "/private.txt", page("nothing here", version), 404)
