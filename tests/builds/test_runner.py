"""Builds run for real: small shell commands in a scratch project."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from toolkit.builds import shell
from toolkit.builds.runner import BuildFailed, BuildResult, run_build
from toolkit.builds.spec import parse_spec
from toolkit.errors import UserError

ARTIFACTS = "artifacts: {base-directory: dist, files: ['**/*']}\n"
WRITE = "mkdir -p dist; echo hi > dist/index.html"


class Project:
    """A scratch project below `root/work`, with the cache beside it as the toolkit lays them out."""

    def __init__(self, root: Path, name: str = "") -> None:
        self.root = root
        self.name = name
        self.cache = root / "cache"
        self.lines: list[str] = []
        self.count = 0
        self.folder = self.fresh()

    def fresh(self) -> Path:
        self.count += 1
        self.folder = self.root / "work" / f"{self.name}{self.count}"
        self.folder.mkdir(parents=True)
        return self.folder

    @property
    def log(self) -> Path:
        return self.root / "logs" / f"{self.name}{self.count}.log"

    def run(
        self,
        text: str,
        *,
        env: Mapping[str, str] | None = None,
        secrets: Mapping[str, str] | None = None,
        timeout: float = 30.0,
        output: str = "",
    ) -> BuildResult:
        self.lines.clear()
        return run_build(
            parse_spec(("version: 0.2\n" + text).encode(), Path("buildspec.yml")),
            self.folder,
            env=env or {},
            secrets=secrets or {},
            cache=self.cache,
            log=self.log,
            echo=self.lines.append,
            commit="abc123",
            branch="main",
            timeout=timeout,
            output=output,
        )

    def phase(self, *commands: str, name: str = "build", shell: str = "sh", more: str = "", **options: object) -> BuildResult:
        listed = "".join(f"      - {json.dumps(line)}\n" for line in commands)
        text = f"env: {{shell: {shell}}}\nphases:\n  {name}:\n    commands:\n{listed}{more}{ARTIFACTS}"
        return self.run(text, **options)  # type: ignore[arg-type]

    def said(self, text: str) -> bool:
        return any(text in line for line in self.lines)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_output_log_and_times(project: Project) -> None:
    result = project.phase(WRITE, "echo done")
    assert result.output == project.folder / "dist"
    assert [name for name, _ in result.phases] == ["build"]
    assert project.lines == [f"[build] $ {WRITE}", "[build] $ echo done", "done"]
    assert result.log.read_text().splitlines() == project.lines


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_state_carries_over_as_in_codebuild(project: Project, shell: str) -> None:
    project.phase(
        WRITE,
        'A=plain; export B="two\nlines \' \\\\ $"; mkdir -p sub; cd sub',
        "unset TZ; f() { echo function; }; set -e; set -x",
        'pwd; echo "$A|$B|$TZ|"; false; echo survived',
        "exit 0",
        "f || echo no function",
        shell=shell,
        env={"TZ": "UTC"},
    )
    assert project.said(str(project.folder / "sub"))
    assert project.said("plain|two") and project.said("lines ' \\ $||")
    assert project.said("survived") and project.said("no function")


def test_the_environment_is_clean(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "leaks")
    monkeypatch.setenv("GIT_DIR", "leaks")
    monkeypatch.setenv("npm_config_registry", "https://user:passw0rd@registry.test/")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    project.phase(WRITE, "env", env={"MODE": "production"})
    assert not project.said("leaks")
    assert project.said("npm_config_registry=https://user:***@registry.test/")
    for expected in ("https_proxy=", "MODE=production", "CODEBUILD_RESOLVED_SOURCE_VERSION=abc123", "HOME=", "PATH="):
        assert project.said(expected)
    assert project.said("BRANCH=main") and project.said(f"CODEBUILD_SRC_DIR={project.folder}")
    # What a build that a pipeline starts does not have, or has with another meaning.
    assert not project.said("CODEBUILD_WEBHOOK") and not project.said("CODEBUILD_SOURCE_VERSION")


def test_site_settings_win_over_the_specs_variables(project: Project) -> None:
    project.run(
        f"env: {{variables: {{A: spec, B: spec}}}}\nphases: {{build: {{commands: ['{WRITE}; echo $A $B']}}}}\n{ARTIFACTS}",
        env={"A": "site"},
    )
    assert project.said("site spec")


def test_a_failing_command_ends_its_phase_but_post_build_runs(project: Project) -> None:
    with pytest.raises(BuildFailed) as raised:
        project.run(
            "phases:\n"
            "  build:\n    commands: ['echo one; echo broken >&2; exit 7', 'echo never']\n"
            "    finally: ['echo finally $CODEBUILD_BUILD_SUCCEEDING']\n"
            "  post_build: {commands: ['echo post $CODEBUILD_BUILD_SUCCEEDING']}\n" + ARTIFACTS
        )
    error = raised.value
    assert (error.phase, error.code, error.tail) == ("build", 7, ["one", "broken"])
    assert "phase build with exit code 7: $ echo one" in error.what and "| broken" in error.what and str(project.log) in error.fix
    assert project.said("finally 0") and project.said("post 0") and not project.said("never")


@pytest.mark.parametrize(
    ("phase", "action", "runs"),
    [
        ("install", "", []),
        ("pre_build", "", ["install"]),
        ("build", "", ["install", "pre_build", "post_build"]),
        ("build", "ABORT", ["install", "pre_build"]),
        ("install", "CONTINUE", ["pre_build", "build", "post_build"]),
        ("post_build", "", ["install", "pre_build", "build"]),
    ],
)
def test_phase_transitions(project: Project, phase: str, action: str, runs: list[str]) -> None:
    text = "phases:\n"
    for name in ("install", "pre_build", "build", "post_build"):
        command = "exit 3" if name == phase else f"echo ran {name}"
        text += f"  {name}: {{commands: ['{command}']" + (f", on-failure: {action}}}\n" if action and name == phase else "}\n")
    with pytest.raises(BuildFailed) as raised:
        project.run(text + ARTIFACTS)
    assert raised.value.phase == phase
    assert [line.removeprefix("ran ") for line in project.lines if line.startswith("ran ")] == runs


def test_retry(project: Project) -> None:
    flaky = "echo x >> tries; grep -c x tries; echo timed out; test $(wc -l < tries) -ge 3"
    more = "    on-failure: RETRY-4-timed.out\n"
    assert project.phase(flaky, WRITE, more=more).output.name == "dist"
    assert project.said("trying again (2 of 4)")
    project.fresh()
    with pytest.raises(BuildFailed):
        project.phase(flaky, WRITE, more="    on-failure: RETRY-4-other\n")
    assert not project.said("trying again")


def test_a_command_that_does_not_exist(project: Project) -> None:
    with pytest.raises(BuildFailed) as raised:
        project.phase("no-such-tool --version")
    assert raised.value.code == 127 and "install the command" in raised.value.fix


def test_time_is_up(project: Project) -> None:
    with pytest.raises(BuildFailed, match=r"too long; it was stopped in phase build at: \$ sleep 600"):
        project.phase("sleep 600", timeout=0.4)


def test_background_processes_live_until_the_build_ends(project: Project) -> None:
    project.phase("sleep 600 & echo $! > pid", f"kill -0 $(cat pid) && echo alive; {WRITE}")
    assert project.said("alive")
    assert not _alive(int((project.folder / "pid").read_text()))


def _alive(pid: int) -> bool:
    for _ in range(50):
        try:
            os.kill(pid, 0)
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (ProcessLookupError, FileNotFoundError):
            return False
        if state == "Z":
            return False
        time.sleep(0.02)
    return True


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_ends_the_whole_group(project: Project, number: signal.Signals) -> None:
    text = "version: 0.2\nphases: {build: {commands: ['sh -c \"echo \\$\\$ > pid; sleep 600\"']}}\nartifacts: {files: ['**/*']}"
    # Whoever runs the tests may have had SIGHUP ignored for all that it starts, as nohup does.
    script = f"""
