"""Every example, as a user would: `toolkit up`, `git push`, and then all the answers of its expect.json over HTTP."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.bench.common import Toolkit
from tests.conftest import require_tool
from tests.expect import check, fetch

EXAMPLES = Path(__file__).parent.parent / "examples"
TOOLS = {"plain": (), "vite-react": ("node", "npm"), "docs-mkdocs": ()}
VITE = pytest.param("vite-react", marks=[pytest.mark.slow, pytest.mark.needs_node])


@dataclass(frozen=True)
class Site:
    """An example that was pushed and is being served. `host` is what goes into the Host header."""

    name: str
    project: Path
    toolkit: Toolkit
    repository: str
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def host(self) -> str:
        return f"{self.name}.localhost:{self.port}"

    def push(self, message: str, branch: str = "main") -> None:
        self.toolkit.git("add", ".", cwd=self.project)
        self.toolkit.git("commit", "-q", "-m", message, cwd=self.project)
        self.toolkit.git("push", self.repository, f"HEAD:{branch}", cwd=self.project)


@pytest.fixture(scope="module", params=["plain", VITE, pytest.param("docs-mkdocs", marks=pytest.mark.slow)])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    name = request.param
    for tool in ("git", *TOOLS[name]):
        require_tool(tool, f"the example {name} needs it")
    folder = tmp_path_factory.mktemp(name)
    project, toolkit = folder / "project", Toolkit(folder)
    shutil.copytree(EXAMPLES / name, project, ignore=shutil.ignore_patterns("node_modules", "dist", "site", ".venv", "__pycache__"))
    toolkit.git("init", "-q", ".", cwd=project)
    up = toolkit("up", "--no-serve", cwd=project)
    with toolkit.served() as port:
        served = Site(name, project, toolkit, up["repository"], port)
        served.push("First version")
        yield served


def test_gives_the_answers_that_it_must(site: Site) -> None:
    rows = json.loads((EXAMPLES / site.name / "expect.json").read_text())
    assert check(site.url, site.host, rows, EXAMPLES / site.name) == []


def test_another_branch_is_a_preview_with_the_same_answers(site: Site) -> None:
    site.toolkit.git("commit", "-q", "--allow-empty", "-m", "A try", cwd=site.project)
    site.toolkit.git("push", site.repository, "HEAD:a-try", cwd=site.project)
    host = f"a-try--{site.host}"
    noindex = [{"request": {"path": "/"}, "expect": {"status": 200, "headers": {"x-robots-tag": "noindex"}}}]
    rows = json.loads((EXAMPLES / site.name / "expect.json").read_text())
    for row in rows:
        absent = row["expect"].get("headers_absent", [])
        row["expect"]["headers_absent"] = [name for name in absent if name != "x-robots-tag"]
    assert check(site.url, host, [*noindex, *rows], EXAMPLES / site.name) == []


@pytest.mark.parametrize("site", [VITE], indirect=True)
def test_an_open_tab_still_finds_its_assets_after_a_switch(site: Site) -> None:
    asset = re.compile(r"/assets/index-[\w-]{8}\.css")
    before = _first(asset, fetch(site.url, site.host, "/").body)
    style = site.project / "src" / "style.css"
    style.write_text(style.read_text().replace("#0b1020", "#1b1020"))
    site.push("Another night")
    after = _first(asset, fetch(site.url, site.host, "/").body)
    assert before != after
    for path, colour in ((before, b"#0b1020"), (after, b"#1b1020")):
        answer = fetch(site.url, site.host, path)
        assert answer.status == 200 and colour in answer.body
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


def _first(pattern: re.Pattern[str], page: bytes) -> str:
    match = pattern.search(page.decode())
    assert match, page
    return match[0]


def test_no_example_names_where_packages_are_downloaded() -> None:
    lock = json.loads((EXAMPLES / "vite-react" / "package-lock.json").read_text())
    assert [name for name, package in lock["packages"].items() if "resolved" in package] == []
