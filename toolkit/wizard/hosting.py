"""Which host a project comes from, and so in which dialect its rule files are and which addresses its pages have.

A host's own configuration file tells. Without one the rule files are read in every dialect: the one that has the fewest complaints
about them is theirs. Whatever is broken or odd becomes a finding, not a crash.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toolkit.engine.dialects import registry
from toolkit.engine.scan import RULE_FILES
from toolkit.presets.detection import without_comments
from toolkit.presets.project import Finding, read_text
from toolkit.wizard.answers import Answer

# Where projects keep rule files that a build copies to the output folder (or where they lie when nothing is built).
_RULE_FOLDERS = (".", "public", "static", "src", "docs")
_RULES = ("redirects", "rewrites", "headers", "routes")
_WRANGLER = ("wrangler.toml", "wrangler.json", "wrangler.jsonc")
_HTML_HANDLING = {
    "auto-trailing-slash": "cloudflare-auto",
    "force-trailing-slash": "cloudflare-force",
    "drop-trailing-slash": "cloudflare-drop",
    "none": "cloudflare-none",
}
# JSON with comments may also have a comma after the last item.
_LAST_COMMA = re.compile(r'("(?:\\.|[^"\\\n])*")|,(?=\s*[}\]])')


@dataclass
class Found:
    """Answers for `dialect` and `slashes`, as far as there is evidence, and what to know of the files that gave it."""

    answers: dict[str, Answer] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def take(self, dialect: str, slashes: str, why: str) -> None:
        """What an earlier file said stays."""
        for name, value in (("dialect", dialect), ("slashes", slashes)):
            if value:
                self.answers.setdefault(name, Answer(value, why))


def find(folders: Sequence[Path], output: str) -> Found:
    """What the files say. `folders`: the project's, then the repository's; `output`: the folder that the build writes, or ""."""
    found = Found()
    for folder in dict.fromkeys(folders):
        for read in (_netlify, _cloudflare, _vercel, _firebase, _amplify, _github_pages):
            read(folder, found)
    if "dialect" not in found.answers:
        _by_rule_files(folders[0], output, found)
    return found


def _netlify(folder: Path, found: Found) -> None:
    data = _read(folder / "netlify.toml", found)
    if data is not None:
        pretty = _table(_table(_table(data, "build"), "processing"), "html").get("pretty_urls")
        plain = pretty is False
        found.take("netlify", "netlify-plain" if plain else "netlify", f"netlify.toml{' has pretty_urls false' if plain else ''}")
        _unread(data, "netlify.toml", found)
    elif _is(folder / ".netlify", Path.is_dir):
        found.take("netlify", "netlify", "there is a .netlify folder")


def _cloudflare(folder: Path, found: Found) -> None:
    for name in _WRANGLER:
        data = _read(folder / name, found)
        if data is None:
            continue
        handling = _table(data, "assets").get("html_handling")
        if isinstance(handling, str) and handling in _HTML_HANDLING:
            found.take("cloudflare", _HTML_HANDLING[handling], f"{name} has html_handling {handling}")
        elif "pages_build_output_dir" in data:
            found.take("cloudflare", "cloudflare-pages", f"{name} has pages_build_output_dir")
        else:
            found.take("cloudflare", "cloudflare-auto", name)


def _vercel(folder: Path, found: Found) -> None:
    data = _read(folder / "vercel.json", found)
    if data is not None:
        found.take("", *_switches("vercel", data, "vercel.json"))
        _unread(data, "vercel.json", found)


def _firebase(folder: Path, found: Found) -> None:
    data = _read(folder / "firebase.json", found)
    hosting = None if data is None else data.get("hosting")
    sites = [one for one in (hosting if isinstance(hosting, list) else [hosting]) if isinstance(one, dict)]
    if not sites:
        return
    if len({_switches("firebase", one, "")[0] for one in sites}) > 1:
        what = "firebase.json describes several sites with different cleanUrls or trailingSlash"
        found.findings.append(Finding(what, "choose this one's policy with --slashes"))
        return
    found.take("", *_switches("firebase", sites[0], "firebase.json"))
    _unread(sites[0], "firebase.json", found)


def _amplify(folder: Path, found: Found) -> None:
    if _is(folder / "amplify.yml"):
        found.take("", "amplify", "amplify.yml")


def _github_pages(folder: Path, found: Found) -> None:
    names = [name for name in ("CNAME", "public/CNAME", "static/CNAME", "docs/CNAME") if _is(folder / name)]
    for name in names[:1]:
        found.take("", "github-pages", f"{name}, which GitHub Pages reads")
    workflows = folder / ".github" / "workflows"
    for path in sorted(workflows.glob("*.y*ml")) if _is(workflows, Path.is_dir) else ():
        if "actions/deploy-pages" in (read_text(path) or ""):
            found.take("", "github-pages", f".github/workflows/{path.name} uses actions/deploy-pages")


def _switches(host: str, data: Mapping[str, Any], name: str) -> tuple[str, str]:
    """The policy of a host with `cleanUrls` and `trailingSlash`, and why."""
    clean, slash = data.get("cleanUrls") is True, data.get("trailingSlash")
    said = [f"{key} {json.dumps(data[key])}" for key in ("cleanUrls", "trailingSlash") if isinstance(data.get(key), bool)]
    ending = "-slash" if slash is True else "-no-slash" if slash is False else ""
    why = f"{name} has {', '.join(said)}" if said else f"{name} has neither cleanUrls nor trailingSlash"
    return f"{host}{'-clean' if clean else ''}{ending}", why


def _unread(data: Mapping[str, Any], name: str, found: Found) -> None:
    counts = [(len(data[key]), key) for key in _RULES if isinstance(data.get(key), list) and data[key]]
    if counts:
        said = " and ".join(f"{count} {key if count > 1 else key.removesuffix('s')}" for count, key in counts)
        fix = "write them into _redirects and _headers in the output folder"
        found.findings.append(Finding(f"{name} has {said}, not read here", fix))


def _by_rule_files(project: Path, output: str, found: Found) -> None:
    files = dict(_rule_files(project, output))
    texts = {Path(name).name: text for name, text in files.items()}
    counts = {dialect: len(registry.parse(texts, dialect).problems) for dialect in registry.DIALECTS}
    best = min(counts, key=lambda dialect: counts[dialect])
    if list(counts.values()).count(counts[best]) > 1:
        return
    others = ", ".join(f"{count} in {dialect.title()}'s" for dialect, count in counts.items() if dialect != best)
    bad = f"{counts[best]} bad line{'' if counts[best] == 1 else 's'} in {best.title()}'s dialect, {others}"
    found.take(best, "", f"{' and '.join(files)}: {bad}")


def _rule_files(project: Path, output: str) -> Iterator[tuple[str, str]]:
    """Of each rule file the first that there is, by its path in the project."""
    for name in RULE_FILES:
        for folder in dict.fromkeys((*_RULE_FOLDERS, output or ".")):
            path = project / folder / name
            text = read_text(path) if _is(path) else None
            if text is not None:
                yield (Path(folder) / name).as_posix(), text
                break


def _read(path: Path, found: Found) -> dict[str, Any] | None:
    """The table in a TOML or JSON file, None when there is no such file; what cannot be read is as good as not there."""
    if not _is(path):
        return None
    try:
        text = read_text(path)
        if text is None:
            raise ValueError("it is unreadable or larger than 4 MB")
        data = tomllib.loads(text) if path.suffix == ".toml" else _json(text)
        if isinstance(data, dict):
            return data
        what = "does not hold an object"
    except (ValueError, RecursionError) as error:
        what = f"cannot be read: {error}"
    finding = Finding(f"{path.name} {what}", "it is ignored; choose with --dialect and --slashes")
    if finding not in found.findings:
        found.findings.append(finding)
    return None


def _is(path: Path, kind: Callable[[Path], bool] = Path.is_file) -> bool:
    """Whether it is there, as far as one may look: a folder that is closed to us is no reason to stop."""
    with suppress(PermissionError):
        return kind(path)
    return False


def _json(text: str) -> Any:
    return json.loads(_LAST_COMMA.sub(lambda match: match[1] or "", without_comments(text, ".js")))


def _table(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = data.get(key)
    return value if isinstance(value, dict) else {}
