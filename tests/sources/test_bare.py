from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sources.gitrepo import commit, git, isolate, new_repo, push, tree
from toolkit.errors import UserError
from toolkit.sources.git import RefUpdate, clean_env, create_bare, export_commit, parse_push

ZERO, A, B = "0" * 40, "a" * 40, "b" * 40
Pushed = Callable[..., tuple[subprocess.CompletedProcess[str], dict[str, Any]]]

HOOK = """
import json, os, subprocess, sys, time
from pathlib import Path
from toolkit.sources.git import clean_env, export_commit, parse_push
answers, refuse = Path(sys.argv[1]), sys.argv[2]
updates = parse_push(sys.stdin)
told = {"cwd": os.getcwd(), "quarantine": "GIT_QUARANTINE_PATH" in os.environ, "argv": sys.argv[3:], "updates": []}
told["late"] = time.time() - float(os.environ["TOOLKIT_PUSHED_AT"])
for update in updates:
    one = {"branch": update.branch, "tag": update.tag, "deleted": update.deleted, "created": update.created, "ref": update.ref}
    if not update.deleted:
        dest = answers.parent / "exported" / (update.branch or update.tag)
        source = export_commit(Path.cwd(), update.new, dest, branch=update.branch)
        one |= {"message": source.message, "files": sorted(path.name for path in dest.rglob("*"))}
    told["updates"].append(one)
inside = subprocess.run(["git", "rev-parse", "--git-dir"], env=clean_env(os.environ), cwd=answers.parent, capture_output=True)
told["child sees a repository"] = inside.returncode == 0
answers.write_text(json.dumps(told))
print("building …")
sys.exit(refuse == "refuse")
"""


