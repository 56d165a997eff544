"""`git push` as a user does it: real git, the real hook, a real build."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.commands.conftest import Cli
from tests.commands.test_releasing import page
from tests.conftest import require_tool
from toolkit.engine import release
from toolkit.engine.target import Target

SPEC = """\
version: 0.2
phases:
  build:
    commands:
      - mkdir -p out
      - cp index.html out/
      - echo "built with $(cat word.txt)"
artifacts:
  base-directory: out
  files: ["**/*"]
"""


@pytest.fixture
def repository(project: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project as a git repository with a build of its own, set up as a remote's client."""
    require_tool("git")
    for name, value in {
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "A",
        "GIT_AUTHOR_EMAIL": "a@example.invalid",
        "GIT_COMMITTER_NAME": "A",
        "GIT_COMMITTER_EMAIL": "a@example.invalid",
    }.items():
        monkeypatch.setenv(name, value)
    (project / "site.toml").write_text('name = "blog"\nbuild_spec = "buildspec.yml"\n', encoding="utf-8")
    (project / "buildspec.yml").write_text(SPEC, encoding="utf-8")
    git(project, "init", "-q", "-b", "main")
    commit(project, "one")
    up = cli("up", "--no-serve", "--json")
    assert up.code == 0, up.err + up.out
    git(project, "remote", "add", "toolkit", up.data["repository"])
    return project


def git(folder: Path, *words: str, ok: bool = True) -> str:
    done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) is ok, done.stdout + done.stderr
    return done.stdout + done.stderr


def commit(folder: Path, word: str) -> str:
    (folder / "index.html").write_text(f"<title>{word}</title>", encoding="utf-8")
    (folder / "word.txt").write_text(word, encoding="utf-8")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", f"Say {word}")
    return git(folder, "rev-parse", "HEAD").strip()


def test_where_branches_have_no_previews_they_are_only_stored(repository: Path, cli: Cli, target: Target) -> None:
    site = repository / "site.toml"
    site.write_text(f"{site.read_text(encoding='utf-8')}[previews]\nenabled = false\n", encoding="utf-8")
    commit(repository, "one")
    seen = git(repository, "push", "toolkit", "main", "main:pr-1")
    assert "pr-1 is only stored" in seen and page(target) == b"<title>one</title>"
    assert release.current(target.routes, "blog", "preview/pr-1") is None
    again = cli("trigger", "--branch", "pr-1")
    assert again.code == 0 and "nothing was released by it" in again.out


def test_a_push_builds_and_goes_live_and_the_pusher_sees_it(repository: Path, target: Target) -> None:
    seen = git(repository, "push", "toolkit", "main")
    assert "remote: built with one" in seen
    assert "http://blog.localhost:" in seen
    assert page(target) == b"<title>one</title>"
    record = release.current(target.routes, "blog", "live")
    assert record and record.commit == git(repository, "rev-parse", "HEAD").strip()
    assert record.note == "Say one"


def test_a_failed_build_refuses_the_push_and_the_old_site_serves(repository: Path, target: Target) -> None:
    git(repository, "push", "toolkit", "main")
    (repository / "buildspec.yml").write_text(
        SPEC.replace("cp index.html out/", "echo no such thing >&2; exit 7"), encoding="utf-8"
    )
    commit(repository, "two")
    seen = git(repository, "push", "toolkit", "main", ok=False)
    assert "no such thing" in seen and "7" in seen and "rejected" in seen
    assert page(target) == b"<title>one</title>"
    (repository / "buildspec.yml").write_text(SPEC, encoding="utf-8")
    commit(repository, "three")
    git(repository, "push", "toolkit", "main")
    assert page(target) == b"<title>three</title>"


def test_another_branch_is_a_preview_until_it_is_deleted(repository: Path, target: Target) -> None:
    git(repository, "push", "toolkit", "main")
    git(repository, "checkout", "-q", "-b", "feature/a")
    commit(repository, "feature")
    git(repository, "push", "toolkit", "feature/a")
    record = release.current(target.routes, "blog", "preview/feature/a")
    assert record and page(target, record.hosts[0]) == b"<title>feature</title>"
    assert page(target) == b"<title>one</title>"
    git(repository, "push", "toolkit", "--delete", "feature/a")
    assert release.current(target.routes, "blog", "preview/feature/a") is None


def test_pushing_a_tag_releases_nothing(repository: Path, target: Target) -> None:
    git(repository, "tag", "v1")
    git(repository, "push", "toolkit", "v1")
    assert release.current(target.routes, "blog", "live") is None


def test_several_branches_in_one_push_go_live_together_or_not_at_all(repository: Path, target: Target) -> None:
    git(repository, "checkout", "-q", "-b", "broken")
    (repository / "site.toml").write_text('name = "blog"\nbuild_spec = "missing.yml"\n', encoding="utf-8")
    commit(repository, "broken")
    seen = git(repository, "push", "toolkit", "main", "broken", ok=False)
    assert "missing.yml" in seen
    assert release.current(target.routes, "blog", "live") is None


def test_a_commit_without_a_site_is_refused_with_the_fix(repository: Path) -> None:
    git(repository, "rm", "-q", "site.toml")
    commit(repository, "lost")
    assert "toolkit init" in git(repository, "push", "toolkit", "main", ok=False)


def test_the_build_log_is_kept_with_the_version(repository: Path, cli: Cli) -> None:
    git(repository, "push", "toolkit", "main")
    outcome = cli("logs", "--channel", "live")
    assert outcome.code == 0 and "built with one" in outcome.out
