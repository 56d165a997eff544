"""The template of examples/cdk-app, as it was last looked at. `python -m tests.cdk.snapshot` writes it anew: read what git shows.

Intrinsic functions stand as the text that they become. Masked: hashes of code, and the code of the functions at the edge, which has
tests of its own.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.cdk.bundles import stand_in
from tests.cdk.templates import text

EXAMPLE = Path(__file__).resolve().parent.parent.parent / "examples" / "cdk-app"
STACK = "company-sites"
SNAPSHOT = Path(__file__).with_name("snapshots") / f"{STACK}.json"
_HASH = re.compile(r"\b[0-9a-f]{64}\b")


def synthesise(folder: Path) -> dict[str, Any]:
    """The template that the example's own app makes, with a stand-in for the bundle; files go below `folder`."""
    environ = {
        **os.environ,
        "CDK_OUTDIR": str(folder / "cdk.out"),
        "CDK_CONTEXT_JSON": json.dumps({"aws:cdk:version-reporting": False}),
        "TOOLKIT_BUNDLE": str(stand_in(folder / "bundle")),
    }
    done = subprocess.run([sys.executable, "app.py"], cwd=EXAMPLE, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    template: dict[str, Any] = json.loads((folder / "cdk.out" / f"{STACK}.template.json").read_text(encoding="utf-8"))
    return template


def masked(template: dict[str, Any]) -> str:
    """The snapshot's text."""
    shown = text(template)
    for resource in shown["Resources"].values():
        if resource["Type"] == "AWS::CloudFront::Function":
            resource["Properties"]["FunctionCode"] = "<code>"
    return _HASH.sub("<hash>", json.dumps(shown, indent=1)) + "\n"


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        snapshot = masked(synthesise(Path(folder)))
    SNAPSHOT.parent.mkdir(exist_ok=True)
    SNAPSHOT.write_text(snapshot, encoding="utf-8")
    print(f"{SNAPSHOT}: {len(snapshot.splitlines()):,} lines")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
