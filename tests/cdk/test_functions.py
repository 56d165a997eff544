"""The functions: what they run, how large they are, and what each is told."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from tests.cdk.templates import WEBHOOK, Template, text

STORES = {"SITE", "BUCKET", "STORE_ARN"}
NAMES = {"DOMAIN_NAME", "HOSTS", "CANONICAL"}
VARIABLES = {
    "publish": STORES | {"SETTINGS", "STRICT"},
    "verify": STORES | {"DOMAIN_NAME"},
    "flip": STORES | NAMES | {"WATCH_MINUTES"},
    "watch": STORES | {"ALARMS"},
    "upkeep": STORES | {"KEEP", "GRACE_HOURS", "PREVIEW_DAYS"},
    "notify": NAMES | {"SITE", "TOPIC_ARN"},
}
# Those that pipelines call besides.
OF_PIPELINES = {
    "deliver": {"SITE", "RELEASE_ARN", "UPLOAD_BUCKET"},
    "inspect_zip": {"SITE", "PREFIX", "IDLE", "OUTPUT"},
    "retire": STORES,
}
HANDLERS = Path(__file__).resolve().parent.parent.parent / "functions" / "lambdas"


def functions(template: Template) -> dict[str, dict[str, Any]]:
    """By the module of their handlers."""
    made = [text(template.body["Resources"][name]["Properties"]) for name in template.ids("AWS::Lambda::Function")]
    return {it["Handler"].split(".")[1]: it for it in made}


def variables(template: Template, name: str) -> dict[str, str]:
    found: dict[str, str] = functions(template)[name]["Environment"]["Variables"]
    return found


def test_there_is_one_for_each_handler(plain: Template, templates: dict[str, Template]) -> None:
    handlers = {path.stem for path in HANDLERS.glob("*.py") if "def handler(" in path.read_text(encoding="utf-8")}
    assert set(functions(plain)) == set(VARIABLES)
    assert set(functions(templates["github"])) == handlers == {*VARIABLES, *OF_PIPELINES}


@pytest.mark.parametrize("name", [*VARIABLES, *OF_PIPELINES])
def test_a_function_is_told_what_it_asks_for(templates: dict[str, Template], name: str) -> None:
    """What a handler reads without a default is there, and nothing is that it never reads."""
    given = set(variables(templates["github"], name))
    assert given == {**VARIABLES, **OF_PIPELINES}[name]
    read, needed = asked_for(name)
    assert needed <= given, "without these it fails"
    assert given <= read, "these are for nobody"


def asked_for(name: str) -> tuple[set[str], set[str]]:
    """Names that the handler and what all handlers share ask their environment for, and those of them without a default."""
    read: set[str] = set()
    needed: set[str] = set()
    for module in (name, "common"):
        tree = ast.parse((HANDLERS / f"{module}.py").read_text(encoding="utf-8"))
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            is_asking = isinstance(call.func, ast.Attribute) and call.func.attr in ("value", "json")
            if is_asking and call.args and isinstance(call.args[0], ast.Constant):
                variable = str(call.args[0].value)
                read.add(variable)
                if len(call.args) == 1 and module == name:
                    needed.add(variable)
    return read, needed


def test_all_run_the_same_code_on_the_newest_python_and_the_cheaper_processor(plain: Template) -> None:
    made = functions(plain).values()
    (layer,) = plain.ids("AWS::Lambda::LayerVersion")
    assert len({json.dumps(it["Code"]) for it in made}) == 1
    for it in made:
        assert (it["Runtime"], it["Architectures"], it["Layers"]) == ("python3.14", ["arm64"], [f"${{{layer}}}"])
        assert it["LoggingConfig"]["LogFormat"] == "JSON" and it["TracingConfig"] == {"Mode": "Active"}
        assert "ReservedConcurrentExecutions" not in it, "it would take from what the account has"


@pytest.mark.parametrize(
    ("name", "seconds", "tmp"),
    [
        ("publish", 900, 3072),
        ("verify", 300, 512),
        ("flip", 300, 512),
        ("watch", 300, 512),
        ("upkeep", 900, 512),
        ("notify", 60, 512),
        ("deliver", 60, 512),
        ("inspect_zip", 600, 3072),
        ("retire", 300, 512),
    ],
)
def test_how_large_they_are(templates: dict[str, Template], name: str, seconds: int, tmp: int) -> None:
    made = functions(templates["github"])[name]
    assert (made["Timeout"], made["EphemeralStorage"]["Size"]) == (seconds, tmp)
    assert made["MemorySize"] <= 3008, "what a new account may have"


def test_what_site_toml_says_reaches_them(templates: dict[str, Template]) -> None:
    full = templates["full"]
    flip, upkeep, publish = (variables(full, name) for name in ("flip", "upkeep", "publish"))
    assert json.loads(flip["HOSTS"]) == ["www.example.org", "example.org"]
    assert (flip["CANONICAL"], flip["WATCH_MINUTES"], flip["DOMAIN_NAME"]) == (
        "example.org",
        "5",
        "${SiteDeliveryDistributionB790E957.DomainName}",
    )
    assert (upkeep["KEEP"], upkeep["GRACE_HOURS"], upkeep["PREVIEW_DAYS"]) == ("3", "1.5", "7")
    assert publish["STRICT"] == "true" and variables(templates["plain"], "publish")["STRICT"] == "false"
    assert variables(full, "notify")["WEBHOOK_SECRET_ARN"] == WEBHOOK
    assert publish["SITE"] == "full" and publish["BUCKET"] == "${SiteStorageBucket5BDB9672}"


def test_settings_arrive_as_the_engine_has_them(cdk: None) -> None:
    from aws_cdk import App, Stack

    from toolkit.cdk import StaticSite
    from toolkit.cdk.functions import ReleaseFacts
    from toolkit.engine.model import Settings

    said = Settings(mode="spa", dialect="cloudflare", immutable=("/assets/*",), carry_days=2.5)
    facts = ReleaseFacts(StaticSite(Stack(App(), "stack"), "Site"), "shop", settings=said)
    found = json.loads(facts.publishing()["SETTINGS"])
    assert Settings(**{**found, "immutable": tuple(found["immutable"])}) == said


def test_the_alarms_are_named_as_those_that_are_made(templates: dict[str, Template]) -> None:
    made = {
        text(templates["alarms-plain"].body["Resources"][name]["Properties"])["AlarmName"]
        for name in templates["alarms-plain"].ids("AWS::CloudWatch::Alarm")
    }
    looked_at = json.loads(variables(templates["plain"], "watch")["ALARMS"])
    distribution = "${SiteDeliveryDistributionB790E957}"
    assert {name.replace("${DistributionId}", distribution) for name in made} == set(looked_at)


def test_logs_are_forgotten(plain: Template) -> None:
    groups = plain.ids("AWS::Logs::LogGroup")
    assert len(groups) == len(VARIABLES) + 3, "the functions, the project and two machines"
    for name in groups:
        resource = plain.body["Resources"][name]
        assert (resource["Properties"]["RetentionInDays"], resource["DeletionPolicy"]) == (90, "Delete")


def test_what_is_too_large_runs_the_same_code_with_the_same_facts(plain: Template) -> None:
    project = text(plain.properties("AWS::CodeBuild::Project"))
    publish = functions(plain)["publish"]
    assert {it["Name"]: it["Value"] for it in project["Environment"]["EnvironmentVariables"]} == publish["Environment"]["Variables"]
    code, layer = publish["Code"], text(plain.properties("AWS::Lambda::LayerVersion"))["Content"]
    assert project["Source"]["Location"] == f"{code['S3Bucket']}/{code['S3Key']}"
    (libraries,) = project["SecondarySources"]
    assert libraries["Location"] == f"{layer['S3Bucket']}/{layer['S3Key']}"
    assert project["Environment"]["Type"] == "ARM_CONTAINER", "the libraries are for that processor"
    assert project["Environment"]["PrivilegedMode"] is False and project["Artifacts"] == {"Type": "NO_ARTIFACTS"}
    commands = json.loads(project["Source"]["BuildSpec"])["phases"]["build"]["commands"]
    assert commands[-1] == "python3 -m lambdas.publish"
    assert f"CODEBUILD_SRC_DIR_{libraries['SourceIdentifier']}/python" in commands[0]
