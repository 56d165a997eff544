"""What the hosts that users come from answer, asked of the real functions in both engines; and that the runner can fail."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.cases.edges import ENGINES, Reply, foreign_url
from tests.cases.judge import ask, complaints
from tests.cases.rows import POLICIES, Row, load
from tests.cases.run import DISPUTED, FAILED, NOT_SPOKEN, PASSED, Outcome, main, run
from tests.cases.worlds import Site, settle
from tests.conftest import require_tool
from tests.local.serving import Client, running_server

FILE = Path(__file__).parent / "cases" / "hosting_cases.json"
ROWS = load(FILE)
JUDGED = [row for row in ROWS if row.is_spoken and not row.is_disputed]
SERVED = [row for row in ROWS if row.kind == "serve"]
Raw = dict[str, Any]


@cache
def answered(engine: str) -> dict[str, Outcome]:
    if engine == "njs":
        require_tool("njs", "it runs the edge functions as CloudFront's own engine would")
    return {outcome.id: outcome for outcome in run(ROWS, engine)}


@pytest.fixture(params=ENGINES)
def outcomes(request: pytest.FixtureRequest) -> dict[str, Outcome]:
    return answered(request.param)


@pytest.mark.parametrize("row", JUDGED, ids=lambda row: row.id)
def test_a_row(outcomes: dict[str, Outcome], row: Row) -> None:
    outcome = outcomes[row.id]
    assert outcome.result == PASSED, f"{outcome.why}\nexpected {outcome.expected}\ngot {outcome.got}"


def test_every_row_has_an_outcome_of_its_own(outcomes: dict[str, Outcome]) -> None:
    assert len(outcomes) == len(ROWS)
    assert {outcome.result for outcome in outcomes.values()} <= {PASSED, DISPUTED, NOT_SPOKEN}


def test_the_engines_give_the_same_answers() -> None:
    in_quickjs, in_njs = ({id: outcome.got for id, outcome in answered(engine).items()} for engine in ENGINES)
    assert in_quickjs == in_njs


class Wire:
    """A visitor who asks a running server over a connection, in place of the application in this process."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def ask(self, host: str, path: str, query: str = "", headers: Mapping[str, str] | None = None, method: str = "GET") -> Reply:
        self.client.host = host
        target = path.encode().decode("latin-1") + (f"?{query}" if query else "")
        reply = self.client.get(target, dict(headers or {}), method=method)
        return Reply(reply.status, reply.headers, reply.body)


@pytest.fixture(scope="module")
def over_http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Wire]]:
    places = settle(SERVED, tmp_path_factory.mktemp("served"))
    world, site = places[0]
    assert all(place == (world, site) for place in places), "one server answers all of them"
    with running_server(world.root / "target") as client:
        yield site, Wire(client)


@pytest.mark.parametrize("row", SERVED, ids=lambda row: row.id)
def test_plain_files_over_http(over_http: tuple[Site, Wire], row: Row) -> None:
    site, wire = over_http
    assert complaints(ask(row, site, wire)) == []


# --- the runner


def raw(**changes: Any) -> Raw:
    """A row that passes: a rule of Netlify's."""
    row = {
        "id": "own-1",
        "kind": "redirects",
        "dialect": "netlify",
        "files": ["/index.html", "/404.html"],
        "rules": "/old /new",
        "request": {"path": "/old", "query": "", "headers": {}},
        "expect": {"status": 301, "location": "/new"},
        "basis": "ran",
    }
    return {**row, **changes}


def results(tmp_path: Path, *rows: Raw) -> list[Outcome]:
    file = tmp_path / "rows.json"
    file.write_text(json.dumps(rows))
    return run(load(file), "quickjs")


def test_a_row_that_holds(tmp_path: Path) -> None:
    (outcome,) = results(tmp_path, raw())
    assert (outcome.result, outcome.got["location"]) == (PASSED, "/new")


PAGE = {"path": "/", "query": "", "headers": {}}
HEADERS = {"kind": "headers", "rules": "/*\n  X-A: 1", "request": PAGE}


@pytest.mark.parametrize(
    "changes",
    [
        {"expect": {"status": 302}},
        {"expect": {"status": [302, 404]}},
        {"expect": {"location": "/news"}},
        {"expect": {"location": "/news", "location_alt": ["/olds"]}},
        {"expect": {"location_not_matching": "^/n"}},
        {"expect": {"proxy_to": "https://example.com/"}},
        {"expect": {"body": "something"}},
        {"expect": {"parse_errors": 1}},
        {"expect": {"served_path": "/404.html"}, "request": PAGE},
        {"expect": {"headers_absent": ["Location"]}},
        {"expect": {"headers_absent": ["Location of sorts"]}},
        {**HEADERS, "expect": {"headers": {"X-A": "2"}}},
        {**HEADERS, "expect": {"headers": {}}},
        {**HEADERS, "expect": {"headers_ignored": ["X-A"]}},
        {**HEADERS, "expect": {"headers_absent": ["X-A (unless equal to 200 value)", "X-A"]}},
    ],
)
def test_a_row_that_does_not_hold(tmp_path: Path, changes: Raw) -> None:
    (outcome,) = results(tmp_path, raw(**changes))
    assert outcome.result == FAILED and outcome.why


