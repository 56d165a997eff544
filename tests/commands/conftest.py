"""A project folder, a state folder, and the command line as a function."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from toolkit.cli import main
from toolkit.engine.target import Target
from toolkit.targets import open_target


@dataclass
class Outcome:
    """Exit code and what was printed."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        return json.loads(self.out)


Cli = Callable[..., Outcome]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A plain site named blog, the working folder; state goes to a folder of its own."""
    return plain_project(tmp_path, monkeypatch, 'name = "blog"\n')


def plain_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: str) -> Path:
    """A project with that site.toml and a page in dist/, the working folder."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("TOOLKIT_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("TOOLKIT_WHO", "tester")
    monkeypatch.setenv("NO_COLOR", "1")
    (folder / "site.toml").write_text(config, encoding="utf-8")
    write_site(folder / "dist", "one")
    return folder


def write_site(folder: Path, word: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.html").write_text(f"<title>{word}</title>", encoding="utf-8")
    (folder / "about.html").write_text("about", encoding="utf-8")
    (folder / "404.html").write_text("nothing here", encoding="utf-8")
    (folder / "_redirects").write_text("/old /about 301\n", encoding="utf-8")
    return folder


@pytest.fixture
def cli(project: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    def run(*words: str | Path) -> Outcome:
        capsys.readouterr()
        code = main([str(word) for word in words])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run


@pytest.fixture
def target(project: Path) -> Target:
    return open_target("local")
