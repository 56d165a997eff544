from __future__ import annotations

import os
import shlex
import stat
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sources.gitrepo import commit, git, isolate, new_repo, tree
from toolkit.errors import UserError
from toolkit.sources.git import clone_at, describe, export_commit
from toolkit.sources.git import without_credentials as shown_url


@pytest.fixture(autouse=True)
def _own_git(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    isolate(monkeypatch, tmp_path_factory.mktemp("home"))


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return new_repo(tmp_path / "site")


def test_describe(repo: Path, tmp_path: Path) -> None:
    info = describe(repo)
    assert info is not None
    assert (info.root, info.branch, info.head, info.dirty, info.remote_url) == (
        repo, "main", git(repo, "rev-parse", "HEAD"), False, "",
    )  # fmt: skip
    (repo / "docs").mkdir()
    assert describe(repo / "docs") == info
    (repo / "new.html").write_text("untracked")
    assert (found := describe(repo)) and found.dirty
    git(repo, "checkout", "-q", "--detach")
    assert (found := describe(repo)) and (found.branch, found.head) == ("", info.head)
    assert describe(tmp_path) is None
    assert describe(tmp_path / "not there") is None
    git(tmp_path, "init", "-q", "fresh")
    assert (found := describe(tmp_path / "fresh")) and (found.branch, found.head, found.dirty) == ("main", "", False)


def test_describe_without_git(repo: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert describe(repo) is None
    with pytest.raises(UserError, match="git is not installed"):
        export_commit(repo, "main", tmp_path / "out")


def test_describe_in_a_hook_means_the_folder_asked_about(repo: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--bare", "other.git")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other.git"))
    assert (info := describe(repo)) and info.root == repo
    assert describe(tmp_path) is None


def test_describe_runs_no_program_that_the_repository_names(repo: Path, tmp_path: Path) -> None:
    git(repo, "config", "core.fsmonitor", f"touch {tmp_path / 'ran'}")
    git(repo, "config", "core.hooksPath", str(tmp_path / "hooks"))
    assert describe(repo) is not None
    assert not (tmp_path / "ran").exists()
    git(repo, "status")
    assert (tmp_path / "ran").exists(), "or the test proves nothing"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://example.test/o/r.git", "https://example.test/o/r.git"),
        ("https://user:secret@example.test/o/r.git", "https://example.test/o/r.git"),
        ("https://secret@example.test:8443/o/r.git", "https://example.test:8443/o/r.git"),
        ("https://a@b:secret@example.test/o", "https://example.test/o"),
        ("https://example.test/o/r?token=secret#secret", "https://example.test/o/r"),
        ("ssh://git:secret@example.test:22/o/r.git", "ssh://git@example.test:22/o/r.git"),
        ("ssh://example.test/o/r.git", "ssh://example.test/o/r.git"),
        ("git@example.test:o/r.git", "git@example.test:o/r.git"),
        ("../other repo", "../other repo"),
    ],
)
def test_remote_url(repo: Path, url: str, shown: str) -> None:
    git(repo, "remote", "add", "aaa", "https://not.this.test/x")
    git(repo, "remote", "add", "origin", url)
    assert (info := describe(repo)) and info.remote_url == shown


@given(st.sampled_from(["https", "http", "ssh", "ftp"]), st.text("abc:/?#@.%", max_size=8), st.text("abc./?#", max_size=8))
def test_no_password_is_ever_shown(scheme: str, login: str, rest: str) -> None:
    login = login.replace("/", "").replace("?", "").replace("#", "")
    assert "SECRET" not in shown_url(f"{scheme}://{login}:SECRET@example.test/{rest}")


# --- the files of one commit


def test_export(repo: Path, tmp_path: Path) -> None:
    first = git(repo, "rev-parse", "HEAD")
    commit(repo, {"index.html": "two", "docs/a.html": "a"})
    (repo / "index.html").write_text("not committed")
    before = time.time()
    source = export_commit(repo, "main", tmp_path / "deep" / "out")
    assert before <= source.time <= time.time()
    assert (source.kind, source.commit, source.branch) == ("git", git(repo, "rev-parse", "HEAD"), "main")
    assert (source.message, source.author) == ("change", "Ada Lovelace")
    assert tree(tmp_path / "deep") == {"out/index.html": "two", "out/docs/a.html": "a"}
    source = export_commit(repo, first, tmp_path / "first")
    assert (source.message, source.branch, tree(tmp_path / "first")) == ("First line", "", {"index.html": "one"})
    assert git(repo, "status", "--porcelain") == "M index.html"


