"""A single-page app as a bundler leaves it: one page, and scripts whose names carry a hash of what is in them.

Written by hand, so that two versions of it cost no build. It shows what its address says, and loads the script of its panel only
when the visitor asks for it. Its files are named as Vite names them.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

SITE_TOML = 'name = "orbits"\npreset = "vite"\n'
# In version one only, and without a hash in its name.
PLAIN_FILE = "/greeting.js"

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Orbits</title>
<link rel="icon" href="data:,">
<style>
  body {{ margin: 0; background: {colour}; color: #f4f1ea; font: 1.25rem/1.6 sans-serif; }}
  main {{ max-width: 44rem; margin: 4rem auto; padding: 0 2rem; }}
  h1 {{ font-size: 3.5rem; margin: 0; }}
  a {{ color: inherit; margin-right: 1rem; }}
  #panel {{ padding: 1rem 1.5rem; border: 1px solid; border-radius: .75rem; }}
</style>
<main>
  <nav><a href="/">Home</a><a href="/moons/europa">Europa</a><a href="/moons/io">Io</a></nav>
  <h1></h1>
  <p id="version"></p>
  <p><button>Show the panel</button></p>
  <p id="panel" hidden></p>
</main>
<script type="module" src="{script}"></script>
</html>
"""

_APP = """
const find = (selector) => document.querySelector(selector);
function show() {
  const name = location.pathname.split('/')[2] || 'home';
  find('h1').textContent = name[0].toUpperCase() + name.slice(1);
}
function say(text) {
  find('#panel').textContent = text;
  find('#panel').hidden = false;
}
find('nav').addEventListener('click', (event) => {
  event.preventDefault();
  history.pushState(null, '', event.target.href);
  show();
});
find('button').addEventListener('click', () => {
  import('./{panel}').then((module) => say(module.text), (error) => say(`broken: ${error.message}`));
});
addEventListener('popstate', show);
find('#version').textContent = 'This is version {word}.';
show();
"""


def write(folder: Path, word: str, colour: str) -> str:
    """Write the version that calls itself `word`; the path of its panel's script."""
    assets = folder / "assets"
    assets.mkdir(parents=True)
    panel = _hashed(assets, "panel", f"export const text = 'The panel of version {word}.';\n")
    app = _hashed(assets, "app", _APP.replace("{panel}", panel).replace("{word}", word))
    (folder / "index.html").write_text(_PAGE.format(colour=colour, script=f"/assets/{app}"), encoding="utf-8")
    return f"/assets/{panel}"


def _hashed(folder: Path, name: str, text: str) -> str:
    file = f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}.js"
    (folder / file).write_text(text, encoding="utf-8")
    return file
