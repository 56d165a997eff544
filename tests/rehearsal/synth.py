"""Templates and assets as `cdk synth` makes them, offline, for a site.toml that is written here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.rehearsal.sites import PROJECTS
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
    _run([sys.executable, "-m", "toolkit.cdk.app"], CDK_OUTDIR=str(out), CDK_CONTEXT_JSON=json.dumps(context))
    return out


def _run(command: Sequence[str], **more: str) -> None:
    silence = {f"JSII_SILENCE_WARNING_{kind}_NODE_VERSION": "18,20,22,23,24,25,26" for kind in _WARNINGS}
    environment = {
        **os.environ,
        **silence,
        **more,
        # Nothing is looked up: an address where nobody listens stands for a cut network.
        **{f"{scheme}_proxy": "http://127.0.0.1:9" for scheme in ("http", "https")},
    }
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(f"cdk synth failed:\n{done.stderr}")


def synth_projects(folder: Path, names: Sequence[str]) -> Path:
    """The stacks of these sites of `sites.py`, all in one app, so that the CDK starts but once."""
    out = folder / "projects.out"
    sites = [str(PROJECTS[name].write(folder / "projects")) for name in names]
    _run([sys.executable, "-m", "tests.rehearsal.synth", str(out), *sites])
    return out


def main(out: str, *folders: str) -> None:
    """What `cdk synth` makes of several sites, as toolkit.cdk.app makes it of one."""
    from aws_cdk import App

    from toolkit.cdk import app as site_app
    from toolkit.cdk import stacks as site_stacks
    from toolkit.config import load

    app = App(analytics_reporting=False, outdir=out)
    for folder in folders:
        site_stacks.build(app, site_app.hosting(load(folder), {}))
    app.synth()


def stacks(out: Path, name: str) -> tuple[Deployed, Deployed]:
    """The stack of the site and that of its alarms, which gets what the first one's outputs say."""
    given = {"CertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/0a1b2c3d-0000-4000-8000-000000000000"}
    site = Deployed.read(out / f"toolkit-site-{name}.template.json", parameters=given)
    outputs = site.outputs()
    alarms = Deployed.read(out / f"toolkit-alarms-{name}.template.json", region="us-east-1", parameters=outputs)
    return site, alarms


if __name__ == "__main__":
    main(*sys.argv[1:])
