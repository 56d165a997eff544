"""Where code comes from: what a folder's repository says of itself, and the files of one commit.

A commit is exported through an empty git folder of our own that borrows the repository's objects: read-tree into its index, then
checkout-index. So nothing of the repository's configuration takes part: no hook, no filter (Git LFS stays a pointer, which is
told), no line-ending setting but the commit's own .gitattributes. Submodules are left out, which is told too. Five short processes,
about 30 ms for a small site, 12 ms more for each 100 files.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.engine.model import Source
from toolkit.errors import UserError
from toolkit.sources import gitcmd
from toolkit.sources.bare import RefUpdate, create_bare, parse_push
from toolkit.sources.gitcmd import clean_env
from toolkit.sources.staging import staged

if TYPE_CHECKING:
    from git import Repo

__all__ = ["GitInfo", "RefUpdate", "clean_env", "clone_at", "create_bare", "describe", "export_commit", "parse_push"]

_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_LFS_POINTER_BYTES = 1024
_LITTLE_ROOM = 1 << 20
_SYMLINK, _SUBMODULE = b"120000", b"160000"
_URL = re.compile(r"(?:https|ssh)://[^\s/-][^\s/]*/\S+|[\w.][\w.-]*@[\w.][\w.-]*:[^\s:-]\S*", re.ASCII)
_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
Warn = Callable[[str], None]


@dataclass(frozen=True)
class GitInfo:
    """A working tree. `head` is the full commit id, "" before the first commit; `branch` is "" when detached.

    `remote_url` is origin's, or the only remote's, without credentials; `dirty` counts changes and untracked files.
    """

    root: Path
    remote_url: str
    branch: str
    head: str
    dirty: bool


def describe(folder: Path) -> GitInfo | None:
    """What git says of the working tree around `folder`.

    None when there is none, when git is not installed, and when git will not read it because it belongs to somebody else.
    """
    # A repository's configuration can name a program to ask for changes: not while we only look.
    git: list[str | Path] = ["-C", folder, "-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}"]
    try:
        status = gitcmd.run([*git, "status", "--porcelain=v2", "--branch", "-z", "--ignore-submodules=dirty"], gitcmd.users())
    except UserError:
        return None
    if status.returncode != 0:
        return None
    records = [record for record in status.stdout.decode(errors="replace").split("\0") if record]
    heads = [record.removeprefix("# branch.oid ") for record in records if record.startswith("# branch.oid ")]
    # Only now, as importing GitPython costs more than git itself: whoever pushes never waits for it.
    from git import Repo

    with Repo(folder, search_parent_directories=True) as repo:
        return GitInfo(
            root=Path(repo.working_tree_dir or folder),
            remote_url=_remote_url(repo),
            branch="" if repo.head.is_detached else repo.active_branch.name,
            head=heads[0] if heads and heads[0] != "(initial)" else "",
            dirty=any(not record.startswith("# ") for record in records),
        )


def _remote_url(repo: Repo) -> str:
    """origin's address, else the first remote's."""
    addresses = {remote.name: next(remote.urls, "") for remote in repo.remotes}
    return without_credentials(addresses.get("origin") or next(iter(addresses.values()), ""))


def without_credentials(url: str) -> str:
    """A remote's address as it may be shown: no password, no token, no query. SSH keeps its user, which is no secret."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url
    rest = re.split(r"[?#]", rest, maxsplit=1)[0]
    host, slash, path = rest.partition("/")
    login, at, host = host.rpartition("@")
    user = login.partition(":")[0] + at if scheme == "ssh" else ""
    return f"{scheme}://{user}{host}{slash}{path}"


def _to_stderr(text: str) -> None:
    print(f"warning: {text}", file=sys.stderr)


