"""The guide says what is: its table of slash policies is complete, its examples print what it shows, and the page for AWS shows
commands that exist."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command_lines import Unknown, check_aws, check_toolkit, commands
from toolkit.cli import main
from toolkit.config import parse
from toolkit.config_aws import GitHubConfig, secret_places
from toolkit.engine.slashes import POLICIES

DOCS = Path(__file__).parent.parent / "docs"
GUIDE = (DOCS / "guide.md").read_text(encoding="utf-8")
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


# --- the page for AWS: whoever follows it types what it shows
PAGE = (DOCS / "git-push-on-aws.md").read_text(encoding="utf-8")
# Commands of others, which nothing here can look up: their words up to the first that is the reader's own.
OTHERS = (
    ("git", "add"),
    ("git", "commit", "-m"),
    ("git", "push", "origin"),
    ("git", "switch", "-c"),
    ("npx", "aws-cdk@2", "bootstrap"),
    ("python3", "-m", "venv"),
    ("~/toolkit/bin/pip", "install"),
    ("export",),
    ("cd",),
)


def blocks(text: str) -> list[list[str]]:
    """The commands that a page has in lines of their own."""
    return [words for words in commands("".join(re.findall(r"^    .*\n", text, re.MULTILINE))) if words]


def inline(text: str) -> list[list[str]]:
    """Those within its sentences. A verb alone is spoken of, and not meant to be typed."""
    plain = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    found = commands("\n".join(re.findall(r"`((?:toolkit|aws) [^`…|]*)`", plain)))
    return [[*words, "--help"] if len(words) == 2 and words[1].isalpha() else words for words in found]


def check(words: list[str]) -> None:
    (check_toolkit if words[0] == "toolkit" else check_aws)(words[1:])


def test_every_command_on_the_page_exists() -> None:
    found = [*blocks(PAGE), *inline(PAGE)]
    for words in found:
        if words[0] in ("toolkit", "aws"):
            check(words)
        else:
            assert any(tuple(words[: len(known)]) == known for known in OTHERS), shlex.join(words)
    verbs = {words[1] for words in found if words[0] == "toolkit"}
    assert verbs >= {
        "init", "doctor", "cost", "up", "diff", "status", "logs", "trigger", "preview", "rollback", "promote", "releases", "upload",
        "permissions", "explain", "verify", "deploy", "destroy",
    }  # fmt: skip
    assert len([words for words in found if words[0] == "aws"]) >= 6


@pytest.mark.parametrize("page", ["README.md", "docs/guide.md", "docs/security.md", "examples/github-actions/README.md"])
def test_commands_that_other_pages_speak_of_exist(page: str) -> None:
    text = (DOCS.parent / page).read_text(encoding="utf-8")
    # The guide shows words of the shell's that go over several lines.
    found = [*inline(text), *(blocks(text) if page != "docs/guide.md" else ())]
    ours = [words for words in found if words[0] in ("toolkit", "aws")]
    assert len(ours) > 3
    for words in ours:
        check(words)


@pytest.mark.parametrize(
    "line",
    [
        "toolkit deliver",
        "toolkit upload",
        "toolkit logs --folow",
        "toolkit init --target gcp",
        "aws codeconnection create-connection",
        "aws codeconnections make-connection",
        "aws codeconnections create-connection --provider-type GitHub",
        "aws codeconnections create-connection --connection-name github --provider-type Github",
        "aws ssm put-parameter --name /x --value y --kind SecureString",
    ],
)
def test_a_command_that_does_not_exist_is_noticed(line: str) -> None:
    with pytest.raises(Unknown):
        for words in commands(line):
            check(words)


def test_each_site_toml_on_the_page_is_one(tmp_path: Path) -> None:
    tables = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert len(tables) == 2
    first, second = (parse(text.encode(), tmp_path / "site.toml") for text in tables)
    assert first.aws.github and first.aws.uploads and first.aws.has_pipelines
    assert first.aws.github.repository == "you/my-site"
    assert second.secrets and secret_places(second.name, second.secrets, second.aws) == {"NPM_TOKEN": "/toolkit/my-site/NPM_TOKEN"}
    assert "/toolkit/my-site/NPM_TOKEN --type SecureString" in PAGE
    said = [re.search(rf"\b{word}\b", PAGE) for word in ("paths", "tags", "deploy_role", "pull_requests")]
    assert all(said) and set(GitHubConfig.__dataclass_fields__) >= {"paths", "tags", "deploy_role", "pull_requests"}


def test_every_page_that_is_linked_is_there() -> None:
    for page in (*DOCS.glob("*.md"), DOCS.parent / "README.md", *DOCS.parent.glob("examples/*/README.md")):
        for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert "://" in link or (page.parent / link).exists(), f"{page.name}: {link}"
    assert "git-push-on-aws.md" in GUIDE and "git-push-on-aws.md" in (DOCS.parent / "README.md").read_text(encoding="utf-8")
