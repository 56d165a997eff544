"""`toolkit trigger` and the log of what runs, on this machine: real git, a real build."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.acceptance.world import wait_until
from tests.commands import test_push
from tests.commands.conftest import Cli
from tests.commands.test_push import SPEC, commit, git
from toolkit.engine import release
from toolkit.engine.target import Target

repository = test_push.repository


def test_what_was_pushed_is_built_and_released_again(repository: Path, cli: Cli, target: Target) -> None:
    git(repository, "push", "toolkit", "main")
    first = release.current(target.routes, "blog", "live")
    outcome = cli("trigger", "--json")
    assert outcome.code == 0, outcome.out + outcome.err
    record = release.current(target.routes, "blog", "live")
    assert first and record and (record.number, record.commit, record.reason) == (first.number + 1, first.commit, "push")
    found = outcome.data["delivery"]
    assert (found["version"], found["channel"], found["state"]) == (record.version, "live", "done")
    assert [stage["name"] for stage in found["stages"]] == ["source", "build", "publish", "flip"]
    assert outcome.data["urls"][0].startswith("http://blog.localhost")


def test_a_preview_is_triggered_by_its_branch(repository: Path, cli: Cli) -> None:
    git(repository, "push", "toolkit", "main:feature/a")
    assert cli("trigger", "--branch", "feature/a", "--json").data["delivery"]["channel"] == "preview/feature/a"


def test_nothing_was_pushed(repository: Path, cli: Cli) -> None:
    outcome = cli("trigger", "--branch", "nope")
    assert outcome.code == 1 and "nothing was pushed to 'nope'" in outcome.err and "git push toolkit nope" in outcome.err


def test_a_site_that_was_never_set_up(project: Path, cli: Cli) -> None:
    outcome = cli("trigger", "--json")
    assert outcome.code == 1 and "has no repository" in outcome.data["error"]["what"]


def test_a_build_that_fails_is_told_and_seen_in_status(repository: Path, cli: Cli) -> None:
    git(repository, "push", "toolkit", "main")
    (repository / "buildspec.yml").write_text(SPEC.replace("- mkdir", "- test -e allowed\n      - mkdir"), encoding="utf-8")
    commit(repository, "two")
    # Past the hook, which would refuse it: so that the branch has what cannot be built.
    bare = Path(cli("status", "--json").data["push_to"])
    subprocess.run(["git", "--git-dir", bare, "fetch", "-q", repository, "main:main"], check=True)
    outcome = cli("trigger")
    assert outcome.code == 1 and "error: build failed: the build failed in phase build" in outcome.err, outcome.err
    shown = cli("status").out
    assert "trigger" in shown and "build failed: the build failed in phase build with exit code 1: $ test -e allowed" in shown


def test_a_running_build_is_followed_to_its_end(repository: Path, cli: Cli, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    wait = f"- echo waiting\n      - until test -e {gate}; do sleep 0.05; done\n      - echo through\n      - mkdir"
    slow = SPEC.replace("- mkdir", wait)
    (repository / "buildspec.yml").write_text(slow, encoding="utf-8")
    command = [sys.executable, "-m", "toolkit"]
    with subprocess.Popen([*command, "deploy"], stdout=subprocess.DEVNULL, env=os.environ) as build:
        try:
            wait_until(lambda: "waiting" in cli("logs").out, "the build has begun")
            with subprocess.Popen([*command, "logs", "--follow"], stdout=subprocess.PIPE, text=True) as reader:
                assert reader.stdout and any("waiting" in line for line in reader.stdout), "its log ended before the build did"
                gate.touch()
                rest = reader.stdout.read()
        finally:
            gate.touch()
        assert build.wait(timeout=20) == 0 and reader.returncode == 0
    assert "through" in rest and "built with one" in rest
    again = cli("logs", "--follow", "--json")
    assert "through" in again.data["log"] and again.data["delivery"].startswith("build/")
