"""`toolkit explain`: which rule, which side, which gate; and the rules that never answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.commands.conftest import Cli, write_site

RULES = """\
/ /de/ 302! Country=de
/search q=:word /find/:word
/about /elsewhere
/news/* /blog/:splat 302
/news/today /now
/api/* http://127.0.0.1:9099/v2/:splat 200
"""


def deploy(cli: Cli, project: Path, word: str, *more: str) -> str:
    write_site(project / "dist", word)
    (project / "dist" / "_redirects").write_text(RULES, encoding="utf-8")
    return str(cli("deploy", "dist", "--json", *more).data["version"])


def explained(cli: Cli, *words: str) -> dict[str, Any]:
    outcome = cli("explain", *words, "--json")
    assert outcome.code == 0, outcome.err
    return dict(outcome.data)


def test_the_rule_is_the_one_whose_conditions_hold(cli: Cli, project: Path) -> None:
    deploy(cli, project, "one")
    assert explained(cli, "/")["rule"] == "file /index.html"
    german = explained(cli, "/", "--header", "CloudFront-Viewer-Country: DE")
    assert (german["status"], german["rule"]) == (302, "_redirects line 1: / /de/ 302! Country=de")
    assert explained(cli, "/search")["rule"] == "page for what is missing /404.html"
    assert explained(cli, "/search?q=a%20b")["headers"]["location"] == "/find/a%20b"
    assert explained(cli, "/news/today")["rule"].startswith("_redirects line 4: ")
    assert explained(cli, "/about.html")["rule"].startswith("another spelling")


def test_a_proxy_for_every_method(cli: Cli, project: Path) -> None:
    deploy(cli, project, "one")
    found = explained(cli, "/api/users?page=2", "--method", "POST")
    assert found["proxy_to"] == "http://127.0.0.1:9099/v2/users?page=2"
    assert found["rule"].startswith("_redirects line 6: ")


def test_rules_that_never_answer_are_listed(cli: Cli, project: Path) -> None:
    deploy(cli, project, "one")
    found = explained(cli, "--all")
    assert [one["line"] for one in found["shadowed"]] == [3, 5]
    assert found["rules"] == 6
    (project / "site.toml").write_text('name = "blog"\n[routing]\nslashes = "vercel-clean-slash"\n', encoding="utf-8")
    deploy(cli, project, "two")
    assert explained(cli, "--all")["rules"] == 6
    assert explained(cli, "/nowhere")["rule"] == 'site.toml: slashes = "vercel-clean-slash"'


def test_the_gate_is_named(cli: Cli, project: Path) -> None:
    hosts = 'hosts = ["www.example.com", "example.com"]\ncanonical = "www.example.com"\n'
    (project / "site.toml").write_text(f'name = "blog"\n{hosts}', encoding="utf-8")
    deploy(cli, project, "one")
    deploy(cli, project, "two", "--channel", "pr-1")
    assert explained(cli, "http://example.com/about")["rule"].startswith("canonical host: ")
    cli("preview", "protect", "pr-1")
    closed = explained(cli, "http://pr-1--blog.localhost/")
    assert (closed["status"], closed["rule"]) == (401, "password: the visitor has not given it")
    cli("maintenance", "on")
    assert explained(cli, "/")["rule"].startswith("maintenance: ")


def test_the_side_of_a_canary_is_the_visitor_s(cli: Cli, project: Path) -> None:
    stable = deploy(cli, project, "one")
    (project / "dist" / "new.html").write_text("new", encoding="utf-8")
    following = deploy(cli, project, "two", "--channel", "pr-1")
    cli("canary", following[-7:], "--percent", "50")
    seen = {}
    for number in range(40):
        found = explained(cli, "/new", "--header", f"User-Agent: {number}")
        seen[found["version"]] = (found["status"], found["rule"])
    assert seen == {stable: (404, "page for what is missing /404.html"), following: (200, "file /new.html")}


def test_nothing_to_explain_and_both_at_once_are_refused(cli: Cli, project: Path) -> None:
    for words in ((), ("/", "--all"), ("/", "--header", "no colon")):
        outcome = cli("explain", *words)
        assert outcome.code == 1 and "Traceback" not in outcome.err
