"""What a site costs in a month, and a deploy: amounts from how this toolkit works, prices from one dated file.

Nothing is looked up and nothing is asked: it can be known before the first `up`. Amounts of a deploy are what the engine really
sends (a test counts its calls); what others decide (cache hits, compression) are assumptions, which are printed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import ceil
from typing import Any

from toolkit.aws import cost_pipeline
from toolkit.aws.prices import monthly, once, prices
from toolkit.engine import limits
from toolkit.engine.advice import Bill, CostLine, SiteFacts, Traffic

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


def bill(facts: SiteFacts, traffic: Traffic) -> Bill:
    """The month, a deploy, and what comes on top where a pipeline makes it. Of the latter two nothing is free: the month's free
    amounts are used up by whatever comes first."""
    data, _ = prices()
    month = [*_visitors(traffic, facts), *_kept(traffic, facts), *_watching(facts), *_upkeep(traffic)]
    sent, watched = list(_release(traffic)), list(_watch(facts))
    deploy = [*sent, *watched]
    delivery = list(cost_pipeline.delivery(facts, traffic)) if facts.pipelines.keys else []
    previews = traffic.previews if cost_pipeline.has_previews(facts.pipelines) else 0
    month += _often(deploy, traffic.deploys, "deploys") + _often(delivery, traffic.deploys, "deliveries")
    month += _often([*sent, *delivery], previews, "previews")
    month += cost_pipeline.kept(facts) if facts.pipelines.keys else ()
    return Bill(
        dated=data["dated"],
        region=data["region"],
        lines=tuple(_merged(_added(month))),
        deploy=tuple(line for _, line in deploy),
        delivery=tuple(line for _, line in delivery),
        assumptions=tuple(_assumptions(traffic, facts, data)),
    )


def _often(lines: list[tuple[str, CostLine]], count: int, what: str) -> list[CostLine]:
    return [monthly(line.what, name, line.amount * count, f"{count} {what}") for name, line in lines] if count else []


def _added(lines: list[CostLine]) -> list[CostLine]:
    """Lines about one thing, such as uploads for releases and for previews, as one."""
    found: dict[tuple[str, str], CostLine] = {}
    for line in lines:
        key = (line.what, line.unit)
        there = found.get(key)
        found[key] = (
            line
            if there is None
            else replace(there, amount=there.amount + line.amount, full=there.full + line.full, why=f"{there.why}, {line.why}")
        )
    return list(found.values())


def _visitors(traffic: Traffic, facts: SiteFacts) -> Iterator[CostLine]:
    pages = traffic.visits * traffic.pages_per_visit
    requests = pages * traffic.requests_per_page
    yield monthly(
        "data to visitors",
        "cloudfront-transfer",
        pages * traffic.page_kb * 1000 / _GB,
        f"{pages:,.0f} pages of {traffic.page_kb:g} KB",
    )
    yield monthly("requests", "cloudfront-requests", requests, f"{traffic.requests_per_page:g} a page")
    yield monthly("edge functions", "cloudfront-functions", 2 * requests, "one on the way in, one on the way out")
    yield monthly("route store, read at the edge", "kvs-reads", READS * requests, f"{READS} a request")
    yield monthly("bucket, read by the edge", "s3-get", MISSES * requests, f"{MISSES:.0%} of the requests")
    if facts.web_acl_arn:
        yield monthly("firewall", "waf", 1, "the web ACL alone; its rules cost extra")
        yield monthly("firewall, requests", "waf-requests", requests, "each one")


def _kept(traffic: Traffic, facts: SiteFacts) -> Iterator[CostLine]:
    versions = 1 + traffic.changed * max(0, facts.keep - 1)
    size = traffic.site_mb * 1e6 * versions / _GB
    yield monthly("versions", "s3-storage", size, f"{facts.keep} versions; of each after the first {traffic.changed:.0%} is new")
    if facts.access_logs:
        requests = traffic.visits * traffic.pages_per_visit * traffic.requests_per_page
        kept = requests * LOG_BYTES / _GB * facts.log_days / _DAYS
        yield monthly("access logs", "s3-storage", kept, f"{facts.log_days} days, {LOG_BYTES} bytes a request")
    if facts.hosted_zone_id:
        yield monthly("DNS zone", "zone", 1, "answers for CloudFront's aliases are free")


def _watching(facts: SiteFacts) -> Iterator[CostLine]:
    yield monthly("alarms", "alarm-metrics", 8, "2 metrics of the distribution, 3 of each of its 2 functions")
    yield monthly("dashboard", "dashboards", 1, "one a site")


def _upkeep(traffic: Traffic) -> Iterator[CostLine]:
    calls = upkeep_calls(traffic.routes) * _DAYS
    yield monthly("upkeep, route store", "kvs-api", calls, "listed once a day")
    yield monthly("functions", "lambda-requests", _DAYS, "daily upkeep")
    yield monthly("functions, time", "lambda-arm", _DAYS * _UPKEEP_GB_SECONDS, "daily upkeep")


def _release(traffic: Traffic) -> Iterator[tuple[str, CostLine]]:
    """What the engine asks of the stores for one version that is published and released, by the price's name."""
    sent = max(1, round(traffic.files * traffic.changed))
    amounts: list[tuple[str, str, float, str]] = [
        ("upload", "s3-put", sent + 9, f"{sent} files that changed, manifest, ledger, lease and listings"),
        ("what is there already", "s3-get", traffic.files + 6, "one HEAD a file"),
        ("route store, written", "kvs-api", deploy_calls(traffic.routes), f"{shards(traffic.routes)} shards, 50 an update"),
    ]
    yield from ((name, once(what, name, amount, why)) for what, name, amount, why in amounts)


def _watch(facts: SiteFacts) -> Iterator[tuple[str, CostLine]]:
    """The watch that follows a release to live."""
    looks = facts.watch_minutes * 60 / LOOK_SECONDS
    if not looks:
        return
    why = f"a look every {LOOK_SECONDS} s for {facts.watch_minutes} minutes"
    amounts: list[tuple[str, str, float, str]] = [
        ("watch, route store", "kvs-api", 1, "asked at the end, or when an alarm goes off"),
        ("watch, steps", "states", looks * LOOK_TRANSITIONS + 2, why),
        ("watch, functions", "lambda-requests", looks, why),
        ("watch, functions' time", "lambda-arm", looks * _LOOK_GB_SECONDS, why),
        ("watch, alarms", "cloudwatch-api", looks, why),
        ("watch, logs", "logs", looks * _LOG_KB * 1000 / _GB, f"{_LOG_KB:g} KB a look"),
        ("watch, traces", "traces", looks, why),
    ]
    yield from ((name, once(what, name, amount, why)) for what, name, amount, why in amounts)


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
    yield f"the edge has {1 - MISSES:.0%} of what is asked for; {facts.keep} versions are kept"
    if facts.pipelines.keys:
        yield from cost_pipeline.assumptions(facts, traffic)
        yield "not counted: visits of previews, their versions and removal, messages, support, your own DNS"
    else:
        yield "not counted: previews, releases by pipelines (the site has none), support, your own DNS"
