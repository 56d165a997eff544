"""The guide says what is: its table of slash policies is complete, and its examples print what it shows."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from toolkit.cli import main
from toolkit.engine.slashes import POLICIES

GUIDE = (Path(__file__).parent.parent / "docs" / "guide.md").read_text(encoding="utf-8")
PAGES = ("index", "about", "404", "blog/index", "blog/new", "docs/404", "de/index", "503")
# What differs from one run to the next, or with every improvement of the tables: versions, the server's port, what routes cost.
CHANGING = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{7}|localhost:\d+|(?<=^routes: ).*")


def section(title: str) -> str:
    return next(part for part in GUIDE.split("\n## ") if part.startswith(title))


def examples(text: str) -> Iterator[tuple[list[str], list[str]]]:
    """The words of each command in a section, with the lines that it prints."""
    for block in re.findall(r"(?:^    .*\n)+", text, re.MULTILINE):
        for part in re.split(r"^    \$ ", block, flags=re.MULTILINE)[1:]:
            command, *lines = part.splitlines()
            yield shlex.split(command), [line.removeprefix("    ") for line in lines]


def masked(line: str) -> str:
    return CHANGING.sub("…", line.rstrip())


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The site of the guide's examples, without its rule files."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TOOLKIT_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("NO_COLOR", "1")
    (tmp_path / "site.toml").write_text('name = "shop"\n', encoding="utf-8")
    for page in PAGES:
        file = tmp_path / "public" / f"{page}.html"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"<title>{page}</title>\n", encoding="utf-8")
    return tmp_path


def test_the_guide_lists_the_slash_policies() -> None:
    listed = re.findall(r"^\| `([a-z-]+)` \| (.*) \|$", section("Addresses of pages"), re.MULTILINE)
    assert listed == [(name, policy.summary) for name, policy in POLICIES.items()]


def test_the_examples_of_rules_print_what_the_guide_shows(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = section("Rule files") + section("Addresses of pages") + section("What is missing")
    commands = []
    for words, lines in examples(text):
        commands.append(words)
        if words[0] == "cat":
            (shop / words[1]).write_text("\n".join(lines) + "\n", encoding="utf-8")
            continue
        assert (words[0], main(words[1:])) == ("toolkit", 0)
        told = capsys.readouterr()
        printed = iter([masked(line) for line in (told.err + told.out).splitlines()])
        for line in lines:
            assert line.strip() == "…" or masked(line) in printed, f"{shlex.join(words)} does not print: {line}"
    assert len(commands) > 6