import signal
import sys
from pathlib import Path
from toolkit.builds.runner import run_build
from toolkit.builds.spec import parse_spec
signal.signal(signal.SIGHUP, signal.SIG_DFL)
spec = parse_spec({text.encode()!r}, Path("b.yml"))
try:
    run_build(spec, Path({str(project.folder)!r}), env={{}}, secrets={{}}, cache=None, log=Path({str(project.log)!r}), echo=print)
except KeyboardInterrupt:
    sys.exit(130)
"""
    runner = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.DEVNULL)
    pid = project.folder / "pid"
    while not (pid.exists() and pid.read_text().strip()):
        assert runner.poll() is None
        time.sleep(0.02)
    runner.send_signal(number)
    assert runner.wait(20) == 130
    assert not _alive(int(pid.read_text()))


def test_secrets_are_masked_everywhere(project: Project) -> None:
    secrets = {"TOKEN": "s3cr3t-t0ken", "KEY": "-----BEGIN KEY-----\nabcdefgh\nxy\n-----END KEY-----\n"}
    result = project.phase(
        WRITE,
        "echo token=$TOKEN; echo $TOKEN | cut -c-5 | tr -d '\\n'; sleep 0.1; echo $TOKEN | cut -c6-",
        'echo "$KEY"; echo "$KEY" | sed "s/^/  /"; printf %s "$TOKEN" | base64',
        "test ${#TOKEN} = 12 && echo right",
        secrets=secrets,
    )
    shown = "\n".join(project.lines) + result.log.read_text()
    for hidden in ("s3cr3", "t0ken", "abcdefgh", "BEGIN KEY", "czNjcjN0"):
        assert hidden not in shown
    assert project.said("token=***") and project.said("right")
    with pytest.raises(BuildFailed) as raised:
        project.phase("echo $TOKEN; exit 1", secrets=secrets)
    assert "s3cr3t" not in raised.value.what and raised.value.tail == ["***"]


def test_values_that_aws_would_fetch_come_from_the_environment(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"env: {{parameter-store: {{API: /site/api}}}}\nphases: {{build: {{commands: ['{WRITE}; echo $API']}}}}\n{ARTIFACTS}"
    with pytest.raises(UserError, match="takes API from AWS"):
        project.run(text)
    monkeypatch.setenv("API", "from-here")
    project.run(text)
    assert project.said("***") and not project.said("from-here")


def test_an_idle_spec_asks_for_nothing_and_copies_nothing(project: Project) -> None:
    (project.folder / "index.html").write_text("hi")
    result = project.run("phases: {install: {runtime-versions: {golang: 99}}}\nartifacts: {files: ['**/*']}")
    assert (result.output, result.phases, project.lines) == (project.folder, [], [])


def test_runtimes(project: Project) -> None:
    text = f"phases: {{install: {{runtime-versions: {{python: '$V'}}}}, build: {{commands: ['{WRITE}']}}}}\n{ARTIFACTS}"
    major = sys.version_info[0]
    project.run(text, env={"V": f"{major}.x"})
    assert not project.said("warning")
    project.run(text, env={"V": "2.7"})
    assert project.said("asks for python 2.7, this machine has")
    with pytest.raises(UserError, match=r"needs golang 1\.22, but go is not installed"):
        project.run(text.replace("python: '$V'", "golang: 1.22"), env={"PATH": str(project.root)})


def test_output_can_be_named_by_the_site(project: Project) -> None:
    result = project.phase("mkdir www; echo a > www/a.html", output="www")
    assert result.output == project.folder / "www"


def test_a_log_that_cannot_be_written_does_not_stop_the_build(project: Project) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    project.log.parent.mkdir()
    project.log.symlink_to("/dev/full")
    project.phase(WRITE, "echo on")
    assert project.said("cannot be written: No space left on device") and project.said("on")


def test_whoever_watched_may_leave(project: Project) -> None:
    def gone(line: str) -> None:
        raise BrokenPipeError

    spec = parse_spec(
        f"version: 0.2\nphases: {{build: {{commands: ['{WRITE}; echo still']}}}}\n{ARTIFACTS}".encode(), Path("b.yml")
    )
    result = run_build(spec, project.folder, env={}, secrets={}, cache=None, log=project.log, echo=gone)
    assert "still" in result.log.read_text()


def test_builds_in_threads(tmp_path: Path) -> None:
    projects = [Project(tmp_path / str(number)) for number in range(4)]
    threads = [threading.Thread(target=project.phase, args=(WRITE, f"echo {place}")) for place, project in enumerate(projects)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [project.lines[-1] for project in projects] == ["0", "1", "2", "3"]


# The cache

CACHED = "cache: {paths: ['deps/**/*', '*.tsbuildinfo', '/root/.npm/**/*']}\n"
FILL = "cat deps/n 2>/dev/null; mkdir -p deps; echo x >> deps/n; echo y >> a.tsbuildinfo; wc -l < a.tsbuildinfo; " + WRITE


def test_the_cache_comes_back_and_grows(project: Project) -> None:
    for expected in ("1", "2", "3"):
        project.phase(FILL, more=CACHED)
        assert project.lines[-1] == expected
        assert not (project.folder / "deps").exists()
        project.fresh()


def test_a_failed_build_keeps_what_was_installed_and_a_failed_install_does_not(project: Project) -> None:
    project.phase(FILL, more=CACHED)
    project.fresh()
    with pytest.raises(BuildFailed):
        project.phase(FILL, "exit 1", more=CACHED)
    project.fresh()
    with pytest.raises(BuildFailed):
        project.phase(FILL, "exit 1", more=CACHED, name="install")
    assert project.lines.count("x") == 2
    project.fresh()
    project.phase(FILL, more=CACHED)
    assert project.lines.count("x") == 0


def test_a_project_built_where_it_lies_keeps_its_own_files(project: Project, tmp_path: Path) -> None:
    project.folder = tmp_path / "elsewhere"
    project.cache = tmp_path / "state" / "cache"
    project.folder.mkdir()
    project.phase(FILL, more=CACHED)
    assert (project.folder / "deps" / "n").exists() and not project.cache.exists()


def test_two_builds_at_once_do_not_share(project: Project) -> None:
    project.phase(FILL, more=CACHED)
    slow, quick = Project(project.root, "slow"), Project(project.root, "quick")
    wait = "touch started; until test -e go; do sleep 0.02; done"
    waits = threading.Thread(target=slow.phase, args=(wait, FILL), kwargs={"more": CACHED})
    waits.start()
    while not (slow.folder / "started").exists():
        time.sleep(0.02)
    quick.phase(FILL, more=CACHED)
    (slow.folder / "go").touch()
    waits.join()
    assert quick.lines.count("x") == 0, "the slow build holds the cache"
    assert slow.lines.count("x") == 1
    project.fresh()
    project.phase(FILL, more=CACHED)
    assert project.lines.count("x") in (1, 2), "one of the two, whole"
    assert sorted(path.name.split("-")[0] for path in project.cache.iterdir() if path.name.startswith("aside")) == []


def test_a_cached_folder_that_holds_the_output_is_copied(project: Project) -> None:
    result = project.phase(WRITE, more="cache: {paths: ['dist/**/*']}\n")
    assert (result.output / "index.html").exists()
    project.fresh()
    project.phase("test -f dist/index.html && echo restored", more="cache: {paths: ['dist/**/*']}\n")
    assert project.said("restored")


def test_an_interrupt_while_a_command_is_being_started_waits_until_it_can_be_ended() -> None:
    """A command may have begun before its starter knows of it: what was lost there went on for ever."""
    made = []
    with pytest.raises(KeyboardInterrupt), shell._held():
        signal.raise_signal(signal.SIGINT)
        made.append("known")
    assert made == ["known"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_no_interrupt_is_raised_inside_of_a_wait_for_a_command(tmp_path: Path) -> None:
    """One between the lock of `Popen.wait` and its release leaves it taken, and the next wait for the process never ends."""
    handlers = []

    def told(piece: bytes) -> None:
        handlers.append(signal.getsignal(signal.SIGINT))
        (tmp_path / "told").touch()

    made = shell.Shell("/bin/sh", tmp_path, {}, tmp_path, told, time.monotonic() + 30)
    assert made.run("echo begun; until test -e told; do sleep 0.02; done; echo ends", True) == 0
    made.close()
    assert len(handlers) == 2 and signal.default_int_handler not in handlers
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupt_while_a_command_runs_ends_it(tmp_path: Path) -> None:
    running = threading.Event()
    made = shell.Shell("/bin/sh", tmp_path, {}, tmp_path, lambda piece: running.set(), time.monotonic() + 30)
    killer = threading.Thread(target=lambda: running.wait(10) and os.kill(os.getpid(), signal.SIGINT))
    killer.start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        made.run("echo $$; sleep 20", True)
    killer.join()
    assert time.monotonic() - began < 10
    made.close()
