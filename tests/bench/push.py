"""How long from `git push` of a one-line change to the first byte of the new version, and from `toolkit rollback` to the old one
(make bench-push).

A plain site, a real repository, a real push; a poller asks for the page all the while on a kept-alive connection and notes when the
answer changes. The stages are the toolkit's own figures, out of the command's output; the rest is Git and the start of processes.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path

from tests.bench.common import BenchError, Toolkit, machine, milliseconds, scratch, write_pages

SITE = "bench"
PAGES = 20
_STAGE = re.compile(r"\b([a-z]+) (\d+\.\d+)s\b")
_PATIENCE = 60.0


@dataclass
class Run:
    """One switch. `first_byte` and `whole` (until the command ended) in seconds; `stages` as the toolkit counted them."""

    first_byte: float
    whole: float
    stages: Mapping[str, float] = field(default_factory=dict)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    about = machine()
    try:
        with scratch() as folder:
            pushes, rollbacks = measure(folder, args.rounds)
    except BenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{about}; a plain site of {PAGES + 1} pages, {args.rounds} rounds; medians\n")
    report("git push", pushes, "Git, and starting processes")
    report("toolkit rollback", rollbacks, "starting Python, and seeing it")
    return 0


def measure(folder: Path, rounds: int) -> tuple[list[Run], list[Run]]:
    """Push a change and roll it back, `rounds` times."""
    toolkit, project = Toolkit(folder), folder / "project"
    write_pages(project / "public", PAGES)
    (project / "site.toml").write_text(f'name = "{SITE}"\npreset = "plain-html"\n')
    toolkit.git("init", "-q", ".", cwd=project)
    _commit(toolkit, project, "zero")
    pushes, rollbacks = [], []
    with toolkit.served() as port:
        up = toolkit("up", "--no-serve", cwd=project)
        toolkit.git("push", up["repository"], f"HEAD:{up['branch']}", cwd=project)
        page = Page(port, f"{SITE}.localhost:{port}")
        push = ["git", "push", up["repository"], f"HEAD:{up['branch']}"]
        rollback = [sys.executable, "-m", "toolkit", "rollback", "--json"]
        for number in range(rounds):
            before = page.read()
            _commit(toolkit, project, f"round-{number}")
            pushes.append(_time(toolkit, project, push, page, lambda body, mark=f"round-{number}": mark.encode() in body))
            rollbacks.append(_time(toolkit, project, rollback, page, lambda body, before=before: body == before))
        page.close()
    return pushes, rollbacks


def _commit(toolkit: Toolkit, project: Path, mark: str) -> None:
    page = project / "public" / "index.html"
    text = page.read_text()
    page.write_text(re.sub(r"<h1>.*</h1>", f"<h1>{mark}</h1>", text))
    toolkit.git("add", ".", cwd=project)
    toolkit.git("commit", "-q", "-m", mark, cwd=project)


class Page:
    """The home page over one connection that stays open."""

    def __init__(self, port: int, host: str) -> None:
        self._connection, self._host = HTTPConnection("127.0.0.1", port, timeout=_PATIENCE), host

    def read(self) -> bytes:
        self._connection.request("GET", "/", headers={"Host": self._host})
        response = self._connection.getresponse()
        body = response.read()
        if response.status != 200:
            raise BenchError(f"the site answers {response.status} during the switch")
        return body

    def close(self) -> None:
        self._connection.close()


def _time(toolkit: Toolkit, project: Path, command: Sequence[str], page: Page, switched: Callable[[bytes], bool]) -> Run:
    """Start the command, ask until the answer is the new one, wait for the command."""
    began = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=project, env=toolkit.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    while not switched(page.read()):
        if process.poll() not in (None, 0) or time.perf_counter() - began > _PATIENCE:
            process.kill()
            raise BenchError(f"{' '.join(command)} did not switch the site: {process.communicate()[0]}")
        time.sleep(0.001)
    first_byte = time.perf_counter() - began
    output, _ = process.communicate()
    return Run(first_byte, time.perf_counter() - began, _stages(output))


def _stages(output: str) -> dict[str, float]:
    """Seconds by stage: of a command's JSON, or of the line that a push shows."""
    if output.startswith("{"):
        return dict(json.loads(output)["seconds"])
    return {name: float(value) for name, value in _STAGE.findall(output)}


def report(title: str, runs: Sequence[Run], rest: str) -> None:
    print(f"{title} → first byte of the other version   {milliseconds([run.first_byte for run in runs])}")
    print(f"{title} → the command has ended             {milliseconds([run.whole for run in runs])}")
    stages = {name: statistics.median(run.stages.get(name, 0.0) for run in runs) for name in runs[0].stages}
    for name, seconds in stages.items():
        print(f"    {name:<34}{seconds * 1000:>6.0f} ms")
    left = statistics.median(run.first_byte - sum(run.stages.values()) for run in runs)
    print(f"    {rest:<34}{left * 1000:>6.0f} ms\n")


if __name__ == "__main__":
    raise SystemExit(main())
