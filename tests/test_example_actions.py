"""examples/github-actions: the workflow is what it says it is, and its own lines are run here, with the local target for AWS."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.bench.common import Toolkit
from tests.command_lines import check_toolkit, commands
from tests.conftest import require_tool
from tests.expect import fetch
from toolkit.config import load

EXAMPLE = Path(__file__).parent.parent / "examples" / "github-actions"
FILE = EXAMPLE / ".github" / "workflows" / "deploy.yml"
TEXT = FILE.read_text(encoding="utf-8")
# YAML 1.1 takes `on` for true.
WORKFLOW: dict[Any, Any] = yaml.safe_load(TEXT)
JOBS: dict[str, Any] = WORKFLOW["jobs"]
PIN = re.compile(r"uses: ([\w-]+/[\w-]+)@(\S+)(.*)")
SAME_REPOSITORY = "github.event.pull_request.head.repo.full_name == github.repository"


def steps(job: str) -> Iterator[dict[str, Any]]:
    yield from JOBS[job]["steps"]


def scripts() -> Iterator[tuple[str, str]]:
    """Each text that a job runs, with the job's name."""
    for job in JOBS:
        for step in steps(job):
            if text := step.get("run") or step.get("with", {}).get("script"):
                yield job, text


# --- what it says
def test_every_action_is_pinned_by_a_whole_commit() -> None:
    used = PIN.findall(TEXT) + PIN.findall((EXAMPLE / "README.md").read_text(encoding="utf-8"))
    assert {name for name, _, _ in used} == {
        "actions/checkout",
        "actions/setup-python",
        "actions/setup-node",
        "actions/github-script",
        "aws-actions/configure-aws-credentials",
    }
    for name, commit, comment in used:
        assert re.fullmatch("[0-9a-f]{40}", commit), name
        assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment), name
    assert len({(name, commit, comment) for name, commit, comment in used}) == 5, "an action is pinned once"
    assert len(PIN.findall(TEXT)) == TEXT.count("uses:")


def test_jobs_have_the_permissions_that_they_need_and_no_others() -> None:
    assert WORKFLOW["permissions"] == {}
    deploys = {"contents": "read", "id-token": "write"}
    assert {name: job["permissions"] for name, job in JOBS.items()} == {
        "live": deploys,
        "preview": deploys,
        "retire": deploys,
        "comment": {"pull-requests": "write"},
    }
    assert [step["uses"].partition("@")[0] for step in steps("comment")] == ["actions/github-script"], "it runs nothing of theirs"
    for name in ("live", "preview", "retire"):
        (checkout,) = [step for step in steps(name) if step.get("uses", "").startswith("actions/checkout@")]
        assert checkout["with"]["persist-credentials"] is False


def test_who_gets_credentials() -> None:
    assert set(WORKFLOW[True]) == {"push", "pull_request"}, "pull_request_target runs what strangers wrote with main's rights"
    assert WORKFLOW[True]["push"] == {"branches": [load(EXAMPLE).branch]}
    roles = {
        name: step["with"]["role-to-assume"] for name in JOBS for step in steps(name) if "role-to-assume" in step.get("with", {})
    }
    assert roles == {
        "live": "${{ vars.AWS_DEPLOY_ROLE }}",
        "preview": "${{ vars.AWS_PREVIEW_ROLE }}",
        "retire": "${{ vars.AWS_PREVIEW_ROLE }}",
    }
    assert JOBS["live"]["if"] == "github.event_name == 'push'"
    for name in ("preview", "retire"):
        assert f"&& {SAME_REPOSITORY} &&" in JOBS[name]["if"] and "dependabot" in JOBS[name]["if"]
    assert "secrets." not in TEXT
    assert all("environment" not in job for job in JOBS.values()), "its tokens have another subject, which the roles do not take"


def test_nothing_that_others_write_becomes_part_of_a_script() -> None:
    found = list(scripts())
    assert len(found) > 6
    assert not [(job, text) for job, text in found if "${{" in text]


