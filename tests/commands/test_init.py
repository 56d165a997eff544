"""The wizard: what it finds, asks, writes and keeps."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pty
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.presets.test_detection import MKDOCS, Files, package, project
from toolkit import cli, config
from toolkit.builds.spec import load_spec
from toolkit.commands.init import init
from toolkit.console import Console
from toolkit.errors import UserError
from toolkit.sources.git import GitInfo
from toolkit.wizard.answers import Wishes, site_name

VITE = package(dev=("vite",), scripts={"build": "vite build"}, name="@me/My_App") | {"index.html": ""}


class Person:
    """Answers questions from a list, and remembers them. An answer may be an exception to raise."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.questions: list[str] = []

    def _next(self, question: str) -> Any:
        self.questions.append(question)
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def choose(self, question: str, choices: Sequence[tuple[str, str]], default: str) -> str:
        answer = str(self._next(question))
        assert answer in [value for value, _ in choices] and default in [value for value, _ in choices]
        return answer

    def text(self, question: str, default: str) -> str:
        return str(self._next(question))

    def confirm(self, question: str, default: bool) -> bool:
        return bool(self._next(question))


def run(
    folder: Path, person: Person | None = None, git: GitInfo | None = None, force: bool = False, **wishes: Any
) -> dict[str, Any]:
    """Run the wizard; what it reports as JSON."""
    out = io.StringIO()
    assert init(folder, Wishes(**wishes), git, person, force, Console(True, out, io.StringIO())) == 0
    return dict(json.loads(out.getvalue())) if out.getvalue() else {}


def repository(folder: Path, branch: str = "trunk", remote: str = "") -> GitInfo:
    return GitInfo(root=folder, remote_url=remote, branch=branch, head="", dirty=False)


def test_a_project_that_says_everything_is_asked_nothing(tmp_path: Path) -> None:
    told = run(project(tmp_path, VITE), git=repository(tmp_path))
    assert told["site"] == {"name": "my-app", "preset": "vite", "branch": "trunk", "mode": "spa"}
    assert told["because"]["preset"] == "package.json has vite ^2 in devDependencies"
    assert told["because"]["branch"] == "checked out here"
    assert told["written"] == [".site.schema.json", "site.toml"] and told["findings"] == []
    text = (tmp_path / "site.toml").read_text()
    assert text.startswith("#:schema ./.site.schema.json\n") and (tmp_path / ".site.schema.json").is_file()
    written = config.load(tmp_path)
    assert (written.name, written.preset, written.branch, written.settings.mode) == ("my-app", "vite", "trunk", "spa")


def test_what_comes_next_is_true_of_every_target(tmp_path: Path) -> None:
    assert run(project(tmp_path, VITE), target="aws")["next"] == ["toolkit doctor", "toolkit up", "toolkit deploy"]
    out = io.StringIO()
    init(tmp_path, Wishes(), None, None, False, Console(False, out, io.StringIO()))
    assert "a server and a repository to push to, or stacks in AWS" in out.getvalue()


def test_every_commented_line_of_a_new_file_is_right_when_it_is_uncommented(tmp_path: Path) -> None:
    run(project(tmp_path, VITE))
    text = (tmp_path / "site.toml").read_text()
    lines = [re.sub(r"^# (?=\w+ = |\[)", "", line) for line in text.splitlines()]
    assert config.parse("\n".join(lines).encode(), tmp_path / "site.toml").env == {"SITE_URL": "https://www.example.com"}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (MKDOCS, {"preset": "mkdocs", "mode": "site"}),
        ({"public/index.html": ""}, {"preset": "plain-html", "output": "public"}),
        (VITE | {"vite.config.js": "export default {build: {outDir: 'www'}}", ".nvmrc": "20"}, {"output": "www", "node": "20"}),
    ],
)
def test_what_the_files_say(tmp_path: Path, files: Files, expected: dict[str, str]) -> None:
    assert run(project(tmp_path, files))["site"].items() >= expected.items()


def test_running_again_changes_nothing_and_keeps_comments(tmp_path: Path) -> None:
    run(project(tmp_path, VITE))
    path = tmp_path / "site.toml"
    path.write_text(path.read_text().replace('branch = "main"', 'branch = "prod" # ours') + "# the end\n")
    before = path.read_text()
    assert run(tmp_path, git=repository(tmp_path))["written"] == []
    assert path.read_text() == before
    told = run(tmp_path, mode="site", hosts=("www.example.com",))
    assert told["written"] == ["site.toml"] and told["because"]["branch"] == "site.toml"
    after = path.read_text()
    assert 'branch = "prod" # ours' in after and "# the end" in after and config.load(tmp_path).hosts == ("www.example.com",)
    assert config.load(tmp_path).settings.mode == "site"


