"""Canary, protected previews, maintenance and the canonical host: through the command line, on the local target."""

from __future__ import annotations

import os
import subprocess
import sys
from base64 import b64encode
from pathlib import Path

import pytest

from tests.commands.conftest import Cli, write_site
from tests.engine.support import Edge
from tests.engine.visitors import identity, is_next, share, visitors
from toolkit.engine.target import Target

ROOT = Path(__file__).parents[2]
PREVIEW_HOST = "pr-1--blog.localhost"


def deploy(cli: Cli, project: Path, word: str, *more: str) -> str:
    write_site(project / "dist", word)
    outcome = cli("deploy", "dist", "--json", *more)
    assert outcome.code == 0, outcome.err + outcome.out
    return str(outcome.data["version"])


def value(target: Target, host: str = "blog.localhost") -> str:
    return target.routes.get(f"h:{host}") or ""


def status(target: Target, host: str, user: str = "", password: str = "") -> int:
    given = {"authorization": f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"} if user else {}
    return Edge(target.routes.get).ask(host, "/", headers=given).status


def everything(target: Target) -> str:
    """All that is stored, as text."""
    found = [repr(pair) for pair in target.routes.items()]
    return "\n".join(found + [repr(target.objects.get(info.key)[1]) for info in target.objects.list("blog/")])


# --- canary ------------------------------------------------------------------------------------------------------------------


def test_a_canary_from_start_to_finish(cli: Cli, project: Path, target: Target) -> None:
    first = deploy(cli, project, "one")
    second = deploy(cli, project, "two", "--channel", "pr-1")
    assert cli("canary", "--json").data["canary"] is None
    started = cli("canary", second[-7:], "--percent", "12.5", "--message", "with care", "--json").data
    assert started["canary"] == {"version": second, "percent": 12.5, "cookie": None}
    assert (started["version"], started["release"]) == (first, 2)
    everyone = [identity(*one) for one in visitors(5000)]
    assert abs(share(value(target), everyone) - 12.5) < 2
    inside = {who for who in everyone if is_next(value(target), who)}
    assert cli("canary", "--percent", "50", "--json").data["canary"]["percent"] == 50
    assert inside < {who for who in everyone if is_next(value(target), who)}
    shown = cli("status", "--json").data["channels"][0]
    assert (shown["canary"], shown["percent"], shown["maintenance"], shown["protected"]) == (second, 50.0, False, False)
    assert f"50 % {second}" in cli("status").out
    done = cli("canary", "finish", "--json").data
    assert (done["version"], done["canary"], done["ended"]) == (second, None, None)
    notes = [entry["note"] for entry in cli("releases", "--json").data["releases"]]
    assert notes[:3] == ["finished from 50 %", f"50 % get {second}", "with care"]


def test_a_canary_is_stopped(cli: Cli, project: Path, target: Target) -> None:
    first = deploy(cli, project, "one")
    second = deploy(cli, project, "two", "--channel", "pr-1")
    cli("canary", second, "--percent", "10", "--cookie", "session")
    assert "told apart by the cookie session" in cli("canary").out
    outcome = cli("canary", "stop")
    assert outcome.code == 0 and f"serves {first} to all visitors" in outcome.out and f"the canary {second} ended" in outcome.out
    assert "\n" not in value(target)


def test_a_rollback_without_a_version_takes_the_canary_back(cli: Cli, project: Path) -> None:
    deploy(cli, project, "zero")
    first = deploy(cli, project, "one")
    second = deploy(cli, project, "two", "--channel", "pr-1")
    cli("canary", second, "--percent", "10")
    outcome = cli("rollback")
    assert outcome.code == 0 and first in outcome.out and f"the canary {second} ended with it" in outcome.out
    assert cli("canary", "--json").data["version"] == first
    cli("canary", second, "--percent", "10")
    assert cli("rollback", first, "--json").data["ended"] == second
    cli("canary", second, "--percent", "10")
    assert cli("promote", first, "--json").data["ended"] == second


def test_a_deploy_ends_the_canary_and_says_so(cli: Cli, project: Path) -> None:
    deploy(cli, project, "one")
    second = deploy(cli, project, "two", "--channel", "pr-1")
    cli("canary", second, "--percent", "10")
    write_site(project / "dist", "three")
    outcome = cli("deploy", "dist")
    assert f"the canary {second} ended with it" in outcome.out
    cli("canary", second, "--percent", "10")
    write_site(project / "dist", "four")
    assert cli("deploy", "dist", "--json").data["ended_canary"] == second


def test_prune_says_what_a_canary_is(cli: Cli, project: Path) -> None:
    deploy(cli, project, "one")
    second = deploy(cli, project, "two", "--channel", "pr-1")
    cli("canary", second, "--percent", "10")
    assert cli("preview", "rm", "pr-1").code == 0
    verdicts = cli("prune", "--keep", "0", "--grace-hours", "-1", "--json").data["verdicts"]
    assert {one["version"]: one["reason"] for one in verdicts}[second] == "canary of live"


@pytest.mark.parametrize("percent", ["0", "100", "-5", "1.234", "ten", "nan", "1e9"])
def test_percentages_that_are_none_are_wrong_usage(cli: Cli, project: Path, percent: str) -> None:
    version = deploy(cli, project, "one")
    outcome = cli("canary", version, f"--percent={percent}")
    assert outcome.code == 2 and "--percent" in outcome.err and "Traceback" not in outcome.err


@pytest.mark.parametrize(
    "words",
    [("stop", "--percent", "5"), ("finish", "--cookie", "a"), ("{version}",), ("--cookie", "a"), ("{version}", "--cookie", "a")],
)
def test_wrong_usage_of_canary(cli: Cli, project: Path, words: tuple[str, ...]) -> None:
    version = deploy(cli, project, "one")
    assert cli("canary", *(word.format(version=version) for word in words)).code == 2
    assert len(cli("releases", "--json").data["releases"]) == 1


def test_a_canary_that_cannot_be(cli: Cli, project: Path) -> None:
    assert cli("canary").code == 1
    version = deploy(cli, project, "one")
    for words, said in (
        ((version, "--percent", "5"), "to everybody"),
        (("0000000", "--percent", "5"), "no version"),
        (("--percent", "5"), "no canary runs"),
        (("stop",), "no canary runs"),
        (("finish", "--channel", "pr-9"), "no canary runs on preview/pr-9"),
    ):
        outcome = cli("canary", *words)
        assert outcome.code == 1 and said in outcome.err and "fix:" in outcome.err


# --- previews ----------------------------------------------------------------------------------------------------------------


def test_a_password_is_made_and_shown_once(cli: Cli, project: Path, target: Target) -> None:
    deploy(cli, project, "one", "--channel", "pr-1")
    outcome = cli("preview", "protect", "pr-1", "--json")
    made = outcome.data["password"]
    assert outcome.code == 0 and outcome.data["user"] == "preview" and len(made) > 20
    assert status(target, PREVIEW_HOST) == 401
    assert status(target, PREVIEW_HOST, "preview", made) == 200
    assert made not in everything(target)
    for words in (("preview", "list"), ("status",), ("releases", "--channel", "pr-1"), ("canary", "--channel", "pr-1")):
        assert made not in cli(*words, "--json").out and made not in cli(*words).out
    assert cli("preview", "list", "--json").data["previews"][0]["protected"] is True
    assert "password" in cli("preview", "list").out
    again = cli("preview", "protect", "pr-1")
    assert "password  " in again.out and made not in again.out
    deploy(cli, project, "two", "--channel", "pr-1")
    assert status(target, PREVIEW_HOST) == 401
    assert cli("preview", "unprotect", "pr-1").code == 0
    assert status(target, PREVIEW_HOST) == 200


def test_a_password_of_ones_own_is_never_printed(cli: Cli, project: Path, target: Target) -> None:
    deploy(cli, project, "one", "--channel", "pr-1")
    words = ["preview", "protect", "pr-1", "--user", "ann", "--password-stdin"]
    piped = subprocess.run(
        [sys.executable, "-m", "toolkit", *words],
        input="from a pipe: it works\nsecond line\n",
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert "user      ann" in piped.stdout and "from a pipe" not in piped.stdout + piped.stderr
    assert status(target, PREVIEW_HOST, "ann", "from a pipe: it works") == 200
    outcome = cli("preview", "protect", "pr-1", "--password", "on the command line", "--json")
    assert "on the command line" not in outcome.out + outcome.err and "password" not in outcome.data
    assert status(target, PREVIEW_HOST, "ann", "from a pipe: it works") == 401
    assert status(target, PREVIEW_HOST, "preview", "on the command line") == 200


def test_all_previews_and_those_to_come(cli: Cli, project: Path, target: Target) -> None:
    deploy(cli, project, "live")
    deploy(cli, project, "one", "--channel", "pr-1")
    outcome = cli("preview", "protect", "--all", "--password", "correct horse", "--json")
    assert outcome.data["protected"] == ["all"] and list(outcome.data["urls"]) == ["preview/pr-1"]
    deploy(cli, project, "two", "--channel", "pr-2")
    assert [status(target, host) for host in ("blog.localhost", PREVIEW_HOST, "pr-2--blog.localhost")] == [200, 401, 401]
    assert cli("preview", "unprotect", "pr-2", "--json").data["unprotected"] == ["preview/pr-2"]
    assert [one["protected"] for one in cli("preview", "list", "--json").data["previews"]] == [True, False]
    assert cli("preview", "unprotect", "--all").code == 0
    assert status(target, PREVIEW_HOST) == 200


def test_a_preview_that_is_not_there_yet_is_named(cli: Cli, project: Path, target: Target) -> None:
    outcome = cli("preview", "protect", "pr-1", "--password", "correct horse")
    assert outcome.code == 0 and "there is no such preview yet" in outcome.out
    deploy(cli, project, "one", "--channel", "pr-1")
    assert status(target, PREVIEW_HOST) == 401
    assert cli("preview", "rm", "pr-1").code == 0
    deploy(cli, project, "two", "--channel", "pr-1")
    assert status(target, PREVIEW_HOST) == 200


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("protect",), 1),
        (("protect", "live"), 1),
        (("rm", "live"), 1),
        (("protect", "pr-1", "--password", "short"), 1),
        (("protect", "pr-1", "--user", "a:b"), 1),
        (("protect", "pr-1", "--all"), 2),
        (("protect", "pr-1", "--password", "x", "--password-stdin"), 2),
        (("rm", "--all"), 2),
        (("list", "--all"), 2),
        (("unprotect", "pr-1", "--password", "correct horse"), 2),
    ],
)
def test_wrong_usage_of_preview(cli: Cli, project: Path, target: Target, words: tuple[str, ...], code: int) -> None:
    deploy(cli, project, "one", "--channel", "pr-1")
    outcome = cli("preview", *words)
    assert outcome.code == code and "fix:" in outcome.err
    assert status(target, PREVIEW_HOST) == 200