def test_what_is_for_one_branch_waits_for_each_other() -> None:
    concurrency = WORKFLOW["concurrency"]
    assert concurrency["group"] == "deploy-${{ github.event.pull_request.number || github.ref }}"
    assert concurrency["cancel-in-progress"] is False
    assert all(0 < job["timeout-minutes"] <= 20 for job in JOBS.values())


def test_every_command_of_ours_exists() -> None:
    shown = "\n".join(text for job, text in scripts() if job != "comment")
    used = [words[1:] for line in shown.splitlines() for words in commands(_plain(line)) if words[:1] == ["toolkit"]]
    assert {words[0] for words in used} == {"deploy", "preview"} and len(used) == 4
    for words in used:
        check_toolkit(words)


def _plain(line: str) -> str:
    """Without what is the shell's: where output goes, and what follows a failure."""
    return re.sub(r"> \S+|\|\|.*|^\s*(if|fi|then)\b.*", "", line)


def test_the_site_is_one_that_its_ci_deploys() -> None:
    config = load(EXAMPLE)
    github = config.aws.github
    assert github and github.deploy_role and not github.connection_arn
    assert config.target == "aws" and not config.aws.profile, "a profile is somebody's own"


# --- what it does
class Runner:
    """A machine of GitHub's with the repository checked out: runs the lines of a job."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.project = folder / "site"
        self.toolkit = Toolkit(folder)
        shutil.copytree(EXAMPLE, self.project)
        self.toolkit.git("init", "-q", "-b", "main", ".", cwd=self.project)
        self.commit("First version")
        programs = folder / "bin"
        programs.mkdir()
        command = programs / "toolkit"
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m toolkit "$@"\n', encoding="utf-8")
        command.chmod(0o755)
        self.path = f"{programs}{os.pathsep}{os.environ['PATH']}"

    def commit(self, message: str) -> None:
        self.toolkit.git("add", "-A", cwd=self.project)
        self.toolkit.git("commit", "-q", "--allow-empty", "-m", message, cwd=self.project)

    def __call__(self, job: str, **env: str) -> dict[str, str]:
        """Run the job's last step as it is, but for the target; what it wrote for later jobs."""
        *_, last = steps(job)
        assert last["shell"] == "bash"
        script = last["run"].replace("--target aws", "--target local")
        outputs, summary = self.folder / "outputs", self.folder / "summary"
        outputs.write_text("", encoding="utf-8")
        known = {**self.toolkit.environment, "PATH": self.path, "GITHUB_OUTPUT": str(outputs), "GITHUB_STEP_SUMMARY": str(summary)}
        # As GitHub runs `shell: bash` (docs.github.com/actions/reference/workflows-and-actions/workflow-syntax).
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=self.project,
            env={**known, **env},
            capture_output=True,
            text=True,
            check=False,
        )
        self.said, self.code = done.stdout + done.stderr, done.returncode
        return dict(line.split("=", 1) for line in outputs.read_text(encoding="utf-8").splitlines())


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    for tool in ("git", "jq"):
        require_tool(tool, "the workflow uses it")
    return Runner(tmp_path)


def test_a_push_goes_live_and_a_pull_request_has_a_preview_until_it_is_closed(runner: Runner) -> None:
    runner("live")
    assert runner.code == 0, runner.said
    assert "live serves " in (runner.folder / "summary").read_text(encoding="utf-8")
    page = runner.project / "public" / "index.html"
    page.write_text(page.read_text(encoding="utf-8").replace("Released by", "Changed for"), encoding="utf-8")
    runner.commit("Another title")
    outputs = runner("preview", PREVIEW="pr-7")
    assert runner.code == 0, runner.said
    assert set(outputs) == {"url", "version"} and re.fullmatch(r"http://pr-7--handmade\.localhost:\d+/", outputs["url"])
    with runner.toolkit.served() as port:
        here = f"http://127.0.0.1:{port}"
        assert b"Released by" in fetch(here, f"handmade.localhost:{port}", "/").body
        assert b"Changed for" in fetch(here, f"pr-7--handmade.localhost:{port}", "/").body
        runner("retire", PREVIEW="pr-7")
        assert runner.code == 0, runner.said
        assert fetch(here, f"pr-7--handmade.localhost:{port}", "/").status == 404
    runner("retire", PREVIEW="pr-7")
    assert runner.code == 0, f"a preview that has ended before is no failure: {runner.said}"


