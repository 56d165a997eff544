"""cfn-lint's findings, of every severity."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

# I1022 and W3005 are about how the CDK writes joins and dependencies.
IGNORED = ("I1022", "W3005")


def run(paths: Sequence[Path]) -> list[str]:
    """One line for each finding in these templates; AssertionError when cfn-lint itself fails."""
    lint = Path(sys.executable).with_name("cfn-lint")
    options = ["--format", "json", "--include-checks", "I", "--ignore-checks", *IGNORED]
    done = subprocess.run([lint, *options, "--template", *map(str, paths)], capture_output=True, text=True, check=False)
    assert not done.stderr, done.stderr
    said = [f"{Path(it['Filename']).name}: {it['Rule']['Id']} {it['Message']}" for it in json.loads(done.stdout or "[]")]
    assert bool(said) == bool(done.returncode), f"cfn-lint ended with {done.returncode}"
    return said
