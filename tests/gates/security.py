"""Run every gate and write the tables of docs/security.md, between its two markers: `make security`."""

from __future__ import annotations

import importlib.metadata
import os
import re
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from tests.cdk import configs
from tests.cdk.bundles import stand_in
from tests.cdk.policies import findings
from tests.cdk.templates import GIVEN, Template
from tests.gates import asl, checkov, lint, nag, offline, runtimes, tools
from tests.gates.rights import Right, allowing, readable, rights, short, trusted
from toolkit.engine.limits import FUNCTION_BYTES

DOCUMENT = tools.ROOT / "docs" / "security.md"
BEGIN, END = "<!-- written by `make security` -->\n", "<!-- end of what `make security` writes -->\n"
# What changes from day to day or from machine to machine.
CHANGING = re.compile(r"Measured on [0-9-]+|[0-9.]+ s \(warm\)|[\d,]+ of 10,240 bytes|(nag|lib|lint|checkov) [0-9.]+")
DEFAULT = "plain"
# The one with all pipelines that there are, as the peer has one.
PIPELINES = "github"
_ADDED = ("Pipeline", "Deploy")


@dataclass(frozen=True)
class Gates:
    """What all gates found. `checked` is None where checkov is not installed, `refused` where asl-validator is not."""

    synthesis: nag.Synthesis
    linted: Sequence[str]
    checked: checkov.Report | None
    refused: Sequence[str] | None
    policies: Sequence[str]
    outdated: Sequence[str]

    @property
    def wrong(self) -> list[str]:
        """Everything that must not be: empty, or the gates fail."""
        unacknowledged = set(self.synthesis.found) - set(self.synthesis.acknowledged)
        failures = checkov.unexpected(self.checked.failures, checkov.skips()) if self.checked else []
        said = [f"{rule} {path}" for path, rule in sorted(unacknowledged)] + [str(failure) for failure in failures]
        return [*self.linted, *said, *(self.refused or ()), *self.policies, *self.outdated]


def run(folder: Path) -> Gates:
    synthesis = nag.synthesise(folder)
    return judge(synthesis, folder)


def judge(synthesis: nag.Synthesis, folder: Path) -> Gates:
    """All gates for templates that are there; `folder` is for what they write."""
    templates = synthesis.templates
    paths = [template.path for template in templates.values()]
    return Gates(
        synthesis=synthesis,
        linted=lint.run(paths),
        checked=checkov.run(paths) if tools.CHECKOV.exists() else None,
        refused=asl.run(dict(asl.definitions(templates)), folder) if tools.ASL_VALIDATOR.exists() else None,
        policies=[f"{name}: {it}" for name, template in templates.items() for it in findings(template.body, GIVEN)],
        outdated=runtimes.outdated(templates, date.today()),
    )


