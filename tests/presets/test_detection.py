"""Which preset a project needs, also when its files mislead."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.builds.spec import load_spec
from toolkit.errors import UserError
from toolkit.presets.detection import Candidate, detect, nested, without_comments
from toolkit.presets.project import allows, facts
from toolkit.presets.registry import every, get

Files = dict[str, Any]


def project(root: Path, files: Files) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return root


def best(root: Path, files: Files) -> Candidate:
    return detect(project(root, files))[0]


def package(*names: str, dev: tuple[str, ...] = (), **more: Any) -> Files:
    manifest = {"dependencies": dict.fromkeys(names, "^1"), "devDependencies": dict.fromkeys(dev, "^2"), **more}
    return {"package.json": manifest, "package-lock.json": "{}"}


MKDOCS = {"mkdocs.yml": "site_name: x\ntheme: {name: material}\n", "requirements.txt": "# docs\nMkDocs >= 1.6\n"}
NEXT = "/** @type {import('next').NextConfig} */\nexport default {\n  output: 'export',\n}\n"


@pytest.mark.parametrize(
    ("files", "preset", "evidence"),
    [
        (package(dev=("vite",)) | {"index.html": "", "vite.config.ts": ""}, "vite", "package.json has vite ^2 in devDependencies"),
        (package("astro", dev=("vite",)) | {"astro.config.mjs": ""}, "astro", "astro.config.mjs"),
        (package("next", "react") | {"next.config.mjs": NEXT}, "next-export", "next.config.mjs sets output: 'export'"),
        (package(dev=("@11ty/eleventy", "prettier")), "eleventy", "package.json has @11ty/eleventy ^2 in devDependencies"),
        (package(dev=("@11ty/eleventy", "vite")) | {".eleventy.js": ""}, "eleventy", ".eleventy.js"),
        (MKDOCS, "mkdocs", "requirements.txt has MkDocs >= 1.6"),
        ({"mkdocs.yml": "site_name: x"}, "mkdocs", "mkdocs.yml"),
        ({"index.html": "", "about.html": ""}, "plain-html", "index.html"),
        ({"public/index.html": "", "README.md": ""}, "plain-html", "public/index.html"),
        (package(dev=("prettier",)) | {"index.html": ""}, "plain-html", "index.html"),
    ],
)
def test_what_is_found_and_why(tmp_path: Path, files: Files, preset: str, evidence: str) -> None:
    found = best(tmp_path, files)
    assert found.preset.name == preset and evidence in found.evidence
    assert found.sure, found.findings


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"README.md": "vite"},
        {"package.json": {"scripts": {"build": "vite build", "dev": "astro dev"}}},
        package(dev=("vite-plugin-pwa", "eslint-plugin-astro", "@vitejs/plugin-react", "next-themes")),
        package("nuxt", "vite"),
        package("@sveltejs/kit", "vite", "@sveltejs/adapter-static"),
        package("vitepress", "vite"),
        {"package.json": {"peerDependencies": {"vite": "^5"}, "keywords": ["astro"], "name": "vite"}},
        {"requirements.txt": "mkdocs\n"},
        {"docs/vite.config.ts": "", "src/package.json": {"dependencies": {"vite": "1"}}},
    ],
)
def test_what_is_not_there_is_not_found(tmp_path: Path, files: Files) -> None:
    assert detect(project(tmp_path, files)) == []


def test_an_index_beside_a_build_is_no_plain_site(tmp_path: Path) -> None:
    found = best(tmp_path, package("react-scripts", scripts={"build": "react-scripts build"}) | {"public/index.html": ""})
    assert found.preset.name == "plain-html" and not found.sure
    assert "build script" in found.findings[0].what


def test_a_jekyll_site_is_not_plain(tmp_path: Path) -> None:
    assert not best(tmp_path, {"index.html": "---\n---", "Gemfile": "gem 'jekyll'"}).sure


def test_next_without_export(tmp_path: Path) -> None:
    commented = "module.exports = {\n  // output: 'export',\n  /* output: 'export' */\n  images: { loader: 'https://x//y' },\n}"
    for files in (package("next"), package("next") | {"next.config.js": commented}):
        found = best(tmp_path, files)
        assert found.preset.name == "next-export" and not found.sure
        assert any("output: 'export'" in finding.fix and finding.severe for finding in found.findings)


def test_astro_with_a_server(tmp_path: Path) -> None:
    found = best(tmp_path, package("astro") | {"astro.config.mjs": "export default { output: 'server' }"})
    assert not found.sure and "running server" in found.findings[0].what


def test_a_config_file_alone_is_a_weak_sign(tmp_path: Path) -> None:
    found = best(tmp_path, package("react") | {"vite.config.ts": ""})
    assert found.preset.name == "vite" and not found.sure
    assert "no package.json here names vite" in found.findings[0].what


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'{"dependencies": {"vite": "^5"},}', "package.json line 1 is not valid JSON"),
        (b"[1]", "does not hold an object"),
        (b"[" * 100_000, "package.json"),
        (b'{"a": "' + b"x" * (5 << 20) + b'"}', "larger than 4 MB"),
    ],
)
def test_a_manifest_that_cannot_be_read_is_reported(tmp_path: Path, body: bytes, says: str) -> None:
    found = best(tmp_path, {"package.json": body, "index.html": "", "vite.config.js": ""})
    assert not found.sure
    assert any(says in finding.what and finding.severe for finding in found.findings)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_byte_order_marks(tmp_path: Path, encoding: str) -> None:
    body = '{"dependencies": {"vite": "^5"}}'.encode(encoding)
    assert best(tmp_path, {"package.json": body}).preset.name == "vite"


@given(
    st.recursive(
        st.none() | st.booleans() | st.text(max_size=5), lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner)
    )
)
def test_any_manifest_is_survived(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    root = tmp_path_factory.mktemp("any")
    keys = ("dependencies", "devDependencies", "scripts", "engines", "packageManager", "workspaces", "name")
    detect(project(root, {"package.json": dict.fromkeys(keys, value), "index.html": ""}))


@pytest.mark.parametrize(
    ("files", "output"),
    [
        (package("vite") | {"vite.config.ts": "export default defineConfig({ build: { outDir: 'build' } })"}, "build"),
        (package("vite") | {"vite.config.ts": "export default {\n  root: 'src',\n  build: { outDir: '../www/' } }"}, "www"),
        (package("vite") | {"vite.config.ts": "// build: { outDir: 'build' }\nexport default { build: { outDir: `${x}` } }"}, ""),
        (package("vite", scripts={"build": "tsc && vite build --outDir=web"}), "web"),
        (package("astro") | {"astro.config.mjs": 'export default { outDir: "./public" }'}, "public"),
        (package("@11ty/eleventy") | {".eleventy.js": "return { dir: { input: 'src', output: 'dist' } }"}, "dist"),
        (package("@11ty/eleventy") | {"eleventy.config.js": "config.setOutputDirectory('out')"}, "out"),
        (package("@11ty/eleventy", scripts={"build": "eleventy --output web"}), "web"),
        (package("next") | {"next.config.js": "module.exports = { output: 'export', distDir: 'build' }"}, "build"),
        ({"mkdocs.yml": "site_dir: 'public'  # here\n"}, "public"),
        ({"mkdocs.yml": "# site_dir: public\nextra:\n  site_dir: no\n"}, ""),
        ({"public/index.html": ""}, "public"),
    ],
)
def test_the_output_folder_that_the_project_sets(tmp_path: Path, files: Files, output: str) -> None:
    assert best(tmp_path, files).output == output


def test_an_output_outside_the_project(tmp_path: Path) -> None:
    found = best(tmp_path, package("vite") | {"vite.config.ts": "export default { build: { outDir: '../dist' } }"})
    assert found.output == "" and not found.sure


def test_the_mode(tmp_path: Path) -> None:
    single = best(tmp_path, package("vite") | {"index.html": ""})
    assert single.mode == "spa" and "single-page" in single.mode_why
    several = best(tmp_path, package("vite") | {"about.html": ""})
    assert several.mode == "site" and several.mode_why == "several pages: about.html, index.html"


def test_a_build_script_of_another_name(tmp_path: Path) -> None:
    scripts = {"dev": "vite", "watch": "vite build --watch", "compile:web": "tsc && vite build", "lint": "eslint"}
    assert best(tmp_path, package("vite", scripts=scripts)).script == "compile:web"
    assert best(tmp_path, package("vite", scripts=scripts | {"build": "make"})).script == ""


@pytest.mark.parametrize(
    ("files", "manager", "why"),
    [
        ({"pnpm-lock.yaml": "", "package.json": {}}, "pnpm", "pnpm-lock.yaml"),
        ({"yarn.lock": "", "package.json": {}}, "yarn", "yarn.lock"),
        ({"bun.lockb": b"", "package.json": {}}, "bun", "bun.lockb"),
        ({"npm-shrinkwrap.json": "", "package.json": {}}, "npm", "npm-shrinkwrap.json"),
        ({"package.json": {"packageManager": "pnpm@9.1.0+sha512.x"}}, "pnpm", "packageManager in package.json"),
        ({"package.json": {}}, "npm", "no lock file"),
        ({}, "", ""),
    ],
)
def test_the_package_manager(tmp_path: Path, files: Files, manager: str, why: str) -> None:
    known = facts(project(tmp_path, files))
    assert (known.package_manager, known.package_manager_why) == (manager, why)


def test_several_lock_files(tmp_path: Path) -> None:
    known = facts(project(tmp_path, {"package.json": {}, "package-lock.json": "", "pnpm-lock.yaml": ""}))
    assert known.package_manager == "pnpm" and "several package managers" in known.findings[0].what


@pytest.mark.parametrize(
    ("files", "node"),
    [
        ({".nvmrc": "v20.11.0\n", "package.json": {"engines": {"node": "22"}}}, "20"),
        ({".nvmrc": "lts/*", ".node-version": "18"}, "18"),
        ({"package.json": {"engines": {"node": "^20.19.0 || >=22.12.0"}}}, "22"),
        ({"package.json": {"engines": {"node": ">=18 <21"}}}, "20"),
        ({"package.json": {"engines": {"node": "24.x"}}}, "24"),
        ({"package.json": {"engines": {"node": "16"}}}, ""),
        ({"package.json": {"engines": {"node": ["x"]}}}, ""),
        ({}, ""),
    ],
)
def test_the_node_version(tmp_path: Path, files: Files, node: str) -> None:
    assert facts(project(tmp_path, files)).node_version == node


@pytest.mark.parametrize(
    ("versions", "major", "fits"),
    [("*", 22, True), ("18 - 20", 22, False), ("18 - 20", 20, True), (">20", 20, False), (">20.1", 20, True), ("<=20", 22, False)],
)
def test_version_ranges(versions: str, major: int, fits: bool) -> None:
    assert allows(versions, major) is fits


def test_python_dependencies(tmp_path: Path) -> None:
    text = (
        '[project]\ndependencies = ["a"]\n'
        '[project.optional-dependencies]\ndocs = ["mkdocs_material>=9 ; x"]\n'
        '[dependency-groups]\nd = ["B.c", {include-group = "x"}]\n'
    )
    known = facts(project(tmp_path, {"pyproject.toml": text, "docs/requirements.txt": "-r x\nmkdocs[i18n]==1.6\n"}))
    assert set(known.packages) == {"a", "mkdocs-material", "b-c", "mkdocs"}


def test_a_monorepos_projects(tmp_path: Path) -> None:
    site = {f"sites/docs/{name}": content for name, content in package("astro").items()}
    root = project(tmp_path, {"package.json": {"workspaces": ["sites/*", "../x"]}, "node_modules/x/package.json": {}, **site})
    assert [(name, found.preset.name) for name, found in nested(root, facts(root))] == [("sites/docs", "astro")]


def test_comments() -> None:
    text = "a = 'http://x' // gone\n/* gone\n */ b = \"/* kept */\"; c = `// kept`"
    assert without_comments(text, "x.mjs") == "a = 'http://x'  \n  b = \"/* kept */\"; c = `// kept`"
    assert without_comments("# // kept", "mkdocs.yml") == "# // kept"


def test_every_preset_has_a_build_spec_that_agrees_with_it() -> None:
    for preset in every():
        spec = load_spec(preset.spec_path)
        assert spec.artifacts is not None and (spec.artifacts.base or ".") == preset.output
        assert spec.idle == (preset.language == "none")
        assert all(glob.startswith("/") for glob in (*preset.immutable, *preset.never_immutable))
        assert preset.mode in ("site", "spa")


def test_presets_of_one_language_install_alike() -> None:
    """The build specs stand alone, as CodeBuild reads them; what they share must not drift apart."""
    installs = {load_spec(preset.spec_path).phases[0].commands for preset in every() if preset.language == "node"}
    assert len(installs) == 1


def test_build_specs_fall_back_to_the_presets_own_command() -> None:
    for preset in every():
        if preset.language == "node":
            command = load_spec(preset.spec_path).phases[1].commands[0]
            assert re.search(rf'bin:\$PATH" {re.escape(preset.build)}; fi', command)


def test_a_preset_that_does_not_exist() -> None:
    with pytest.raises(UserError, match='no preset "nope"') as raised:
        get("nope")
    assert "astro, eleventy" in raised.value.fix
