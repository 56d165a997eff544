"""Every verb of a site's life on the AWS target, through the command line: S3 in moto, the KeyValueStore's stand-in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.aws.account import BUCKET, DOMAIN, OUTPUTS, REGION, FakeAccount
from tests.aws.conftest import Cli, said
from tests.commands.conftest import write_site
from toolkit.aws.target import AwsTarget
from toolkit.engine import release
from toolkit.engine.target import EdgeRun


def deploy(cli: Cli, project: Path, word: str, *more: str) -> str:
    write_site(project / "dist", word)
    outcome = cli("deploy", "dist", "--json", *more)
    assert outcome.code == 0, outcome.err + outcome.out
    return str(outcome.data["version"])


@pytest.fixture(autouse=True)
def hosting(account: FakeAccount) -> None:
    account.set_up()


def test_a_deploy_goes_to_the_account(cli: Cli, project: Path, account: FakeAccount) -> None:
    outcome = cli("deploy", "dist", "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.data["urls"] == [f"https://{DOMAIN}/"] and outcome.data["release"] == 1
    version = outcome.data["version"]
    assert f"|blog|{version}|" in account.store.pairs[f"h:{DOMAIN}"]
    held = account.connect("", "").client("s3").list_objects_v2(Bucket=BUCKET)["Contents"]
    assert f"blog/versions/{version}.json" in [item["Key"] for item in held]
    assert not (project.parent / "state" / "routes.db").exists(), "nothing is kept as on the local target"


def test_the_other_target_is_one_word_away(cli: Cli, project: Path, account: FakeAccount) -> None:
    assert cli("deploy", "dist", "--target", "local").code == 0
    assert account.store.pairs == {}


def test_rollback_promote_and_the_ledger(cli: Cli, project: Path) -> None:
    first, second = deploy(cli, project, "one"), deploy(cli, project, "two")
    assert cli("rollback", "--json").data["version"] == first
    assert cli("promote", second, "--json").data["version"] == second
    entries = cli("releases", "--json").data["releases"]
    assert [(it["reason"], it["version"]) for it in entries] == [
        ("promote", second), ("rollback", first), ("deploy", second), ("deploy", first),
    ]  # fmt: skip


def test_a_preview_is_a_link_of_the_distribution(cli: Cli, project: Path) -> None:
    outcome = cli("deploy", "dist", "--channel", "pr-12", "--json")
    assert outcome.data["urls"] == [f"https://{DOMAIN}/_preview/pr-12--blog"]
    assert [it["channel"] for it in cli("preview", "list", "--json").data["previews"]] == ["preview/pr-12"]
    assert cli("preview", "protect", "pr-12", "--json").data["urls"] == {"preview/pr-12": outcome.data["urls"]}
    assert cli("preview", "rm", "pr-12").code == 0
    assert cli("preview", "list", "--json").data["previews"] == []


def test_a_preview_below_a_wildcard_has_a_host(cli: Cli, project: Path) -> None:
    (project / "site.toml").write_text('name = "blog"\ntarget = "aws"\nhosts = ["www.example.com", "*.example.com"]\n')
    assert cli("deploy", "dist", "--json").data["urls"] == [f"https://{DOMAIN}/", "https://www.example.com/"]
    assert cli("deploy", "dist", "--channel", "pr-12", "--json").data["urls"] == ["https://pr-12--blog.example.com/"]


def test_canary_maintenance_pin_prune_and_status(cli: Cli, project: Path) -> None:
    first, second = deploy(cli, project, "one"), deploy(cli, project, "two")
    assert cli("rollback").code == 0
    assert cli("canary", second, "--percent", "10", "--json").data["canary"]["percent"] == 10
    assert cli("canary", "finish", "--json").data["version"] == second
    assert cli("maintenance", "on", "--json").data["maintenance"] is True
    assert cli("maintenance", "off", "--json").data["maintenance"] is False
    assert cli("pin", first).code == 0
    third = deploy(cli, project, "three")
    kept = {it["version"]: it["reason"] for it in cli("prune", "--keep", "0", "--grace-hours", "-1", "--json").data["verdicts"]}
    assert kept[first] == "pinned" and kept[third] == "serving live"
    status = cli("status", "--json").data
    assert status["target"] == "aws" and DOMAIN in status["server"]["where"] and status["push_to"] is None
    assert [(it["channel"], it["version"]) for it in status["channels"]] == [("live", third)]


def test_explain_runs_the_function_over_the_store(cli: Cli, project: Path) -> None:
    deploy(cli, project, "one")
    found = cli("explain", "/about", "--json").data
    assert (found["url"], found["status"], found["rule"]) == (f"https://{DOMAIN}/about", 200, "file /about.html")
    moved = cli("explain", f"{DOMAIN}/old", "--json").data
    assert (moved["status"], moved["headers"]["location"]) == (301, "/about")


def test_a_preview_without_a_host_is_explained_under_its_name(cli: Cli, project: Path) -> None:
    version = deploy(cli, project, "one", "--channel", "pr-12")
    found = cli("explain", f"pr-12--blog.{DOMAIN}/about", "--json").data
    assert (found["url"], found["version"], found["status"]) == (f"https://pr-12--blog.{DOMAIN}/about", version, 200)


def test_who_comes_with_a_preview_s_cookie_is_told_of_the_preview(cli: Cli, project: Path) -> None:
    live = deploy(cli, project, "one")
    preview = deploy(cli, project, "two", "--channel", "pr-12")
    (link,) = cli("deploy", "dist", "--channel", "pr-12", "--json").data["urls"]
    by_hand = cli("explain", "/", "--header", "Cookie: __Host-preview=pr-12--blog", "--json").data
    by_link = cli("explain", link, "--json").data
    for found in (by_hand, by_link):
        assert (found["channel"], found["version"][-7:], found["rule"]) == ("preview/pr-12", preview[-7:], "file /index.html")
        assert (found["url"], found["headers"]["cache-control"]) == (f"https://{DOMAIN}/", "private, no-store")
    for cookie in ("pr-13--blog", "pr-12--shop", "x" * 600):
        found = cli("explain", "/", "--header", f"Cookie: __Host-preview={cookie}", "--json").data
        assert (found["channel"], found["version"]) == ("live", live)


def test_a_dry_run_writes_and_starts_nothing(cli: Cli, project: Path, account: FakeAccount) -> None:
    account.cloudformation().stacks["toolkit-site-blog"].outputs["WatchArn"] = machine = account.machine()
    assert cli("deploy", "dist", "--dry-run", "--json").data["watch"] is None
    assert account.store.pairs == {}
    assert account.connect(REGION, "").client("stepfunctions").list_executions(stateMachineArn=machine)["executions"] == []


def watches(account: FakeAccount, machine: str) -> list[dict[str, Any]]:
    """What the watches that were started have been given, by release."""
    client = account.connect(REGION, "").client("stepfunctions")
    started = [
        client.describe_execution(executionArn=it["executionArn"])
        for it in client.list_executions(stateMachineArn=machine)["executions"]
    ]
    return sorted((json.loads(it["input"]) for it in started), key=lambda it: int(it["release"]))


def test_what_goes_live_is_watched_and_a_rollback_is_not(cli: Cli, project: Path, account: FakeAccount) -> None:
    account.cloudformation().stacks["toolkit-site-blog"].outputs["WatchArn"] = machine = account.machine()
    (project / "site.toml").write_text('name = "blog"\ntarget = "aws"\n[aws]\nwatch_minutes = 5\n')
    one = cli("deploy", "dist", "--json").data
    assert one["watch"] == "watched for 5 minutes: an alarm flips it back"
    deploy(cli, project, "two", "--channel", "pr-1")
    cli("promote", "pr-1")
    assert cli("rollback", "--json").data["watch"] is None
    given = watches(account, machine)
    assert [(it["channel"], it["release"]) for it in given] == [("live", 1), ("live", 2)]
    assert given[0]["version"] == one["version"] and set(given[0]) == {"channel", "release", "version", "until"}


def test_a_canary_is_watched_as_long_as_it_is_given_to_somebody(cli: Cli, project: Path, account: FakeAccount) -> None:
    account.cloudformation().stacks["toolkit-site-blog"].outputs["WatchArn"] = machine = account.machine()
    stable, shown = deploy(cli, project, "one"), deploy(cli, project, "two", "--channel", "pr-1")
    assert cli("canary", shown, "--percent", "5", "--json").data["watch"] == "watched for 15 minutes: an alarm flips it back"
    assert cli("canary", "--json").data["watch"] is None, "to ask is not to release"
    assert cli("canary", "--percent", "50", "--json").data["watch"]
    assert cli("canary", "stop", "--json").data["watch"] is None, "to what has served: an alarm must not go further back"
    assert cli("canary", shown, "--percent", "5", "--json").data["watch"] and cli("canary", "finish", "--json").data["watch"]
    given = [(it["release"], it["version"]) for it in watches(account, machine)]
    assert given == [(1, stable), (2, shown), (3, shown), (5, shown), (6, shown)]


def test_the_same_release_once_more_is_not_one_that_nobody_watches(cli: Cli, project: Path, account: FakeAccount) -> None:
    """A deploy of a commit that is served already gives the release that there is: its watch has ended."""
    machine, session = account.machine(), account.connect(REGION, "")
    deploy(cli, project, "one")
    target = AwsTarget(session, {**OUTPUTS, "WatchArn": machine}, edge=no_edge)
    record = release.last(target.routes, "blog", "live")
    assert record and target.released(record) == "watched for 15 minutes: an alarm flips it back"
    client = session.client("stepfunctions")
    for it in client.list_executions(stateMachineArn=machine)["executions"]:
        client.stop_execution(executionArn=it["executionArn"])
    assert target.released(record) == ""


def no_edge(routes: object) -> EdgeRun:
    raise AssertionError("nobody asks the functions")


def test_that_nobody_watches_is_said_and_the_release_stands(cli: Cli, project: Path, account: FakeAccount) -> None:
    gone = "arn:aws:states:eu-west-1:123456789012:stateMachine:gone"
    account.cloudformation().stacks["toolkit-site-blog"].outputs["WatchArn"] = gone
    outcome = cli("deploy", "dist", "--json")
    assert outcome.code == 0 and "nobody watches this release" in outcome.data["watch"]


def test_a_site_in_a_stack_of_somebody_s_own(cli: Cli, project: Path, account: FakeAccount) -> None:
    outputs = {f"BlogOutputs{name}1A2B3C4D": value for name, value in OUTPUTS.items()}
    account.cloudformation("us-west-2").put("ours", {**outputs, "ShopOutputsBucket99999999": "other"})
    config = '[aws]\nregion = "us-west-2"\nprofile = "work"\nstack = "ours"\noutputs = "BlogOutputs"\n'
    (project / "site.toml").write_text(f'name = "blog"\ntarget = "aws"\n{config}')
    assert cli("deploy", "dist", "--json").data["urls"] == [f"https://{DOMAIN}/"]
    assert ("us-west-2", "work") in account.connected
    (project / "site.toml").write_text(f'name = "blog"\ntarget = "aws"\n{config.replace("BlogOutputs", "Blog")}')
    error = said(cli("status", "--json"))
    assert "has no output BlogBucket" in str(error["what"]) and "[aws] outputs" in str(error["fix"])


def test_a_site_that_is_not_set_up(cli: Cli, project: Path, account: FakeAccount) -> None:
    account.cloudformation().stacks.clear()
    outcome = cli("status")
    assert outcome.code == 1
    assert "there is no stack toolkit-site-blog in eu-west-1" in outcome.err and "toolkit up --target aws" in outcome.err
    account.cloudformation().put("toolkit-site-blog", {}, status="ROLLBACK_COMPLETE")
    assert "is ROLLBACK_COMPLETE and has no outputs" in cli("status").err


def test_verbs_that_mean_nothing_there_say_so(cli: Cli) -> None:
    for words in (("serve", "--target", "aws"), ("serve",)):
        outcome = cli(*words)
        assert outcome.code == 2 and "aws has no server to run here" in outcome.err
    assert cli("serve", "--stop").out == "no server was running\n"