@pytest.mark.parametrize("ref", ["HEAD", "HEAD~0", "main", "refs/heads/main", "v1", "v1-note", "SHORT", "@{0}"])
def test_refs_that_name_a_commit(repo: Path, tmp_path: Path, ref: str) -> None:
    git(repo, "tag", "v1")
    git(repo, "tag", "-a", "-m", "note", "v1-note")
    sha = git(repo, "rev-parse", "HEAD")
    source = export_commit(repo, sha[:8] if ref == "SHORT" else ref, tmp_path / "out")
    assert source.commit == sha
    assert source.branch == ("main" if ref in ("HEAD", "main", "refs/heads/main") else "")


@pytest.mark.parametrize(
    "ref",
    ["", "nope", "--upload-pack=touch ran", "-h", "--all", "--help", "main..main", "^main", "HEAD:index.html", "HEAD^{tree}",
     "main\nmain", "main\0", "$(touch ran)", "; touch ran", "HEAD~5", ":/nope", "--output=ran", "@{u}", "0" * 40],
)  # fmt: skip
def test_refs_that_do_not(repo: Path, tmp_path: Path, ref: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as caught:
        export_commit(repo, ref, tmp_path / "out")
    assert repr(ref) in caught.value.what
    assert caught.value.fix
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_a_branch_whose_name_looks_like_an_option(repo: Path, tmp_path: Path) -> None:
    sha = git(repo, "rev-parse", "HEAD")
    git(repo, "update-ref", "refs/heads/--upload-pack=x", sha)
    assert export_commit(repo, "--upload-pack=x", tmp_path / "out").commit == sha


def test_where_there_is_no_repository(repo: Path, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    for path in (tmp_path / "plain", tmp_path / "gone"):
        with pytest.raises(UserError, match="cannot be read as a git repository"):
            export_commit(path, "main", tmp_path / "out")
    with pytest.raises(UserError, match="there already"):
        export_commit(repo, "main", repo)


def test_odd_names_and_modes(repo: Path, tmp_path: Path) -> None:
    names = ["a b", "café.html", "cafe\u0301/x", "100%?#&.html", "'one' \"two\".txt", "new\nline", "-n", "日本.html", "tab\t$HOME"]
    commit(repo, {name: name for name in names})
    (repo / "build.sh").write_text("#!/bin/sh")
    (repo / "build.sh").chmod(0o755)
    commit(repo, {".gitignore": "x", ".well-known/security.txt": "y"})
    export_commit(repo, "HEAD", tmp_path / "out")
    assert set(tree(tmp_path / "out")) == {*names, "index.html", "build.sh", ".gitignore", ".well-known/security.txt"}
    assert (tmp_path / "out/build.sh").stat().st_mode & stat.S_IXUSR
    assert not (tmp_path / "out/index.html").stat().st_mode & stat.S_IXUSR
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o755


def test_symbolic_links_inside_are_kept(repo: Path, tmp_path: Path) -> None:
    (repo / "docs").mkdir()
    (repo / "docs/home.html").symlink_to("../index.html")
    (repo / "latest").symlink_to("docs")
    (repo / "docs/dangling").symlink_to("not-there-yet")
    (repo / "top").symlink_to(".")
    commit(repo, {})
    export_commit(repo, "HEAD", tmp_path / "out")
    assert (tmp_path / "out/docs/home.html").readlink() == Path("../index.html")
    assert (tmp_path / "out/latest/home.html").read_text() == "one"
    assert (tmp_path / "out/docs/dangling").is_symlink()


@pytest.mark.parametrize(
    "links",
    [
        {"evil": "/etc/passwd"},
        {"evil": "../../etc/passwd"},
        {"evil": ".."},
        {"evil": "../out"},
        {"evil": "../out/index.html"},
        {"docs/evil": "../../x"},
        {"docs/a/b/up": "../../..", "evil": "docs/a/b/up/../x"},
        {"one": "docs", "two": "one/..", "evil": "two/../x"},
    ],
    ids=str,
)
def test_symbolic_links_that_lead_out_are_refused(repo: Path, tmp_path: Path, links: dict[str, str]) -> None:
    commit(repo, {"docs/a/b/c": "c"})
    for name, target in links.items():
        (repo / name).symlink_to(target)
    commit(repo, {})
    with pytest.raises(UserError, match=r"symbolic link '(docs/)?evil' leads out of the repository"):
        export_commit(repo, "HEAD", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_nothing_of_the_configuration_takes_part(repo: Path, tmp_path: Path) -> None:
    """Filters, hooks and line endings, set for the user, in the repository and in its private attributes."""
    attributes = "*.bin filter=spy\n*.crlf text eol=crlf\n"
    commit(repo, {"a.txt": "one\ntwo\n", ".gitattributes": attributes, "b.bin": "b", "c.crlf": "c\n"})
    ran = tmp_path / "ran"
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in ("post-checkout", "post-index-change", "reference-transaction"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {ran}\n")
        (hooks / name).chmod(0o755)
    for scope in ("--global", "--local"):
        for name, value in {
            "filter.spy.smudge": f"touch {ran}; cat", "filter.spy.clean": "cat", "filter.spy.required": "true",
            "core.autocrlf": "true", "core.hooksPath": str(hooks), "core.fsmonitor": f"touch {ran}",
        }.items():  # fmt: skip
            git(repo, "config", scope, name, value)
    private = Path(os.environ["XDG_CONFIG_HOME"], "git/attributes")
    private.parent.mkdir()
    private.write_text("*.txt text eol=crlf\n")
    (repo / ".git/info").mkdir(exist_ok=True)
    (repo / ".git/info/attributes").write_text("*.txt text eol=crlf\n")
    ran.unlink(missing_ok=True)
    export_commit(repo, "main", tmp_path / "out")
    assert not ran.exists()
    assert (tmp_path / "out/a.txt").read_bytes() == b"one\ntwo\n"
    assert (tmp_path / "out/c.crlf").read_bytes() == b"c\r\n", "the commit's own .gitattributes holds"


def test_the_folder_that_the_export_runs_in_does_not_matter(repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(repo, {"a.txt": "one\n"})
    (tmp_path / ".gitattributes").write_text("*.txt text eol=crlf\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "nonsense"))
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path / "nonsense"))
    export_commit(Path("site"), "main", Path("out"))
    assert (tmp_path / "out/a.txt").read_bytes() == b"one\n"


def test_submodules_and_lfs_pointers_are_told(repo: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", repo, "part")
    git(repo, "submodule", "--quiet", "add", str(tmp_path / "part"), "themes/part")
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'a' * 64}\nsize 12345\n"
    commit(repo, {"big.png": pointer, "b.png": pointer, "about-lfs.md": f"It looks so:\n{pointer}"})
    told: list[str] = []
    export_commit(repo, "main", tmp_path / "out", warn=told.append)
    assert len(told) == 2
    assert "submodules are left out: 'themes/part'" in told[0]
    assert "Git LFS pointers instead of the files themselves: 'b.png', 'big.png';" in told[1]
    assert not (tmp_path / "out/themes/part/index.html").exists()


def test_warnings_go_to_stderr_where_nobody_asks(repo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    commit(repo, {f"{i}.png": f"version https://git-lfs.github.com/spec/v1\noid sha256:{i}\n" for i in range(5)})
    export_commit(repo, "main", tmp_path / "out")
    told = "warning: Git LFS pointers instead of the files themselves: '0.png', '1.png', '2.png' and 2 more"
    assert capsys.readouterr().err.startswith(told)


def test_other_kinds_of_repository(repo: Path, tmp_path: Path) -> None:
    sha = git(repo, "rev-parse", "HEAD")
    git(repo, "branch", "other")
    git(repo, "worktree", "add", "-q", tmp_path / "worktree", "other")
    git(tmp_path, "clone", "-q", "--bare", repo, "bare.git")
    git(tmp_path, "clone", "-q", "--shared", repo, "shared")
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{repo}", "shallow")
    git(tmp_path, "clone", "-q", "--bare", "--reference", repo, repo, "reference.git")
    commit(repo, {"index.html": "two"})
    git(repo, "gc", "-q")
    for name in ("worktree", "bare.git", "shared", "shallow", "reference.git", "worktree/.", "site/.git"):
        ref = sha if name == "site/.git" else "HEAD"
        assert export_commit(tmp_path / name, ref, tmp_path / "out" / name.replace("/", "-")).commit == sha
    assert export_commit(tmp_path / "worktree", "HEAD", tmp_path / "out" / "again").branch == "other"


def test_a_repository_of_sha256_ids(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--object-format=sha256", "new")
    sha = commit(tmp_path / "new", {"index.html": "x"})
    assert len(sha) == 64
    assert export_commit(tmp_path / "new", "main", tmp_path / "out").commit == sha
    assert tree(tmp_path / "out") == {"index.html": "x"}


def test_a_repository_of_somebody_else(repo: Path, tmp_path: Path) -> None:
    """git's own judgement (safe.directory) holds, and is asked for once."""
    if os.geteuid() != 0:
        pytest.skip("needs root to give a folder to somebody else")
    for path in (repo, *repo.rglob("*")):
        os.chown(path, 65534, 65534)
    with pytest.raises(UserError, match="dubious ownership"):
        export_commit(repo, "main", tmp_path / "out")
    assert describe(repo) is None
    git(tmp_path, "config", "--global", "safe.directory", str(repo))
    assert export_commit(repo, "main", tmp_path / "out").branch == "main"


def test_a_clone_that_lacks_the_files(repo: Path, tmp_path: Path) -> None:
    blob = git(repo, "rev-parse", "HEAD:index.html")
    (repo / ".git/objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(UserError, match="cannot be exported: unable to read"):
        export_commit(repo, "main", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


@pytest.mark.parametrize("path", [b"..", b".git", b".GIT", b"."])
def test_a_forged_tree_writes_nothing(repo: Path, tmp_path: Path, path: bytes) -> None:
    blob = bytes.fromhex(git(repo, "rev-parse", "HEAD:index.html"))
    inner = git(repo, "hash-object", "-t", "tree", "-w", "--literally", "--stdin", stdin=b"100644 config\0" + blob)
    body = b"40000 " + path + b"\0" + bytes.fromhex(inner)
    forged = git(repo, "hash-object", "-t", "tree", "-w", "--literally", "--stdin", stdin=body)
    sha = git(repo, "commit-tree", forged, "-m", "forged")
    with pytest.raises(UserError, match="cannot be exported"):
        export_commit(repo, sha, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


@pytest.mark.parametrize("link_first", [True, False])
def test_a_forged_tree_cannot_write_through_a_link(repo: Path, tmp_path: Path, link_first: bool) -> None:
    """`a` is a link to the folder above and also a folder with a file in it."""
    blob = bytes.fromhex(git(repo, "rev-parse", "HEAD:index.html"))
    link = bytes.fromhex(git(repo, "hash-object", "-w", "--stdin", stdin=b".."))
    inner = git(repo, "hash-object", "-t", "tree", "-w", "--literally", "--stdin", stdin=b"100644 evil\0" + blob)
    entries = [b"120000 a\0" + link, b"40000 a\0" + bytes.fromhex(inner)]
    body = b"".join(entries if link_first else reversed(entries))
    forged = git(repo, "hash-object", "-t", "tree", "-w", "--literally", "--stdin", stdin=body)
    sha = git(repo, "commit-tree", forged, "-m", "forged")
    with suppress(UserError):
        export_commit(repo, sha, tmp_path / "deep" / "out")
    assert sorted(path.name for path in tmp_path.rglob("evil") if "out" not in path.parts) == []


# --- a commit of a repository elsewhere


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An ssh that goes nowhere: it runs the far side's command here and notes how it was called."""
    script = tmp_path / "ssh"
    script.write_text(f'#!/bin/sh\necho "$@" >> {shlex.quote(str(tmp_path / "calls"))}\nfor last; do :; done\nexec sh -c "$last"\n')
    script.chmod(0o755)
    monkeypatch.setenv("GIT_SSH_COMMAND", shlex.quote(str(script)))
    monkeypatch.setenv("GIT_SSH_VARIANT", "ssh")
    return tmp_path / "calls"


def test_clone_at_a_folder(repo: Path, tmp_path: Path) -> None:
    assert clone_at(repo, "main", tmp_path / "a").branch == "main"
    assert clone_at(str(repo), "HEAD", tmp_path / "b").message == "First line"


def test_clone_at_an_address(repo: Path, tmp_path: Path, ssh: Path) -> None:
    first = git(repo, "rev-parse", "HEAD")
    git(repo, "tag", "-a", "-m", "note", "v1")
    git(repo, "config", "uploadpack.allowAnySHA1InWant", "true")
    second = commit(repo, {"index.html": "two"})
    url = f"ssh://git@example.test{repo}"
    asked = [("main", second, "main"), ("v1", first, ""), (first, first, ""), ("HEAD", second, "")]
    for number, (ref, sha, branch) in enumerate(asked):
        source = clone_at(url, ref, tmp_path / f"out{number}")
        assert (source.commit, source.branch) == (sha, branch)
    assert clone_at(f"git@example.test:{repo}", "main", tmp_path / "short").commit == second
    assert tree(tmp_path / "short") == {"index.html": "two"}
    assert "git-upload-pack" in ssh.read_text()


def test_clone_at_does_not_follow_submodules(repo: Path, tmp_path: Path, ssh: Path) -> None:
    git(tmp_path, "clone", "-q", repo, "part")
    git(repo, "submodule", "--quiet", "add", str(tmp_path / "part"), "part")
    git(repo, "config", "--global", "submodule.recurse", "true")
    commit(repo, {})
    told: list[str] = []
    clone_at(f"ssh://example.test{repo}", "main", tmp_path / "out", warn=told.append)
    assert "'part'" in told[0]
    assert len(ssh.read_text().splitlines()) == 1


@pytest.mark.parametrize(
    "address",
    ["ext::sh -c 'touch ran'", "ext::sh", "http://example.test/o/r", "git://example.test/o/r", "file:///tmp/x", "fd::17",
     "/not/there", "--upload-pack=touch ran", "-x", "https://-oProxyCommand=x/o", "ssh://-oProxyCommand=touch/x",
     "-oProxyCommand=x:o", "", "git@-o:x", "https://", "https://example.test", "git@host:-x", "https://a b/c"],
)  # fmt: skip
def test_addresses_that_are_refused(tmp_path: Path, ssh: Path, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="neither a folder here nor an https or ssh address"):
        clone_at(address, "main", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["ssh"]


@pytest.mark.parametrize("ref", ["--upload-pack=touch ran", "-x", "", "main:refs/heads/x", "a..b", "main^", "a b", "@{1}"])
def test_refs_that_are_refused_before_anything_is_asked(repo: Path, tmp_path: Path, ssh: Path, ref: str) -> None:
    with pytest.raises(UserError, match="is not the name of a branch"):
        clone_at(f"ssh://example.test{repo}", ref, tmp_path / "out")
    assert not ssh.exists()


def test_what_the_far_side_does_not_have(repo: Path, tmp_path: Path, ssh: Path) -> None:
    with pytest.raises(UserError, match=r"'nope' cannot be fetched from ssh://git@example\.test/.*couldn't find remote ref nope"):
        clone_at(f"ssh://git:secret@example.test{repo}", "nope", tmp_path / "out")
    with pytest.raises(UserError) as caught:
        clone_at("ssh://git:secret@example.test/not/there", "main", tmp_path / "out")
    assert "secret" not in caught.value.what
    assert not (tmp_path / "out").exists()


def test_an_alias_cannot_bring_another_protocol_in(repo: Path, tmp_path: Path, ssh: Path) -> None:
    git(repo, "config", "--global", f"url.ext::touch {tmp_path}/ran %S .insteadOf", "https://example.test/")
    git(repo, "config", "--global", "protocol.ext.allow", "always")
    with pytest.raises(UserError, match="transport 'ext' not allowed"):
        clone_at("https://example.test/o/r", "main", tmp_path / "out")
    assert not (tmp_path / "ran").exists()


def test_importing_it_is_cheap() -> None:
    code = "import sys, toolkit.sources.git; print([name for name in ('git', 'yaml', 'rich', 'jsonschema') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
