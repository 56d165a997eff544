"""Writes what `toolkit init` found out: site.toml, its schema for editors, and a build spec of the site's own.

A site.toml that is there keeps its comments, its order and every answer that is not changed on purpose. Files appear whole or
not at all: each is written under a hidden name and renamed.
"""

from __future__ import annotations

import contextlib
import json
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from toolkit.config import SCHEMA_FILE
from toolkit.errors import UserError
from toolkit.presets import registry as presets

# Taplo and "Even Better TOML" read the first line. The file lies beside site.toml: right for this version, and without a network.
SCHEMA_COPY = ".site.schema.json"
_TEMPLATE = """\
#:schema ./{schema}
# The site for `toolkit`. Lines that start with # are comments; what is not said has the default that is shown.
{top}
{output}
# hosts = ["www.example.com"]  # host names of your own for the live channel
# target = "local"             # where the site runs: "local" or "aws"

[build]
{build}# secrets = ["NPM_TOKEN"]      # environment variables that the build gets and that are never printed

# [build.env]                  # environment variables of the build; everybody who can read this file can read them
# SITE_URL = "https://www.example.com"

[routing]
{routing}# not_found = "/404.html"      # the page for what is not there
# dialect = "netlify"          # the host whose language _redirects and _headers are written in, or "cloudflare"
# slashes = "auto"             # under which addresses a page answers; "auto": /about serves about.html

[versions]
# keep = 10                    # versions that `toolkit prune` leaves besides those in use
# carry_days = 7               # days that fingerprinted files of earlier versions stay fetchable
"""
# Field of the plan -> table and key in site.toml, with the comment that a new file gets.
FIELDS = {
    "name": ("", "name", "part of the site's address"),
    "preset": ("", "preset", "the framework: {title}"),
    "branch": ("", "branch", "pushes to it go live, every other branch becomes a preview"),
    "root": ("", "root", "the project's folder in the repository"),
    "output": ("", "output", "the folder that the build writes"),
    "build_spec": ("", "build_spec", "how the site is built, in AWS CodeBuild's language"),
    "target": ("", "target", "where the site runs"),
    "hosts": ("", "hosts", "host names of your own for the live channel"),
    "node": ("build", "node", "the Node.js version"),
    "package_manager": ("build", "package_manager", "the package manager"),
    "mode": ("routing", "mode", '"site": a missing page is a 404; "spa": index.html answers for it'),
    "dialect": ("routing", "dialect", "the host whose language _redirects and _headers are written in"),
    "slashes": ("routing", "slashes", "under which addresses a page answers, as on the host of that name"),
}
Value = str | list[str]


def render(values: Mapping[str, Value]) -> str:
    """A new site.toml that says `values` (fields of `FIELDS`) and shows what else there is."""
    lines: dict[str, list[str]] = {"": [], "build": [], "routing": []}
    preset = presets.get(str(values["preset"]))
    for name, value in values.items():
        if not value:
            continue
        table, key, comment = FIELDS[name]
        setting = f"{key} = {json.dumps(value, ensure_ascii=False)}"
        lines[table].append(f"{setting:<30} # {comment.format(title=preset.title)}")
    text = _TEMPLATE.format(
        schema=SCHEMA_COPY,
        output=f"{f'# output = {json.dumps(preset.output)}':<30} # the folder that the build writes",
        top="\n".join(lines[""]),
        build="".join(f"{line}\n" for line in lines["build"]),
        routing="".join(f"{line}\n" for line in lines["routing"]),
    )
    for name in values:
        # What is set needs no commented-out twin.
        text = re.sub(rf"^# {FIELDS[name][1]} = .*\n", "", text, flags=re.MULTILINE)
    return text


def merge(text: str, values: Mapping[str, Value]) -> str:
    """`text` with `values` set (an empty one: taken out); everything else, comments too, stays as it is."""
    import tomlkit

    document = tomlkit.parse(text)
    for name, value in values.items():
        table, key, _ = FIELDS[name]
        if table and table not in document:
            document[table] = tomlkit.table()
        part: Any = document[table] if table else document
        if not value:
            part.pop(key, None)
        elif part.get(key) != value:
            part[key] = value
    return tomlkit.dumps(document)


def own_spec(preset: presets.Preset, command: str, output: str) -> str:
    """A build spec of the site's own: the preset's, with another command or folder."""
    text = preset.spec_path.read_text(encoding="utf-8")
    head = (
        "# How this site is built, for AWS CodeBuild and for `toolkit` alike. It is yours: change what you like.\n"
        f"# It began as the preset `{preset.name}`.\n"
    )
    text = head + text[text.index("version:") :]
    if command:
        quoted = json.dumps(command, ensure_ascii=False)
        if "  build:\n" in text:
            text = re.sub(
                r"(\n  build:\n    commands:\n).*?(?=\nartifacts:)", lambda m: f"{m[1]}      - {quoted}\n", text, flags=re.S
            )
        else:
            text = text.replace("artifacts:\n", f"phases:\n  build:\n    commands:\n      - {quoted}\n\nartifacts:\n")
    text = re.sub(r"\n  base-directory: .*", "", text)
    return text.replace("artifacts:\n", f"artifacts:\n  base-directory: {json.dumps(output)}\n")


def write_file(path: Path, text: str) -> bool:
    """Write `text` to `path` in one step; False when it is there already. UserError when the folder cannot be written."""
    body = text.encode()
    with contextlib.suppress(OSError):
        if path.read_bytes() == body:
            return False
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        aside.write_bytes(body)
        if path.exists():
            aside.chmod(path.stat().st_mode & 0o777)
        aside.replace(path.resolve() if path.is_symlink() else path)
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror}", "check the folder's permissions and the space on its disk"
        ) from error
    finally:
        aside.unlink(missing_ok=True)
    return True


def schema_text() -> str:
    return SCHEMA_FILE.read_text(encoding="utf-8")
