"""The command line's synthesis with the network cut, and how long it takes: `python -m tests.gates.offline` prints it."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.cdk.bundles import stand_in

SITE = 'name = "shop"\nhosts = ["www.example.com", "example.com"]\n'
STACKS = {"toolkit-certificate-shop", "toolkit-site-shop", "toolkit-alarms-shop"}
# Nobody listens there: for machines where no network namespace can be made.
_NOWHERE = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"), "http://127.0.0.1:9")


def prefix() -> list[str]:
    """The words that run a command without a network: a namespace with nothing in it; none where that is not allowed."""
    words = ["unshare", "--map-root-user", "--net"]
    allowed = shutil.which(words[0]) and subprocess.run([*words, "true"], capture_output=True, check=False).returncode == 0
    return words if allowed else []


def environment(folder: Path) -> Mapping[str, str]:
    context = {"toolkit:folder": str(folder)}
    return {
        **os.environ,
        **_NOWHERE,
        "CDK_OUTDIR": str(folder / "cdk.out"),
        "CDK_CONTEXT_JSON": json.dumps(context),
        "TOOLKIT_BUNDLE": str(stand_in(folder / "bundle")),
    }


@dataclass(frozen=True, order=True)
class Took:
    """Seconds of a run: on the clock, and of the processor, which other work on the machine changes little."""

    clock: float
    processor: float

    def __str__(self) -> str:
        return f"{self.clock:.1f} s (warm), of the processor {self.processor:.1f} s (warm)"


def synthesise(folder: Path) -> Took:
    """How long `python -m toolkit.cdk.app` takes without a network for a site with own hosts. AssertionError when it fails."""
    (folder / "site.toml").write_text(SITE, encoding="utf-8")
    command, environ = [*prefix(), sys.executable, "-m", "toolkit.cdk.app"], environment(folder)
    began, before = time.perf_counter(), os.times()
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    clock, after = time.perf_counter() - began, os.times()
    assert done.returncode == 0, done.stderr
    made = {path.name.removesuffix(".template.json") for path in (folder / "cdk.out").glob("*.template.json")}
    assert made == STACKS, made
    user, system = after.children_user - before.children_user, after.children_system - before.children_system
    return Took(clock, user + system)


def warm(times: int = 3) -> Took:
    """The median of some runs after a first one that is not counted."""
    with tempfile.TemporaryDirectory() as folder:
        runs = [synthesise(Path(folder)) for _ in range(times + 1)]
    return statistics.median_low(runs[1:])


if __name__ == "__main__":
    cut = "in a namespace without a network" if prefix() else "with proxies that lead nowhere"
    print(f"synth {cut}: {warm()}; median of 3, the peer's took 9.5 s")
