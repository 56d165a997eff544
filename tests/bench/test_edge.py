from __future__ import annotations

import pytest

from tests.bench.callgrind import Figure
from tests.bench.edge import CASES, Row, judge
from tests.bench.edge_sites import PageSite, is_redirect, redirects, request, spread
from tests.bench.sizes import BUDGET, function_path, function_sizes, over_budget, sections
from toolkit.engine.limits import FUNCTION_BYTES

KILO = 1000


def row(count: int, page: int, reads: int = 2, moved: int = 3, store: int = 0) -> Row:
    figures = [Figure(page, reads, reads), Figure(page, reads, reads), Figure(page, moved, moved)]
    return Row("ours", count, dict(zip(CASES, figures, strict=True)), store=store)


def verdicts(*rows: Row) -> list[bool | None]:
    return [target.met for target in judge(rows)][:5]


def test_targets_are_met_up_to_their_bounds() -> None:
    assert verdicts(row(100, 60_000), row(10_000, 61_000), row(50_000, 78_000, store=2_000_000)) == [True] * 5


@pytest.mark.parametrize(
    ("rows", "wrong"),
    [
        ((row(100, 79_000), row(10_000, 80_001), row(50_000, 80_000)), 0),
        ((row(100, 60_000, reads=3), row(10_000, 60_000), row(50_000, 60_000)), 1),
        ((row(100, 60_000), row(10_000, 60_000), row(50_000, 78_001)), 2),
        ((row(100, 60_000), row(10_000, 60_000, moved=4), row(50_000, 60_000)), 3),
        ((row(100, 60_000), row(10_000, 60_000), row(50_000, 60_000, store=2_000_001)), 4),
    ],
)
def test_a_target_that_is_missed_is_the_only_one(rows: tuple[Row, ...], wrong: int) -> None:
    assert [number for number, met in enumerate(verdicts(*rows)) if not met] == [wrong]


def test_what_was_not_measured_is_neither_met_nor_missed() -> None:
    assert verdicts(row(10, 60_000)) == [True, True, None, None, None]


def test_requests_are_spread_over_all_paths() -> None:
    paths = [f"/{number}" for number in range(10 * KILO)]
    asked = [event["request"]["uri"] for event in spread(paths)]
    assert (len(asked), asked[0], asked[-1]) == (100, "/0", "/9900")


def test_a_site_has_as_many_addresses_as_it_says() -> None:
    site = PageSite(100)
    pages = len(site.files)
    assets = sum(path.startswith("/assets/") for path in site.deployed.manifest.assets)
    assert 3 * pages + assets + 4 == 100
    assert pages >= 10


def test_an_answer_to_another_request_is_not_accepted() -> None:
    page = PageSite(100).cells("")["page"]
    first, second = page.events[0], page.events[1]
    blobs = {path: asset.blob for path, asset in PageSite(100).deployed.manifest.assets.items()}
    wanted = {"uri": f"/bench/blobs/{blobs[first['request']['uri'] + '.html']}"}
    assert page.accepts(first, wanted)
    assert not page.accepts(second, wanted)


def test_a_redirect_elsewhere_is_not_accepted() -> None:
    cell, site = redirects(10, "")
    event = request(cell.events[3]["request"]["uri"])
    answer = {"statusCode": 301, "headers": {"location": {"value": "/articles/archive/article-3"}}}
    assert is_redirect(event, answer)
    assert not is_redirect(cell.events[4], answer)
    assert site.bytes > 500


def test_bytes_are_counted_by_feature() -> None:
    text = "import cf;\n// --- one\ncafé\n// --- two\nx\n// --- one\n"
    found = sections(text)
    assert found == {"start": 10, "one": 5, "two": 1}
    assert over_budget(found, {"start": 10, "one": 4}) == ["one", "two"]


def test_the_function_keeps_its_budget() -> None:
    assert over_budget(sections(function_path("viewer_request").read_text(encoding="utf-8"))) == []
    assert sum(BUDGET.values()) < FUNCTION_BYTES
    assert max(function_sizes().values()) <= FUNCTION_BYTES
