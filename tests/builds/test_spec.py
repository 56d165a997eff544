"""The build spec language: what is read, and what is refused with its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.builds.spec import Artifacts, BuildSpec, Phase, load_spec, parse_spec
from toolkit.errors import UserError
from toolkit.paths import resource

FULL = """\
version: 0.2
env:
  shell: bash
  variables:
    PORT: 010
    WORD: yes
    batch: "a variable may have any name"
  parameter-store:
    TOKEN: /site/token
  secrets-manager:
    KEY: site:key
  exported-variables: [PORT]
phases:
  install:
    runtime-versions:
      nodejs: 1.10
    on-failure: RETRY-2-.*timed out.*
    commands:
      - echo hi
      - true
    finally:
      - echo done
  build:
    commands:
artifacts:
  files: ['**/*']
  base-directory: dist/*
  exclude-paths: '**/.*'
  discard-paths: no
  name: x-$(date)
cache:
  key: k
  paths: [node_modules/**/*]
"""


def parse(text: str) -> BuildSpec:
    return parse_spec(text.encode(), Path("buildspec.yml"))


def test_a_full_spec() -> None:
    spec = parse(FULL)
    assert spec.shell == "bash"
    assert spec.variables == {"PORT": "010", "WORD": "yes", "batch": "a variable may have any name"}
    assert spec.fetched == {"TOKEN": "/site/token", "KEY": "site:key"}
    assert spec.runtimes == {"nodejs": "1.10"}
    assert spec.phases == (
        Phase("install", ("echo hi", "true"), ("echo done",), "RETRY", 2, ".*timed out.*"),
        Phase("build"),
    )
    assert spec.artifacts == Artifacts(("**/*",), "dist/*", ("**/.*",))
    assert spec.cache_paths == ("node_modules/**/*",)
    assert not spec.idle


def test_a_spec_without_commands_is_idle() -> None:
    assert parse("version: 0.2\nphases: {build: {commands: []}}\nartifacts: {files: ['**/*']}").idle


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("ABORT", ("ABORT", 0, "")),
        ("RETRY", ("RETRY", 3, "")),
        ("RETRY-8", ("RETRY", 8, "")),
        ("RETRY-invalid+", ("RETRY", 3, "invalid+")),
        ("Retry-3-.*timed out.*", ("RETRY", 3, ".*timed out.*")),
        ("RETRY-404", ("RETRY", 100, "")),
    ],
)
def test_on_failure(action: str, expected: tuple[str, int, str]) -> None:
    phase = parse(f"version: 0.2\nphases: {{build: {{on-failure: '{action}', commands: [a]}}}}").phases[0]
    assert (phase.on_failure, phase.retries, phase.retry_if) == expected


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("version: 0.2\nphases:\n  build:\n    command: [a]", 4, "phases.build.command is not a field"),
        ("version: 0.2\nphases:\n  build:\n    commands:\n      - echo: hi", 5, "commands[0] is a table"),
        ("version: 0.2\n\nrun-as: root", 3, "run-as is not kept"),
        ("version: 0.2\nphases:\n  build: {run-as: root, commands: [a]}", 3, "run-as is not kept"),
        ("version: 0.2\nbatch: {}", 2, "batch is not kept"),
        ("version: 0.2\nenv: {shell: powershell.exe}", 2, "env.shell"),
        ("version: 0.2\nenv:\n  variables:\n    CODEBUILD_X: a", 4, "is no good name"),
        ("version: 0.1", 1, 'version is "0.1"'),
        ("version: 0.2\nversion: 0.2", 2, "there twice"),
        ("phases: {}", 1, "version is missing"),
        ("version: 0.2\nphases: [", 2, "not valid YAML"),
        ("version: 0.2\nartifacts: {base-directory: dist}", 2, "artifacts.files is missing"),
        ("version: 0.2\nphases: {build: {on-failure: STOP}}", 2, "on-failure"),
        ("", 1, "version is missing"),
        ("a: &a [*a]", 1, "too many nested"),
    ],
)
def test_what_is_refused(text: str, line: int, says: str) -> None:
    with pytest.raises(UserError) as raised:
        parse(text)
    assert f"buildspec.yml line {line}: " in raised.value.what
    assert says in raised.value.what
    assert raised.value.fix


def test_aliases_cannot_grow_without_end() -> None:
    text = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    with pytest.raises(UserError, match="too many nested values"):
        parse(text)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot read the build spec"):
        load_spec(tmp_path / "none.yml")


@given(st.text(alphabet="version: 0.2\nphases[]{}&*!|>-'\"#buildcommands\x00\ufeff", max_size=80))
def test_anything_is_a_spec_or_a_clear_error(text: str) -> None:
    try:
        parse("version: 0.2\n" + text)
    except UserError as error:
        assert error.what.startswith("buildspec.yml") and error.fix


@pytest.mark.parametrize("path", sorted(resource("build_specs").glob("*.yml")), ids=lambda path: path.stem)
def test_the_presets_specs_are_valid(path: Path) -> None:
    assert load_spec(path).artifacts is not None
