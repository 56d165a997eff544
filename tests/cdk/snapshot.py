"""Templates as they were last looked at: that of examples/cdk-app, and of some sites what pipelines add to them. `python -m
tests.cdk.snapshot` writes them anew: read what git shows.

Intrinsic functions stand as the text that they become. Masked: hashes of code, the code of the functions at the edge and the
build specs of presets, which have tests of their own.
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
# Of configs.PIPELINES, and what the logical ids of that begin with.
SITES = ("github", "own", "shop")
_ADDED = ("Pipeline", "Deploy", "Uploads")
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
        if resource["Type"] == "AWS::CodeBuild::Project" and resource["Properties"]["Source"]["Type"] == "CODEPIPELINE":
            resource["Properties"]["Source"]["BuildSpec"] = "<build spec>"
    return _HASH.sub("<hash>", json.dumps(shown, indent=1)) + "\n"


def of_pipelines(template: dict[str, Any]) -> str:
    """The snapshot's text of what pipelines and a CI's roles add to a site: resources and outputs."""
    added = {name: it for name, it in template["Resources"].items() if name.startswith(_ADDED)}
    outputs = {name: it["Value"] for name, it in template["Outputs"].items() if any(name in json.dumps(it) for name in added)}
    return masked({"Resources": added, "Outputs": outputs})


def path_of(site: str) -> Path:
    return SNAPSHOT.with_name(f"pipelines-of-{site}.json")


def configured(folder: Path) -> dict[str, dict[str, Any]]:
    """The templates of SITES, made below `folder`."""
    from aws_cdk import App

    from tests.cdk import configs

    os.environ["TOOLKIT_BUNDLE"] = str(stand_in(folder / "bundle"))
    app = App(outdir=str(folder / "configs"), analytics_reporting=False)
    configs.build(app)
    app.synth()
    return {site: configs.read(folder / "configs")[site].body for site in SITES}


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        texts = {SNAPSHOT: masked(synthesise(Path(folder)))}
        texts |= {path_of(site): of_pipelines(body) for site, body in configured(Path(folder)).items()}
    SNAPSHOT.parent.mkdir(exist_ok=True)
    for path, snapshot in texts.items():
        path.write_text(snapshot, encoding="utf-8")
        print(f"{path}: {len(snapshot.splitlines()):,} lines")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
