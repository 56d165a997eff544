"""What `toolkit cost` says: checked against sums made by hand, and against what the engine really asks of the stores."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.aws.conftest import Cli
from tests.aws.support import routes_on
from tests.contracts.kvs import FakeKeyValueStore
from toolkit.aws import cost, cost_pipeline, prices
from toolkit.cdk.definition import Definitions
from toolkit.config import site_schema
from toolkit.engine import expiry, prune, release
from toolkit.engine.advice import Bill, CostLine, PipelineFacts, SiteFacts, Traffic
from toolkit.engine.model import Settings, Source
from toolkit.engine.publish import plan, publish
from toolkit.local.objects import FolderObjects

FACTS = SiteFacts(site="blog")


def line(bill: Bill, what: str) -> CostLine:
    return next(one for one in bill.lines if one.what == what)


def test_a_million_visits_by_hand() -> None:
    bill = cost.bill(FACTS, Traffic(visits=1_000_000, pages_per_visit=3, requests_per_page=12, page_kb=500))
    # 3,000,000 pages of 0.0005 GB are 1,500 GB, of which 1,024 are free.
    assert line(bill, "data to visitors").dollars == pytest.approx(476 * 0.085)
    # 36 million requests, of which 10 are free.
    assert line(bill, "requests").dollars == pytest.approx(26_000_000 / 10_000 * 0.012)
    assert line(bill, "edge functions").dollars == pytest.approx(70 * 0.10)
    assert line(bill, "route store, read at the edge").dollars == pytest.approx(70 * 0.03)
    assert line(bill, "bucket, read by the edge").dollars == pytest.approx(1_800 * 0.0004)


def test_large_amounts_go_by_tiers() -> None:
    bill = cost.bill(FACTS, Traffic(visits=10_000_000, pages_per_visit=4, page_kb=500))
    # 20,000 GB less 1,024: 10,240 at 0.085, 8,736 at 0.080.
    assert line(bill, "data to visitors").dollars == pytest.approx(10_240 * 0.085 + 8_736 * 0.080)
    assert line(bill, "data to visitors").full == pytest.approx(10_240 * 0.085 + 9_760 * 0.080)


def test_a_deploy_by_hand() -> None:
    bill = cost.bill(FACTS, Traffic(files=500, routes=1_500, changed=0.05))
    found = {one.what: one for one in bill.deploy}
    assert found["upload"].dollars == pytest.approx(34 * 0.005 / 1000)
    # 77 shards take 2 updates, 2 more make the rest; each asks for the tag first, and 10 calls read.
    assert found["route store, written"].dollars == pytest.approx(18 / 1000)
    assert found["watch, route store"].dollars == pytest.approx(1 / 1000)
    assert found["watch, steps"].dollars == pytest.approx(92 * 0.025 / 1000)
    assert bill.per_deploy == pytest.approx(sum(one.dollars for one in bill.deploy))
    assert not [one for one in cost.bill(SiteFacts(watch_minutes=0), Traffic()).deploy if "watch" in one.what]


def test_a_watch_looks_as_often_as_its_machine_does() -> None:
    states = Definitions("aws", {"Watch": 300, "Notify": 60}).watch(watch_seconds=900)["States"]
    assert states["Wait"]["Seconds"] == cost.LOOK_SECONDS
    round_trip = ["Wait", states["Wait"]["Next"], states[states["Wait"]["Next"]]["Next"]]
    assert len(round_trip) == cost.LOOK_TRANSITIONS and round_trip[-1] == "What now"


def test_what_is_free_is_free_once() -> None:
    bill = cost.bill(FACTS, Traffic(deploys=1_000))
    functions = [one for one in bill.lines if one.unit == "state transitions"]
    assert [one.free for one in functions] == [4_000] and functions[0].dollars == pytest.approx(88_000 * 0.025 / 1000)
    gb_seconds = [one for one in bill.lines if one.unit == "GB-seconds"]
    assert sum(one.free for one in gb_seconds) == pytest.approx(min(400_000, sum(one.amount for one in gb_seconds)))
    calls = cost.bill(FACTS, Traffic(deploys=100_000))
    assert sum(one.free for one in calls.lines if one.unit == "GB-seconds") == pytest.approx(400_000)


def test_the_month_is_the_sum_of_its_lines_and_holds_its_deploys() -> None:
    with_deploys, without = (cost.bill(FACTS, Traffic(deploys=count)) for count in (30, 0))
    assert with_deploys.month == pytest.approx(sum(one.dollars for one in with_deploys.lines))
    assert with_deploys.month_without_free - without.month_without_free == pytest.approx(30 * with_deploys.per_deploy)


def test_what_a_site_has_of_its_own_is_counted() -> None:
    plain = cost.bill(FACTS, Traffic()).month
    zone = cost.bill(SiteFacts(site="blog", hosted_zone_id="Z1"), Traffic()).month
    firewall = cost.bill(SiteFacts(site="blog", web_acl_arn="arn"), Traffic()).month
    no_logs = cost.bill(SiteFacts(site="blog", access_logs=False), Traffic()).month
    assert zone - plain == pytest.approx(0.50) and firewall - plain == pytest.approx(5 + 0.36 * 0.60)
    assert plain - no_logs == pytest.approx(360_000 * 120 / 1e9 * 3 * 0.023)


def test_every_price_names_its_page_and_the_list_its_day() -> None:
    data, listed = prices.prices()
    assert len(data["dated"].split("-")) == 3 and data["region"]
    for name, price in listed.items():
        assert price.page.endswith("pricing") and price.unit and price.usd > 0 and price.per >= 1, name
        if price.tiers:
            assert price.tiers[-1][0] is None and price.tiers[0][1] == price.usd
    pages = {(price.unit, price.page) for price in listed.values()}
    assert len(pages) == len(listed), "free amounts are told apart by unit and page"


# --- pipelines
PUSHED = PipelineFacts(repository="a/b", connection_arn="arn:aws:codeconnections:eu-west-1:1:connection/1")


def with_pipelines(pipelines: PipelineFacts) -> SiteFacts:
    return SiteFacts(site="blog", pipelines=pipelines)


def delivered(pipelines: PipelineFacts, traffic: Traffic | None = None) -> dict[str, CostLine]:
    return {one.what: one for one in cost.bill(with_pipelines(pipelines), traffic or Traffic()).delivery}


def test_a_delivery_by_hand() -> None:
    found = delivered(PUSHED, Traffic(build_minutes=2.5, site_mb=100))
    # One minute for the source, three begun ones for the build, two for the release.
    assert found["pipeline"].dollars == pytest.approx(6 * 0.002)
    assert found["build"].dollars == pytest.approx(3 * 0.0034)
    assert found["release, steps"].dollars == pytest.approx(9 * 0.025 / 1000)
    # Source and site, 100 MB each, for a month.
    assert found["artifacts, kept"].dollars == pytest.approx(0.2 * 0.023)
    assert "events" not in found
    bill = cost.bill(with_pipelines(PUSHED), Traffic())
    assert bill.per_delivery == pytest.approx(bill.per_deploy + sum(one.full for one in bill.delivery))


def test_an_upload_is_looked_into_and_told_of() -> None:
    found = delivered(PipelineFacts(uploads=True, builds=False))
    assert found["pipeline"].amount == 4 and "build" not in found
    assert found["events"].dollars == pytest.approx(0.000001)
    assert delivered(PipelineFacts(uploads=True))["pipeline"].amount == 7


@pytest.mark.parametrize(("architecture", "compute"), [(a, c) for a in ("arm", "x86") for c in ("small", "medium", "large")])
def test_every_machine_that_site_toml_can_name_has_its_price(architecture: str, compute: str) -> None:
    minute = delivered(replace(PUSHED, architecture=architecture, compute=compute), Traffic(build_minutes=1))["build"].dollars
    small = delivered(replace(PUSHED, architecture=architecture), Traffic(build_minutes=1))["build"].dollars
    assert small <= minute <= 0.02
    assert set(site_schema()["properties"]["aws"]["properties"]["build"]["properties"]["compute"]["enum"]) == {
        "small", "medium", "large",
    }  # fmt: skip


def test_a_month_holds_releases_and_previews_and_their_free_minutes_once() -> None:
    traffic = Traffic(deploys=10, previews=20, build_minutes=3)
    bill = cost.bill(with_pipelines(PUSHED), traffic)
    assert line(bill, "pipeline").amount == 30 * 6
    assert line(bill, "pipeline").dollars == pytest.approx((180 - 100) * 0.002)
    assert line(bill, "build").dollars == 0 and line(bill, "build").full == pytest.approx(90 * 0.0034)
    # Previews are published as releases are, and nobody watches them.
    without = cost.bill(SiteFacts(site="blog"), replace(traffic, previews=0))
    assert line(bill, "upload").amount == pytest.approx(3 * line(without, "upload").amount)
    assert line(bill, "watch, steps").amount == line(without, "watch, steps").amount
    assert bill.month == pytest.approx(sum(one.dollars for one in bill.lines))
    assert cost.bill(with_pipelines(replace(PUSHED, previews=False)), traffic).month < bill.month


def test_a_site_without_pipelines_pays_for_none() -> None:
    bill = cost.bill(FACTS, Traffic(previews=1_000))
    assert bill.delivery == () and bill.per_delivery == 0 and not [one for one in bill.lines if "build" in one.what]
    assert "delivery" not in bill.as_json()["dollars"]  # type: ignore[operator]
    assert bill.month == cost.bill(with_pipelines(PipelineFacts(repository="a/b", deploy_role=True)), Traffic()).month


def test_secrets_of_secrets_manager_cost_and_parameters_do_not() -> None:
    arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:build-AbCdEf"
    kept = {"A": f"{arn}:one::", "B": f"{arn}:two::", "C": "/toolkit/blog/C"}
    found = line(cost.bill(with_pipelines(replace(PUSHED, secrets=kept)), Traffic()), "secrets of builds")
    assert (found.amount, found.dollars) == (1, 0.40)


def test_a_release_takes_the_steps_that_its_machine_has() -> None:
    seconds = dict.fromkeys(("Publish", "Verify", "Flip", "Notify"), 60)
    states = Definitions("aws", seconds).release(large_seconds=60, watched=True)["States"]
    names, here = [], "Begin"
    while here:
        names.append(here)
        # On the way to live: the choice that a release is watched, and not that a site is too large.
        here = {"Too large": "Verify", "To be watched": "Start watch"}.get(here) or states[here].get("Next", "")
    assert names[-1] == "Done" and len(names) == cost_pipeline.RELEASE_TRANSITIONS


def test_the_command_says_what_a_delivery_costs(cli: Cli, project: Path) -> None:
    (project / "site.toml").write_text('name = "blog"\ntarget = "aws"\npreset = "vite"\n[aws.uploads]\n')
    shown = cli("cost", "--build-minutes", "5").out
    assert "where a pipeline makes the deploy" in shown and "AWS CodeBuild pricing" in shown
    assert "a build takes 5 minutes" in shown and "from memory" in shown
    assert cli("cost", "--json").data["dollars"]["delivery"] > cli("cost", "--json").data["dollars"]["deploy"]


def test_what_comes_to_next_to_nothing_is_added_up_unless_all_is_asked_for(cli: Cli) -> None:
    month = cli("cost", "--json").data["lines"]
    shown, everything = cli("cost").out, cli("cost", "--all").out
    assert all(line["what"] in everything for line in month) and "more, with what is free" not in everything
    small = [line for line in month if line["dollars"] < 0.01 * sum(one["dollars"] for one in month)]
    assert f"{len(small)} more, with what is free, come to ${sum(line['dollars'] for line in small):,.4f}" in shown
    assert "access logs" in everything and "access logs" not in shown


class Counting:
    """An object store that counts what is asked of it."""

    def __init__(self, store: Any) -> None:
        self._store, self.calls = store, Counter[str]()

    def __getattr__(self, name: str) -> Any:
        self.calls[name] += 1
        return getattr(self._store, name)


@pytest.mark.parametrize("files", [20, 500])
def test_the_amounts_are_what_the_engine_sends(tmp_path: Path, files: int) -> None:
    store = FakeKeyValueStore()
    objects, routes = Counting(FolderObjects(tmp_path / "objects")), routes_on(store)
    site = tmp_path / "site"
    site.mkdir()
    (site / "index.html").write_text("home")

    def deploy(changed: int, moment: float) -> int:
        for number in range(changed):
            (site / f"page{number}.html").write_text(f"{number} {moment}")
        store.calls.clear()
        objects.calls.clear()
        planned = plan(objects, routes, site="blog", folder=site, source=Source("folder", moment), settings=Settings())  # type: ignore[arg-type]
        manifest = publish(objects, routes, planned, workers=4)  # type: ignore[arg-type]
        wanted = release.Request("blog", "live", manifest.version, ("d1.cloudfront.net",), moment, "tester", "deploy")
        release.release(objects, routes, wanted)  # type: ignore[arg-type]
        return planned.table().routes

    first = deploy(files - 1, 1.0)
    second = deploy(max(1, files // 20), 2.0)
    assert first == second
    found = {one.what: one for one in cost.bill(FACTS, Traffic(files=files, routes=second, changed=0.05)).deploy}
    assert found["route store, written"].amount == pytest.approx(len(store.calls), abs=2)
    assert found["upload"].amount == pytest.approx(objects.calls["put"] + objects.calls["list"], abs=3)
    assert found["what is there already"].amount == pytest.approx(objects.calls["head"] + objects.calls["get"], abs=3)
    keys = sum(key[:2] == "t:" for key in store.pairs) / 2
    assert cost.shards(second) == pytest.approx(keys, rel=0.1, abs=1)

    store.calls.clear()
    expiry.expire(objects, routes, "blog", days=30, who="tester")  # type: ignore[arg-type]
    prune.prune(objects, routes, "blog", keep=10)  # type: ignore[arg-type]
    assert cost.upkeep_calls(second, versions=2) == pytest.approx(len(store.calls), rel=0.3, abs=2)


def test_the_command_shows_figures_and_assumptions(cli: Cli) -> None:
    shown = cli("cost", "--visits", "20000").out
    assert "20,000 visits a month" in shown and "Amazon CloudFront pricing" in shown and " a deploy" in shown
    data = cli("cost", "--deploys", "0", "--json").data
    assert math.isclose(data["dollars"]["month"], sum(one["dollars"] for one in data["lines"]), abs_tol=1e-5)
    assert data["dated"] == json.loads(prices.DATA_FILE.read_text())["dated"]
    assert cli("cost", "--visits", "-1").code == 2
    assert cli("cost", "--target", "local").code == 1