def test_a_deploy_that_fails_fails_the_job_and_says_why(runner: Runner) -> None:
    (runner.project / "site.toml").write_text('name = "handmade"\noutput = "nowhere"\n', encoding="utf-8")
    runner.commit("A mistake")
    outputs = runner("preview", PREVIEW="pr-7")
    assert runner.code != 0 and outputs == {}
    assert "nowhere" in runner.said and '"fix"' in runner.said


# --- the comment
COMMENTS = """
const [script, given] = [process.argv[1], JSON.parse(process.argv[2])]
const comments = given.comments
const github = {
  paginate: async (list, asked) => (await list(asked)).data,
  rest: { issues: {
    listComments: async ({ issue_number }) => ({ data: comments.filter(one => one.issue === issue_number) }),
    updateComment: async ({ comment_id, body }) => { comments.find(one => one.id === comment_id).body = body },
    createComment: async ({ issue_number, body }) =>
      comments.push({ id: comments.length + 1, issue: issue_number, body, user: { type: 'Bot' } }),
  } },
}
const context = { repo: { owner: 'your-org', repo: 'your-site' }, issue: { number: 7 } }
const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor
new AsyncFunction('github', 'context', script)(github, context).then(() => console.log(JSON.stringify(comments)))
"""


def comment(comments: list[dict[str, Any]], **env: str) -> list[dict[str, Any]]:
    """The comments of the repository after the job ran; GitHub's client is a stand-in."""
    (step,) = steps("comment")
    assert set(step["env"]) == {"URL", "VERSION", "COMMIT"}
    done = subprocess.run(
        [
            require_tool("node", "the script is JavaScript"),
            "-e",
            COMMENTS,
            step["with"]["script"],
            json.dumps({"comments": comments}),
        ],
        env={"PATH": os.environ["PATH"], "URL": "", "VERSION": "", "COMMIT": "4be1c02", **env},
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_one_comment_is_kept_up_to_date() -> None:
    others = [
        {"id": 1, "issue": 7, "body": "Nice.", "user": {"type": "User"}},
        {"id": 2, "issue": 7, "body": "<!-- preview of the hosting toolkit -->\nmine", "user": {"type": "User"}},
        {"id": 3, "issue": 7, "body": "Coverage: 80 %", "user": {"type": "Bot"}},
    ]
    first = comment(others, URL="https://pr-7--handmade.example.com/", VERSION="20261121T101500Z-4be1c02")
    assert first[:3] == others and len(first) == 4, "nobody else's is touched"
    assert "https://pr-7--handmade.example.com/" in first[3]["body"] and "20261121T101500Z-4be1c02" in first[3]["body"]
    second = comment(first, URL="https://pr-7--handmade.example.com/", VERSION="20261121T111500Z-91d0e7a")
    assert len(second) == 4 and "91d0e7a" in second[3]["body"] and "10150" not in second[3]["body"]
    closed = comment(second)
    assert len(closed) == 4 and "removed" in closed[3]["body"]
    assert comment(others) == others, "where there was no preview, nothing is said"


def test_the_comment_is_made_of_what_the_deploy_said() -> None:
    outputs = JOBS["preview"]["outputs"]
    assert outputs == {name: f"${{{{ steps.deploy.outputs.{name} }}}}" for name in ("url", "version")}
    (step,) = steps("comment")
    assert {step["env"][name.upper()] for name in outputs} == {f"${{{{ needs.preview.outputs.{name} }}}}" for name in outputs}
    assert JOBS["comment"]["needs"] == ["preview", "retire"]
