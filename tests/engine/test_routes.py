"""The compiled table: every path is found again, precedence holds, and no address of the toolkit's own making leads in a circle."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.support import Answer, Edge, blob_of, find, follow, manifest_of, table_edge
from toolkit.engine import limits, pointers, routes
from toolkit.engine.model import Manifest, Redirect, Settings
from toolkit.engine.rules import parse


def page(manifest: Manifest, path: str) -> Answer:
    return Answer(200, blob=blob_of(manifest, path))


def with_rules(paths: list[str], text: str, clean_urls: bool = True) -> Manifest:
    rules = parse({"_redirects": text})
    assert not rules.problems
    return manifest_of(paths, redirects=rules.redirects, settings=Settings(clean_urls=clean_urls))


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
    for nothing in ("/app", "/app.js/", "/about/index.html", "/blog.html", "/index", "//", "/blog//", "/About", ""):
        assert find(site, nothing) is None


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


def test_without_clean_urls_files_answer_under_their_names_and_folders_show_their_index() -> None:
    site = manifest_of(["/index.html", "/about.html", "/blog/index.html"], settings=Settings(clean_urls=False))
    for path, file in {
        "/": "/index.html",
        "/index.html": "/index.html",
        "/about.html": "/about.html",
        "/blog/": "/blog/index.html",
    }.items():
        assert find(site, path) == page(site, file)
    for nothing in ("/about", "/about/", "/blog"):
        assert find(site, nothing) is None


def test_the_error_page_is_a_404_under_its_own_name_too() -> None:
    site = manifest_of(["/index.html", "/404.html"])
    for path in ("/404.html", "/404"):
        assert find(site, path) == Answer(404, blob=site.error_pages["/"].blob)


# --- redirects ---------------------------------------------------------------------------------------------------------------


def test_a_rule_answers_with_and_without_the_slash() -> None:
    site = with_rules(["/index.html"], "/old /new\n/past/ /new 302\n")
    for path, status in {"/old": 301, "/old/": 301, "/past": 302, "/past/": 302}.items():
        assert find(site, path) == Answer(status, location="/new")


def test_the_first_rule_for_a_path_wins() -> None:
    site = with_rules(["/index.html"], "/old /one\n/old /two\n/old/ /three\n")
    assert find(site, "/old") == find(site, "/old/") == Answer(301, location="/one")


@pytest.mark.parametrize("path", ["/about", "/about.html", "/about/", "/app.js", "/", "/blog", "/blog/"])
def test_a_rule_is_shadowed_by_a_file_unless_it_is_forced(path: str) -> None:
    paths = ["/index.html", "/about.html", "/app.js", "/blog/index.html"]
    assert find(with_rules(paths, f"{path} https://example.com/"), path) == find(manifest_of(paths), path)
    assert find(with_rules(paths, f"{path} https://example.com/ 302!"), path) == Answer(302, location="https://example.com/")


def test_a_rule_comes_before_what_is_only_carried() -> None:
    site = with_rules(["/index.html"], "/app.js /new.js")
    carrying = replace(site, carried=manifest_of(["/app.js", "/old.js"]).assets)
    assert find(carrying, "/app.js") == Answer(301, location="/new.js")
    assert find(carrying, "/old.js") == Answer(200, blob=carrying.carried["/old.js"].blob)


def test_many_long_targets_are_found_again() -> None:
    text = "".join(f"/r{number} /{'x' * (number % 890)}{number} {(301, 302, 307, 308)[number % 4]}\n" for number in range(400))
    site = with_rules(["/index.html"], text)
    edge, table = table_edge(site)
    for number in range(400):
        record = edge.lookup(table.ref, f"/r{number}")
        assert record and edge._answer(record, table.ref, "") == Answer(
            (301, 302, 307, 308)[number % 4], location=f"/{'x' * (number % 890)}{number}"
        )


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
        ("/about /about#top 301!", "/about", "/about.html"),
    ],
)
def test_a_rule_and_a_page_s_own_address_never_make_a_circle(rule: str, asked: str, served: str) -> None:
    site = with_rules(["/index.html", "/about.html", "/blog/index.html", "/café.html"], rule)
    passed = follow(site, asked)
    assert len(passed) <= 4, passed
    assert find(site, passed[-1]) == page(site, served), passed


def test_a_forced_rule_on_a_page_s_file_name_leaves_its_address_alone() -> None:
    site = with_rules(["/index.html", "/about.html"], "/about.html /elsewhere 301!")
    assert find(site, "/about.html") == Answer(301, location="/elsewhere")
    assert find(site, "/about") == page(site, "/about.html")


SEGMENT = st.sampled_from(["a", "b", "a.html", "index.html", "index", "404.html"])
PATH = st.lists(SEGMENT, min_size=1, max_size=2).map(lambda parts: "/" + "/".join(parts))
ADDRESS = st.one_of(PATH, PATH.map(lambda path: path + "/"), st.just("/"))
RULE = st.builds(Redirect, path=ADDRESS, target=ADDRESS, status=st.sampled_from([301, 302]), force=st.booleans())


def files(paths: list[str]) -> list[str]:
    """What a folder can hold at once: no path is both a file and the folder of another."""
    return [path for path in paths if not any(other.startswith(f"{path}/") for other in paths)]


@settings(max_examples=500)
@given(st.lists(PATH, unique=True, min_size=1, max_size=8).map(files), RULE)
def test_no_single_rule_can_make_a_circle(paths: list[str], rule: Redirect) -> None:
    site = manifest_of(paths, redirects=[rule])
    for path in routes.entries(site)[0]:
        assert len(follow(site, path)) <= 4


@settings(max_examples=500)
@given(st.lists(PATH, unique=True, min_size=1, max_size=8).map(files), st.lists(RULE, max_size=4))
def test_a_circle_is_made_of_the_user_s_own_rules_only(paths: list[str], rules: list[Redirect]) -> None:
    site = manifest_of(paths, redirects=rules)
    found, _ = routes.entries(site)
    for path in found:
        passed = follow(site, path)
        if len(passed) > 10:
            assert all(found[step][0] == "R" for step in passed[2:])


@settings(max_examples=500)
@given(st.lists(PATH, unique=True, min_size=1, max_size=8).map(files), st.lists(RULE, max_size=4), st.booleans())
def test_every_file_can_be_reached_unless_a_forced_rule_hides_it(paths: list[str], rules: list[Redirect], clean: bool) -> None:
    site = manifest_of(paths, redirects=rules, settings=Settings(clean_urls=clean))
    found, _ = routes.entries(site)
    served = {ref[1:] for ref in found.values() if ref[0] in "FE"}
    hidden = {path for path, ref in found.items() if ref[0] == "R"}
    for path, asset in site.assets.items():
        names = {path, asset.path.removesuffix("index.html"), asset.path.removesuffix(".html")}
        assert asset.blob in served or names & hidden or path == "/404.html"


# --- shards ------------------------------------------------------------------------------------------------------------------


def test_ten_thousand_routes_are_all_found_with_two_reads() -> None:
    site = manifest_of(["/index.html", *(f"/section-{number % 97}/página-{number}.html" for number in range(3333))])
    edge, table = table_edge(site)
    found, _ = routes.entries(site)
    assert table.routes == len(found) >= 10_000
    for path, expected in found.items():
        before = edge.reads
        record = edge.lookup(table.ref, path)
        assert record is not None and record.rstrip("~") == expected
        assert edge.reads == before + 1  # the pointer is the other one
    missing = sum(edge.lookup(table.ref, f"/not-there-{number}") != "" for number in range(10_000))
    assert missing == 0
    assert all(len(value.encode()) <= limits.VALUE_BYTES for value in table.puts.values())
    assert all(len(key.encode()) <= limits.KEY_BYTES for key in table.puts)
    assert table.bytes < 60 * table.routes  # about 34 bytes a route are stored; far more would not fit 50,000 of them


def test_a_table_is_whole_even_with_one_route_and_with_empty_shards() -> None:
    edge, table = table_edge(manifest_of(["/app.js"]))
    assert list(table.puts) == ["t:n0nce:0"]
    assert edge.lookup(table.ref, "/app.js") and edge.lookup(table.ref, "/") == ""
    for count in range(1, 60):
        _, table = table_edge(manifest_of([f"/{number}.js" for number in range(count)]))
        assert len(table.puts) == table.shards
        assert all(value == "-" or (value and len(value) % routes.RECORD == 0) for value in table.puts.values())


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
    twins = _twins("n0nce0")
    site = manifest_of(twins)
    edge, table = table_edge(site)
    assert table.shards == 1 and table.salt != "n0nce0"
    for path in twins:
        assert (edge.lookup(table.ref, path) or "")[1:] == blob_of(site, path)


def test_an_overfull_shard_is_dealt_again() -> None:
    # 35 paths of one shard in two: with the first salt one shard would hold more than 1,024 bytes.
    crowd = [f"/{number}.js" for number in range(1000) if int(_fingerprint("n0nce0", f"/{number}.js")[0], 16) % 2 == 0][:35]
    site = manifest_of(crowd)
    edge, table = table_edge(site)
    assert table.salt != "n0nce0"
    assert all((edge.lookup(table.ref, path) or "")[1:] == blob_of(site, path) for path in crowd)
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
    edge, table = table_edge(site)
    for path, expected in routes.entries(site)[0].items():
        assert (edge.lookup(table.ref, path) or "").rstrip("~") == expected


def test_tables_of_two_nonces_share_no_key() -> None:
    site = manifest_of(["/index.html"])
    assert not set(routes.compile_table(site, "a").puts) & set(routes.compile_table(site, "b").puts)


def test_a_missing_or_damaged_shard_is_no_answer() -> None:
    _, table = table_edge(manifest_of(["/index.html"]))
    assert Edge(lambda key: None).lookup(table.ref, "/") is None
    assert Edge(lambda key: "damaged").lookup(table.ref, "/") is None
    assert Edge(lambda key: "").lookup(table.ref, "/") is None


# --- pointer -----------------------------------------------------------------------------------------------------------------


def test_a_pointer_names_its_table_and_the_pages_that_answer_for_missing_paths() -> None:
    site = manifest_of(["/index.html", "/404.html"])
    error = site.error_pages["/"].blob
    assert pointers.pointer(site, "n.s.1", "") == f"1|{site.site}|{site.version}|n.s.1|-|{error}|-"
    assert pointers.pointer(site, "n.s.1", "m.s.2").endswith("|m.s.2")
    spa = replace(site, settings=Settings(mode="spa"), error_pages={})
    assert pointers.pointer(spa, "n.s.1", "").split("|")[4:6] == [blob_of(site, "/index.html"), "-"]


def test_a_pointer_always_fits_a_value() -> None:
    site = replace(manifest_of(["/index.html", "/404.html"], settings=Settings(mode="spa")), site="s" * 30)
    assert len(pointers.pointer(site, "n" * 20 + "." + "s" * 24 + ".99999", "n" * 20 + "." + "s" * 24 + ".99999")) < 300
