"""The command line's promises: verbs, exit codes, one document in JSON mode, and a guide that keeps up."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from toolkit.cli import HIDDEN, VERBS, main

ROOT = Path(__file__).parent.parent


def test_help_lists_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    for verb, about in VERBS.items():
        assert re.search(rf"^  {verb} +{re.escape(about)}$", out, re.MULTILINE)


def test_verbs_and_modules_are_the_same() -> None:
    modules = {path.stem for path in (ROOT / "toolkit/commands").glob("*.py")} - {"__init__", "common"}
    assert modules == set(VERBS) | set(HIDDEN)
    for verb, about in {**VERBS, **HIDDEN}.items():
        module = importlib.import_module(f"toolkit.commands.{verb}")
        assert callable(module.run) and callable(module.add_arguments)
        assert about.startswith(module.HELP)


@pytest.mark.parametrize("verb", [*VERBS, *HIDDEN])
def test_every_verb_has_help_and_json(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--help"]) == 0
    assert "--json" in capsys.readouterr().out


def test_the_guide_names_every_verb_and_no_other() -> None:
    guide = (ROOT / "docs/guide.md").read_text(encoding="utf-8") + (ROOT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"toolkit ([a-z]+)", re.sub(r"\bgit push toolkit \w+", "", "\n".join(re.findall(r"`[^`]+`", guide)))))
    assert set(VERBS) <= named
    assert named <= set(VERBS), "the guide shows a verb that does not exist"


def test_an_unknown_verb_is_a_usage_error_with_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rollbak"]) == 2
    err = capsys.readouterr().err
    assert "rollbak" in err and "toolkit rollback" in err


def test_a_wrong_option_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["releases", "--nope"]) == 2
    assert "--nope" in capsys.readouterr().err


def test_errors_in_json_mode_are_one_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TOOLKIT_HOME", str(tmp_path / "state"))
    assert main(["releases", "--json"]) == 1
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == 1 and "site.toml" in error["what"] and "toolkit init" in error["fix"]


def test_a_reader_that_stops_reading_is_no_error() -> None:
    script = "import sys; from toolkit.cli import main; sys.exit(main(['--help']))"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout and process.stderr
        process.stdout.close()
        err = process.stderr.read()
    assert b"Traceback" not in err