# --- maintenance and hosts ---------------------------------------------------------------------------------------------------


def test_maintenance_on_and_off(cli: Cli, project: Path, target: Target) -> None:
    assert cli("maintenance", "on").code == 1, "nothing serves"
    deploy(cli, project, "one")
    outcome = cli("maintenance", "on")
    assert outcome.code == 0 and "publish a 503.html" in outcome.err
    assert status(target, "blog.localhost") == 503
    (project / "dist" / "503.html").write_text("back at ten", encoding="utf-8")
    deploy(cli, project, "two")
    assert value(target).split("|")[7][0] == "m" and value(target).split("|")[7] != "m-"
    assert cli("maintenance", "on", "--json").data["page"] is True
    assert "maintenance" in cli("status").out and cli("status", "--json").data["channels"][0]["maintenance"] is True
    assert cli("maintenance", "off", "--json").data["maintenance"] is False
    assert status(target, "blog.localhost") == 200
    assert cli("maintenance", "off").code == 0, "saying it twice is no error"


def test_the_canonical_host_of_site_toml(cli: Cli, project: Path, target: Target) -> None:
    lines = 'name = "blog"\nhosts = ["example.com", "www.example.com"]\n'
    (project / "site.toml").write_text(f'{lines}canonical = "www.example.com"\n', encoding="utf-8")
    first = deploy(cli, project, "one")
    second = deploy(cli, project, "two")
    hosts = ("blog.localhost", "example.com", "www.example.com")
    for words in (
        ("rollback",),
        ("canary", second, "--percent", "5"),
        ("canary", "stop"),
        ("promote", second),
        ("rollback", first),
    ):
        assert cli(*words).code == 0
        assert [status(target, host) for host in hosts] == [200, 308, 200], words
    (project / "site.toml").write_text(lines, encoding="utf-8")
    deploy(cli, project, "three")
    assert [status(target, host) for host in hosts] == [200, 200, 200]


def test_destroy_takes_access_records_and_canaries_along(cli: Cli, project: Path, target: Target) -> None:
    deploy(cli, project, "one")
    second = deploy(cli, project, "two", "--channel", "pr-1")
    cli("preview", "protect", "pr-1")
    cli("preview", "protect", "--all")
    cli("maintenance", "on")
    cli("canary", second, "--percent", "10")
    assert cli("destroy", "--yes").code == 0
    assert list(target.routes.items()) == []
