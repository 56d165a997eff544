"""Which preset a project needs: by its dependencies and config files, never by the text of its scripts.

A dependency or a config file names the framework; a script that says `vite build` may call anything. Scores: 60 for a
dependency, 30 for a config file, 10 for text in it that the preset asks for; an `index.html` alone 50, and 10 beside a manifest
that something should be built from. Presets come specific first, which decides between equals.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from toolkit.presets.project import Finding, ProjectFacts, facts, read_text
from toolkit.presets.registry import Preset, every

_PACKAGE, _FILE, _TEXT, _INDEX, _INDEX_BESIDE_MANIFEST = 60, 30, 10, 50, 10
_JS_COMMENT = re.compile(
    r"""("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)|//[^\n]*|/\*.*?\*/""",
    re.DOTALL,
)
_MANIFESTS = (
    "package.json",
    "Gemfile",
    "hugo.toml",
    "zola.toml",
    "book.toml",
    "conf.py",
    "pubspec.yaml",
    "composer.json",
    "deno.json",
)


@dataclass(frozen=True)
class Candidate:
    """A preset that fits. `output` is the folder that the project itself sets (empty: the preset's own).

    `script` is the package.json script that builds, when it is not called `build`; `command` what builds without any script.
    `sure`: nothing stands against taking it unasked.
    """

    preset: Preset
    score: int
    evidence: tuple[str, ...]
    findings: tuple[Finding, ...] = ()
    output: str = ""
    output_why: str = ""
    mode: str = "site"
    mode_why: str = ""
    script: str = ""

    @property
    def sure(self) -> bool:
        return self.score > _FILE and not any(finding.severe for finding in self.findings)


def detect(folder: Path) -> list[Candidate]:
    """The presets that fit the project in `folder`, best first."""
    known = facts(folder)
    found = [candidate for preset in every() if (candidate := _candidate(preset, known))]
    found.sort(key=lambda candidate: -candidate.score)
    return found


def nested(folder: Path, facts_here: ProjectFacts) -> list[tuple[str, Candidate]]:
    """Projects in subfolders (of a monorepo), as paths with their best candidate; at most 40 folders are looked at."""
    globs = [*facts_here.workspaces, "apps/*", "packages/*", "sites/*", "*"]
    seen: dict[str, Candidate] = {}
    looked = 0
    for glob in globs:
        if glob.startswith(("/", "!")) or ".." in glob.split("/"):
            continue
        for path in sorted(folder.glob(glob)):
            name = path.relative_to(folder).as_posix()
            hidden = any(part.startswith(".") or part == "node_modules" for part in name.split("/"))
            if hidden or name in seen or not path.is_dir() or looked >= 40:
                continue
            looked += 1
            best = next(iter(detect(path)), None)
            if best is not None and best.sure and best.preset.language != "none":
                seen[name] = best
    return list(seen.items())


def _candidate(preset: Preset, known: ProjectFacts) -> Candidate | None:
    rules = preset.detect
    if "folders" in rules:
        return _plain(preset, known)
    if any(name in known.packages for name in rules.get("not", ())):
        return None
    packages = [known.packages[name] for name in rules.get("packages", ()) if name in known.packages]
    files = [name for name in rules.get("files", ()) if (known.folder / name).is_file()]
    if (not packages and not files) or (rules.get("needs_file") and not files):
        return None
    texts = {name: without_comments(read_text(known.folder / name) or "", name) for name in files}
    evidence, findings = [*packages, *files], list(known.findings)
    score = _PACKAGE * bool(packages or rules.get("needs_file")) + _FILE * bool(files)
    if not packages and not rules.get("needs_file"):
        package = rules["packages"][0]
        findings.append(
            Finding(f"{files[0]} is there, but no package.json here names {package}", f"add {package} to devDependencies")
        )
    if "require" in rules:
        where = next((name for name, text in texts.items() if re.search(rules["require"]["pattern"], text)), None)
        if where:
            evidence.append(f"{where} {rules['require']['evidence']}")
            score += _TEXT
        else:
            findings.append(Finding(rules["require"]["what"], rules["require"]["fix"], True))
    if "refuse" in rules and any(re.search(rules["refuse"]["pattern"], text) for text in texts.values()):
        findings.append(Finding(rules["refuse"]["what"], rules["refuse"]["fix"], True))
    output, output_why = _output(preset, known, texts, findings)
    mode, mode_why = _mode(preset, known)
    return Candidate(preset, score, tuple(evidence), tuple(findings), output, output_why, mode, mode_why, _script(preset, known))