def tables(gates: Gates, took: offline.Took) -> str:
    """The part of the document between the markers."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("aws-cdk-lib", "cdk-nag", "cfn-lint"))
    checkov_version = f", checkov {gates.checked.version}" if gates.checked else ""
    sites = len(gates.synthesis.acknowledged_by_site())
    lines = [
        f"Measured on {date.today()} with {versions}{checkov_version}",
        f"on {len(gates.synthesis.templates)} templates of {sites} sites (`tests/cdk/configs.py`). The peer is",
        "awslabs/cloudfront-hosting-toolkit in its GitHub configuration.",
        "",
        *_table(
            ("gate", "peer", "here, nothing configured", "here, GitHub and zips", "here, the worst site"), _compared(gates, took)
        ),
        "",
        "### Findings of cdk-nag that stay",
        "",
        *_table(("rule", "sites", "reason"), _acknowledged(gates.synthesis)),
        "",
        "### Findings of checkov that stay",
        "",
        *_table(("check", "resources", "reason"), ((f"`{it.id}`", _kind(it.resources), it.reason) for it in checkov.skips())),
        "",
        "### Who may do what",
        "",
        *_roles(gates.synthesis.templates[DEFAULT]),
        "",
        "### Who may do what besides where pipelines are",
        "",
        *_roles(gates.synthesis.templates[PIPELINES], of=_ADDED),
    ]
    return "\n".join(lines) + "\n"


def _table(head: Sequence[str], rows: Iterator[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"| {' | '.join(['---'] * len(head))} |"
    yield from (f"| {' | '.join(row)} |" for row in rows)


def _compared(gates: Gates, took: offline.Took) -> Iterator[Sequence[str]]:
    templates = gates.synthesis.templates
    acknowledged, found = gates.synthesis.acknowledged_by_site(), nag.count(gates.synthesis.found)
    assert found == acknowledged, "the table counts acknowledgements as findings"
    # Of all sites together, and none may have any.
    left = str(len(set(gates.synthesis.found) - set(gates.synthesis.acknowledged)))
    linted, outdated = str(len(gates.linted)), str(len(gates.outdated))
    yield "resources", "49 + 4", *(_resources(templates, site) for site in (DEFAULT, PIPELINES)), ""
    yield "cfn-lint, errors and warnings (I1022, W3005 aside)", "11", linted, linted, linted
    if gates.checked:
        failed, unlisted = _by_site(gates.checked.failures), str(len(checkov.unexpected(gates.checked.failures, checkov.skips())))
        yield "checkov, not on the list below", "28 failures", unlisted, unlisted, unlisted
        yield "checkov, on the list below", "no list", *_counted(failed)
    yield "cdk-nag AwsSolutions, not acknowledged", "16 findings", left, left, left
    yield "cdk-nag AwsSolutions, acknowledged", "36 suppressions", *_counted(acknowledged)
    allowed = [allowing(templates[site]) for site in (DEFAULT, PIPELINES)]
    wide = (_of([it.is_wide for it in one]) for one in allowed)
    yield "statements that allow something, with a wildcard anywhere", "19 of 27", *wide, ""
    yield "… in an action", "", *(_of([it.has_wide_action for it in one]) for one in allowed), "0"
    yield "… for every resource", "", *(_of(["*" in it.resources for it in one]) for one in allowed), ""
    if gates.refused is not None:
        machines = len(list(asl.definitions({DEFAULT: templates[DEFAULT]})))
        refused = len(gates.refused)
        yield "state machines that asl-validator refuses", "", *[f"{refused} of {machines}"] * 2, str(refused)
    yield "runtimes that AWS gives up", "nodejs18, nodejs20", outdated, outdated, outdated
    yield from _edge(templates[DEFAULT])
    yield "synthesis, warm; ours without a network", "9.5 s (warm)", str(took), "", ""


def _resources(templates: Mapping[str, Template], site: str) -> str:
    return " + ".join(str(len(templates[name].body["Resources"])) for name in (site, f"alarms-{site}"))


def _counted(by_site: Mapping[str, int]) -> Sequence[str]:
    return str(by_site[DEFAULT]), str(by_site[PIPELINES]), str(max(by_site.values()))


def _of(are: Sequence[bool]) -> str:
    return f"{sum(are)} of {len(are)}"


def _by_site(failures: Sequence[checkov.Failure]) -> Mapping[str, int]:
    """Failures of each site in all of its stacks; the stack `pair` counts as one."""
    found: dict[str, int] = {}
    for failure in failures:
        site = nag.site_of(failure.template.removesuffix(".template.json") + "/")
        found[site] = found.get(site, 0) + 1
    return {site: n for site, n in found.items() if site in configs.EVERY}


def _edge(template: Template) -> Iterator[Sequence[str]]:
    for name in template.ids("AWS::CloudFront::Function"):
        properties = template.body["Resources"][name]["Properties"]
        size, file = len(properties["FunctionCode"].encode()), properties["FunctionConfig"]["Comment"]
        yield f"`{file}`", "", f"{size:,} of {FUNCTION_BYTES:,} bytes", "", ""


def _acknowledged(synthesis: nag.Synthesis) -> Iterator[Sequence[str]]:
    for rule, reason in sorted({(rule, reason) for (_, rule), reason in synthesis.reasons.items()}):
        sites = {nag.site_of(path) for (path, name), why in synthesis.reasons.items() if (name, why) == (rule, reason)}
        everywhere = len(sites) == len(synthesis.acknowledged_by_site())
        yield f"`{rule}`", "all" if everywhere else ", ".join(sorted(sites)), reason


def _kind(resources: str) -> str:
    return "`" + resources.replace("\\.", ".").rstrip(".").replace(".*", "…") + "`"


def _roles(template: Template, of: tuple[str, ...] = ("",)) -> Iterator[str]:
    """A row for each role or service whose name begins with one `of` these: folders of the site's bucket by what it may do there,
    then everything else."""
    found = [right for right in rights(template) if right.who.startswith(of)]
    roles = [role for role in template.ids("AWS::IAM::Role") if role.startswith(of)]
    rows = []
    for who in sorted({right.who for right in found}, key=short):
        own = [right for right in found if right.who == who and right.resources != ["*"]]
        folders = [_folders(own, f"s3:{action}Object") for action in ("Get", "Put", "Delete")]
        lists = "yes" if _on_bucket(own, "s3:ListBucket") else ""
        others = [_words(it) for it in own if not any(_is_bucket(resource) for resource in it.resources)]
        name = f"`{short(who)}`, by {trusted(template, who)}" if who in roles else who
        rows.append((name, *folders, lists, "; ".join(others)))
    yield from _table(("who", "reads in the bucket", "writes", "deletes", "lists", "and may"), iter(rows))
    yield ""
    for actions in sorted({tuple(right.actions) for right in found if right.resources == ["*"]}):
        holders = sorted({right.who for right in found if tuple(right.actions) == actions}, key=short)
        yield f"On every resource, since AWS knows no other: {_grouped(actions)} ({len(holders)} of {len(roles)} roles)."


def _is_bucket(resource: str) -> bool:
    return readable(resource).split("/")[0] == "bucket"


def _on_bucket(own: Sequence[Right], action: str) -> list[str]:
    return [readable(it) for right in own if action in right.actions for it in right.resources if _is_bucket(it)]


def _folders(own: Sequence[Right], action: str) -> str:
    return ", ".join(sorted({f"`{it.split('/', 2)[2].removesuffix('/*')}`" for it in _on_bucket(own, action)}))


def _words(right: Right) -> str:
    resources = dict.fromkeys(readable(it) for it in right.resources)
    return f"{_grouped(right.actions)} on {', '.join(f'`{it}`' for it in resources)}"


def _grouped(actions: Sequence[str]) -> str:
    """`service:One, Two` for actions of a service."""
    return f"`{actions[0].split(':')[0]}:{', '.join(action.split(':')[1] for action in actions)}`"


def written(document: str, part: str) -> str:
    """The document with `part` between its markers. ValueError when it has none."""
    head, rest = document.split(BEGIN)
    _, tail = rest.split(END)
    return head + BEGIN + part + END + tail


def masked(document: str, missing: Collection[str] = ()) -> str:
    """What may be compared with another day's run, on a machine that lacks the tools in `missing`: "checkov", "asl-validator"."""
    lines = CHANGING.sub("…", re.sub(r", checkov [0-9.]+", "", document)).splitlines()
    return "\n".join(line for line in lines if not any(line.startswith("| ") and tool in line for tool in missing))


def main() -> int:
    for kind in ("END_OF_LIFE", "DEPRECATED", "UNTESTED"):
        os.environ[f"JSII_SILENCE_WARNING_{kind}_NODE_VERSION"] = "18,20,22,23,24,25,26"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["TOOLKIT_BUNDLE"] = str(stand_in(folder / "bundle"))
        gates = run(folder / "cdk.out")
        part = tables(gates, offline.warm())
    print(part)
    DOCUMENT.write_text(written(DOCUMENT.read_text(encoding="utf-8"), part), encoding="utf-8")
    for line in gates.wrong:
        print(line, file=sys.stderr)
    return 1 if gates.wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
