"""What a site costs in a month, and a deploy: amounts from how this toolkit works, prices from one dated file.

Nothing is looked up and nothing is asked: it can be known before the first `up`. Amounts of a deploy are what the engine really
sends (a test counts its calls); what others decide (cache hits, compression) are assumptions, which are printed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from math import ceil
from pathlib import Path
from typing import Any

from toolkit.engine import limits
from toolkit.engine.advice import Bill, CostLine, SiteFacts, Traffic

DATA_FILE = Path(__file__).parent.parent / "data" / "prices.json"
# Of the requests, what the edge does not have.
MISSES = 0.05
# A page that an exact route answers ("Routing data").
READS = 2
# A shard is not quite full: its records are spread by a digest.
ROUTES_PER_SHARD = 19.5
# A compressed line of an access log.
LOG_BYTES = 120
LOOK_SECONDS, LOOK_TRANSITIONS = 30, 3
_DAYS = 30
_GB = 1e9
# What the functions take: seconds and GB of memory of a look of the watch, and of the daily upkeep.
_LOOK_GB_SECONDS = 0.3 * 1.769
_UPKEEP_GB_SECONDS = 20 * 1.0
_LOG_KB = 2.0


@dataclass(frozen=True)
class Price:
    """Dollars for `per` units, after `free` ones a month. `tiers`: (how many units, dollars for one), one after the other."""

    unit: str
    usd: float
    per: float
    free: float
    page: str
    tiers: tuple[tuple[float | None, float], ...] = ()

    def dollars(self, amount: float) -> float:
        """What so many units cost, all of them paid for."""
        if not self.tiers:
            return amount / self.per * self.usd
        total = 0.0
        for size, usd in self.tiers:
            here = amount if size is None else min(amount, size)
            total, amount = total + here * usd, amount - here
        return total


def bill(facts: SiteFacts, traffic: Traffic) -> Bill:
    """The month and the deploy. A deploy's lines have no free amounts: the month's are used up by whatever comes first."""
    data, _ = prices()
    month = [*_visitors(traffic, facts), *_kept(traffic, facts), *_watching(facts), *_upkeep(traffic)]
    deploy = list(_deploy(traffic, facts))
    month += [_line(line.what, name, line.amount * traffic.deploys, f"{traffic.deploys} deploys") for name, line in deploy]
    return Bill(
        dated=data["dated"],
        region=data["region"],
        lines=tuple(_merged(month)),
        deploy=tuple(line for _, line in deploy),
        assumptions=tuple(_assumptions(traffic, facts, data)),
    )


@cache
def prices() -> tuple[dict[str, Any], Mapping[str, Price]]:
    """The price list as it is written, and its prices by name."""
    data: dict[str, Any] = json.loads(DATA_FILE.read_text(encoding="utf-8"))
    return data, {
        name: Price(**{**it, "tiers": tuple((size, usd) for size, usd in it.get("tiers", ()))})
        for name, it in data["prices"].items()
    }


def _visitors(traffic: Traffic, facts: SiteFacts) -> Iterator[CostLine]:
    pages = traffic.visits * traffic.pages_per_visit
    requests = pages * traffic.requests_per_page
    yield _line(
        "data to visitors",
        "cloudfront-transfer",
        pages * traffic.page_kb * 1000 / _GB,
        f"{pages:,.0f} pages of {traffic.page_kb:g} KB",
    )
    yield _line("requests", "cloudfront-requests", requests, f"{traffic.requests_per_page:g} a page")
    yield _line("edge functions", "cloudfront-functions", 2 * requests, "one on the way in, one on the way out")
    yield _line("route store, read at the edge", "kvs-reads", READS * requests, f"{READS} a request")
    yield _line("bucket, read by the edge", "s3-get", MISSES * requests, f"{MISSES:.0%} of the requests")
    if facts.web_acl_arn:
        yield _line("firewall", "waf", 1, "the web ACL alone; its rules cost extra")
        yield _line("firewall, requests", "waf-requests", requests, "each one")


def _kept(traffic: Traffic, facts: SiteFacts) -> Iterator[CostLine]:
    versions = 1 + traffic.changed * max(0, facts.keep - 1)
    size = traffic.site_mb * 1e6 * versions / _GB
    yield _line("versions", "s3-storage", size, f"{facts.keep} versions; of each after the first {traffic.changed:.0%} is new")
    if facts.access_logs:
        requests = traffic.visits * traffic.pages_per_visit * traffic.requests_per_page
        kept = requests * LOG_BYTES / _GB * facts.log_days / _DAYS
        yield _line("access logs", "s3-storage", kept, f"{facts.log_days} days, {LOG_BYTES} bytes a request")
    if facts.hosted_zone_id:
        yield _line("DNS zone", "zone", 1, "answers for CloudFront's aliases are free")


def _watching(facts: SiteFacts) -> Iterator[CostLine]:
    yield _line("alarms", "alarm-metrics", 8, "2 metrics of the distribution, 3 of each of its 2 functions")
    yield _line("dashboard", "dashboards", 1, "one a site")


def _upkeep(traffic: Traffic) -> Iterator[CostLine]:
    calls = upkeep_calls(traffic.routes) * _DAYS
    yield _line("upkeep, route store", "kvs-api", calls, "listed once a day")
    yield _line("functions", "lambda-requests", _DAYS, "daily upkeep")
    yield _line("functions, time", "lambda-arm", _DAYS * _UPKEEP_GB_SECONDS, "daily upkeep")


def _deploy(traffic: Traffic, facts: SiteFacts) -> Iterator[tuple[str, CostLine]]:
    """One deploy to live from a command line, with the watch that follows it, by the price's name."""
    sent = max(1, round(traffic.files * traffic.changed))
    looks = facts.watch_minutes * 60 / LOOK_SECONDS
    amounts: list[tuple[str, str, float, str]] = [
        ("upload", "s3-put", sent + 9, f"{sent} files that changed, manifest, ledger, lease and listings"),
        ("what is there already", "s3-get", traffic.files + 6, "one HEAD a file"),
        ("route store, written", "kvs-api", deploy_calls(traffic.routes), f"{shards(traffic.routes)} shards, 50 an update"),
    ]
    if looks:
        why = f"a look every {LOOK_SECONDS} s for {facts.watch_minutes} minutes"
        amounts += [
            ("watch, route store", "kvs-api", 1, "asked at the end, or when an alarm goes off"),
            ("watch, steps", "states", looks * LOOK_TRANSITIONS + 2, why),
            ("watch, functions", "lambda-requests", looks, why),
            ("watch, functions' time", "lambda-arm", looks * _LOOK_GB_SECONDS, why),
            ("watch, alarms", "cloudwatch-api", looks, why),
            ("watch, logs", "logs", looks * _LOG_KB * 1000 / _GB, f"{_LOG_KB:g} KB a look"),
            ("watch, traces", "traces", looks, why),
        ]
    for what, name, amount, why in amounts:
        price = prices()[1][name]
        cost = price.dollars(amount)
        yield name, CostLine(what, amount, price.unit, 0, cost, cost, why, price.page)


