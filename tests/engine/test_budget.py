"""What a request costs is worked out before anything is written, and too much is refused with the figures."""

from __future__ import annotations

import pytest

from tests.engine.world import World
from tests.functions.engines import count_reads, event
from toolkit.engine import budget
from toolkit.engine.errors import LimitExceeded
from toolkit.engine.routes import Table


def table(world: World, rules: str) -> Table:
    return world.plan({"index.html": "home", "_redirects": rules}).table()


def test_a_site_without_patterns_costs_two_reads_and_a_redirect_three() -> None:
    assert table(World(), "").cost == budget.Cost(2, 3, 0)
    assert table(World(), "\n".join(f"/old-{number} /new-{number}" for number in range(500))).cost.reads == 3


def test_patterns_in_folders_of_their_own_cost_the_same_however_many_there_are() -> None:
    few, many = (table(World(), "\n".join(f"/old-{n}/* /new-{n}/:splat" for n in range(count))) for count in (2, 2000))
    assert few.cost.reads == many.cost.reads == 4
    assert few.cost.rules == many.cost.rules == 1


def test_two_hundred_patterns_that_every_missing_page_would_try_are_refused_before_anything_is_written() -> None:
    world = World()
    before = world.deploy({"index.html": "home"})
    writes, tag = world.objects.writes, world.routes.etag()  # type: ignore[attr-defined]
    with pytest.raises(LimitExceeded, match=r"\d+ reads .* 2\d\d patterns .* lie in /") as caught:
        world.deploy({"index.html": "two", "_redirects": "\n".join(f"/:section/old-{n}/* /new/{n}" for n in range(200))})
    assert caught.value.fix
    assert (world.objects.writes, world.routes.etag()) == (writes, tag)  # type: ignore[attr-defined]
    assert before.version


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("/:section/*", r"could take 26 reads .* lie in /$"),
        ("/*", r"could take 25 reads .* lie in /$"),
        ("/go", r"rules for /go/? fill 2\d KB .* reads 16"),
    ],
)
def test_a_list_of_rules_that_the_edge_would_not_read_to_its_end_is_refused(source: str, said: str) -> None:
    text = "\n".join(f"{source} /{'x' * 1800}{number} 302 Country={number:02d}" for number in range(12))
    with pytest.raises(LimitExceeded, match=said):
        table(World(), text)


def test_a_rewrite_in_a_list_of_a_path_s_own_counts() -> None:
    with_rewrite, without = (table(World(), f"/go id=:id {target} 200").cost.reads for target in ("/files/:id", "/"))
    assert (with_rewrite, without) == (7, 3)


def test_the_worst_case_is_what_the_edge_really_reads() -> None:
    rules = "\n".join(
        [f"/:section/old-{n} /new/{n}" for n in range(40)] + ["/a/* /b/:splat 200", "/a/b/* /c 301", "/pick /x 302 Language=en"]
    )
    made = table(World(), rules)
    kvs = {**made.puts, "h:shop.localhost": f"2|shop|v|{made.ref}|-|-|-|-"}
    read = {
        path: count_reads(kvs, event(path, "shop.localhost")) for path in ("/", "/pick", "/x/y", "/a/x", "/a/b", "/a/b/c/d", "/q")
    }
    assert (read["/"], read["/pick"]) == (made.cost.page_reads, 3)
    # A rewrite may end at another spelling of a page: its two reads are counted, and none of these paths takes them.
    assert max(read.values()) == made.cost.reads - 2