def _plain(preset: Preset, known: ProjectFacts) -> Candidate | None:
    folder = next((name for name in preset.detect["folders"] if (known.folder / name / "index.html").is_file()), None)
    if folder is None:
        return None
    manifest = next((name for name in _MANIFESTS if (known.folder / name).is_file()), None)
    findings = [finding for finding in known.findings if finding.severe]
    if "build" in known.scripts:
        findings.append(
            Finding("package.json has a build script, which plain HTML does not run", "name another preset or a build spec", True)
        )
    built = "build" in known.scripts or manifest not in (None, "package.json")
    place = "index.html" if folder == "." else f"{folder}/index.html"
    return Candidate(
        preset,
        _INDEX_BESIDE_MANIFEST if built else _INDEX,
        (place, f"{manifest} beside it" if built and manifest else "nothing to build it from"),
        tuple(findings),
        "" if folder == "." else folder,
        "" if folder == "." else place,
        preset.mode,
        "plain files: a missing page is a 404",
    )


def _output(preset: Preset, known: ProjectFacts, texts: dict[str, str], findings: list[Finding]) -> tuple[str, str]:
    """The folder that the project sets itself, and where; empty when it is the preset's own."""
    rules = preset.output_from
    places = list(_settings(rules, texts)) + list(_flags(rules, known))
    for folder, why in places:
        path = posixpath.normpath(folder.strip())
        if path.startswith(("..", "/")):
            findings.append(
                Finding(f"{why}: {folder} is outside the project", "build into it, or name the folder above with --root", True)
            )
        elif path not in (preset.output, "."):
            return path, why
    return "", ""


def _settings(rules: dict[str, str] | object, texts: dict[str, str]) -> Iterator[tuple[str, str]]:
    if not isinstance(rules, dict) or "pattern" not in rules:
        return
    for name, text in texts.items():
        if match := re.search(rules["pattern"], text):
            folder = next(group for group in match.groups() if group)
            base = re.search(rules["base"], text, re.MULTILINE) if "base" in rules else None
            yield (posixpath.join(base[1], folder) if base else folder), name


def _flags(rules: dict[str, str] | object, known: ProjectFacts) -> Iterator[tuple[str, str]]:
    if not isinstance(rules, dict) or "flag" not in rules:
        return
    match = re.search(rf"(?:^|\s){re.escape(rules['flag'])}[ =]['\"]?([^\s'\"&|;$]+)", known.scripts.get("build", ""))
    if match:
        yield match[1], f"the build script ({rules['flag']})"


def _mode(preset: Preset, known: ProjectFacts) -> tuple[str, str]:
    if preset.several_pages:
        pages = sorted(path.name for path in known.folder.glob("*.html"))
        if len(pages) > 1:
            return preset.several_pages, f"several pages: {', '.join(pages[:4])}"
    why = (
        "one page answers every path (a single-page app)"
        if preset.mode == "spa"
        else "every page is a file: a missing one is a 404"
    )
    return preset.mode, f"{preset.title.split(' (')[0]}: {why}"


def _script(preset: Preset, known: ProjectFacts) -> str:
    """The script to build with, when it has another name than `build`; its text only chooses among the project's own."""
    if preset.language != "node" or "build" in known.scripts:
        return ""
    words = re.compile(rf"(?:^|[\s;&|/])(?:{re.escape(preset.build)}|{re.escape(preset.name)} build)(?:[\s;&|]|$)")
    named = [name for name, text in known.scripts.items() if words.search(text) and "watch" not in text and "serve" not in text]
    return min(named, key=lambda name: ("build" not in name, len(name)), default="")


def without_comments(text: str, name: str) -> str:
    """JavaScript without comments, so that a commented-out setting is none; other files unchanged."""
    if not re.search(r"\.[cm]?[jt]s$", name):
        return text
    return _JS_COMMENT.sub(lambda match: match[1] or " ", text)


def best_sure(candidates: Sequence[Candidate]) -> Candidate | None:
    """The candidate to take unasked: the best one, if nothing stands against it."""
    return candidates[0] if candidates and candidates[0].sure else None
