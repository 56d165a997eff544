"""The build spec that CodeBuild gets for a site, which is the one that runs here.

The preset's file goes there byte for byte. Two things of site.toml are not in it: `root`, since CodeBuild starts at the top of the
source, and `output`. For those it is read, changed and written again; commands, versions and names stay as they are.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.builds.artifacts import takes_all
from toolkit.builds.spec import PHASES, BuildSpec, parse_spec, read_body, read_tree
from toolkit.errors import UserError

if TYPE_CHECKING:
    from toolkit.config import SiteConfig

# "env/parameter-store" and "env/secrets-manager" of the reference.
_FETCHED = ("parameter-store", "secrets-manager")
_GLOB = re.compile(r"[*?\[\]{}]")


@dataclass(frozen=True)
class CloudSpec:
    """What CodeBuild runs. `idle`: nothing, since `folder` of the source (with forward slashes, "" for all of it) is the site.

    `text` is the build spec; `file` where it lies in the source, when it is the user's own as it is there (else ""), so that a
    commit may change it. `parameters` and `secrets` are what it takes from Parameter Store and Secrets Manager, as written there.
    """

    idle: bool
    text: str
    file: str = ""
    folder: str = ""
    parameters: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()

    def without_secrets(self) -> CloudSpec:
        """The same for builds that nobody trusts: it takes nothing from Parameter Store and Secrets Manager."""
        if not (self.parameters or self.secrets):
            return self
        tree = read_tree(self.text.encode(), Path(self.file))
        tree["env"] = {name: value for name, value in tree["env"].items() if name not in _FETCHED}
        return replace(self, text=_written(tree), file="", parameters=(), secrets=())


def folder_in_repository(folder: Path) -> str:
    """Where `folder` is in its git repository, with forward slashes: "" at the top, or where there is no repository."""
    folder = folder.absolute()
    for top in (folder, *folder.parents):
        if (top / ".git").exists():
            return folder.relative_to(top).as_posix().removeprefix(".")
    return ""


def cloud_spec(config: SiteConfig, within: str = "") -> CloudSpec:
    """The build spec of the site in CodeBuild; `within` is the folder of the source that site.toml is in.

    UserError when it cannot be read, is not valid, or says nothing of what to publish.
    """
    path = config.spec_path
    body = read_body(path)
    spec = parse_spec(body, path)
    if config.output:
        spec = spec.with_output(config.output)
    if spec.artifacts is None:
        raise UserError(f"{path} has no artifacts: nothing says what to publish", "add artifacts, or output in site.toml")
    root = posixpath.normpath(posixpath.join(within, config.root))
    tree = read_tree(body, path)
    if spec.idle and takes_all(spec.artifacts) and not _GLOB.search(spec.artifacts.base):
        folder = posixpath.normpath(posixpath.join(root, spec.artifacts.base))
        return CloudSpec(idle=True, text=_text(body) or _written(tree), folder="" if folder == "." else folder)
    changed = _changed(tree, spec, root, config.output)
    same = changed == tree and _text(body) != ""
    env = changed.get("env") or {}
    return CloudSpec(
        idle=False,
        text=_text(body) if same else _written(changed),
        file=posixpath.normpath(config.build_spec) if same and config.build_spec else "",
        parameters=tuple((env.get(_FETCHED[0]) or {}).values()),
        secrets=tuple((env.get(_FETCHED[1]) or {}).values()),
    )


def _text(body: bytes) -> str:
    """Nothing when it is not UTF-8, which YAML need not be."""
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return ""


def _changed(tree: Mapping[str, Any], spec: BuildSpec, root: str, output: str) -> dict[str, Any]:
    """The tree of a build spec as it must be for CodeBuild to do in the source what is done here in `root`."""
    made = deepcopy(dict(tree))
    if output:
        made["artifacts"] = {**(made.get("artifacts") or {}), "base-directory": output, "files": ["**/*"]}
    if root != ".":
        _from(made, spec, root)
    if spec.idle:
        # `phases` is required there, and one without a command does nothing.
        made["phases"] = {"build": {"commands": [":"]}}
    # Nothing is done with reports here, and the build's role may make no report groups.
    made.pop("reports", None)
    if (made.get("env") or {}).get("shell") == "sh":
        made["env"]["shell"] = "/bin/sh"  # The only way that the reference writes it.
    return made


def _from(made: dict[str, Any], spec: BuildSpec, root: str) -> None:
    """Let everything happen in the folder `root`. Paths of artifacts and of the cache begin at the source's top there."""
    if _GLOB.search(root):
        raise UserError(f"root is {root}, and CodeBuild reads *?[]{{}} as a pattern there", "rename the folder")
    given = made["artifacts"]
    given["base-directory"] = posixpath.normpath(posixpath.join(root, given.get("base-directory") or "."))
    if paths := (made.get("cache") or {}).get("paths"):
        made["cache"]["paths"] = [_inside(root, path) for path in paths]
    first = next((phase.name for phase in spec.phases if phase.commands or phase.finally_), "")
    if first:
        phase = made["phases"][first]
        # The whole path, since a phase may be tried again.
        phase["commands"] = [f'cd "$CODEBUILD_SRC_DIR"/{shlex.quote(root)}', *(phase.get("commands") or ())]


def _inside(root: str, path: str) -> str:
    outside = path.strip().startswith(("/", "~", "$"))
    return path if outside else f"{root}/{path.strip().removeprefix('./')}"


def _written(tree: Mapping[str, Any]) -> str:
    """The tree as YAML: commands of several lines as blocks, numbers in quotes, for they are texts here."""
    import yaml

    class Dumper(yaml.SafeDumper):
        pass

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)

    Dumper.add_representer(str, text)
    order = ("version", "env", "phases", "artifacts", "cache")
    sorted_tree = {name: tree[name] for name in (*order, *sorted(set(tree) - set(order))) if tree.get(name)}
    if "phases" in sorted_tree:
        phases = sorted_tree["phases"]
        sorted_tree["phases"] = {name: phases[name] for name in PHASES if phases.get(name)}
    written: str = yaml.dump(sorted_tree, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=1 << 20)
    return written
