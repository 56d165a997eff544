"""`site.toml`: what a team says about its site, read once and passed around as a value that does not change.

Stages: find the file, read TOML, check it against `data/site.schema.json` (the schema that editors complete from), fill in what
the preset says. Every complaint names file, line and field: the parser keeps no positions, so the line is looked up in the text.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from toolkit import config_aws, schema
from toolkit.config_aws import AwsConfig
from toolkit.engine.layout import check_site
from toolkit.engine.model import Settings
from toolkit.errors import UserError

__all__ = [
    "AwsConfig", "NoConfig", "SiteConfig", "defaults", "find", "line_of", "load", "parse", "read_secrets", "said", "site_schema",
]  # fmt: skip

FILE_NAME = "site.toml"
SCHEMA_FILE = Path(__file__).parent / "data" / "site.schema.json"
DEFAULT_PRESET = "plain-html"
# What is left of the 1,024 bytes of a channel's record; one update of the route store moves all of its hosts.
_HOSTS_BYTES = 500


class NoConfig(UserError):
    """There is no site.toml where one was looked for."""


@dataclass(frozen=True)
class SiteConfig:
    """A site's settings. `folder` holds site.toml; `root`, `build_spec` and `output` are as written, with forward slashes.

    `canonical` is the one of `hosts` that the others redirect to, empty for none. A preview ends `preview_days` after its last
    release (0: never).
    `secrets` are names of environment variables (`read_secrets` fetches them); `build_spec`, `output`, `node` and
    `package_manager` are empty when the file leaves them to the preset or to the project's own files.
    """

    name: str
    folder: Path
    root: str = "."
    branch: str = "main"
    preset: str = DEFAULT_PRESET
    build_spec: str = ""
    output: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    node: str = ""
    package_manager: str = ""
    settings: Settings = field(default_factory=Settings)
    keep: int = 10
    grace_hours: float = 24.0
    hosts: tuple[str, ...] = ()
    canonical: str = ""
    strict: bool = False
    previews: bool = True
    preview_days: int = 30
    target: str = "local"
    aws: AwsConfig = field(default_factory=AwsConfig)

    @property
    def path(self) -> Path:
        """Where site.toml lies."""
        return self.folder / FILE_NAME

    @property
    def project(self) -> Path:
        """The folder that is built: `root` seen from site.toml."""
        return self.folder / self.root

    @property
    def spec_path(self) -> Path:
        """The build spec that applies: the site's own, else the preset's."""
        from toolkit.presets import registry as presets

        return self.folder / self.build_spec if self.build_spec else presets.get(self.preset).spec_path


def load(path_or_folder: Path | str = ".") -> SiteConfig:
    """Read site.toml from the file or folder named, or from the nearest folder above it inside the same repository.

    UserError when there is none, or when it says something that a site cannot be.
    """
    path = find(Path(path_or_folder))
    if path is None:
        raise NoConfig(f"no {FILE_NAME} in {Path(path_or_folder).absolute()} or above it", "run `toolkit init` there")
    try:
        body = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}", "check its permissions") from error
    config = parse(body, path)
    if config.preset == DEFAULT_PRESET and not (config.output or config.build_spec):
        # Plain files are published as they are: the folder `public` where there is one, as other hosts do, else everything.
        public = (config.project / "public" / "index.html").is_file()
        return replace(config, output="public" if public else "")
    return config


def defaults(name: str, folder: Path) -> SiteConfig:
    """The settings of a site that brings no site.toml, such as an uploaded folder of plain files. UserError for a bad name."""
    return SiteConfig(name=check_site(name), folder=folder.absolute())


def find(start: Path) -> Path | None:
    """The site.toml that speaks for `start`, or None. The search ends at the top of a git repository."""
    start = start.absolute()
    if start.is_file():
        return start
    for folder in (start, *start.parents):
        if (folder / FILE_NAME).is_file():
            return folder / FILE_NAME
        if (folder / ".git").exists():
            return None
    return None


def parse(body: bytes, path: Path) -> SiteConfig:
    """The settings in `body`, which was read from `path` (nothing else is read there)."""
    shown = _shown(path)
    text = _decoded(body, shown)
    data = said(body, path, complete=True)
    config = _config(data, path.absolute())
    _check_hosts(config, shown, text)
    if wrong := list(config_aws.problems(config.aws, config.secrets)):
        raise _complaint(wrong, text, shown)
    both = sorted(set(config.env) & set(config.secrets))
    if both:
        line = line_of(text, ("build", "env", both[0]))
        raise UserError(f"{shown} line {line}: {both[0]} is in build.env and in build.secrets", "name it in one of them")
    return config


def _check_hosts(config: SiteConfig, shown: str, text: str) -> None:
    wildcards = [host for host in config.hosts if host.startswith("*.")]
    if len(wildcards) > 1:
        line = line_of(text, ("hosts",))
        raise UserError(f"{shown} line {line}: hosts has {' and '.join(wildcards)}", "keep one: all previews lie below it")
    size = sum(len(host) + len('"",') for host in config.hosts)
    if size > _HOSTS_BYTES:
        line = line_of(text, ("hosts",))
        raise UserError(
            f"{shown} line {line}: the {len(config.hosts)} hosts take {size} bytes, {_HOSTS_BYTES} fit a release's record",
            "name fewer of them; let the others redirect where their DNS is",
        )
    named = [host for host in config.hosts if host not in wildcards]
    if config.canonical and config.canonical not in named:
        line = line_of(text, ("canonical",))
        listed = ", ".join(named) or "none"
        raise UserError(
            f"{shown} line {line}: canonical is {config.canonical}, hosts has {listed}", "add it to hosts, or name one of them"
        )


def said(body: bytes, path: Path, *, complete: bool = False) -> dict[str, Any]:
    """What `body` says by itself, checked, without defaults. `complete`: what must be there is there."""
    shown = _shown(path)
    text = _decoded(body, shown)
    data = _parsed(text, shown)
    whole = site_schema()
    problems = schema.check(data, whole if complete else {**whole, "required": []})
    if problems:
        raise _complaint(problems, text, shown)
    return data


def read_secrets(config: SiteConfig, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The values of the site's secrets, taken from the environment. UserError names those that are missing."""
    environ = os.environ if environ is None else environ
    missing = [name for name in config.secrets if not environ.get(name)]
    if missing:
        names = ", ".join(missing)
        raise UserError(
            f"{_shown(config.path)} lists the secret {names} in build.secrets, but the environment does not hold it",
            f"set it before running this, for example `export {missing[0]}=...`",
        )
    return {name: environ[name] for name in config.secrets}


