"""What a build's commands find around them: a clean environment, the languages they ask for, a shell.

Clean means: what any machine has (PATH, HOME, language, temporary folder), what installing needs to reach registries (proxies,
certificates, npm's, pip's and uv's own settings), what site.toml and the build spec declare. Nothing else gets through, so a build
that works here does not fail in CodeBuild for a variable that happened to be set. HOME stays: private registries are in `~/.npmrc`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from toolkit.builds.spec import BuildSpec
from toolkit.errors import UserError

_PASSED = frozenset({
    "PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "PYENV_ROOT", "VOLTA_HOME",
    "PNPM_HOME", "BUN_INSTALL",
})  # fmt: skip
_PASSED_PATTERN = re.compile(r"LC_\w+|(?i:(https?|ftp|all|no)_proxy)|(?i:npm_config_)\w+|(PIP|UV|YARN|COREPACK)_\w+")
_SENSITIVE = re.compile(r"token|auth|secret|passw|_key$", re.IGNORECASE)
# How CodeBuild names languages, and what says which version is here.
_RUNTIMES = {
    "nodejs": ("node", "--version"), "python": ("python3", "--version"), "ruby": ("ruby", "--version"),
    "golang": ("go", "version"), "php": ("php", "--version"), "java": ("java", "-version"), "dotnet": ("dotnet", "--version"),
}  # fmt: skip


def build_env(declared: Mapping[str, str], workdir: Path, commit: str, branch: str) -> dict[str, str]:
    """The environment of a build's commands ("Environment variables in build environments", CodeBuild user guide).

    No more of it than builds of a pipeline have: they know no webhook, and their CODEBUILD_SOURCE_VERSION is a place in S3. (F49)
    `BRANCH` is ours, there as well.
    """
    known = {
        "CODEBUILD_SRC_DIR": str(workdir),
        "CODEBUILD_RESOLVED_SOURCE_VERSION": commit,
        "CODEBUILD_BUILD_SUCCEEDING": "1",
    }
    ours = {"BRANCH": branch} if branch else {}
    return {**passed(os.environ), **ours, **declared, **{name: value for name, value in known.items() if value}}


def passed(environ: Mapping[str, str]) -> dict[str, str]:
    """The part of this process's environment that a build may see."""
    return {name: value for name, value in environ.items() if name in _PASSED or _PASSED_PATTERN.fullmatch(name)}


def hidden_values(environ: Mapping[str, str]) -> list[str]:
    """Values that get through and are nobody's business: registry tokens, passwords inside addresses."""
    found = []
    for name, value in passed(environ).items():
        if _SENSITIVE.search(name):
            found.append(value)
        elif "@" in value and "://" in value:
            try:
                found.append(urlsplit(value).password or "")
            except ValueError:
                continue
    return [value for value in found if value]


def fetch(spec: BuildSpec, environ: Mapping[str, str]) -> dict[str, str]:
    """Values of `parameter-store` and `secrets-manager` entries; here the environment holds them under their own names."""
    missing = [name for name in spec.fetched if name not in environ]
    if missing:
        raise UserError(
            f"{spec.path} takes {', '.join(missing)} from AWS; on this machine the environment must hold it, and does not",
            f"set it before running this, for example `export {missing[0]}=...`",
        )
    return {name: environ[name] for name in spec.fetched}


def find_shell(spec: BuildSpec, env: Mapping[str, str]) -> str:
    """The full path of the shell that the spec asks for."""
    found = shutil.which(spec.shell, path=env.get("PATH")) or shutil.which(spec.shell)
    if found is None:
        raise UserError(f"{spec.path} asks for the shell {spec.shell}, which is not installed", f"install {spec.shell}")
    return found


def check_runtimes(spec: BuildSpec, env: Mapping[str, str], warn: Callable[[str], None]) -> None:
    """Compare `runtime-versions` with what is installed. UserError when a language is missing; another version is only said."""
    for name, wanted in spec.runtimes.items():
        if name not in _RUNTIMES:
            warn(f"warning: {spec.path.name} asks for {name} {wanted}; whether it is installed is not checked here")
            continue
        found = _installed_version(*_RUNTIMES[name], env)
        if found is None:
            raise UserError(f"{spec.path} needs {name} {wanted}, but {_RUNTIMES[name][0]} is not installed", f"install {name}")
        wanted = re.sub(r"\$\{?(\w+)\}?", lambda match: env.get(match[1], ""), wanted)
        if not _satisfies(found, wanted):
            warn(f"warning: the build spec asks for {name} {wanted}, this machine has {found}: AWS may build differently")


def _installed_version(program: str, flag: str, env: Mapping[str, str]) -> str | None:
    path = shutil.which(program, path=env.get("PATH"))
    if path is None:
        return None
    try:
        done = subprocess.run([path, flag], env=dict(env), capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = re.search(r"\d+(\.\d+)*", done.stdout + done.stderr)
    return version[0] if version and done.returncode == 0 else None


def _satisfies(found: str, wanted: str) -> bool:
    """`22`, `22.x` and `22.3` by their numbers; `latest` and names such as `corretto21` are not compared."""
    numbers = re.match(r"\d+(\.\d+)*", wanted)
    if numbers is None:
        return True
    parts = numbers[0].split(".")
    return found.split(".")[: len(parts)] == parts
