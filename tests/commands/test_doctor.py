"""`toolkit doctor` on this machine; tests/aws/test_doctor.py has what it says of an account."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.commands.conftest import Cli


def found(cli: Cli, topic: str) -> dict[str, str]:
    return next(one for one in cli("doctor", "--json").data["findings"] if one["topic"] == topic)


def test_all_is_well_here(cli: Cli) -> None:
    outcome = cli("doctor")
    assert outcome.code == 0, outcome.out
    assert "all is well" in outcome.out and "toolkit up` starts it on port" in outcome.out


def test_a_folder_that_cannot_be_written(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TOOLKIT_HOME", str(tmp_path / "file" / "state"))
    outcome = cli("doctor", "--json")
    assert outcome.code == 1 and outcome.data["state"] == "problem"
    assert [one["fix"] for one in outcome.data["findings"] if one["topic"] == "folder"] == ["set TOOLKIT_HOME to another folder"]


def test_a_port_in_use_is_stepped_over(cli: Cli) -> None:
    with socket.socket() as taken:
        try:
            taken.bind(("127.0.0.1", 8080))
            taken.listen()
        except OSError:
            pass  # somebody else has it, which is as good
        assert "8080" not in found(cli, "server")["what"]


def test_a_tool_that_the_preset_needs(cli: Cli, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "site.toml").write_text('name = "blog"\npreset = "vite"\n[build]\npackage_manager = "pnpm"\n', encoding="utf-8")
    monkeypatch.setenv("PATH", str(tmp_path))
    outcome = cli("doctor", "--json")
    missing = [one["what"] for one in outcome.data["findings"] if one["topic"] == "build" and one["state"] == "problem"]
    assert missing == ["git is not installed", "node is not installed", "pnpm is not installed"]
    assert outcome.code == 1
