"""See it work, in a minute and in a scratch folder: push an example, change it, push again, roll back.

Every step is the command that you would type; what the site answers is asked for by HTTP after each. Nothing outside the scratch
folder is touched. At a terminal the site stays up until you press Enter; otherwise everything ends by itself (exit code 1 if any
answer was wrong).
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.errors import UserError
from toolkit.paths import resource

if TYPE_CHECKING:
    from toolkit.console import Console

HELP = "see it work: push, switch and roll back an example"
_IDENTITY = (
    "-c",
    "user.name=Demo",
    "-c",
    "user.email=demo@example.invalid",
    "-c",
    "init.defaultBranch=main",
    "-c",
    "commit.gpgsign=false",
)

# Where an example may keep the source of its start page.
_PAGES = ("index.html", "public/index.html", "docs/index.md")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--example", help="a folder below examples/ (default: vite-react with npm at hand, else plain)")
    parser.add_argument("--port", type=int, help="the server's port (default: 8080, or the next free one)")


def run(args: argparse.Namespace, console: Console) -> int:
    if not shutil.which("git"):
        raise UserError("git is not installed", "install git, then run the demo again")
    name = args.example or ("vite-react" if shutil.which("npm") else "plain")
    example = resource("examples") / name
    if not (example / "site.toml").is_file():
        raise UserError(f"there is no example {name}", "run the demo from a checkout of the toolkit, with a folder of examples/")
    with tempfile.TemporaryDirectory(prefix="toolkit-demo-") as scratch:
        demo = Demo(Path(scratch), example, console)
        try:
            return demo.play(args.port)
        finally:
            demo.toolkit("serve", "--stop", quiet=True)


@dataclass
class Answer:
    """What the site said: status, headers (lowercase names) and body."""

    status: int
    headers: dict[str, str]
    body: str


class Demo:
    """One run: a scratch state folder, a scratch clone of the example, and the answers seen."""

    def __init__(self, scratch: Path, example: Path, console: Console) -> None:
        self.console = console
        self.project = scratch / "project"
        self.environment = {**os.environ, "TOOLKIT_HOME": str(scratch / "state"), "TOOLKIT_WHO": "demo"}
        # Inside a hook or a worktree these would lead Git to another repository.
        for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
            self.environment.pop(name, None)
        shutil.copytree(example, self.project, ignore=shutil.ignore_patterns("node_modules", "dist", ".venv", "site"))
        self.checks: list[dict[str, Any]] = []
        self.port = 0
        self.host = ""

    def play(self, port: int | None) -> int:
        up = self._set_up(port)
        first = self._push("main", "first push: build, publish, release")
        self._expect("the page is live", self._get("/"), status=200, contains="<title>")
        self._expect("a missing page is a 404", self._get("/no/such.css"), status=404)
        old_title = self._retitle("Hello from the second push")
        second = self._push("main", "second push: only what changed is sent, then one pointer moves")
        self._expect("the new page answers", self._get("/"), status=200, contains="Hello from the second push")
        self._preview()
        rolled_back = json.loads(self.toolkit("rollback", "--json"))
        self._expect(f"rolled back to {rolled_back['version']}", self._get("/"), status=200, contains=old_title)
        self.say("$ toolkit releases")
        self.console.say(self.toolkit("releases"))
        wrong = [check for check in self.checks if not check["ok"]]
        self.console.result({"url": up["url"], "first": first, "second": second, "checks": self.checks, "ok": not wrong})
        self.say(f"{len(self.checks) - len(wrong)} of {len(self.checks)} answers were right")
        if self.console.interactive and os.environ.get("CI") != "true":
            input(f"\nThe site stays at {up['url']} until you press Enter. ")
        return 1 if wrong else 0

    def _set_up(self, port: int | None) -> dict[str, Any]:
        site = re.search(r'^name = "([^"]+)"', (self.project / "site.toml").read_text(encoding="utf-8"), re.MULTILINE)
        self.say(f"a copy of examples/{site[1] if site else '?'} in {self.project}")
        self.git("init", "-q", "-b", "main")
        self.git("add", ".")
        self.git("commit", "-q", "-m", "First version")
        self.say("$ toolkit up")
        up: dict[str, Any] = json.loads(self.toolkit("up", "--json", *(("--port", str(port)) if port else ())))
        self.port, self.host = up["server"]["port"], up["url"].split("/")[2].split(":")[0]
        self.say(f"$ {up['remote_add']}")
        self.git("remote", "add", "toolkit", up["repository"])
        return up

    def _push(self, branch: str, title: str) -> dict[str, float]:
        self.say(f"$ git push toolkit {branch}        ({title})")
        began = time.perf_counter()
        done = self.git("push", "toolkit", branch, echo=True)
        if done != 0:
            raise UserError(f"`git push toolkit {branch}` failed", "see its output above")
        return {"push_seconds": round(time.perf_counter() - began, 3)}

    def _retitle(self, title: str) -> str:
        page = next((self.project / name for name in _PAGES if (self.project / name).is_file()), None)
        text = page.read_text(encoding="utf-8") if page else ""
        old = re.search(r"<title>(.*?)</title>|^# (.*)$", text, re.MULTILINE)
        if page is None or not old:
            raise UserError(f"{self.project} has no start page with a title", "use another example")
        before = old[1] or old[2]
        page.write_text(text.replace(before, title), encoding="utf-8")
        self.git("commit", "-q", "-a", "-m", "Change the title")
        return before

    def _preview(self) -> None:
        self.git("checkout", "-q", "-b", "feature/colours")
        self.git("commit", "-q", "--allow-empty", "-m", "Try other colours")
        self._push("feature/colours", "another branch: a preview with an address of its own")
        found = json.loads(self.toolkit("preview", "list", "--json"))["previews"][0]
        host = found["urls"][0].split("/")[2].split(":")[0]
        answer = self._get("/", host)
        self._expect(f"the preview answers at {found['urls'][0]}", answer, status=200, contains="Hello from the second push")
        self._expect("search engines are kept off it", answer, status=200, header=("x-robots-tag", "noindex"))

    def _get(self, path: str, host: str = "") -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", path, headers={"Host": f"{host or self.host}:{self.port}", "Accept": "*/*"})
        response = connection.getresponse()
        body = response.read().decode("utf-8", "replace")
        connection.close()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, body)

    def _expect(self, what: str, answer: Answer, *, status: int, contains: str = "", header: tuple[str, str] | None = None) -> None:
        ok = answer.status == status and contains in answer.body
        if header:
            ok = ok and answer.headers.get(header[0]) == header[1]
        self.checks.append({"what": what, "ok": ok, "status": answer.status, "cache": answer.headers.get("x-cache")})
        mark = self.console.style("ok", "green") if ok else self.console.style("WRONG", "red")
        self.console.say(f"  {mark}  {what}: {answer.status} ({answer.headers.get('x-cache', 'no cache')})")

    def say(self, text: str) -> None:
        self.console.say()
        self.console.say(self.console.style(text, "bold"))

    def git(self, *words: str, echo: bool = False) -> int:
        """Run git in the project; its output is shown with `echo`, and on failure."""
        command = ["git", *_IDENTITY, *words]
        said = []
        with subprocess.Popen(
            command, cwd=self.project, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            for line in process.stdout or ():
                said.append(line.rstrip())
                if echo:
                    (self.console.note if self.console.json else self.console.say)(line.rstrip())
        if process.returncode != 0 and not echo:
            self.console.note("\n".join(said))
        return process.returncode

    def toolkit(self, *words: str, quiet: bool = False) -> str:
        """Run a verb as a user would; its standard output. UserError when it fails, unless `quiet`."""
        command = [sys.executable, "-m", "toolkit", *words]
        done = subprocess.run(command, cwd=self.project, env=self.environment, capture_output=True, text=True, check=False)
        if done.returncode != 0 and not quiet:
            raise UserError(f"`toolkit {' '.join(words)}` failed: {(done.stderr or done.stdout).strip()}", "see the message above")
        return done.stdout.rstrip()