def shards(routes: int) -> int:
    """Keys of the route store that a version's table takes."""
    return max(1, ceil(routes / ROUTES_PER_SHARD))


def deploy_calls(routes: int) -> int:
    """Requests to the route store's API for a deploy: updates, each with its tag asked for, and a handful of reads."""
    updates = 2 + ceil(shards(routes) / limits.BATCH_KEYS)
    return 10 + 2 * updates


def upkeep_calls(routes: int, versions: int = 3) -> int:
    """The same for one day's upkeep, which lists the store with the tables of so many versions."""
    return 6 + 2 * (2 + ceil((versions * shards(routes) + 10) / limits.BATCH_KEYS))


def _line(what: str, name: str, amount: float, why: str) -> CostLine:
    price = prices()[1][name]
    free = min(amount, price.free)
    return CostLine(what, amount, price.unit, free, price.dollars(amount - free), price.dollars(amount), why, price.page)


def _merged(lines: list[CostLine]) -> Iterator[CostLine]:
    """A free amount counts once: the lines that share one use it up in their order."""
    free = {(price.unit, price.page): price.free for price in prices()[1].values()}
    by_unit = {(price.unit, price.page): price for price in prices()[1].values()}
    for line in lines:
        key = (line.unit, line.source)
        here = min(line.amount, free[key])
        free[key] -= here
        price = by_unit[key]
        yield CostLine(line.what, line.amount, line.unit, here, price.dollars(line.amount - here), line.full, line.why, line.source)


def _assumptions(traffic: Traffic, facts: SiteFacts, data: Mapping[str, Any]) -> Iterator[str]:
    yield f"prices of {data['dated']} for {data['region']}, before tax; check them on the pages named"
    yield f"free: {data['free']}; they are the account's, so other sites and services use them, too"
    yield (
        f"{traffic.visits:,} visits a month with {traffic.pages_per_visit:g} pages (--visits, --pages-per-visit); a page is "
        f"{traffic.requests_per_page:g} requests and {traffic.page_kb:g} KB as sent (--requests-per-page, --page-kb)"
    )
    yield (
        f"{traffic.files:,} files, {traffic.site_mb:g} MB, {traffic.routes:,} routes (--files, --site-mb, --routes); "
        f"{traffic.deploys} deploys a month, each with {traffic.changed:.0%} of the files new (--deploys, --changed)"
    )
    yield f"functions take {_LOOK_GB_SECONDS:.2f} GB-seconds for a look of the watch and {_UPKEEP_GB_SECONDS:g} for a day's upkeep"
    yield f"the edge has {1 - MISSES:.0%} of what is asked for; {facts.keep} versions are kept; no previews"
    yield "not counted: releases by a build in AWS (their steps, functions and messages), support, your own DNS"
