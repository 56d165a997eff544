"""Find out what a project is and write its site.toml, with the reason for every answer.

Asks only what the project's own files leave open, and asks nothing with --yes or where nobody can answer. Running it again
keeps what site.toml says and fills in what is missing; a flag changes its field.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.errors import UserError

if TYPE_CHECKING:
    from toolkit.console import Console
    from toolkit.sources.git import GitInfo
    from toolkit.wizard.answers import Asker, Plan, Wishes

HELP = "find out what a project is and write its site.toml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from toolkit.engine.dialects.registry import DIALECTS
    from toolkit.engine.slashes import POLICIES

    parser.add_argument("folder", nargs="?", default=".", type=Path, help="the project or repository (default: this folder)")
    parser.add_argument(
        "--name", default="", help="the site's name, part of its address (default: package.json's, the remote's, the folder's)"
    )
    parser.add_argument("--preset", default="", help="the framework (default: what the dependencies and config files say)")
    parser.add_argument("--branch", default="", help="the branch that goes live (default: the one checked out)")
    parser.add_argument(
        "--root", default="", help="the project's folder inside the repository (default: the top, or the only project)"
    )
    parser.add_argument(
        "--output", default="", help="the folder that the build writes (default: the framework's, or what its config says)"
    )
    parser.add_argument(
        "--mode",
        default="",
        choices=["", "site", "spa"],
        metavar="{site,spa}",
        help="what a missing page gives: a 404, or index.html",
    )
    parser.add_argument(
        "--dialect", default="", choices=["", *DIALECTS], metavar=f"{{{','.join(DIALECTS)}}}",
        help="whose language _redirects and _headers are in (default: by that host's own files, else by the two files themselves)",
    )  # fmt: skip
    parser.add_argument(
        "--slashes", default="", choices=["", *POLICIES], metavar="POLICY",
        help="under which addresses a page answers: auto, exact, or as on another host (default: by that host's files, else auto)",
    )  # fmt: skip
    parser.add_argument(
        "--build-spec", default="", metavar="{own,preset,FILE}", help="write a build spec of the site's own, or use a file"
    )
    parser.add_argument(
        "--build-command", default="", metavar="COMMAND", help="the command that builds it, for a build spec of its own"
    )
    parser.add_argument(
        "--node", default="", metavar="VERSION", help="the Node.js version (default: .nvmrc, .node-version, engines)"
    )
    parser.add_argument(
        "--package-manager", default="", choices=["", "npm", "pnpm", "yarn", "bun"], metavar="{npm,pnpm,yarn,bun}",
        help="the package manager (default: by lock file)",
    )  # fmt: skip
    parser.add_argument(
        "--host", action="append", default=[], metavar="NAME", help="a host name of your own for the live channel; may be repeated"
    )
    parser.add_argument(
        "--target", default="", choices=["", "local", "aws"], metavar="{local,aws}", help="where the site runs (default: local)"
    )
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask: take what was found")
    parser.add_argument("--force", action="store_true", help="start anew: replace site.toml, and buildspec.yml if one is needed")


def run(args: argparse.Namespace, console: Console) -> int:
    from toolkit.sources import git as source
    from toolkit.wizard.answers import Wishes

    folder: Path = args.folder
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}", "name the project's folder")
    wishes = Wishes(
        name=args.name,
        preset=args.preset,
        branch=args.branch,
        root=args.root,
        output=args.output,
        mode=args.mode,
        dialect=args.dialect,
        slashes=args.slashes,
        build_spec=args.build_spec,
        build_command=args.build_command,
        node=args.node,
        package_manager=args.package_manager,
        target=args.target,
        hosts=tuple(args.host),
    )
    asker: Asker | None = None
    if console.interactive and not args.yes:
        from toolkit.wizard.prompts import Questions

        asker = Questions()
    return init(folder.absolute(), wishes, source.describe(folder), asker, args.force, console)


def init(folder: Path, wishes: Wishes, git: GitInfo | None, asker: Asker | None, force: bool, console: Console) -> int:
    """Settle, show, write. Nothing is written before everything is known; Ctrl-C leaves the folder as it was."""
    from toolkit import config
    from toolkit.wizard import sitefile
    from toolkit.wizard.questions import Wizard

    path = folder / config.FILE_NAME
    body = b"" if force or not path.exists() else path.read_bytes()
    existing = config.said(body, path)
    while True:
        plan = Wizard(folder, wishes, existing, git, asker, force).settle()
        values = {name: plan.answers[name].value for name in sitefile.FIELDS if name in plan.answers}
        text = sitefile.merge(body.decode("utf-8-sig"), values) if body else sitefile.render(values)
        config.parse(text.encode(), path)
        _show(plan, console)
        change = asker.choose("Write this?", _changes(plan), "write") if asker else "write"
        if change == "write":
            break
        if change == "stop" or asker is None:
            console.say("nothing is written; every answer has a flag, see `toolkit init --help`")
            return 0
        wishes = _changed(wishes, change, plan, asker)
    _report(plan, _write(folder, path, text, plan), path, console)
    return 0


def _changes(plan: Plan) -> list[tuple[str, str]]:
    fields = ("name", "preset", "branch", "output", "mode", "dialect", "slashes")
    changes = [(name, f"change the {name}") for name in fields]
    return [("write", "yes, write site.toml"), *changes, ("stop", "no, write nothing")]


def _changed(wishes: Wishes, name: str, plan: Plan, asker: Asker) -> Wishes:
    """The wishes with one field asked for."""
    from toolkit.wizard.answers import site_name

    now = _text(plan.answers[name].value) if name in plan.answers else ""
    question, choices, default = _question(name)
    said = asker.choose(question, choices, now or default) if choices else asker.text(question, now).strip()
    changed: dict[str, Any] = {name: site_name(said) if name == "name" else said}
    return replace(wishes, **changed)


def _question(name: str) -> tuple[str, list[tuple[str, str]], str]:
    """What to ask for a field, what there is to choose from (nothing: any text will do), and the choice when nothing is said."""
    from toolkit.engine.dialects.registry import DIALECTS
    from toolkit.engine.model import Settings
    from toolkit.engine.slashes import POLICIES
    from toolkit.presets import registry as presets

    if name == "preset":
        return "Which framework is this?", [(preset.name, preset.title) for preset in presets.every()], presets.every()[0].name
    if name == "mode":
        return "What does a missing page give?", [("site", "a 404"), ("spa", "index.html (a single-page app)")], Settings.mode
    if name == "dialect":
        return "Whose rule files are these?", [(dialect, dialect.title()) for dialect in DIALECTS], Settings.dialect
    if name == "slashes":
        policies = [(policy, f"{policy}: {about.summary}") for policy, about in POLICIES.items()]
        return "Under which addresses does a page answer?", policies, Settings.slashes
    return f"{name}:", [], ""


def _write(folder: Path, path: Path, text: str, plan: Plan) -> list[str]:
    """Write the files; site.toml comes last, it makes the others count. Returns the names of those that changed."""
    from toolkit.presets import registry as presets
    from toolkit.wizard import sitefile

    files = {folder / sitefile.SCHEMA_COPY: sitefile.schema_text()}
    if plan.own_spec is not None:
        preset = _spec_preset(plan, folder)
        files[plan.own_spec] = sitefile.own_spec(presets.get(preset), plan.command, plan.output)
    files[path] = text
    return [file.name for file, content in files.items() if sitefile.write_file(file, content)]


def _spec_preset(plan: Plan, folder: Path) -> str:
    """Whose build spec the site's own begins as: a project with package.json and no preset installs as every Node project does."""
    preset = str(plan.answers["preset"].value)
    root = str(plan.answers["root"].value) if "root" in plan.answers else "."
    return "vite" if preset == "plain-html" and (folder / root / "package.json").is_file() else preset