def test_what_is_missing_is_filled_in(tmp_path: Path) -> None:
    (project(tmp_path, VITE) / "site.toml").write_text('# mine\nbranch = "prod"\n\n[versions]\nkeep = 3 # few\n')
    run(tmp_path)
    written = config.load(tmp_path)
    assert (written.name, written.preset, written.branch, written.keep) == ("my-app", "vite", "prod", 3)
    assert "# mine" in (tmp_path / "site.toml").read_text() and "# few" in (tmp_path / "site.toml").read_text()


def test_a_broken_file_is_named_and_left_alone(tmp_path: Path) -> None:
    path = project(tmp_path, VITE) / "site.toml"
    path.write_text('name = "x"\nbranhc = "y"\n')
    with pytest.raises(UserError, match="line 2: branhc is not a field"):
        run(tmp_path)
    assert path.read_text() == 'name = "x"\nbranhc = "y"\n'
    assert run(tmp_path, force=True)["site"]["branch"] == "main"


def test_a_wrong_flag_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match='name is "A--B"'):
        run(project(tmp_path, VITE), name="A--B")
    with pytest.raises(UserError, match='no preset "vit"'):
        run(tmp_path, preset="vit")
    assert not (tmp_path / "site.toml").exists() and not (tmp_path / ".site.schema.json").exists()


@pytest.mark.parametrize(
    ("files", "what", "fix"),
    [
        ({}, "no framework is recognised and there is no index.html", "--preset"),
        (package("react-scripts", scripts={"build": "x"}) | {"public/index.html": ""}, "build script", "--preset"),
        (package("gatsby", scripts={"build": "gatsby build"}), "no framework that has a preset", "--build-spec own --output"),
        (package("next"), "not set to export a static site", "output: 'export'"),
        ({"package.json": b"{", "vite.config.js": ""}, "not valid JSON", "mend it"),
        ({f"apps/{name}/{file}": text for name in "ab" for file, text in VITE.items()}, "apps/a, apps/b", "--root"),
    ],
)
def test_with_nobody_to_ask_the_error_names_the_flag(tmp_path: Path, files: Files, what: str, fix: str) -> None:
    with pytest.raises(UserError) as raised:
        run(project(tmp_path, files))
    assert what in raised.value.what and fix in raised.value.fix
    assert not (tmp_path / "site.toml").exists()


def test_a_flag_overrules_a_doubt(tmp_path: Path) -> None:
    told = run(project(tmp_path, package("next")), preset="next-export")
    assert told["site"]["preset"] == "next-export" and told["findings"][0]["severe"]


def test_the_only_project_of_a_monorepo(tmp_path: Path) -> None:
    told = run(
        project(tmp_path, {f"apps/web/{file}": text for file, text in VITE.items()} | {"package.json": {"workspaces": ["apps/*"]}})
    )
    assert (told["site"]["root"], told["site"]["preset"]) == ("apps/web", "vite")
    assert config.load(tmp_path).project == tmp_path / "apps" / "web"


def test_questions_are_asked_only_for_what_is_open(tmp_path: Path) -> None:
    person = Person("write")
    run(project(tmp_path, VITE), person)
    assert person.questions == ["Write this?"]


def test_an_unknown_project_is_asked_about(tmp_path: Path) -> None:
    person = Person("something else", "make html", "out/html", "write")
    told = run(project(tmp_path, {"Makefile": "html:"}), person)
    assert told["site"]["build_spec"] == "buildspec.yml" and "output" not in told["site"]
    spec = load_spec(tmp_path / "buildspec.yml")
    assert spec.phases[-1].commands == ("make html",) and spec.artifacts is not None and spec.artifacts.base == "out/html"
    assert config.load(tmp_path).spec_path == tmp_path / "buildspec.yml"
    again = Person("write")
    assert run(tmp_path, again)["written"] == [] and again.questions == ["Write this?"]


def test_answers_can_be_changed_before_writing(tmp_path: Path) -> None:
    person = Person("name", "My Site!", "mode", "site", "preset", "astro", "output", "www", "write")
    told = run(project(tmp_path, VITE), person)
    assert told["site"] == {"name": "my-site", "preset": "astro", "branch": "main", "output": "www", "mode": "site"}


@pytest.mark.parametrize("ending", ["stop", KeyboardInterrupt()])
def test_stopping_leaves_nothing(tmp_path: Path, ending: object) -> None:
    before = sorted(project(tmp_path, VITE).iterdir())
    with contextlib.suppress(KeyboardInterrupt):
        run(tmp_path, Person(ending))
    assert sorted(tmp_path.iterdir()) == before