@cache
def site_schema() -> dict[str, Any]:
    """The JSON Schema of site.toml."""
    data: dict[str, Any] = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    return data


def _config(data: dict[str, Any], path: Path) -> SiteConfig:
    from toolkit.presets import registry as presets

    preset = presets.get(data.get("preset", DEFAULT_PRESET))
    build, routing, versions, previews = (data.get(table, {}) for table in ("build", "routing", "versions", "previews"))
    settings = Settings(
        mode=routing.get("mode", preset.mode),
        not_found=routing.get("not_found", "/404.html"),
        dialect=routing.get("dialect", Settings.dialect),
        slashes=routing.get("slashes", Settings.slashes),
        immutable=tuple(routing.get("immutable", preset.immutable)),
        carry_days=float(versions.get("carry_days", 7)),
    )
    plain = ("root", "branch", "build_spec", "output", "canonical", "strict", "target")
    return SiteConfig(
        name=data["name"],
        folder=path.parent,
        preset=preset.name,
        settings=settings,
        hosts=tuple(data.get("hosts", ())),
        env=_build_env(build),
        secrets=tuple(build.get("secrets", ())),
        node=build.get("node", ""),
        package_manager=build.get("package_manager", ""),
        keep=versions.get("keep", 10),
        grace_hours=float(versions.get("grace_hours", 24)),
        previews=previews.get("enabled", True),
        preview_days=previews.get("days", 30),
        aws=config_aws.of_table(data.get("aws", {})),
        **{name: data[name] for name in plain if name in data},
    )


def _build_env(build: Mapping[str, Any]) -> dict[str, str]:
    """The build's variables; what the presets' build specs take from variables has fields of its own in site.toml."""
    names = {"node": "NODE_VERSION", "package_manager": "PACKAGE_MANAGER"}
    return {**{names[key]: build[key] for key in names if key in build}, **build.get("env", {})}


def _decoded(body: bytes, shown: str) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise UserError(f"{shown} line {line}: not UTF-8 text", "save the file as UTF-8") from error


def _parsed(text: str, shown: str) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        where = re.search(r"at line (\d+)", str(error))
        line = int(where[1]) if where else len(text.splitlines())
        what = re.sub(r" \(at [^)]*\)$", "", str(error))
        bad = (text.splitlines() or [""])[max(0, min(line, len(text.splitlines())) - 1)].strip()
        raise UserError(f"{shown} line {line}: {what}, at: {bad[:80]}", "write it as TOML (https://toml.io)") from error


def _complaint(problems: list[schema.Problem], text: str, shown: str) -> UserError:
    """One error for all that is wrong; each line says where, and the fix takes them up in the same order."""
    lines = [line_of(text, problem.path) for problem in problems]
    names = [schema.dotted(problem.path) for problem in problems]
    places = [f"{shown} line {line}" if line else shown for line in lines]
    what = [f"{place}: {name} {item.what}" for place, name, item in zip(places, names, problems, strict=True)]
    if len(problems) == 1:
        return UserError(what[0], problems[0].fix)
    fixes = [f"{name}: {item.fix}" for name, item in zip(names, problems, strict=True)]
    return UserError("\n".join(what), "\n".join(fixes))


_KEY = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
_KEYS = rf"{_KEY}(?:\s*\.\s*{_KEY})*"
_TABLE = re.compile(rf"\s*\[\[?\s*({_KEYS})\s*\]")
_FIELD = re.compile(rf"\s*({_KEYS})\s*=")


def line_of(text: str, path: schema.Path) -> int:
    """The line (from 1) where TOML `text` sets the field at `path`, or its table; 0 when neither is there."""
    wanted = tuple(part for part in path if isinstance(part, str))
    table: tuple[str, ...] = ()
    best, best_depth = 0, 0
    fence = ""
    for number, line in enumerate(text.splitlines(), 1):
        if fence:
            fence = "" if fence in line else fence
            continue
        if header := _TABLE.match(line):
            here = table = _split(header[1])
        elif match := _FIELD.match(line):
            here = (*table, *_split(match[1]))
        else:
            continue
        fence = next((mark for mark in ('"""', "'''") if line.count(mark) == 1), "")
        if len(here) > best_depth and here == wanted[: len(here)]:
            best, best_depth = number, len(here)
    return best


def _split(keys: str) -> tuple[str, ...]:
    return tuple(key.strip("\"'") for key in re.findall(_KEY, keys))


def _shown(path: Path) -> str:
    """The path as a person would type it from here."""
    path = path.absolute()
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