def _show(plan: Plan, console: Console) -> None:
    from toolkit.wizard.sitefile import FIELDS

    rows = [[name, _text(plan.answers[name].value), plan.answers[name].why] for name in FIELDS if name in plan.answers]
    console.table(["setting", "is", "because"], rows)
    for finding in plan.findings:
        tell = console.warn if finding.severe else console.note
        tell(f"{'' if finding.severe else 'note: '}{finding.what}" + (f" ({finding.fix})" if finding.fix else ""))


def _report(plan: Plan, written: Sequence[str], path: Path, console: Console) -> None:
    following = ["toolkit doctor", "toolkit up", "toolkit deploy"]
    console.say()
    console.say(f"wrote {', '.join(written)}" if written else f"{path.name} says all of this already")
    console.say("next:")
    console.say("  toolkit doctor    see whether anything is missing here")
    console.say("  toolkit up        set up where it runs: a server and a repository to push to, or stacks in AWS")
    console.say("  toolkit deploy    build this folder and put it live")
    answers: Mapping[str, Any] = {name: answer.value for name, answer in plan.answers.items()}
    console.result(
        {
            "site": answers,
            "because": {name: answer.why for name, answer in plan.answers.items()},
            "findings": [{"what": item.what, "fix": item.fix, "severe": item.severe} for item in plan.findings],
            "path": path,
            "written": list(written),
            "next": following,
        }
    )


def _text(value: str | list[str]) -> str:
    return value if isinstance(value, str) else ", ".join(value)