@pytest.fixture(autouse=True)
def _own_git(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    isolate(monkeypatch, tmp_path_factory.mktemp("home"))


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return new_repo(tmp_path / "site")


@pytest.fixture
def pushed(repo: Path, tmp_path: Path) -> Pushed:
    """Push from `repo` and get git's answer and what the hook saw."""
    script, answers = tmp_path / "hook it.py", tmp_path / "answers.json"
    script.write_text(HOOK)
    bare = tmp_path / "bare repo.git"
    root = str(Path(__file__).parent.parent.parent)

    def run(*refs: str, refuse: str = "") -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
        odd = ["it's", 'a "b"', "$HOME", "%s", "{x}"]
        hook = ["env", f"PYTHONPATH={root}", sys.executable, str(script), str(answers), refuse, *odd]
        create_bare(bare, branch="main", hook=hook)
        answers.unlink(missing_ok=True)
        subprocess.run(["rm", "-rf", tmp_path / "exported"], check=True)
        done = push(repo, bare, *refs)
        told = json.loads(answers.read_text()) if answers.exists() else {}
        assert not told or told["argv"] == odd
        return done, told

    return run


def test_a_push_is_exported_before_the_branch_moves(pushed: Pushed, tmp_path: Path) -> None:
    done, told = pushed("main")
    assert done.returncode == 0, done.stderr
    assert "remote: building …" in done.stderr
    assert told["quarantine"] is True
    assert told["child sees a repository"] is False
    assert 0 <= told["late"] < 60
    assert told["updates"] == [
        {"branch": "main", "tag": "", "deleted": False, "created": True, "ref": "refs/heads/main",
         "message": "First line", "files": ["index.html"]}
    ]  # fmt: skip
    assert tree(tmp_path / "exported/main") == {"index.html": "one"}


def test_a_refused_push_leaves_the_branch(repo: Path, pushed: Pushed, tmp_path: Path) -> None:
    pushed("main")
    first = git(repo, "rev-parse", "HEAD")
    second = commit(repo, {"index.html": "two"})
    done, told = pushed("main", refuse="refuse")
    assert done.returncode != 0
    assert "pre-receive hook declined" in done.stderr
    assert told["updates"][0]["files"] == ["index.html"]
    bare = tmp_path / "bare repo.git"
    assert git(bare, "rev-parse", "main") == first
    assert subprocess.run(["git", "-C", bare, "cat-file", "-e", second], capture_output=True, check=False).returncode != 0
    assert pushed("main")[0].returncode == 0
    assert git(bare, "rev-parse", "main") == second


def test_force_push_deletion_tags_and_several_refs(repo: Path, pushed: Pushed, tmp_path: Path) -> None:
    git(repo, "checkout", "-q", "-b", "feature/größe")
    commit(repo, {"index.html": "feature"})
    git(repo, "tag", "-a", "-m", "note", "v1")
    done, told = pushed("main", "feature/größe", "v1")
    assert done.returncode == 0, done.stderr
    assert {(one["branch"], one["tag"]) for one in told["updates"]} == {("main", ""), ("feature/größe", ""), ("", "v1")}
    left_behind = git(repo, "rev-parse", "HEAD")
    git(repo, "commit", "-q", "--amend", "-m", "rewritten")
    assert pushed("feature/größe")[0].returncode != 0, "git itself asks for --force"
    done, told = pushed("+feature/größe")
    assert done.returncode == 0, done.stderr
    assert told["updates"][0]["message"] == "rewritten"
    assert git(tmp_path / "bare repo.git", "reflog", "feature/größe").startswith(git(repo, "rev-parse", "HEAD")[:7])
    assert export_commit(tmp_path / "bare repo.git", left_behind, tmp_path / "old").message == "change"
    done, told = pushed(":feature/größe", ":v1")
    assert done.returncode == 0, done.stderr
    assert [one["deleted"] for one in told["updates"]] == [True, True]
    assert git(tmp_path / "bare repo.git", "for-each-ref", "--format=%(refname)") == "refs/heads/main"


def test_a_large_push_is_exported_from_a_pack(repo: Path, pushed: Pushed, tmp_path: Path) -> None:
    commit(repo, {f"pages/{i}.html": str(i) for i in range(300)})
    done, told = pushed("main")
    assert done.returncode == 0, done.stderr
    assert len(told["updates"][0]["files"]) == 302
    commit(repo, {"index.html": "two"})
    assert len(pushed("main")[1]["updates"][0]["files"]) == 302


def test_a_ref_that_looks_like_an_option_is_a_branch(repo: Path, pushed: Pushed, tmp_path: Path) -> None:
    done, told = pushed("HEAD:refs/heads/--upload-pack=touch${IFS}x")
    assert done.returncode == 0, done.stderr
    assert told["updates"][0]["branch"] == "--upload-pack=touch${IFS}x"
    assert told["updates"][0]["files"] == ["index.html"]


def test_the_users_own_settings_do_not_turn_the_hook_off(
    repo: Path, pushed: Pushed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "none").mkdir()
    git(repo, "config", "--global", "core.hooksPath", str(tmp_path / "none"))
    git(repo, "config", "--global", "receive.denyDeletes", "true")
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", f"'core.hooksPath'='{tmp_path / 'none'}'")
    assert pushed("main", "main:other")[1]["updates"]
    assert pushed(":other")[0].returncode == 0


def test_a_commit_that_is_malformed_is_refused(repo: Path, pushed: Pushed) -> None:
    head = git(repo, "cat-file", "commit", "HEAD").encode()
    bad = head.replace(b"Ada Lovelace <", b"Ada Lovelace ")
    sha = git(repo, "hash-object", "-t", "commit", "-w", "--literally", "--stdin", stdin=bad)
    done, told = pushed(f"{sha}:refs/heads/bad")
    assert done.returncode != 0
    assert "fsck" in done.stderr
    assert not told


def test_create_bare_again_keeps_commits_and_mends_the_rest(repo: Path, tmp_path: Path) -> None:
    bare = tmp_path / "deep" / "repo.git"
    create_bare(bare, branch="main", hook=["true"])
    assert push(repo, bare, "main").returncode == 0
    git(bare, "config", "core.hooksPath", "/nowhere")
    git(bare, "config", "--add", "receive.denyDeletes", "true")
    git(bare, "config", "user.own", "kept")
    (bare / "hooks/pre-receive").chmod(0o600)
    create_bare(bare, branch="live/now", hook=["sh", "-c", "exit 1"])
    create_bare(bare, branch="live/now", hook=["sh", "-c", "exit 1"])
    assert git(bare, "symbolic-ref", "HEAD") == "refs/heads/live/now"
    assert git(bare, "rev-parse", "main") == git(repo, "rev-parse", "main")
    assert git(bare, "config", "--get-all", "receive.denyDeletes") == "false"
    assert git(bare, "config", "user.own") == "kept"
    assert [path.name for path in (bare / "hooks").iterdir()] == ["pre-receive"]
    assert push(repo, bare, "main:again").returncode != 0
    bare.parent.rename(tmp_path / "moved")
    assert "pre-receive hook declined" in push(repo, tmp_path / "moved/repo.git", "main:again").stderr


@pytest.mark.parametrize("branch", ["", "-x", "a..b", "a b", "a:b", "@{-1}", "a/", "x.lock", "a\nb"])
def test_names_that_cannot_be_a_branch(tmp_path: Path, branch: str) -> None:
    with pytest.raises(UserError, match="cannot be the name of a branch"):
        create_bare(tmp_path / "repo.git", branch=branch, hook=["true"])
    assert not list(tmp_path.iterdir())


def test_parse_push() -> None:
    assert parse_push([]) == []
    pushed = f"{ZERO} {A} refs/heads/feature/x\n{A} {B} refs/tags/v1\n{B} {ZERO} refs/heads/old\n{A} {B} refs/notes/x"
    new, tag, old, note = parse_push(pushed.splitlines(keepends=True))
    assert new == RefUpdate(ZERO, A, "refs/heads/feature/x")
    assert (new.branch, new.tag, new.created, new.deleted) == ("feature/x", "", True, False)
    assert (tag.branch, tag.tag, tag.created, tag.deleted) == ("", "v1", False, False)
    assert (old.branch, old.created, old.deleted) == ("old", False, True)
    assert (note.branch, note.tag) == ("", "")


@pytest.mark.parametrize(
    "line", ["", "\n", "x", f"{A} {B}", f"{A} {B} main", f"{A}  {B} refs/heads/x", f"{A[1:]} {B} refs/x", f"{A} {B} refs/a b"]
)
def test_lines_that_git_would_not_write(line: str) -> None:
    with pytest.raises(UserError, match="does not give"):
        parse_push([line])


@given(st.text() | st.from_regex(rf"{A} ({A}|{ZERO}) refs/(heads|tags)/.*", fullmatch=True))
def test_any_line_is_read_or_refused(line: str) -> None:
    try:
        (update,) = parse_push([line])
    except UserError:
        return
    assert f"{update.old} {update.new} {update.ref}" == line.removesuffix("\n")
    assert not (update.branch and update.tag)


def test_clean_env() -> None:
    given_env = {"GIT_DIR": ".", "GIT_QUARANTINE_PATH": "x", "GIT_CONFIG_KEY_0": "x", "PATH": "/bin", "GITHUB_TOKEN": "kept"}
    assert clean_env(given_env) == {"PATH": "/bin", "GITHUB_TOKEN": "kept"}
