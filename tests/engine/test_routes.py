"""The compiled table: every path is found again, precedence holds, and no address of the toolkit's own making leads in a circle."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.support import HOST, NONCE, Answer, Edge, blob_of, edge_of, find, follow, lookup, manifest_of, with_files
from toolkit.engine import limits, pointers, routes, slashes, uris
from toolkit.engine.decide import decide
from toolkit.engine.errors import LimitExceeded
from toolkit.engine.model import Manifest, Rule, Settings

NOTHING = Answer(404)


def page(manifest: Manifest, path: str) -> Answer:
    return Answer(200, blob=blob_of(manifest, path))


# --- addresses ---------------------------------------------------------------------------------------------------------------


def test_each_page_has_one_address_and_its_other_spellings_lead_there() -> None:
    site = manifest_of(["/index.html", "/about.html", "/blog/index.html", "/app.js"])
    assert find(site, "/") == page(site, "/index.html")
    assert find(site, "/about") == page(site, "/about.html")
    assert find(site, "/blog/") == page(site, "/blog/index.html")
    assert find(site, "/app.js") == page(site, "/app.js")
    for spelling, address in {
        "/index.html": "/", "/about.html": "/about", "/about/": "/about", "/blog": "/blog/", "/blog/index.html": "/blog/",
    }.items():  # fmt: skip
        assert find(site, spelling) == Answer(308, location=address)
    for nothing in ("/app", "/app.js/", "/about/index.html", "/blog.html", "/index", "//", "/blog//", "/About"):
        assert find(site, nothing) == NOTHING


def test_a_page_and_a_folder_of_one_name_keep_an_address_each() -> None:
    site = manifest_of(["/index.html", "/c.html", "/c/index.html"])
    assert find(site, "/c") == page(site, "/c.html")
    assert find(site, "/c/") == page(site, "/c/index.html")
    assert find(site, "/c.html") == Answer(308, location="/c")
    assert find(site, "/c/index.html") == Answer(308, location="/c/")


def test_a_file_beside_a_page_of_its_name_keeps_its_address() -> None:
    site = manifest_of(["/index.html", "/bin", "/bin.html"])
    assert find(site, "/bin") == page(site, "/bin")
    assert find(site, "/bin.html") == page(site, "/bin.html")


def test_a_folder_named_like_a_page() -> None:
    site = manifest_of(["/index.html", "/a.html/index.html", "/x.html", "/x.html.html"])
    assert find(site, "/a.html/") == page(site, "/a.html/index.html")
    assert find(site, "/a.html") == Answer(308, location="/a.html/")
    assert find(site, "/x") == page(site, "/x.html")
    assert find(site, "/x.html.html") == page(site, "/x.html.html")


@pytest.mark.parametrize("policy", slashes.POLICIES)
def test_every_policy_s_addresses_are_answered_as_it_says(policy: str) -> None:
    paths = ["/index.html", "/a.html", "/b/index.html", "/c.html", "/c/index.html", "/d/café x.html", "/e", "/f.js"]
    site = manifest_of(paths, settings=Settings(slashes=policy))
    for address, answer in slashes.addresses(policy, paths).items():
        if isinstance(answer, slashes.Serve):
            assert find(site, address) == page(site, answer.file)
        else:
            assert find(site, address) == Answer(answer.status, location=uris.canonical_of(answer.address))


def test_the_error_page_is_a_404_under_its_own_name_too() -> None:
    site = manifest_of(["/index.html", "/404.html"])
    error = Answer(404, blob=site.error_pages["404/404.html"].blob)
    assert find(site, "/404.html") == find(site, "/404") == find(site, "/nothing") == error


def test_the_nearest_error_page_answers() -> None:
    site = manifest_of(["/index.html", "/404.html", "/de/404.html", "/de/é/404.html"])
    for path, file in {"/x": "", "/de": "", "/dex": "", "/de/": "/de", "/de/x/y": "/de", "/de/é/x": "/de/é"}.items():
        assert find(site, path) == Answer(404, blob=site.error_pages[f"404{file}/404.html"].blob), path


# --- redirects ---------------------------------------------------------------------------------------------------------------


def test_a_rule_answers_with_and_without_the_slash() -> None:
    site = with_files(["/index.html"], "/old /new\n/past/ /new 302\n")
    for path, status in {"/old": 301, "/old/": 301, "/past": 302, "/past/": 302}.items():
        assert find(site, path) == Answer(status, location="/new")


def test_the_first_rule_for_a_path_wins() -> None:
    site = with_files(["/index.html"], "/old /one\n/old /two\n/old/ /three\n")
    assert find(site, "/old") == find(site, "/old/") == Answer(301, location="/one")


@pytest.mark.parametrize("path", ["/about", "/about.html", "/about/", "/app.js", "/", "/blog", "/blog/"])
def test_a_rule_is_shadowed_by_a_file_unless_it_is_forced(path: str) -> None:
    paths = ["/index.html", "/about.html", "/app.js", "/blog/index.html"]
    assert find(with_files(paths, f"{path} https://example.com/"), path) == find(manifest_of(paths), path)
    assert find(with_files(paths, f"{path} https://example.com/ 302!"), path) == Answer(302, location="https://example.com/")


def test_a_rule_comes_before_what_is_only_carried() -> None:
    site = with_files(["/index.html"], "/app.js /new.js")
    carrying = replace(site, carried=manifest_of(["/app.js", "/old.js"]).assets)
    assert find(carrying, "/app.js") == Answer(301, location="/new.js")
    assert find(carrying, "/old.js") == Answer(200, blob=carrying.carried["/old.js"].blob)


def test_many_long_targets_are_found_again() -> None:
    text = "".join(f"/r{number} /{'x' * (number % 890)}{number} {(301, 302, 307, 308)[number % 4]}\n" for number in range(400))
    edge = edge_of(with_files(["/index.html"], text))
    for number in range(400):
        wanted = Answer((301, 302, 307, 308)[number % 4], location=f"/{'x' * (number % 890)}{number}")
        assert edge.ask(HOST, f"/r{number}") == wanted and edge.reads == 3


def test_a_page_under_another_status_is_a_blob_of_its_own() -> None:
    site = with_files(["/index.html", "/gone.html"], "/old/* /gone 410\n/secret /gone 451!\n/none /nowhere 410\n")
    assert find(site, "/old/x") == Answer(410, blob=site.error_pages["410/gone.html"].blob)
    assert find(site, "/secret") == Answer(451, blob=site.error_pages["451/gone.html"].blob)
    assert find(site, "/gone") == page(site, "/gone.html")
    assert find(site, "/none") == NOTHING


def test_rules_below_one_for_every_path_answer_where_that_one_leads_nowhere() -> None:
    site = with_files(["/index.html"], "/* /:splat 301!\n/a/* /new/:splat\n/all/* /other\n")
    assert find(site, "/a/b") == Answer(301, location="/new/b")
    site = with_files(["/index.html"], "/* /all/x\n/all/* https://example.com/:splat 302\n")
    assert (find(site, "/b").location, find(site, "/all/x").location) == ("/all/x", "https://example.com/x")


def test_a_rule_s_page_does_not_answer_for_what_is_missing_beside_it() -> None:
    site = with_files(["/index.html", "/de/lost.html"], "/old /de/lost 404\n")
    assert find(site, "/old") == Answer(404, blob=site.error_pages["404/de/lost.html"].blob)
    assert find(site, "/de/other") == NOTHING


# --- no circles --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "asked", "served"),
    [
        ("/about /about.html 301", "/about", "/about.html"),
        ("/about /about.html 301!", "/about", "/about.html"),
        ("/about/ /about.html 301!", "/about/", "/about.html"),
        ("/about.html /about 301!", "/about.html", "/about.html"),
        ("/about /about/ 301!", "/about", "/about.html"),
        ("/about/ /about 301!", "/about/", "/about.html"),
        ("/blog /blog/index.html 301!", "/blog", "/blog/index.html"),
        ("/blog/ /blog 301!", "/blog/", "/blog/index.html"),
        ("/blog/index.html /blog 301!", "/blog/index.html", "/blog/index.html"),
        ("/blog /blog/?from=rule 301!", "/blog", "/blog/index.html"),
        ("/ /index.html 301!", "/", "/index.html"),
        ("/index.html / 301!", "/index.html", "/index.html"),
        ("/caf%C3%A9 /caf%C3%A9.html 301!", "/café", "/café.html"),
        ("/café /café 301!", "/café", "/café.html"),
        ("/about /%61bout 301!", "/about", "/about.html"),
        ("/about /x/../about 301!", "/about", "/about.html"),
        ("/about /./about 301!", "/about", "/about.html"),
        ("/about /%2E/x/%2e%2e/about 301!", "/about", "/about.html"),
        ("/about /about#top 301!", "/about", "/about.html"),
    ],
)
def test_a_rule_and_a_page_s_own_address_never_make_a_circle(rule: str, asked: str, served: str) -> None:
    site = with_files(["/index.html", "/about.html", "/blog/index.html", "/café.html"], rule)
    edge = edge_of(site)
    passed = follow(edge, asked)
    assert len(passed) <= 4, passed
    assert edge.ask(HOST, passed[-1]) == page(site, served), passed


def test_a_forced_rule_on_a_page_s_file_name_leaves_its_address_alone() -> None:
    site = with_files(["/index.html", "/about.html"], "/about.html /elsewhere 301!")
    assert find(site, "/about.html") == Answer(301, location="/elsewhere")
    assert find(site, "/about") == page(site, "/about.html")


SEGMENT = st.sampled_from(["a", "b", "a.html", "index.html", "index", "404.html"])
PATH = st.lists(SEGMENT, min_size=1, max_size=2).map(lambda parts: "/" + "/".join(parts))
ADDRESS = st.one_of(PATH, PATH.map(lambda path: path + "/"), st.just("/"))
SITES = st.lists(PATH, unique=True, min_size=1, max_size=8).map(lambda paths: files(paths))
POLICIES = st.sampled_from(sorted(set(slashes.POLICIES)))


def rule(path: str, target: str, status: int, force: bool) -> Rule:
    return Rule(1, f"{path} {target} {status}", status, target, paths=(path,), force=force)


RULE = st.builds(rule, ADDRESS, ADDRESS, st.sampled_from([301, 302]), st.booleans())


def files(paths: list[str]) -> list[str]:
    """What a folder can hold at once: no path is both a file and the folder of another."""
    return [path for path in paths if not any(other.startswith(f"{path}/") for other in paths)]


@settings(max_examples=500, deadline=None)
@given(SITES, st.lists(RULE, max_size=4), POLICIES)
def test_no_rules_and_spellings_make_a_circle(paths: list[str], rules: list[Rule], policy: str) -> None:
    site = manifest_of(paths, redirects=rules, settings=Settings(slashes=policy))
    edge = edge_of(site)
    for path in decide(site).answers:
        assert len(follow(edge, path)) <= 10


@settings(max_examples=500, deadline=None)
@given(SITES, st.lists(RULE, max_size=4), POLICIES)
def test_every_file_can_be_reached_unless_a_forced_rule_hides_it(paths: list[str], rules: list[Rule], policy: str) -> None:
    site = manifest_of(paths, redirects=rules, settings=Settings(slashes=policy))
    edge = edge_of(site)
    served = {edge.ask(HOST, uris.canonical_of(path)).blob for path in decide(site).answers}
    hidden = {path for one in rules if one.force for path in one.paths}
    for path, asset in site.assets.items():
        error = site.error_pages.get(f"404{path}", asset)
        homes = {at for at, to in slashes.addresses(policy, paths).items() if to == slashes.Serve(path)}
        assert {asset.blob, error.blob} & served or homes <= hidden, path


# --- shards ------------------------------------------------------------------------------------------------------------------


def test_ten_thousand_routes_are_all_found_with_two_reads() -> None:
    site = manifest_of(["/index.html", *(f"/section-{number % 97}/página-{number}.html" for number in range(3333))])
    table = routes.compile_table(site, NONCE)
    edge = edge_of(site, table)
    found = decide(site).answers
    assert table.routes == len(found) >= 10_000
    for path, expected in found.items():
        assert lookup(table.puts.get, table.ref, path) == expected.record
    for path in list(found)[::10]:
        answer = edge.ask(HOST, uris.canonical_of(path))
        assert answer.blob or answer.status == 308
        assert edge.reads == 2
    assert not any(lookup(table.puts.get, table.ref, f"/not-there-{number}") for number in range(10_000))
    assert all(len(value.encode()) <= limits.VALUE_BYTES for value in table.puts.values())
    assert all(len(key.encode()) <= limits.KEY_BYTES for key in table.puts)
    assert table.bytes < 60 * table.routes  # about 34 bytes a route are stored; far more would not fit 50,000 of them


def test_a_table_is_whole_even_with_one_route_and_with_empty_shards() -> None:
    table = routes.compile_table(manifest_of(["/app.js"]), NONCE)
    assert list(table.puts) == [f"t:{NONCE}00:0"]
    assert lookup(table.puts.get, table.ref, "/app.js") and lookup(table.puts.get, table.ref, "/") == ""
    for count in range(1, 60):
        table = routes.compile_table(manifest_of([f"/{number}.js" for number in range(count)]), NONCE)
        assert len(table.puts) == table.shards
        assert all(len(value) == int(value[-1], 36) * routes.RECORD + 1 for value in table.puts.values())


def _fingerprint(salt: str, path: str) -> tuple[str, str]:
    digest = hashlib.md5((salt + path).encode(), usedforsecurity=False).hexdigest()
    return digest[:8], digest[8 : 8 + routes.FINGERPRINT]


def _twins(salt: str) -> list[str]:
    """Two paths with one fingerprint under a salt: by the birthday of 28 bits, among some 20,000 tries."""
    seen: dict[str, str] = {}
    number = 0
    while True:
        path = f"/{number}.js"
        fingerprint = _fingerprint(salt, path)[1]
        if fingerprint in seen:
            return [seen[fingerprint], path]
        seen[fingerprint], number = path, number + 1


def test_two_paths_of_one_fingerprint_are_dealt_again_with_another_salt() -> None:
    twins = _twins(f"{NONCE}00")
    site = manifest_of(twins)
    table = routes.compile_table(site, NONCE)
    assert table.shards == 1 and table.nonce != f"{NONCE}00"
    for path in twins:
        assert lookup(table.puts.get, table.ref, path) == f"F{blob_of(site, path)}"


def test_an_overfull_shard_is_dealt_again() -> None:
    # 35 paths of one shard in two: with the first salt one shard would hold more than 1,024 bytes.
    crowd = [f"/{number}.js" for number in range(1000) if int(_fingerprint(f"{NONCE}00", f"/{number}.js")[0], 16) % 2 == 0][:35]
    site = manifest_of(crowd)
    table = routes.compile_table(site, NONCE)
    assert table.nonce != f"{NONCE}00"
    assert all(lookup(table.puts.get, table.ref, path) == f"F{blob_of(site, path)}" for path in crowd)
    assert all(len(value) <= limits.VALUE_BYTES for value in table.puts.values())


@settings(max_examples=200)
@given(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1, max_size=8).map(lambda s: f"/{s}"),
        max_size=200,
        unique=True,
    )
)
def test_any_names_are_found_again(paths: list[str]) -> None:
    site = manifest_of([*paths, "/index.html"])
    table = routes.compile_table(site, NONCE)
    for path, expected in decide(site).answers.items():
        record = lookup(table.puts.get, table.ref, path)
        assert record == expected.record or (record and record[0] == "R" == expected.record[0])


def test_tables_of_two_nonces_share_no_key() -> None:
    site = manifest_of(["/index.html"])
    assert not set(routes.compile_table(site, "a").puts) & set(routes.compile_table(site, "b").puts)


def test_a_missing_or_damaged_shard_is_no_answer() -> None:
    site = manifest_of(["/index.html"])
    value = pointers.pointer(site, routes.compile_table(site, NONCE).ref, "")
    whole = routes.compile_table(site, NONCE).puts[f"t:{NONCE}00:0"]
    for shard in (None, "damaged", "", "-" * 31, whole[: routes.RECORD], whole[: routes.RECORD + 1], whole[:-1], whole + "1"):
        assert Edge({f"h:{HOST}": value, f"t:{NONCE}00:0": shard}.get).ask(HOST, "/") == Answer(503)


# --- patterns ----------------------------------------------------------------------------------------------------------------


def test_patterns_lie_by_folder_and_cost_only_the_paths_in_it() -> None:
    rules = "".join(f"/old-{number}/* /new-{number}/:splat\n" for number in range(200))
    site = with_files(["/index.html"], rules)
    edge = edge_of(site)
    assert edge.ask(HOST, "/old-7/x/y") == Answer(301, location="/new-7/x/y")
    assert edge.reads == 4  # pointer, route, list of the folder, its text
    assert (edge.ask(HOST, "/").status, edge.reads) == (200, 2)
    assert routes.compile_table(site, NONCE).cost.reads <= 6


def test_what_a_request_takes_is_never_more_than_the_table_says() -> None:
    rules = "".join(f"/a/{number}/* /new-{number}/:splat\n/{number}/* /n/:splat\n" for number in range(50)) + "/* /all 302\n"
    site = with_files(["/index.html", "/b.html"], f"/b /c 302! Country=de\n{rules}")
    cost = routes.compile_table(site, NONCE).cost
    edge = edge_of(site)
    for url in ("/", "/b", "/a/7/x", "/7/x", "/a/none/x/y/z", "/none", "/%zz", "/a/7%2F/x"):
        edge.ask(HOST, url)
        assert edge.reads <= cost.reads
    assert edge.ask(HOST, "/") and edge.reads == cost.page_reads == 2


def test_more_patterns_than_a_request_may_try_are_refused_with_figures() -> None:
    rules = "".join(f"/*/{'x' * 80}{number} /new-{number}\n" for number in range(400))
    with pytest.raises(LimitExceeded, match=r"could take \d+ reads .* patterns"):
        routes.compile_table(with_files(["/index.html"], rules), NONCE)


# --- pointer -----------------------------------------------------------------------------------------------------------------


def test_a_pointer_names_its_table_and_the_pages_that_answer_for_missing_paths() -> None:
    site = manifest_of(["/index.html", "/404.html"])
    error = site.error_pages["404/404.html"].blob
    assert pointers.pointer(site, "n.1.", "") == f"2|{site.site}|{site.version}|n.1.|-|{error}|-|-"
    assert pointers.pointer(site, "n.1.", "m.2.0", "m-").endswith("|m.2.0|m-")
    index = blob_of(site, "/index.html")
    spa = manifest_of(["/index.html"], settings=Settings(mode="spa"))
    assert pointers.pointer(spa, "n.1.", "").split("|")[4:6] == [index, "-"]
    everything = with_files(["/index.html"], "/* /index.html 200")
    assert pointers.pointer(everything, "n.1.", "").split("|")[4:6] == [f"*{index}", "-"]


def test_a_pointer_always_fits_a_value_with_a_canary_and_a_gate_too() -> None:
    site = replace(manifest_of(["/index.html", "/404.html"], settings=Settings(mode="spa")), site="s" * 30)
    ref = "n" * 11 + ".99999.0123"
    longest = pointers.pointer(site, ref, ref, f"p{'a' * 16}.{'b' * 64}")
    assert 2 * len(longest) + 200 < limits.VALUE_BYTES