def export_commit(repo: Path, ref: str, dest: Path, *, branch: str = "", warn: Warn = _to_stderr) -> Source:
    """Write the files of commit `ref` of `repo` (a working tree or a bare repository) into the new folder `dest`.

    Works in a pre-receive hook, where a push's objects are still in quarantine. `ref` may come from outside: it is never more
    than a revision. `Source.time` is now; `branch` is worked out from `ref` where it is not given ("" for a bare commit id).
    UserError: no repository, no such commit, a symbolic link that leads out of the tree; then `dest` does not exist.
    """
    sha, objects = _resolve(repo, ref)
    branch = branch or _branch_of(repo, ref)
    doing = f"commit {sha[:7]} of {repo.resolve().name} cannot be exported"
    with staged(dest) as folder, _borrowed(objects, sha, repo) as env:
        gitcmd.output(["read-tree", sha], env, doing)
        listing = gitcmd.output(["ls-files", "--stage", "-z"], env, doing)
        with _room_in(folder, doing):
            gitcmd.output(["-C", folder, "checkout-index", "--all"], env, doing)
        entries = [(record[:6], os.fsdecode(record.partition(b"\t")[2])) for record in listing.split(b"\0") if record]
        _check_links(folder, [path for mode, path in entries if mode == _SYMLINK], sha)
        _warn_of_submodules([path for mode, path in entries if mode == _SUBMODULE], warn)
        _warn_of_pointers(folder, [path for mode, path in entries if mode.startswith(b"100")], warn)
        author, _, message = gitcmd.output(["log", "--no-walk", "--format=%an%x00%B", sha], env, doing).partition(b"\0")
    first_line = next(iter(message.decode(errors="replace").strip().splitlines()), "")
    return Source("git", time.time(), sha, branch, first_line, author.decode(errors="replace"))


@contextmanager
def _room_in(folder: Path, doing: str) -> Iterator[None]:
    """git says which file it could not write, and not that the disk is full."""
    try:
        yield
    except UserError as error:
        if shutil.disk_usage(folder).free > _LITTLE_ROOM:
            raise
        raise UserError(f"{doing}: no space left on {folder.parent}", "free some space there and push or deploy again") from error


def clone_at(url_or_path: str | Path, ref: str, dest: Path, *, warn: Warn = _to_stderr) -> Source:
    """`export_commit` from a clone on this machine, or from an https or ssh address: then only that commit is fetched.

    From an address `ref` is a branch, a tag or a full commit id. No other protocol is used, no submodule is followed, and the
    user's own credentials apply. UserError as for `export_commit`, and for an address or a ref of another form.
    """
    address = os.fspath(url_or_path)
    if address and Path(address).is_dir():
        return export_commit(Path(address), ref, dest, warn=warn)
    shown = without_credentials(address)
    if not _URL.fullmatch(address):
        raise UserError(f"{shown!r} is neither a folder here nor an https or ssh address", "use https://host/owner/name.git")
    if ref.startswith("-") or gitcmd.run(["check-ref-format", "--allow-onelevel", ref], gitcmd.isolated()).returncode != 0:
        raise UserError(f"{ref!r} is not the name of a branch, a tag or a commit", "give a branch, a tag or a full commit id")
    with tempfile.TemporaryDirectory(prefix="toolkit-clone-") as scratch:
        clone = Path(scratch) / "clone.git"
        gitcmd.output(["init", "--quiet", "--bare", "--template=", clone], gitcmd.isolated(), "git cannot make a repository")
        fetched = gitcmd.run(_fetch(clone, address, ref), _fetch_env())
        if fetched.returncode != 0:
            reason = gitcmd.last_words(fetched).replace(address, shown)
            raise UserError(f"{ref!r} cannot be fetched from {shown}: {reason}", "check the address, the ref and your access to it")
        found = re.search(r"\tbranch '(.+)' of ", (clone / "FETCH_HEAD").read_text(errors="replace"))
        return export_commit(clone, "FETCH_HEAD", dest, branch=found[1] if found else "", warn=warn)


def _fetch(clone: Path, address: str, ref: str) -> list[str | Path]:
    settings = (f"core.hooksPath={os.devnull}", "fetch.fsckObjects=true", "fetch.recurseSubmodules=false", "gc.auto=0")
    options = [option for setting in settings for option in ("-c", setting)]
    return ["--git-dir", clone, *options, "fetch", "--quiet", "--depth=1", "--no-tags", "--", address, ref]


def _fetch_env() -> dict[str, str]:
    """Only the two protocols, also after an `insteadOf`; git may ask for a password only where somebody can answer."""
    ask = {} if sys.stdin and sys.stdin.isatty() else {"GIT_TERMINAL_PROMPT": "0"}
    return {**gitcmd.users(), **ask, "GIT_ALLOW_PROTOCOL": "https:ssh"}


