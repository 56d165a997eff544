"""The line from end to end, as `make rehearse` plays it, without most of its scenarios."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import require_tool
from tests.rehearsal.__main__ import main
from tests.rehearsal.checks import SCENARIOS
from tests.rehearsal.mutations import MUTATIONS
from tests.rehearsal.plays import HOSTS, Line, Play, failed, mutated, plays, quick
from tests.rehearsal.sites import PROJECTS
from tests.test_bundle import pretend
from toolkit import bundle

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.slow
def test_a_release_and_an_upload_go_through_and_mistakes_do_not(tmp_path: Path) -> None:
    require_tool("node", "the CDK runs in it")
    pretend(tmp_path)
    bundle.make(tmp_path)
    environment = {**os.environ, bundle.VARIABLE: str(tmp_path)}
    command = [sys.executable, "-m", "tests.rehearsal", "--quick", "--details"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    expected = sum(1 if play.mutation else len(play.names) for play in quick())
    assert done.stdout.count("  ✓ ") == expected, done.stdout


def test_what_is_not_there_has_not_held() -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--only", "a name that nothing has"])
    assert ended.value.code == 2


def test_everything_is_played_and_every_mistake_made() -> None:
    played = {name for play in plays() if not play.mutation for name in play.names}
    assert played == set(SCENARIOS)
    assert [play.mutation for play in mutated()] == list(MUTATIONS)
    assert {play.mutation for play in plays()} - {""} == set(MUTATIONS)
    assert {play.site for play in plays()} == {*HOSTS, *PROJECTS}


def test_a_mistake_that_nobody_notices_is_a_failure() -> None:
    held, broken = Line("a", 1.0), Line("b", 1.0, "it answers 404")
    assert failed(Play("shop", ("a",)), [held, broken])
    assert not failed(Play("shop", ("a",)), [held])
    assert failed(Play("shop", ("a",), mutation="m"), [held])
    assert not failed(Play("shop", ("a", "b"), mutation="m"), [held, broken])
    assert not failed(Play("shop", ("a", "b"), mutation="m", because="404"), [held, broken])
    assert failed(Play("shop", ("a", "b"), mutation="m", because="no such role"), [held, broken])
