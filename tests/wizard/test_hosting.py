"""Which host a project comes from, by its files, and whose language its rule files are written in."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.commands.test_init import Person, run
from tests.presets.test_detection import Files, project
from toolkit import cli, config
from toolkit.engine.slashes import POLICIES
from toolkit.wizard.hosting import Found, find

PAGE = {"index.html": ""}
DEPLOYED = {".github/workflows/site.yml": "steps:\n  - uses: actions/deploy-pages@v4\n"}
# Conditions are Netlify's alone, `! Name` is Cloudflare's: each has one line that is bad in the other dialect.
OF_NETLIFY = "/a /b 301 Country=de\n/c /d\n"
OF_CLOUDFLARE = "/a\n  X-A: b\n/b\n  ! X-A\n"


def found(root: Path, files: Files, output: str = "") -> Found:
    return find((project(root, files), root), output)


def said(root: Path, files: Files, output: str = "") -> dict[str, Any]:
    return {name: answer.value for name, answer in found(root, files, output).answers.items()}


def vercel(**switches: object) -> Files:
    return {"vercel.json": switches}


def firebase(**switches: object) -> Files:
    return {"firebase.json": {"hosting": switches}}


@pytest.mark.parametrize(
    ("files", "dialect", "slashes"),
    [
        ({}, None, None),
        ({"netlify.toml": ""}, "netlify", "netlify"),
        ({".netlify/state.json": "{}"}, "netlify", "netlify"),
        ({"netlify.toml": "[build.processing.html]\npretty_urls = false\n"}, "netlify", "netlify-plain"),
        ({"wrangler.toml": 'name = "x"\n'}, "cloudflare", "cloudflare-auto"),
        ({"wrangler.toml": '[assets]\nhtml_handling = "force-trailing-slash"\n'}, "cloudflare", "cloudflare-force"),
        ({"wrangler.json": {"assets": {"html_handling": "drop-trailing-slash"}}}, "cloudflare", "cloudflare-drop"),
        ({"wrangler.json": {"assets": {"html_handling": "auto-trailing-slash"}}}, "cloudflare", "cloudflare-auto"),
        ({"wrangler.jsonc": '{ // ours\n "assets": {"html_handling": "none", }, /* , } */ }'}, "cloudflare", "cloudflare-none"),
        ({"wrangler.jsonc": '{"name": "a, } // b", "pages_build_output_dir": "dist",}'}, "cloudflare", "cloudflare-pages"),
        ({"wrangler.toml": '[assets]\nhtml_handling = ["odd"]\n'}, "cloudflare", "cloudflare-auto"),
        (vercel(), None, "vercel"),
        (vercel(trailingSlash=True), None, "vercel-slash"),
        (vercel(trailingSlash=False), None, "vercel-no-slash"),
        (vercel(cleanUrls=True), None, "vercel-clean"),
        (vercel(cleanUrls=True, trailingSlash=True), None, "vercel-clean-slash"),
        (vercel(cleanUrls=True, trailingSlash=False), None, "vercel-clean-no-slash"),
        (vercel(cleanUrls="yes", trailingSlash=1), None, "vercel"),
        (firebase(), None, "firebase"),
        (firebase(cleanUrls=False, trailingSlash=False), None, "firebase-no-slash"),
        (firebase(cleanUrls=True, trailingSlash=True), None, "firebase-clean-slash"),
        ({"firebase.json": {"hosting": [{"cleanUrls": True}, {"cleanUrls": True}]}}, None, "firebase-clean"),
        ({"firebase.json": {"hosting": [{"cleanUrls": True}, {}]}}, None, None),
        ({"firebase.json": {"functions": {}}}, None, None),
        ({"amplify.yml": "version: 1\n"}, None, "amplify"),
        ({"CNAME": "www.example.com\n"}, None, "github-pages"),
        (DEPLOYED, None, "github-pages"),
        ({".github/workflows/test.yml": "steps: []\n"}, None, None),
        ({"netlify.toml": "", "CNAME": "", **vercel()}, "netlify", "netlify"),
        ({**vercel(), "public/_redirects": OF_NETLIFY}, "netlify", "vercel"),
    ],
)
def test_a_host_s_own_files(tmp_path: Path, files: Files, dialect: str | None, slashes: str | None) -> None:
    answers = {"dialect": dialect, "slashes": slashes}
    assert said(tmp_path, files) == {name: value for name, value in answers.items() if value}
    assert slashes is None or slashes in POLICIES


@pytest.mark.parametrize("folder", [".", "public", "static", "src", "docs", "build/site"])
def test_rule_files_tell_their_dialect(tmp_path: Path, folder: str) -> None:
    for name, text, dialect in (("_redirects", OF_NETLIFY, "netlify"), ("_headers", OF_CLOUDFLARE, "cloudflare")):
        root = tmp_path / dialect
        answers = found(root, {f"{folder}/{name}": text}, "build/site").answers
        assert answers["dialect"].value == dialect and "slashes" not in answers
        where = name if folder == "." else f"{folder}/{name}"
        others = {"netlify": "Netlify's dialect, 1 in Cloudflare's", "cloudflare": "Cloudflare's dialect, 1 in Netlify's"}
        assert answers["dialect"].why == f"{where}: 0 bad lines in {others[dialect]}"


def test_rule_files_that_both_understand_tell_nothing(tmp_path: Path) -> None:
    assert said(tmp_path, {"public/_redirects": "/a /b 301\n", "_headers": "/*\n  X-A: b\n"}) == {}
    assert said(tmp_path, {"elsewhere/_redirects": OF_NETLIFY, "public/_headers/x": ""}) == {}


def test_both_rule_files_count(tmp_path: Path) -> None:
    files = {"public/_redirects": OF_NETLIFY, "static/_headers": OF_CLOUDFLARE + "/c\n  ! X-A\n"}
    answers = found(tmp_path, files).answers
    assert answers["dialect"].value == "cloudflare"
    assert answers["dialect"].why == "public/_redirects and static/_headers: 1 bad line in Cloudflare's dialect, 2 in Netlify's"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("netlify.toml", "[["),
        ("wrangler.toml", "a = " + "[" * 9000),
        ("wrangler.jsonc", "{ // no end"),
        ("vercel.json", b"\xff\xfe{"),
        ("vercel.json", "[]"),
        ("vercel.json", "[" * 99999),
        ("firebase.json", "1"),
    ],
)
def test_a_broken_file_is_named_and_ignored(tmp_path: Path, name: str, text: str | bytes) -> None:
    result = found(tmp_path, {name: text})
    assert result.answers == {} and len(result.findings) == 1
    assert result.findings[0].what.startswith(name) and "--slashes" in result.findings[0].fix


def test_folders_of_such_names_are_no_evidence(tmp_path: Path) -> None:
    names = ("netlify.toml", "wrangler.json", "vercel.json", "amplify.yml", "CNAME", "_redirects")
    assert said(tmp_path, {f"{name}/x": "" for name in names}) == {}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look into every folder")
def test_folders_that_cannot_be_looked_into_stop_nobody(tmp_path: Path) -> None:
    names = (".netlify", ".github", "public", "static")
    project(tmp_path, {f"{name}/x": "" for name in names})
    for name in names:
        (tmp_path / name).chmod(0)
    assert said(tmp_path, {}) == {"dialect": "netlify", "slashes": "netlify"}
    for name in names:
        (tmp_path / name).chmod(0o700)


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3))
KEYS = st.sampled_from(
    ["hosting", "assets", "html_handling", "cleanUrls", "trailingSlash", "redirects", "headers", "pages_build_output_dir"]
)


@settings(max_examples=60, deadline=None)
@given(data=st.dictionaries(KEYS, JSON | st.dictionaries(KEYS, JSON)), name=st.sampled_from(["vercel", "firebase", "wrangler"]))
def test_no_content_is_too_odd(tmp_path_factory: pytest.TempPathFactory, data: dict[str, object], name: str) -> None:
    root = tmp_path_factory.mktemp("odd")
    (root / f"{name}.json").write_text(json.dumps(data))
    assert all(value in POLICIES or value == "cloudflare" for value in said(root, {}).values())


def test_rules_in_other_files_are_spoken_of(tmp_path: Path) -> None:
    toml = '[[redirects]]\nfrom = "/a"\nto = "/b"\n' + '[[headers]]\nfor = "/"\n' * 2
    result = found(tmp_path, {"netlify.toml": toml, **vercel(rewrites=[{}], redirects={}), **firebase(headers=[{}])})
    assert [finding.what for finding in result.findings] == [
        "netlify.toml has 1 redirect and 2 headers, not read here",
        "vercel.json has 1 rewrite, not read here",
        "firebase.json has 1 header, not read here",
    ]


def test_what_lies_at_the_top_of_a_monorepo_counts_after_the_project_s_own(tmp_path: Path) -> None:
    project(tmp_path, {"netlify.toml": "", "apps/web/wrangler.toml": "", "apps/docs/x": ""})
    for folder, dialect in (("web", "cloudflare"), ("docs", "netlify")):
        assert find((tmp_path / "apps" / folder, tmp_path), "").answers["dialect"].value == dialect


def test_the_wizard_writes_what_was_found_with_its_reason(tmp_path: Path) -> None:
    told = run(project(tmp_path, PAGE | {"wrangler.toml": 'pages_build_output_dir = "."\n'}))
    assert (told["site"]["dialect"], told["site"]["slashes"]) == ("cloudflare", "cloudflare-pages")
    assert told["because"]["slashes"] == "wrangler.toml has pages_build_output_dir"
    written = config.load(tmp_path).settings
    assert (written.dialect, written.slashes) == ("cloudflare", "cloudflare-pages")
    text = (tmp_path / "site.toml").read_text()
    assert text.count("dialect = ") == 1 and text.count("slashes = ") == 1


def test_the_wizard_leaves_defaults_unsaid(tmp_path: Path) -> None:
    told = run(project(tmp_path, PAGE))
    assert not {"dialect", "slashes"} & set(told["site"])
    assert "# dialect = " in (tmp_path / "site.toml").read_text()


def test_running_again_keeps_the_user_s_answers(tmp_path: Path) -> None:
    run(project(tmp_path, PAGE | {"netlify.toml": ""}))
    path = tmp_path / "site.toml"
    path.write_text(path.read_text().replace('slashes = "netlify"', 'slashes = "exact"'))
    told = run(tmp_path)
    assert told["written"] == [] and told["site"]["slashes"] == "exact" and told["because"]["slashes"] == "site.toml"


def test_flags_go_before_everything(tmp_path: Path) -> None:
    project(tmp_path, PAGE | {"netlify.toml": "", "site.toml": 'name = "a"\n[routing]\nslashes = "exact"\n'})
    assert cli.main(["init", str(tmp_path), "--yes", "--dialect", "cloudflare", "--slashes", "cloudflare-drop"]) == 0
    written = config.load(tmp_path).settings
    assert (written.dialect, written.slashes) == ("cloudflare", "cloudflare-drop")
    assert cli.main(["init", str(tmp_path), "--slashes", "sometimes"]) == 2
    assert cli.main(["init", str(tmp_path), "--dialect", "apache"]) == 2


def test_both_can_be_changed_before_writing(tmp_path: Path) -> None:
    person = Person("dialect", "cloudflare", "slashes", "npm-serve", "write")
    told = run(project(tmp_path, PAGE), person)
    assert (told["site"]["dialect"], told["site"]["slashes"]) == ("cloudflare", "npm-serve")