def _at(repo: Path) -> list[str | Path]:
    """A bare repository is named outright: git would otherwise look for one in the folders above, too."""
    bare = (repo / "HEAD").is_file() and (repo / "objects").is_dir()
    return ["--git-dir", repo] if bare else ["-C", repo]


def _resolve(repo: Path, ref: str) -> tuple[str, Path]:
    """The full id of the commit, and the folder of the repository's objects. Here the user's safe.directory has its say."""
    if not ref or not ref.isprintable():
        raise UserError(f"{ref!r} is not the name of a commit", "give a branch, a tag or a commit id")
    env = {**gitcmd.users(), **gitcmd.quarantine(repo)}
    question = ["rev-parse", "--path-format=absolute", "--git-path", "objects", "--verify", "--quiet", "--end-of-options"]
    done = gitcmd.run([*_at(repo), *question, f"{ref}^{{commit}}"], env)
    if not done.stdout:
        raise UserError(f"{repo} cannot be read as a git repository: {gitcmd.last_words(done)}", "run this in a clone of the site")
    objects, _, sha = os.fsdecode(done.stdout).rstrip("\n").rpartition("\n")
    if done.returncode != 0 or not _SHA.fullmatch(sha):
        raise UserError(f"{repo} has no commit {ref!r}", "give a branch, a tag or a commit id that is there; perhaps fetch first")
    return sha, Path(objects)


def _branch_of(repo: Path, ref: str) -> str:
    if _SHA.fullmatch(ref):
        return ""
    question = ["rev-parse", "--symbolic-full-name", "--verify", "--quiet", "--end-of-options", ref]
    name = gitcmd.run([*_at(repo), *question], gitcmd.users()).stdout.decode(errors="replace").strip()
    return name.removeprefix("refs/heads/") if name.startswith("refs/heads/") else ""


@contextmanager
def _borrowed(objects: Path, sha: str, repo: Path) -> Iterator[dict[str, str]]:
    """The environment of an empty git folder of our own that has `objects` as its store; files go where git is started."""
    with tempfile.TemporaryDirectory(prefix="toolkit-git-") as name:
        own = Path(name)
        (own / "refs").mkdir()
        (own / "HEAD").write_text("ref: refs/heads/none\n")
        sha256 = "[extensions]\n\tobjectFormat = sha256\n" if len(sha) == 64 else ""
        core = f"[core]\n\trepositoryFormatVersion = {1 if sha256 else 0}\n\tattributesFile = {os.devnull}\n"
        (own / "config").write_text(core + sha256)
        yield {
            **gitcmd.isolated(),
            **gitcmd.quarantine(repo),
            "GIT_DIR": name,
            "GIT_INDEX_FILE": str(own / "index"),
            "GIT_OBJECT_DIRECTORY": str(objects),
        }


def _check_links(folder: Path, links: list[str], sha: str) -> None:
    """Links are followed as the system does: reading `a/b/..` off the text would miss that `b` may be a link itself."""
    root = folder.resolve()
    for path in links:
        target = (folder / path).readlink()
        if target.is_absolute() or not Path(os.path.realpath(folder / path)).is_relative_to(root):
            raise UserError(
                f"commit {sha[:7]}: the symbolic link {path!r} leads out of the repository, to {str(target)!r}",
                "commit the file itself, or a link to a file in the repository",
            )


def _warn_of_submodules(paths: list[str], warn: Warn) -> None:
    if paths:
        warn(f"submodules are left out: {_some(paths)}; commit their files, or have the build fetch them")


def _warn_of_pointers(folder: Path, paths: list[str], warn: Warn) -> None:
    """Visitors would get three lines of text instead of the picture."""
    pointers = [path for path in paths if _is_pointer(folder / path)]
    if pointers:
        warn(
            f"Git LFS pointers instead of the files themselves: {_some(pointers)}; "
            "keep them in git (git lfs migrate export), or deploy the built folder"
        )


def _is_pointer(path: Path) -> bool:
    if not len(_LFS_POINTER) < path.lstat().st_size < _LFS_POINTER_BYTES:
        return False
    with path.open("rb") as file:
        return file.read(len(_LFS_POINTER)) == _LFS_POINTER


def _some(paths: list[str]) -> str:
    more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    return ", ".join(repr(path) for path in paths[:3]) + more
