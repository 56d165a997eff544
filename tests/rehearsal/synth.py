"""Templates and assets as `cdk synth` makes them, offline, for a site.toml that is written here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.rehearsal.template import Deployed

ROOT = Path(__file__).resolve().parent.parent.parent
_WARNINGS = ("END_OF_LIFE", "DEPRECATED", "UNTESTED")
# One version beside what serves: the other ones are kept by their grace period alone.
_SITE = """name = "{name}"
target = "aws"
hosts = {hosts}

[routing]
immutable = ["/assets/*-????????.js"]

[versions]
keep = 1

[aws]
region = "eu-west-1"
stage = "development"
watch_minutes = 1
"""


def synth(folder: Path, name: str, hosts: tuple[str, ...] = ()) -> Path:
    """Write the site's folder below `folder`, synthesise its stacks, and return the folder of the templates."""
    site, out = folder / name, folder / f"{name}.out"
    site.mkdir(parents=True)
    (site / "site.toml").write_text(_SITE.format(name=name, hosts=json.dumps(list(hosts))), encoding="utf-8")
    context = {"toolkit:folder": str(site)}
    silence = {f"JSII_SILENCE_WARNING_{kind}_NODE_VERSION": "18,20,22,23,24,25,26" for kind in _WARNINGS}
    environment = {
        **os.environ,
        **silence,
        "CDK_OUTDIR": str(out),
        "CDK_CONTEXT_JSON": json.dumps(context),
        # Nothing is looked up: an address where nobody listens stands for a cut network.
        **{f"{scheme}_proxy": "http://127.0.0.1:9" for scheme in ("http", "https")},
    }
    done = subprocess.run(
        [sys.executable, "-m", "toolkit.cdk.app"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise AssertionError(f"cdk synth failed:\n{done.stderr}")
    return out


def stacks(out: Path, name: str) -> tuple[Deployed, Deployed]:
    """The stack of the site and that of its alarms, which gets what the first one's outputs say."""
    given = {"CertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/0a1b2c3d-0000-4000-8000-000000000000"}
    site = Deployed.read(out / f"toolkit-site-{name}.template.json", parameters=given)
    outputs = site.outputs()
    alarms = Deployed.read(out / f"toolkit-alarms-{name}.template.json", region="us-east-1", parameters=outputs)
    return site, alarms
