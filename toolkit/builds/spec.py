"""Reads a build spec: the language of AWS CodeBuild, version 0.2 ("Build specification reference for CodeBuild", user guide).

Stages: YAML to a tree with line numbers, a check against `data/buildspec.schema.json`, then the values the runner needs.
What CodeBuild would do and this toolkit would not (another user, batches, a second artifact) is refused with its line: a spec
that is half understood builds something else than AWS does. Scalars stay the text that was written, so `1.10` is no float.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit import schema
from toolkit.errors import UserError

if TYPE_CHECKING:
    from yaml.nodes import Node

SCHEMA_FILE = Path(__file__).parent.parent / "data" / "buildspec.schema.json"
PHASES = ("install", "pre_build", "build", "post_build")
_MAX_BYTES = 1 << 20
_MAX_NODES = 20_000
_MAX_DEPTH = 20
_REFUSED = {
    "run-as": "remove it: a build runs as the user who starts it",
    "batch": "remove it: one site is one build",
    "secondary-artifacts": "keep one artifact: the folder to publish",
}


@dataclass(frozen=True)
class Phase:
    """One phase. `on_failure` is "", "ABORT", "CONTINUE" or "RETRY" (then `retries` times, if the output matches `retry_if`)."""

    name: str
    commands: tuple[str, ...] = ()
    finally_: tuple[str, ...] = ()
    on_failure: str = ""
    retries: int = 0
    retry_if: str = ""


@dataclass(frozen=True)
class Artifacts:
    """What the build hands over: globs below `base` (itself perhaps a glob; empty: the project's folder), minus `exclude`."""

    files: tuple[str, ...] = ("**/*",)
    base: str = ""
    exclude: tuple[str, ...] = ()
    discard_paths: bool = False


@dataclass(frozen=True)
class BuildSpec:
    """A build spec. `shell` is "sh" or "bash"; `fetched` maps variables to where AWS keeps their values (secret, by name)."""

    path: Path
    shell: str
    variables: Mapping[str, str]
    fetched: Mapping[str, str]
    runtimes: Mapping[str, str]
    phases: tuple[Phase, ...]
    artifacts: Artifacts | None
    cache_paths: tuple[str, ...]
    cache_action: str

    @property
    def idle(self) -> bool:
        """Whether there is nothing to run."""
        return not any(phase.commands or phase.finally_ for phase in self.phases)

    def with_output(self, folder: str) -> BuildSpec:
        """The same, handing over everything in `folder` instead of `base-directory`."""
        return replace(self, artifacts=replace(self.artifacts or Artifacts(), base=folder, files=("**/*",)))


def load_spec(path: Path) -> BuildSpec:
    """Read a build spec. UserError with the line when it is not valid, or asks for something that is not kept here."""
    return parse_spec(read_body(path), path)


def read_body(path: Path) -> bytes:
    """The bytes of a build spec. UserError when there are none."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read the build spec {path}: {error.strerror}", "check build_spec in site.toml") from error


def parse_spec(body: bytes, path: Path) -> BuildSpec:
    """The build spec in `body`, which was read from `path`."""
    return _spec(read_tree(body, path), path)


def read_tree(body: bytes, path: Path) -> dict[str, Any]:
    """What `body` says, checked, its scalars as they are written. UserError as `load_spec`."""
    data, lines = _Reader(path).read(body)
    for place in lines:
        if place and place[-1] in _REFUSED and "variables" not in place:
            raise UserError(f"{path} line {lines[place]}: {schema.dotted(place)} is not kept here", _REFUSED[str(place[-1])])
    problems = schema.check(data, _schema())
    if problems:
        first = problems[0]
        line = next((lines[first.path[:end]] for end in range(len(first.path), -1, -1) if first.path[:end] in lines), 1)
        raise UserError(f"{path} line {line}: {schema.dotted(first.path)} {first.what}", first.fix)
    tree: dict[str, Any] = data
    return tree


@cache
def _schema() -> dict[str, Any]:
    data: dict[str, Any] = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    return data


def _spec(data: Mapping[str, Any], path: Path) -> BuildSpec:
    env = data.get("env") or {}
    phases = data.get("phases") or {}
    caching = data.get("cache") or {}
    return BuildSpec(
        path=path,
        shell="bash" if env.get("shell") == "bash" else "sh",
        variables=env.get("variables") or {},
        fetched={**(env.get("parameter-store") or {}), **(env.get("secrets-manager") or {})},
        runtimes=(phases.get("install") or {}).get("runtime-versions", {}),
        phases=tuple(_phase(name, phases[name] or {}) for name in PHASES if name in phases),
        artifacts=_artifacts(data.get("artifacts") or {}),
        cache_paths=tuple(caching.get("paths", ())),
        cache_action=caching.get("action", ""),
    )


def _phase(name: str, data: Mapping[str, Any]) -> Phase:
    action, retries, pattern = data.get("on-failure", ""), 0, ""
    # RETRY, RETRY-count, RETRY-regex, RETRY-count-regex; CodeBuild retries three times unless told otherwise.
    if match := re.fullmatch(r"(?i:RETRY)(?:-(\d{1,3})(?=-|$))?(?:-(.+))?", action, re.DOTALL):
        action, retries, pattern = "RETRY", min(int(match[1] or 3), 100), match[2] or ""
    return Phase(
        name=name,
        commands=tuple(data.get("commands") or ()),
        finally_=tuple(data.get("finally") or ()),
        on_failure=action,
        retries=retries,
        retry_if=pattern,
    )


def _artifacts(data: Mapping[str, Any]) -> Artifacts | None:
    if not data:
        return None
    exclude = data.get("exclude-paths", ())
    return Artifacts(
        files=tuple(data["files"]),
        base=data.get("base-directory", ""),
        exclude=(exclude,) if isinstance(exclude, str) else tuple(exclude),
        discard_paths=data.get("discard-paths", "no").lower() in ("yes", "true"),
    )


class _Reader:
    """YAML to plain values, keeping each one's line. Refuses what would be read in two ways, and what grows without end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: dict[schema.Path, int] = {}
        self.nodes = 0

    def read(self, body: bytes) -> tuple[Any, dict[schema.Path, int]]:
        import yaml

        if len(body) > _MAX_BYTES:
            raise UserError(f"{self.path} is larger than 1 MB", "a build spec is a short text file: name the right one")
        try:
            node = yaml.compose(body, Loader=yaml.SafeLoader)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            where = f" line {mark.line + 1}" if mark else ""
            what = getattr(error, "problem", None) or "not readable as text"
            raise UserError(f"{self.path}{where}: not valid YAML: {what}", "check indentation and quotes there") from error
        return (self.value(node, ()) if node else {}), self.lines

    def value(self, node: Node, path: schema.Path) -> Any:
        from yaml.nodes import MappingNode, SequenceNode

        line = node.start_mark.line + 1
        self.lines.setdefault(path, line)
        self.nodes += 1
        if self.nodes > _MAX_NODES or len(path) > _MAX_DEPTH:
            raise UserError(f"{self.path} line {line}: too many nested values or aliases", "write them out")
        if isinstance(node, SequenceNode):
            return [self.value(item, (*path, place)) for place, item in enumerate(node.value)]
        if isinstance(node, MappingNode):
            return self.table(node, path)
        return None if node.tag.endswith(":null") else node.value

    def table(self, node: Node, path: schema.Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, item in node.value:
            name, line = str(key.value), key.start_mark.line + 1
            if name in found:
                raise UserError(f"{self.path} line {line}: {name} is there twice", "keep one of them")
            self.lines[(*path, name)] = line
            found[name] = self.value(item, (*path, name))
        return found
