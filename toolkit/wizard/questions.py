"""Finds out what site.toml should say. Every answer comes from the first place that has one, and keeps that place as its reason:

the command line, then the site.toml that is there, then the project's own files, then the person at the terminal.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.errors import UsageError, UserError
from toolkit.presets import detection
from toolkit.presets import registry as presets
from toolkit.presets.project import DEFAULT_NODE, Finding, ProjectFacts, facts
from toolkit.wizard import hosting
from toolkit.wizard.answers import OWN, OWN_SPEC, SOMETHING_ELSE, Answer, Asker, Plan, Wishes, site_name

if TYPE_CHECKING:
    from toolkit.presets.detection import Candidate
    from toolkit.sources.git import GitInfo


class Wizard:
    """Settles one project; `existing` is the parsed site.toml, `git` what git says of the folder."""

    def __init__(
        self, folder: Path, wishes: Wishes, existing: Mapping[str, Any], git: GitInfo | None, asker: Asker | None, force: bool
    ) -> None:
        self.folder = folder
        self.wishes = wishes
        self.existing = existing
        self.git = git
        self.asker = asker
        self.force = force
        self.plan = Plan()

    def settle(self) -> Plan:
        """The plan. UserError (with the flag that answers) when something can neither be found out nor asked."""
        self._root()
        root = str(self.plan.answers["root"].value) if "root" in self.plan.answers else "."
        project = self.folder / root
        if not project.is_dir():
            raise UserError(f"there is no folder {root} in {self.folder}", "name the project's folder with --root")
        known = facts(project)
        preset, candidate = self._preset(project, known)
        self._name(project, known)
        self._branch()
        self._build(project, known, preset, candidate)
        self._mode(preset, candidate)
        self._hosting(project, preset)
        self._versions(known, preset)
        for name in ("target", "hosts"):
            self._said(name)
        self._git_findings()
        return self.plan

    def _said(self, name: str, table: str = "") -> bool:
        """Take the command line's answer, else site.toml's."""
        wish = getattr(self.wishes, name)
        if wish:
            self._answer(
                name, list(wish) if isinstance(wish, tuple) else wish, f"--{'host' if name == 'hosts' else name.replace('_', '-')}"
            )
            return True
        part = self.existing.get(table, {}) if table else self.existing
        if name in part:
            self._answer(name, part[name], "site.toml")
            return True
        return False

    def _answer(self, name: str, value: str | list[str], why: str) -> None:
        self.plan.answers[name] = Answer(value, why)

    def _find(self, findings: Sequence[Finding]) -> None:
        self.plan.findings += [finding for finding in findings if finding not in self.plan.findings]

    def _root(self) -> None:
        if self._said("root") or self.wishes.preset or "preset" in self.existing:
            return
        if detection.best_sure(detection.detect(self.folder)):
            return
        inner = detection.nested(self.folder, facts(self.folder))
        if not inner:
            return
        shown = [(name, f"{name} ({found.preset.title}: {found.evidence[0]})") for name, found in inner]
        if len(inner) == 1:
            self._answer("root", inner[0][0], f"the only project here: {inner[0][1].evidence[0]}")
        elif self.asker:
            self._answer("root", self.asker.choose("Which project is the site?", shown, shown[0][0]), "chosen")
        else:
            raise UserError(f"several projects could be the site: {', '.join(name for name, _ in inner)}", "name one with --root")

    def _preset(self, project: Path, known: ProjectFacts) -> tuple[presets.Preset, Candidate | None]:
        candidates = detection.detect(project)
        if self._said("preset"):
            preset = presets.get(str(self.plan.answers["preset"].value))
            candidate = next((item for item in candidates if item.preset == preset), None)
            self._find(candidate.findings if candidate else known.findings)
            return preset, candidate
        if self.wishes.build_spec or self.wishes.build_command:
            candidate = detection.best_sure(candidates)
        else:
            candidate = detection.best_sure(candidates) or self._choose_preset(project, candidates, known)
        if candidate is None:
            self._answer("preset", "plain-html", "no framework is recognised; the build spec is the site's own")
            self._find(known.findings)
            return presets.get("plain-html"), None
        self._find(candidate.findings)
        self._answer("preset", candidate.preset.name, "; ".join(candidate.evidence))
        return candidate.preset, candidate

    def _choose_preset(self, project: Path, candidates: Sequence[Candidate], known: ProjectFacts) -> Candidate | None:
        """Ask; without anyone to ask, say what stands in the way."""
        if self.asker is None:
            severe = [finding for item in candidates[:1] for finding in item.findings if finding.severe] or [
                finding for finding in known.findings if finding.severe
            ]
            if severe:
                raise UserError(f"{project.name}: {severe[0].what}", f"{severe[0].fix}; or name the framework with --preset")
            raise UserError(*_unknown(project, known))
        self._find(known.findings)
        likely = {item.preset.name: item for item in candidates}
        choices = [(item.preset.name, f"{item.preset.title} ({'; '.join(item.evidence)})") for item in candidates]
        choices += [(item.name, item.title) for item in presets.every() if item.name not in likely]
        choices.append((SOMETHING_ELSE, "something else: I know the command that builds it"))
        chosen = self.asker.choose("Which framework is this?", choices, choices[0][0])
        if chosen == SOMETHING_ELSE:
            return None
        return likely.get(chosen) or detection.Candidate(presets.get(chosen), 0, ("chosen",), mode=presets.get(chosen).mode)

    def _name(self, project: Path, known: ProjectFacts) -> None:
        if self._said("name"):
            return
        remote = self.git.remote_url if self.git else ""
        places = [
            (known.name.rpartition("/")[2], "package.json"),
            (re.split(r"[/:]", remote.rstrip("/"))[-1].removesuffix(".git"), "the git remote's name"),
            (self.folder.resolve().name if project == self.folder else project.resolve().name, "the folder's name"),
        ]
        for text, why in places:
            if name := site_name(text):
                self._answer("name", name, why if name == text else f'{why}: "{text}"')
                return
        self._answer("name", "site", "nothing here has a name that could be an address")

    def _branch(self) -> None:
        if self._said("branch"):
            return
        if self.git and self.git.branch:
            self._answer("branch", self.git.branch, "checked out here")
        else:
            self._answer("branch", "main", "the usual name")

    def _build(self, project: Path, known: ProjectFacts, preset: presets.Preset, candidate: Candidate | None) -> None:
        spec = self.wishes.build_spec
        own = spec == OWN or bool(self.wishes.build_command)
        if spec and spec not in (OWN, "preset"):
            if not (self.folder / spec).is_file():
                raise UsageError(
                    f"--build-spec: there is no {spec} in {self.folder}", f"name a file, or `{OWN}` to have one written"
                )
            self._answer("build_spec", spec, "--build-spec")
        elif spec == "preset":
            self._answer("build_spec", "", "--build-spec preset")
        elif not own and self._said("build_spec"):
            pass
        elif own or self._needs_own(known, candidate):
            self._own_spec(project, known, preset, candidate)
        self._output(candidate)

    def _needs_own(self, known: ProjectFacts, candidate: Candidate | None) -> bool:
        if candidate is None:
            return "preset" not in self.existing and not self.wishes.preset
        return bool(candidate.script)

    def _own_spec(self, project: Path, known: ProjectFacts, preset: presets.Preset, candidate: Candidate | None) -> None:
        plan, script = self.plan, (candidate.script if candidate else "") or ("build" if "build" in known.scripts else "")
        plan.command = self.wishes.build_command or (f"$RUN run {script}" if script and known.node else "")
        why = f'package.json builds with the script "{script}"' if script else "asked for"
        if not plan.command and candidate is None:
            plan.command = self._need("Which command builds the site?", "--build-command")
            why = "no preset builds this"
        plan.output = self.wishes.output or (candidate.output or preset.output if candidate else "")
        plan.output = plan.output or self._need("Which folder does it write?", "--output", "dist")
        plan.own_spec = self.folder / OWN_SPEC
        self._answer("build_spec", OWN_SPEC, why)
        if plan.own_spec.exists() and not self.force:
            if self.asker is None:
                fix = f"use it with --build-spec {OWN_SPEC}, or replace it with --force"
                raise UserError(f"{plan.own_spec} is there already, and this site needs one of its own: {why}", fix)
            if not self.asker.confirm(f"{OWN_SPEC} is there already. Replace it? (no: use it as it is)", False):
                plan.own_spec = None

    def _need(self, question: str, flag: str, default: str = "") -> str:
        answer = self.asker.text(question, default).strip() if self.asker else ""
        if not answer:
            raise UserError(f"not known: {question}", f"say it with {flag}")
        return answer

    def _output(self, candidate: Candidate | None) -> None:
        """The output folder in site.toml; a build spec of the site's own says it itself."""
        if self.plan.own_spec:
            if "output" in self.existing:
                self._answer("output", self.plan.output, f"as in {OWN_SPEC}")
        elif self._said("output"):
            said = self.plan.answers["output"]
            self._answer("output", posixpath.normpath(str(said.value)), said.why)
        elif candidate and candidate.output and not self.plan.answers.get("build_spec", Answer("", "")).value:
            self._answer("output", candidate.output, candidate.output_why)

    def _mode(self, preset: presets.Preset, candidate: Candidate | None) -> None:
        if self._said("mode", "routing"):
            return
        if candidate and candidate.mode_why:
            self._answer("mode", candidate.mode, candidate.mode_why)
        else:
            self._answer("mode", preset.mode, f"as the preset {preset.name} has it")

    def _hosting(self, project: Path, preset: presets.Preset) -> None:
        output = self.plan.output or str(self.plan.answers.get("output", Answer(preset.output, "")).value)
        found = hosting.find((project, self.folder), output)
        for name in ("dialect", "slashes"):
            if not self._said(name, "routing") and name in found.answers:
                self.plan.answers[name] = found.answers[name]
        self._find(found.findings)

    def _versions(self, known: ProjectFacts, preset: presets.Preset) -> None:
        if not self._said("node", "build") and known.node_version not in ("", DEFAULT_NODE) and preset.language != "python":
            self._answer("node", known.node_version, known.node_version_why)
        self._said("package_manager", "build")

    def _git_findings(self) -> None:
        if self.git is None:
            self._find(
                [Finding("this is no git repository", "`toolkit deploy` publishes the folder; `git init` for pushes and previews")]
            )
        elif self.git.root.resolve() != self.folder.resolve():
            what = f"the repository begins at {self.git.root}, but a push looks for site.toml at its top"
            self._find([Finding(what, "run `toolkit init --root` there, or deploy this folder with `toolkit deploy`")])


def _unknown(project: Path, known: ProjectFacts) -> tuple[str, str]:
    listed = ", ".join(preset.name for preset in presets.every())
    if "build" in known.scripts:
        what = f"{project.name}: package.json has a build script, but no framework that has a preset ({listed})"
        return what, "name its output folder: `toolkit init --build-spec own --output dist`"
    what = f"{project.name}: no framework is recognised and there is no index.html"
    return what, f"name one with --preset ({listed}), or the command with --build-command and its folder with --output"
