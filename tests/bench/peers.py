"""The routing functions of two packages by AWS, as npm delivers them: fetched into a cache folder, never into the repository.

Their own code says what the functions' text is and what their stores hold; only the requests are ours.
"""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
import tempfile
from pathlib import Path

from tests.bench.callgrind import Cell
from tests.bench.common import BenchError, need
from tests.bench.edge_sites import is_redirect, redirect_lines, request, spread

TOOLKIT = "@aws/cloudfront-hosting-toolkit@1.1.11"
BLOCKS = "@aws-blocks/hosting@0.3.1"
_PAGES = [f"/docs/part-{i % 37}/page-{i}" for i in range(100)]
_PREFIX = "20261120-1a2b3c4"
# Their own generator, asked for the table of a static site with as many redirects as the file named last has.
_ASK = """
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
const [folder, given] = process.argv.slice(-2);
const router = await import(pathToFileURL(folder + '/dist/constructs/kvs_router.js'));
const lines = JSON.parse(readFileSync(given, 'utf8'));
const redirects = lines.map(([source, destination]) => ({ source, destination, statusCode: 301 }));
const routes = [{ pattern: '/*', target: 'static' }];
const manifest = { version: 1, compute: {}, staticAssets: { directory: '/' }, routes, redirects };
const entries = router.buildKvsEntries({ manifest, buildId: 'BUILD', hasServer: false, hasImage: false });
console.log(JSON.stringify({ code: router.generateKvsRouterRequestCode(), entries }));
"""


def basic_cell() -> Cell:
    """`index_basic.js`: it adds a prefix out of the store, and index.html or .html, to whatever is asked for."""
    code = (_package(TOOLKIT) / "resources" / "cff_templates" / "index_basic.js").read_text()
    events = [request(path) for path in _PAGES]
    return Cell(
        "index_basic.js: page",
        code,
        {"path": _PREFIX},
        events,
        lambda event, answer: answer.get("uri") == f"/{_PREFIX}{event['request']['uri']}.html",
    )


def blocks_cells(number: int) -> dict[str, Cell]:
    """The router of a static site with `number` redirects: an ordinary page, and one of the redirects where there are any."""
    folder, lines = _package(BLOCKS), redirect_lines(number)
    with tempfile.TemporaryDirectory() as work:
        given, ask = Path(work) / "redirects.json", Path(work) / "ask.mjs"
        given.write_text(json.dumps(lines))
        ask.write_text(_ASK.replace("BUILD", _PREFIX))
        made = json.loads(_run([need("node", "install Node.js"), ask, folder, given], Path(work)))
    name = f"aws-blocks, {number} redirects"
    cells = {
        "page": Cell(
            f"{name}: page",
            made["code"],
            made["entries"],
            [request(path) for path in _PAGES],
            lambda event, answer: answer.get("uri") == f"/builds/{_PREFIX}{event['request']['uri']}/index.html",
        )
    }
    if lines:
        sources = spread([source for source, _ in lines])
        cells["redirect"] = Cell(f"{name}: redirect", made["code"], made["entries"], sources, is_redirect)
    return cells


def _package(spec: str) -> Path:
    """The unpacked package, fetched with npm when it is not in the cache yet."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "toolkit-bench"
    home = cache / spec.strip("@").replace("/", "-")
    if not home.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as work:
            _run([need("npm", "install Node.js"), "pack", "--silent", spec], Path(work))
            with tarfile.open(next(Path(work).glob("*.tgz"))) as archive:
                archive.extractall(work, filter="data")
            (Path(work) / "package").rename(home)
    return home


def _run(command: list[str | Path], folder: Path) -> str:
    done = subprocess.run(list(map(str, command)), cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"{' '.join(map(str, command))} fails: {done.stderr.strip()[-1000:]}")
    return done.stdout