def test_a_build_script_of_another_name_gets_a_build_spec(tmp_path: Path) -> None:
    files = package(dev=("vite",), scripts={"dev": "vite", "compile": "tsc && vite build"}) | {"index.html": ""}
    told = run(project(tmp_path, files))
    assert told["because"]["build_spec"] == 'package.json builds with the script "compile"'
    spec = load_spec(tmp_path / "buildspec.yml")
    assert spec.phases[1].commands == ("$RUN run compile",) and spec.artifacts is not None and spec.artifacts.base == "dist"
    assert spec.phases[0].commands == load_spec(config.load(tmp_path).spec_path).phases[0].commands


def test_a_build_spec_that_is_there_is_not_overwritten_unasked(tmp_path: Path) -> None:
    files = package(dev=("vite",), scripts={"compile": "vite build"}) | {"index.html": "", "buildspec.yml": "version: 0.2\n"}
    with pytest.raises(UserError, match="is there already") as raised:
        run(project(tmp_path, files))
    assert "--build-spec buildspec.yml" in raised.value.fix and "--force" in raised.value.fix
    told = run(tmp_path, Person(False, "write"))
    assert told["site"]["build_spec"] == "buildspec.yml" and (tmp_path / "buildspec.yml").read_text() == "version: 0.2\n"
    (tmp_path / "site.toml").unlink()
    assert "buildspec.yml" in run(tmp_path, Person(True, "write"))["written"]
    assert run(tmp_path, build_spec="preset")["site"]["build_spec"] == ""
    assert config.load(tmp_path).build_spec == ""


def test_a_build_command_of_ones_own(tmp_path: Path) -> None:
    run(project(tmp_path, package("gatsby", scripts={"build": "x"})), build_command='echo "a: b"', output="public")
    spec = load_spec(tmp_path / "buildspec.yml")
    assert spec.phases[1].commands == ('echo "a: b"',) and "package manager" in spec.phases[0].commands[0]
    assert spec.artifacts is not None and spec.artifacts.base == "public"


def test_a_missing_build_spec(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--build-spec: there is no ci\.yml"):
        run(project(tmp_path, VITE), build_spec="ci.yml")


def test_inside_a_larger_repository(tmp_path: Path) -> None:
    told = run(project(tmp_path / "sub", VITE), git=repository(tmp_path))
    assert "a push looks for site.toml at its top" in told["findings"][0]["what"]


def test_the_name_comes_from_the_remote_or_the_folder(tmp_path: Path) -> None:
    folder = project(tmp_path / "Über Uns", {"index.html": ""})
    assert run(folder, git=repository(folder, remote="git@example.com:team/River_Map.git"))["site"]["name"] == "river-map"
    told = run(folder, force=True)
    assert told["site"]["name"] == "uber-uns" and told["because"]["name"] == 'the folder\'s name: "Über Uns"'


@pytest.mark.parametrize(
    ("text", "name"),
    [("My App", "my-app"), ("--x__y--", "x-y"), ("日本", ""), ("xn--a", "xn-a"), ("a" * 40, "a" * 30), ("a" * 29 + "-b", "a" * 29)],
)
def test_names_are_made_fit(text: str, name: str) -> None:
    assert site_name(text) == name


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    project(tmp_path, VITE)
    (tmp_path / ".site.schema.json").mkdir()
    with pytest.raises(UserError, match="cannot write"):
        run(tmp_path)
    assert not (tmp_path / "site.toml").exists() and not list(tmp_path.glob(".*.????????"))


def test_through_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project(tmp_path, VITE)
    assert cli.main(["init", str(tmp_path), "--yes", "--name", "other", "--host", "a.example", "--host", "b.example"]) == 0
    shown = capsys.readouterr().out
    assert "toolkit up" in shown and "toolkit deploy" in shown and "package.json has vite" in shown
    assert config.load(tmp_path).hosts == ("a.example", "b.example")
    assert cli.main(["init", str(tmp_path / "none")]) == 1
    assert cli.main(["init", str(tmp_path), "--mode", "x"]) == 2


def test_on_a_terminal(tmp_path: Path) -> None:
    """The real questions, typed by nobody but a pipe: Enter takes the suggestion."""
    project(tmp_path, VITE)
    master, slave = pty.openpty()
    env = {**os.environ, "TERM": "xterm"}
    code = f"from toolkit.cli import main; raise SystemExit(main(['init', {str(tmp_path)!r}]))"
    process = subprocess.Popen([sys.executable, "-c", code], stdin=slave, stdout=slave, stderr=slave, env=env)
    os.close(slave)
    seen, answered, deadline = b"", False, time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            piece = os.read(master, 4096)
        except OSError:
            break
        seen += piece
        if b"\x1b[6n" in piece:
            os.write(master, b"\x1b[1;1R")  # the cursor's place, which the prompt asks a terminal for
        if b"Write this?" in seen and not answered:
            answered = True
            os.write(master, b"\r")
    os.close(master)
    assert process.wait(20) == 0, seen.decode(errors="replace")
    assert (tmp_path / "site.toml").is_file() and b"wrote" in seen
