"""The build spec that CodeBuild gets: the same one, or one that does the same from the top of the source."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import require_tool
from toolkit.builds.cloud import CloudSpec, cloud_spec, folder_in_repository
from toolkit.builds.runner import BuildFailed, BuildResult, run_build
from toolkit.builds.spec import load_spec, parse_spec
from toolkit.config import SiteConfig
from toolkit.errors import UserError
from toolkit.paths import resource
from toolkit.presets import registry

SCHEMA = json.loads((Path(__file__).parent / "buildspec.schema.json").read_text(encoding="utf-8"))
PRESETS = sorted(preset.name for preset in registry.every())
BUILT = [name for name in PRESETS if name != "plain-html"]
OWN = """\
version: 0.2
env: {variables: {KIND: own}}
phases:
  install:
    commands: ['echo "$KIND $BRANCH" > kind.txt']
  build:
    commands:
      - |
        # several lines
        mkdir -p dist/docs .keep && cp *.txt dist/
        pwd | sed 's|.*/||' > dist/docs/where.html
      - cd dist && echo 1.10 > version.html
artifacts:
  base-directory: dist
  files: ['**/*']
cache: {paths: ['.keep/**/*', ./other, /root/.cache/**/*]}
"""


def site(folder: Path = Path("/nowhere"), **given: Any) -> SiteConfig:
    return SiteConfig(**{"name": "blog", "folder": folder, **given})


def own(folder: Path, text: str, **given: Any) -> SiteConfig:
    """A site with a build spec of its own, its project in `root`."""
    config = site(folder, build_spec="buildspec.yml", **given)
    config.project.mkdir(parents=True, exist_ok=True)
    config.spec_path.write_text(text, encoding="utf-8")
    return config


def problems(text: str) -> list[str]:
    """What the reference has against a build spec, read as YAML 1.1 has it."""
    return [error.message for error in jsonschema.Draft202012Validator(SCHEMA).iter_errors(yaml.safe_load(text))]


def run(text: str, folder: Path, log: Path, **given: str) -> BuildResult:
    """As in CodeBuild, where the source's top is the working folder."""
    spec = parse_spec(text.encode(), Path("buildspec.yml"))
    return run_build(spec, folder, env={}, secrets={}, cache=None, log=log, echo=lambda _: None, branch="main", **given)


