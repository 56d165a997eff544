"""GitHub, as far as a pipeline meets it: a local repository, and what its pushes and pull requests tell pipelines."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.rehearsal.executions import CodePipeline, Execution
from tests.rehearsal.filters import CLOSED, OPENED, Change, starts

_NAMES = {"NAME": "Ada", "EMAIL": "ada@example.com"}
_WHO = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in _NAMES.items()}
_LEFT_OUT = shutil.ignore_patterns("node_modules", "dist", ".venv", "site", ".git")
_PROVIDER = "CodeStarSourceConnection"
MAIN = "main"


class Repository:
    """A repository of the name `name` (owner/name) in `folder`. Each change returns the executions that it started."""

    def __init__(self, folder: Path, name: str, pipelines: CodePipeline) -> None:
        self.folder, self.name, self._pipelines = folder, name, pipelines
        self._pushed: dict[str, str] = {}
        folder.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch", MAIN)

    def git(self, *words: str) -> str:
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "GIT_CONFIG_NOSYSTEM": "1", **_WHO}
        done = subprocess.run(["git", "-C", str(self.folder), *words], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"git {' '.join(words)}: {done.stderr}"
        return done.stdout.strip()

    def commit(self, files: Mapping[str, str | None], message: str = "a change", *, branch: str = MAIN) -> str:
        """Commit files (None: remove it) on a branch, which begins at main if it is new. The commit."""
        if branch not in (self.git("branch", "--format=%(refname:short)").split() or [MAIN]):
            self.git("checkout", "--quiet", "-b", branch, MAIN)
        elif self.git("symbolic-ref", "--short", "HEAD") != branch:
            self.git("checkout", "--quiet", branch)
        for name, text in files.items():
            path = self.folder / name
            if text is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        self.git("add", "--all", "--force")
        self.git("commit", "--quiet", "--allow-empty", "--no-verify", "-m", message)
        return self.git("rev-parse", "HEAD")

    def take(self, folder: Path) -> None:
        """Copy a project in; not what its builds left."""
        shutil.copytree(folder, self.folder, dirs_exist_ok=True, ignore=_LEFT_OUT)

    def push(self, branch: str = MAIN) -> list[Execution]:
        """Push a branch's head."""
        commit, before = self.git("rev-parse", branch), self._pushed.get(branch) or self._pushed.get(MAIN, "")
        self._pushed[branch] = commit
        return self._told(Change(commit, branch=branch, paths=self._paths(before, commit)))

    def push_files(self, files: Mapping[str, str | None], message: str = "a change", *, branch: str = MAIN) -> list[Execution]:
        self.commit(files, message, branch=branch)
        return self.push(branch)

    def tag(self, name: str) -> list[Execution]:
        """Tag the head of main, and push the tag."""
        self.git("tag", name, MAIN)
        return self._told(Change(self.git("rev-parse", MAIN), tag=name))

    def pull_request(self, branch: str, *, event: str = OPENED) -> list[Execution]:
        """What GitHub tells of a pull request from the branch into main."""
        commit = self.git("rev-parse", branch)
        return self._told(Change(commit, branch=branch, event=event, into=MAIN, paths=self._paths(MAIN, commit)))

    def merge(self, branch: str) -> tuple[list[Execution], list[Execution]]:
        """Merge the branch's pull request: the push to main, and the end of the pull request."""
        paths = self._paths(MAIN, branch)
        self.git("checkout", "--quiet", MAIN)
        self.git("merge", "--quiet", "--no-ff", "-m", f"Merge {branch}", branch)
        ended = Change(self.git("rev-parse", branch), branch=branch, event=CLOSED, into=MAIN, paths=paths)
        return self.push(MAIN), self._told(ended)

    def closed(self, branch: str, commit: str) -> list[Execution]:
        """The pull request of a branch was closed when its head was that commit."""
        return self._told(Change(self.git("rev-parse", commit), branch=branch, event=CLOSED, into=MAIN, paths=["any"]))

    def _paths(self, before: str, after: str) -> list[str]:
        if not before:
            return self.git("ls-tree", "-r", "--name-only", after).splitlines()
        return self.git("diff", "--name-only", f"{before}...{after}").splitlines()

    def _told(self, change: Change) -> list[Execution]:
        started = []
        for name, pipeline in self._pipelines.pipelines.items():
            source = pipeline.source
            if source.provider != _PROVIDER or source.configuration["FullRepositoryId"] != self.name:
                continue
            if starts(pipeline.triggers, source.name, change):
                started.append(self._start(name, change))
        return started

    def _start(self, name: str, change: Change) -> Execution:
        """With the very commit of the event, as filters with triggers fetch it; a tag's branch is the action's own."""
        told = {"COMMIT_ID": change.commit, **({"BRANCH": change.branch} if change.branch else {})}
        action = self._pipelines.pipelines[name].source.name
        revisions = [{"actionName": action, "revisionType": kind, "revisionValue": value} for kind, value in told.items()]
        return self._pipelines.start(name, revisions=revisions, trigger="WebhookV2")
