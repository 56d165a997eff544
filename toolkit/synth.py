"""Make a site's templates: the CDK's app in a process of its own, so that nothing here imports the CDK. AWS is not asked."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from toolkit import bundle
from toolkit.config import SiteConfig
from toolkit.errors import UserError

_MODULE = "toolkit.cdk.app"


def synthesise(config: SiteConfig, folder: Path) -> None:
    """Write the assembly of the site's stacks into `folder`. The code of the Lambda functions is put together first, if need be.

    UserError for what site.toml says and the stacks cannot be, or when a tool is missing.
    """
    if not bundle.is_made():
        bundle.make(bundle.default_folder())
    environ = {**os.environ, "CDK_OUTDIR": str(folder), "CDK_CONTEXT_JSON": "{}"}
    done = subprocess.run(
        [sys.executable, "-P", "-m", _MODULE], cwd=config.folder, env=environ, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise _failed(done.stderr)


def _failed(said: str) -> Exception:
    """The app's own error, which it writes as the command line does; anything else is a bug."""
    what, _, rest = said.partition("error: ")[2].partition("\n  fix: ")
    if not rest or "Traceback" in said:
        return RuntimeError(f"{_MODULE} failed:\n{said}")
    return UserError(what, rest.strip())