def built(result: BuildResult) -> dict[str, bytes]:
    return {path.relative_to(result.output).as_posix(): path.read_bytes() for path in result.output.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", BUILT)
def test_codebuild_reads_the_build_spec_of_a_preset(name: str) -> None:
    text = registry.get(name).spec_path.read_text(encoding="utf-8")
    assert problems(text) == []
    # Variables of `runtime-versions` have a value, in the file itself where site.toml has none.
    data = yaml.safe_load(text)
    for version in data["phases"]["install"]["runtime-versions"].values():
        assert not version.startswith("$") or version[1:] in data["env"]["variables"]


def test_every_build_spec_is_a_preset_s() -> None:
    assert sorted(path.stem for path in resource("build_specs").iterdir()) == PRESETS


@pytest.mark.parametrize(
    ("what", "instead"),
    [
        ("version: 0.2", "version: 0.3"),
        ("phases:", "stages:"),
        ("    runtime-versions:", "    runtimes:"),
        ("      nodejs:", "      node:"),
        ('"$NODE_VERSION"', '"${NODE_VERSION}"'),
        ("    commands:", "    on-failure: STOP\n    commands:"),
        ('    NODE_VERSION: "22"', "    NODE_VERSION: 22"),
        ('    CI: "true"', "    CODEBUILD_CI: x"),
        ("  files:", "  paths:"),
        ("  build:\n", "  build:\n    runtime-versions: {nodejs: 22}\n"),
        ("cache:\n  paths:", "cache:\n  files:"),
        ("env:\n", "env:\n  shell: zsh\n"),
    ],
)
def test_the_schema_minds_mistakes(what: str, instead: str) -> None:
    text = registry.get("vite").spec_path.read_text(encoding="utf-8")
    assert what in text
    assert problems(text.replace(what, instead, 1))


@given(
    name=st.sampled_from(BUILT),
    root=st.sampled_from([".", "./"]),
    config=st.fixed_dictionaries(
        {
            "branch": st.text(min_size=1),
            "env": st.dictionaries(st.sampled_from(["NODE_VERSION", "PACKAGE_MANAGER", "A"]), st.text()),
            "secrets": st.lists(st.sampled_from(["T", "U"])).map(tuple),
            "strict": st.booleans(),
        }
    ),
)
def test_without_root_and_output_it_is_the_preset_s_file_byte_for_byte(name: str, root: str, config: dict[str, Any]) -> None:
    spec = cloud_spec(site(preset=name, root=root, **config))
    assert spec == CloudSpec(idle=False, text=spec.text)
    assert spec.text.encode() == registry.get(name).spec_path.read_bytes()


@pytest.mark.parametrize("name", BUILT)
@pytest.mark.parametrize("given", [{"root": "sites/my blog"}, {"output": "build/out"}, {"root": "a", "output": "b"}])
def test_root_and_output_change_nothing_else(name: str, given: dict[str, str]) -> None:
    spec = cloud_spec(site(preset=name, **given))
    assert problems(spec.text) == []
    there, here = parse_spec(spec.text.encode(), Path("there")), load_spec(registry.get(name).spec_path)
    assert (there.variables, there.runtimes, there.shell) == (here.variables, here.runtimes, here.shell)
    commands = [command for phase in there.phases for command in phase.commands]
    if root := given.get("root", ""):
        assert commands.pop(0) == (
            "cd \"$CODEBUILD_SRC_DIR\"/'sites/my blog'" if " " in root else f'cd "$CODEBUILD_SRC_DIR"/{root}'
        )
    assert commands == [command for phase in here.phases for command in phase.commands]
    assert there.artifacts and here.artifacts
    assert there.artifacts.base == "/".join(filter(None, [root, given.get("output", here.artifacts.base)]))
    assert there.artifacts.files == here.artifacts.files == ("**/*",)
    assert list(there.cache_paths) == ["/".join(filter(None, [root, path])) for path in here.cache_paths]
    assert not spec.file and not spec.idle


@pytest.mark.parametrize("output", ["", "dist/docs", "dist"])
@pytest.mark.parametrize("root", ["sites/blog", "a b's", "$HOME", "."])
@pytest.mark.parametrize("how", ["", "exclude-paths: '*.txt'", "discard-paths: yes"])
def test_it_builds_from_the_top_of_the_source_what_is_built_here(tmp_path: Path, root: str, output: str, how: str) -> None:
    made = []
    for name in ("here", "there"):
        text = OWN.replace("  files:", f"  {how}\n  files:" if how else "  files:")
        config = own(tmp_path / name, text, root=root, output=output)
        (config.project / "page.txt").write_text("page")
        if name == "here":
            made.append(run(text, config.project, tmp_path / "here.log", output=output))
        else:
            made.append(run(cloud_spec(config).text, config.folder, tmp_path / "there.log"))
    here, there = map(built, made)
    if root == ".":
        where = [path for path in here if path.endswith("where.html")]
        assert where and all(here.pop(path) != there.pop(path) for path in where), "the two folders have different names"
    assert here == there and (here or root == ".")


def test_a_phase_that_is_tried_again_begins_in_the_root_again(tmp_path: Path) -> None:
    text = """\
version: 0.2
phases:
  pre_build:
    on-failure: RETRY-2
    commands: [cd deep, 'test -e ../again || { touch ../again; exit 1; }', mkdir -p ../dist, cp ../again ../dist/index.html]
artifacts: {base-directory: dist, files: ['**/*']}
"""
    config = own(tmp_path, text, root="site")
    (config.project / "deep").mkdir()
    assert list(built(run(cloud_spec(config).text, tmp_path, tmp_path.parent / "log"))) == ["index.html"]
    # The same without the root's folder in front: CodeBuild leaves the shell where it was.
    (config.project / "again").unlink()
    with pytest.raises(BuildFailed):
        run(cloud_spec(config).text.replace('cd "$CODEBUILD_SRC_DIR"/site', "cd site"), tmp_path, tmp_path.parent / "log")


@pytest.mark.needs_node
def test_a_preset_s_own_build_spec_builds_a_project_in_a_folder(tmp_path: Path) -> None:
    require_tool("node", "the preset's build spec runs it")
    require_tool("npm", "the preset's build spec runs it")
    config = site(tmp_path, preset="vite", root="apps/web", output="public")
    config.project.mkdir(parents=True)
    (config.project / "package.json").write_text(
        json.dumps({"scripts": {"build": "mkdir -p public && echo hi > public/index.html"}})
    )
    assert built(run(cloud_spec(config).text, tmp_path, tmp_path.parent / "log")) == {"index.html": b"hi\n"}


@pytest.mark.parametrize(
    ("given", "folder"),
    [({}, ""), ({"root": "site"}, "site"), ({"output": "public"}, "public"), ({"root": "a/b/", "output": "./c"}, "a/b/c")],
)
def test_plain_files_are_not_built(given: dict[str, str], folder: str) -> None:
    spec = cloud_spec(site(**given))
    assert (spec.idle, spec.folder, spec.file) == (True, folder, "")


@pytest.mark.parametrize(
    "artifacts", ["files: ['*.html']", "files: ['**/*'], exclude-paths: 'x/**'", "files: ['**/*'], base-directory: '*'"]
)
def test_a_choice_of_files_is_made_in_codebuild_though_there_is_nothing_to_run(tmp_path: Path, artifacts: str) -> None:
    spec = cloud_spec(own(tmp_path, f"version: 0.2\nartifacts: {{{artifacts}}}\n"))
    assert not spec.idle and problems(spec.text) == []
    assert parse_spec(spec.text.encode(), Path("x")).phases[0].commands == (":",)


def test_a_site_that_is_deep_in_its_repository_is_built_there(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    assert folder_in_repository(tmp_path) == ""
    made = []
    for name in ("blog", "shop"):
        config = own(tmp_path / "sites" / name, OWN, root="web", output="dist")
        (config.project / "page.txt").write_text(name)
        within = folder_in_repository(config.folder)
        assert within == f"sites/{name}"
        made.append(built(run(cloud_spec(config, within).text, tmp_path, tmp_path.parent / f"{name}.log")))
        assert made[-1] == built(run(OWN, config.project, tmp_path.parent / f"{name}.log", output="dist"))
    assert [it["page.txt"] for it in made] == [b"blog", b"shop"]
    assert cloud_spec(site(root="a", output="b"), "sites/blog").folder == "sites/blog/a/b"
    assert cloud_spec(site(preset="vite"), "sites/blog").text != cloud_spec(site(preset="vite")).text


def test_a_folder_without_a_repository_is_the_source() -> None:
    assert folder_in_repository(Path("/nowhere/at/all")) == ""


def test_an_own_build_spec_is_read_in_the_source_so_that_a_commit_may_change_it(tmp_path: Path) -> None:
    spec = cloud_spec(own(tmp_path, OWN))
    assert (spec.file, spec.text) == ("buildspec.yml", OWN)


@pytest.mark.parametrize("given", [{"root": "site"}, {"output": "dist"}])
def test_with_root_or_output_it_is_the_one_of_the_last_up(tmp_path: Path, given: dict[str, str]) -> None:
    assert cloud_spec(own(tmp_path, OWN.replace("base-directory: dist", "base-directory: x"), **given)).file == ""


@pytest.mark.parametrize(
    ("more", "gone", "there"),
    [
        ("reports: {tests: {files: ['**/*']}}\n", "reports", ""),
        ("", "shell: sh", "shell: /bin/sh"),
    ],
)
def test_what_codebuild_would_not_take_is_not_given_to_it(tmp_path: Path, more: str, gone: str, there: str) -> None:
    spec = cloud_spec(own(tmp_path, OWN.replace("env: {", "env: {shell: sh, ") + more if not more else OWN + more))
    assert spec.file == "" and problems(spec.text) == []
    assert not re.search(rf"^ *{gone}$", spec.text, re.MULTILINE) and gone.split(":")[0] + ":\n" not in spec.text
    assert there in spec.text


def test_who_may_not_know_secrets_gets_a_build_spec_that_asks_for_none(tmp_path: Path) -> None:
    asks = "env: {parameter-store: {TOKEN: /blog/token}, secrets-manager: {KEY: 'blog:key'}, variables"
    spec = cloud_spec(own(tmp_path, OWN.replace("env: {variables", asks)))
    assert (spec.parameters, spec.secrets, spec.file) == (("/blog/token",), ("blog:key",), "buildspec.yml")
    without = spec.without_secrets()
    assert (without.parameters, without.secrets, without.file) == ((), (), "")
    tree = yaml.safe_load(without.text)
    assert tree["env"] == {"variables": {"KIND": "own"}} and problems(without.text) == []
    assert tree["phases"] == yaml.safe_load(OWN)["phases"]
    assert without.without_secrets() == without
    deep = cloud_spec(own(tmp_path, OWN.replace("env: {variables", asks), root="site"))
    assert (deep.parameters, deep.file) == (("/blog/token",), "") and "/blog/token" not in deep.without_secrets().text
    plain = cloud_spec(own(tmp_path, OWN))
    assert plain.without_secrets() is plain


def test_a_spec_that_only_asks_for_secrets_has_no_empty_env_left(tmp_path: Path) -> None:
    spec = cloud_spec(own(tmp_path, OWN.replace("variables: {KIND: own}", "parameter-store: {KIND: /x}"))).without_secrets()
    assert problems(spec.text) == [] and "env" not in yaml.safe_load(spec.text)


def test_a_spec_in_another_encoding_is_written_again(tmp_path: Path) -> None:
    config = own(tmp_path, "")
    config.spec_path.write_bytes(OWN.encode("utf-16"))
    spec = cloud_spec(config)
    assert spec.file == "" and problems(spec.text) == []
    assert parse_spec(spec.text.encode(), Path("x")) == parse_spec(OWN.encode(), Path("x"))


@pytest.mark.parametrize(
    ("text", "given", "what"),
    [
        ("version: 0.2\nphases: {build: {commands: [x]}}\n", {}, "has no artifacts"),
        (OWN, {"root": "site[1]"}, "root is site[1]"),
        ("version: 0.2\nphase: {}\n", {}, "line 2: phase is not a field"),
    ],
)
def test_what_cannot_be_built_there_is_said(tmp_path: Path, text: str, given: dict[str, str], what: str) -> None:
    with pytest.raises(UserError, match=re.escape(what)):
        cloud_spec(own(tmp_path, text, **given))


def test_a_build_spec_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot read the build spec"):
        cloud_spec(site(tmp_path, build_spec="gone.yml"))