@pytest.mark.parametrize(
    "changes",
    [
        {"expect": {"stauts": 301}},
        {"expect": {"location_alt": ["/new"]}},
        {"dialect": "netlfy"},
        {"dialect": "vercel.json", "expect": {"stauts": 301}},
        {"kind": "redirect"},
        {"kind": "serve"},
        {"kind": "trailing", "policy": "nobody's"},
        {"kind": "trailing", "policy": "cloudflare:none", "rules": "/old /new"},
        {"kind": "trailing", "policy": "cloudflare:none", "rules": '{"not_found_handling": "single-page-application"}'},
        {"request": {"path": "/old", "query": "", "headers": {}, "cookies": {}}},
        {"dialect": "netlfy", "basis": "doc (ran differs)"},
        {"rules": ["/old /new"]},
        {"files": [1, 2]},
        {"files": ["/index.html", "/../../outside.html"]},
        {"request": {"path": "/old", "headers": ["x"]}},
        {"request": {"path": "\ud800"}},
        {"expect": {"location_not_matching": "("}},
        {"expect": None},
    ],
)
def test_what_is_not_understood_fails(tmp_path: Path, changes: Raw) -> None:
    (outcome,) = results(tmp_path, raw(**changes))
    assert outcome.result == FAILED
    assert outcome.why[0].startswith("not understood: ")


def test_a_site_that_cannot_be_published_fails(tmp_path: Path) -> None:
    (outcome,) = results(tmp_path, raw(files=[]))
    assert outcome.result == FAILED and outcome.why[0].startswith("not published: ")


@pytest.mark.parametrize("basis", ["doc (disputed)", "doc (ran differs)"])
def test_disputed_rows_fail_nothing(tmp_path: Path, basis: str) -> None:
    (outcome,) = results(tmp_path, raw(basis=basis, expect={"status": 404}))
    assert outcome.result == DISPUTED and outcome.why


def test_equal_sites_are_one_and_a_host_belongs_to_one_of_them(tmp_path: Path) -> None:
    asked = {**PAGE, "path": "/old", "headers": {"Host": "www.example.com"}}
    rows = [raw(id="a", request=asked), raw(id="b", request=asked, rules="/old /other"), raw(id="c"), raw(id="d", request=asked)]
    rows[1]["expect"] = {"location": "/other"}
    assert [outcome.result for outcome in results(tmp_path, *rows)] == [PASSED] * 4
    places = settle(load(tmp_path / "rows.json"), tmp_path / "worlds")
    assert places[0] == places[2] == places[3] != places[1]


def test_tags_are_those_of_now(tmp_path: Path) -> None:
    def asked(tag: str) -> Raw:
        return raw(kind="serve", rules="", request={**PAGE, "headers": {"If-None-Match": tag}}, expect={"status": 304})

    rows = [asked('"<etag>"'), asked('"<etag of />"'), asked('"<etag of /404.html>"')]
    assert [outcome.result for outcome in results(tmp_path, *rows)] == [PASSED, PASSED, FAILED]


def test_the_url_that_is_asked_elsewhere() -> None:
    custom = {"port": 8443, "protocol": "https", "sslProtocols": ["TLSv1.2"]}
    origin = {"domainName": "api.example.net", "customOriginConfig": custom}
    query = {"a": {"value": "1", "multiValue": [{"value": "1"}, {"value": "2"}]}, "b": {"value": ""}}
    assert foreign_url({"uri": "/v1", "querystring": query, "origin": origin}) == "https://api.example.net:8443/v1?a=1&a=2&b"
    custom["port"] = 443
    assert foreign_url({"uri": "/", "querystring": {}, "origin": origin}) == "https://api.example.net/"
    assert foreign_url({"uri": "/", "querystring": {}}) == ""


def test_every_policy_of_the_rows_has_a_name() -> None:
    assert {row.policy for row in ROWS if row.policy} == set(POLICIES)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "rows.json"
    file.write_text(json.dumps([raw(), raw(id="own-2", expect={"status": 302}), raw(id="own-3", dialect="vercel.json")]))
    assert main([str(file)]) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "own-2  failed: status 301, not 302"
    assert said[-2:] == ["1 not spoken yet: vercel.json 1", "1 passed, 1 failed"]
    assert main([str(file), "--json"]) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == "1 passed, 1 failed"
    assert [row["result"] for row in json.loads("\n".join(said[:-1]))] == [PASSED, FAILED, NOT_SPOKEN]
    file.write_text(json.dumps([raw()]))
    assert main([str(file)]) == 0
    file.write_text("{}")
    assert main([str(file)]) == 2


def test_the_command_as_a_file(tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    file.write_text(json.dumps([raw()]))
    script = Path(__file__).parent / "cases" / "run.py"
    done = subprocess.run([sys.executable, script, file], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["1 passed, 0 failed"]), done.stderr
