"""What this machine needs for stacks in AWS: Node.js for the CDK, the CDK itself, awscrt, and the functions' bundle."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata

from toolkit.aws.doctor import Patient, fine, wrong
from toolkit.engine.advice import WARNING, Finding
from toolkit.errors import INSTALL_AWS, UserError

NODE_LEAST, NODE_GOOD = 20, 22
# From this one on the CDK loads its parts when they are used: 0.5 s instead of 9.
CDK_LEAST = (2, 258)


def node_version() -> str:
    """What `node --version` says, "" when there is none."""
    program = shutil.which(os.environ.get("JSII_NODE", "node"))
    if program is None:
        return ""
    done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=2, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def installed(distribution: str) -> str:
    """The version of a Python package that is installed, "" when it is not."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""


@dataclass(frozen=True)
class Tools:
    """How this machine is looked at. `bundle` says whether the functions' code is there; UserError when `up` would not mend it."""

    bundle: Callable[[], bool]
    node: Callable[[], str] = node_version
    installed: Callable[[str], str] = installed

    def check_node(self, patient: Patient) -> Iterator[Finding]:
        fix = f"install Node.js {NODE_GOOD} or newer"
        text = self.node()
        match = re.match(r"v?(\d+)", text)
        if not match:
            yield wrong("Node.js is not installed; the CDK runs on it", fix)
        elif int(match[1]) < NODE_LEAST:
            yield wrong(f"Node.js {text} is too old for the CDK, which needs {NODE_LEAST}", fix)
        elif int(match[1]) < NODE_GOOD:
            yield Finding("", WARNING, f"Node.js {text} works, and gets no more security fixes", fix)
        else:
            yield fine(f"Node.js {text}")

    def check_cdk(self, patient: Patient) -> Iterator[Finding]:
        least = ".".join(map(str, CDK_LEAST))
        text = self.installed("aws-cdk-lib")
        if not text:
            yield wrong("aws-cdk-lib is not installed", INSTALL_AWS)
        elif tuple(int(part) for part in re.findall(r"\d+", text)[:2]) < CDK_LEAST:
            yield wrong(f"aws-cdk-lib {text} is too old, {least} is needed", f"pip install -U 'aws-cdk-lib>={least},<3'")
        else:
            yield fine(f"aws-cdk-lib {text}")

    def check_awscrt(self, patient: Patient) -> Iterator[Finding]:
        text = self.installed("awscrt")
        if text:
            yield fine(f"awscrt {text}")
        else:
            yield wrong("awscrt is not installed: requests to the route store are signed with it", INSTALL_AWS)

    def check_bundle(self, patient: Patient) -> Iterator[Finding]:
        try:
            is_made = self.bundle()
        except UserError as error:
            yield wrong(error.what, error.fix)
        else:
            yield fine("the functions' code is bundled" if is_made else "`toolkit up` will bundle the functions' code")
