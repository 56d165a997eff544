"""What a project's own files say about it. Reads, never runs; whatever is broken or missing becomes a finding, not a crash."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

DEFAULT_NODE = "22"
# Majors that CodeBuild's current images offer, the one to prefer first.
NODE_MAJORS = (22, 24, 20, 18)
_MAX_BYTES = 4 << 20
LOCK_FILES = {
    "bun.lock": "bun", "bun.lockb": "bun", "pnpm-lock.yaml": "pnpm", "yarn.lock": "yarn",
    "package-lock.json": "npm", "npm-shrinkwrap.json": "npm",
}  # fmt: skip
_REQUIREMENTS = (
    "requirements.txt",
    "docs/requirements.txt",
    "requirements-docs.txt",
    "docs-requirements.txt",
    "requirements/docs.txt",
)


@dataclass(frozen=True)
class Finding:
    """Something to know or to mend; `severe`: building goes wrong unless it is mended."""

    what: str
    fix: str = ""
    severe: bool = False


@dataclass(frozen=True)
class ProjectFacts:
    """What was found. `packages` maps a dependency to where it is named ("package.json has vite ^5.4 in devDependencies").

    Each `..._why` names the evidence. `package_manager` is empty for a project without package.json.
    """

    folder: Path
    name: str = ""
    package_manager: str = ""
    package_manager_why: str = ""
    node_version: str = ""
    node_version_why: str = ""
    packages: Mapping[str, str] = field(default_factory=dict)
    scripts: Mapping[str, str] = field(default_factory=dict)
    workspaces: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()

    @cached_property
    def node(self) -> bool:
        """Whether there is a package.json."""
        return (self.folder / "package.json").is_file()


def facts(folder: Path) -> ProjectFacts:
    """Read the manifests in `folder`."""
    findings: list[Finding] = []
    manifest = _package_json(folder, findings)
    scripts = {key: value for key, value in _table(manifest, "scripts").items() if isinstance(value, str)}
    manager, manager_why = _package_manager(folder, manifest, findings)
    node, node_why = _node_version(folder, manifest)
    name = manifest.get("name")
    return ProjectFacts(
        folder=folder,
        name=name if isinstance(name, str) else "",
        package_manager=manager,
        package_manager_why=manager_why,
        node_version=node,
        node_version_why=node_why,
        packages={**dict(_python_packages(folder, findings)), **dict(_node_packages(manifest))},
        scripts=scripts,
        workspaces=_workspaces(manifest),
        findings=tuple(findings),
    )


def read_text(path: Path) -> str | None:
    """A small text file whatever its encoding mark, or None when it is missing, unreadable or no text of sensible size."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            return None
        body = path.read_bytes()
        return body.decode("utf-16" if body[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", errors="replace")
    except (OSError, UnicodeError):
        return None


def _package_json(folder: Path, findings: list[Finding]) -> dict[str, Any]:
    path = folder / "package.json"
    if not path.is_file():
        return {}
    text = read_text(path)
    if text is None:
        findings.append(Finding("package.json cannot be read, or is larger than 4 MB", "put the real package.json there", True))
        return {}
    try:
        data = json.loads(text)
    except ValueError as error:
        line = getattr(error, "lineno", 1)
        findings.append(Finding(f"package.json line {line} is not valid JSON", "mend it: no tool can read it as it is", True))
        return {}
    except RecursionError:
        data = None
    if not isinstance(data, dict):
        findings.append(Finding("package.json does not hold an object", "put the real package.json there", True))
        return {}
    return data


def _table(data: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = data.get(key)
    return value if isinstance(value, dict) else {}


def _node_packages(manifest: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for section in ("devDependencies", "dependencies"):
        for name, version in _table(manifest, section).items():
            yield name, f"package.json has {name} {version} in {section}" if version else f"package.json has {name} in {section}"


def _workspaces(manifest: Mapping[str, Any]) -> tuple[str, ...]:
    value = manifest.get("workspaces")
    value = value.get("packages") if isinstance(value, dict) else value
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def _package_manager(folder: Path, manifest: Mapping[str, Any], findings: list[Finding]) -> tuple[str, str]:
    """As the presets' build specs decide: by lock file, else package.json's `packageManager`, else npm."""
    if not (folder / "package.json").is_file():
        return "", ""
    locks = [name for name in LOCK_FILES if (folder / name).is_file()]
    declared = str(manifest.get("packageManager") or "").partition("@")[0]
    kinds = list(dict.fromkeys(LOCK_FILES[name] for name in locks))
    if len(kinds) > 1:
        findings.append(
            Finding(f"lock files of several package managers: {', '.join(locks)}; {kinds[0]} is taken", "remove the others")
        )
    elif kinds and declared and declared != kinds[0]:
        findings.append(
            Finding(f"package.json names {declared}, but the lock file is {locks[0]}", "keep the lock file of one of them")
        )
    if locks:
        return kinds[0], locks[0]
    if declared in LOCK_FILES.values():
        return declared, "packageManager in package.json"
    findings.append(Finding("there is no lock file: a build may install other versions tomorrow", "commit the lock file"))
    return "npm", "no lock file"


def _node_version(folder: Path, manifest: Mapping[str, Any]) -> tuple[str, str]:
    for name in (".nvmrc", ".node-version"):
        major = re.match(r"\s*v?(\d+)", read_text(folder / name) or "")
        if major:
            return major[1], name
    wanted = _table(manifest, "engines").get("node")
    if isinstance(wanted, str) and wanted.strip():
        for major_number in NODE_MAJORS:
            if allows(wanted, major_number):
                return str(major_number), f'engines.node "{wanted}" in package.json'
    return "", ""


def allows(versions: str, major: int) -> bool:
    """Whether the newest release of a Node major lies in an npm version range, looking at majors only."""
    for choice in versions.split("||"):
        span = re.fullmatch(r"\s*v?(\d+)\S*\s+-\s+v?(\d+)\S*\s*", choice)
        if span:
            fits = int(span[1]) <= major <= int(span[2])
        else:
            parts = re.findall(r"(>=|<=|>|<|\^|~|=)?\s*v?(\d+|[*xX])((?:\.(?:\d+|[*xX]))*)", choice)
            fits = bool(parts) and all(_compares(sign, number, rest, major) for sign, number, rest in parts)
        if fits:
            return True
    return False


def _compares(sign: str, number: str, rest: str, major: int) -> bool:
    if number in "*xX":
        return True
    wanted = int(number)
    if sign in (">=", ">"):
        return major >= wanted if sign == ">=" or rest.strip(".0xX*") else major > wanted
    if sign == "<":
        # "<23" ends before 23.0.0; "<22.5" shuts out the newest 22.
        return major < wanted
    return major <= wanted if sign == "<=" else major == wanted


def _python_packages(folder: Path, findings: list[Finding]) -> Iterator[tuple[str, str]]:
    for name in _REQUIREMENTS:
        for line in (read_text(folder / name) or "").splitlines():
            if package := _requirement(line):
                yield package, f"{name} has {line.split('#')[0].strip()}"
    text = read_text(folder / "pyproject.toml")
    if text is None:
        return
    import tomllib

    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        findings.append(Finding(f"pyproject.toml is not valid TOML: {error}", "mend it"))
        return
    for place, item in _pyproject_lists(data):
        if package := _requirement(item):
            yield package, f"pyproject.toml has {item} in {place}"


def _pyproject_lists(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    project, poetry = _table(data, "project"), _table(_table(data, "tool"), "poetry")
    lists = {"project.dependencies": project.get("dependencies")}
    lists |= {f"optional-dependencies.{name}": found for name, found in _table(project, "optional-dependencies").items()}
    lists |= {f"dependency-groups.{name}": found for name, found in _table(data, "dependency-groups").items()}
    lists["tool.poetry.dependencies"] = list(_table(poetry, "dependencies"))
    for name, group in _table(poetry, "group").items():
        lists[f"tool.poetry.group.{name}"] = list(_table(group, "dependencies")) if isinstance(group, dict) else []
    for place, found in lists.items():
        for item in found if isinstance(found, list) else []:
            if isinstance(item, str):
                yield place, item


def _requirement(line: str) -> str:
    """The normalised name in a requirement (PEP 508, PEP 503), or nothing."""
    match = re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[|[<>=!~;@ ]|$)", line.split("#")[0].rstrip() + " ")
    return re.sub(r"[-_.]+", "-", match[1]).lower() if match else ""
