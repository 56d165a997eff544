"""What a reviewer once got wrong answers to, asked of both engines."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.engine.support import HOST, NONCE, edge_metadata, scanned, with_files
from tests.functions.engines import ENGINES, event, run
from toolkit.engine.decide import decide
from toolkit.engine.dialects.registry import parse
from toolkit.engine.model import Manifest, Settings
from toolkit.engine.pages import pages
from toolkit.engine.pointers import pointer
from toolkit.engine.routes import compile_table


def answers(site: Manifest, *asked: dict[str, Any]) -> list[dict[str, Any]]:
    table = compile_table(site, NONCE)
    first, second = (run(engine, {**table.puts, f"h:{HOST}": pointer(site, table.ref, "")}, asked) for engine in ENGINES)
    assert first == second
    return first


def ask(uri: str, query: str = "", **headers: str) -> dict[str, Any]:
    pairs = [pair.partition("=") for pair in query.split("&") if pair]
    return event(uri, HOST, "GET", {name: {"value": value} for name, _, value in pairs}, **headers)


def location(answer: dict[str, Any]) -> str:
    return str(answer.get("headers", {}).get("location", {}).get("value", ""))


@pytest.mark.parametrize(
    "asked",
    [
        ask("/api/../admin"), ask("/api/%2e%2e/admin"), ask("/api/..%2fadmin"), ask("/api/x/..%2F..%2fadmin"), ask("/api/.."),
        ask("/api/x/./y"), ask("/named", "x=../admin"), ask("/named", "x=%2e%2e%2fadmin"),
    ],
)  # fmt: skip
def test_a_proxy_is_not_climbed_out_of(asked: dict[str, Any]) -> None:
    rules = "/api/* https://api.example.net/v1/:splat 200\n/named x=:x https://api.example.net/v1/:x 200\n"
    (answer,) = answers(with_files(["/index.html", "/404.html"], rules), asked)
    assert "origin" not in answer


def test_dots_that_are_no_segments_reach_the_origin() -> None:
    site = with_files(["/index.html"], "/api/* https://api.example.net/v1/:splat 200\n")
    (answer,) = answers(site, ask("/api/a..b/.hidden/c."))
    assert answer["uri"] == "/v1/a..b/.hidden/c."


@pytest.mark.parametrize("value", ["%ff", "%", "%zz", "%c0%ae"])
def test_a_query_that_is_no_utf_8_holds_no_condition_and_breaks_nothing(value: str) -> None:
    site = with_files(
        ["/index.html", "/404.html"], "/search q=:w /find/:w 302\n/lit q=1 /one\n/* q=:w /all/:w 302\n/lit /two 302\n"
    )
    found, missing, literal = answers(site, *(ask(path, f"q={value}") for path in ("/", "/search", "/lit")))
    assert found["uri"] == f"/shop/blobs/{site.assets['/index.html'].blob}"
    assert missing["uri"] == f"/shop/blobs/{site.error_pages['404/404.html'].blob}"
    assert location(literal) == f"/two?q={value}"


def test_a_question_mark_in_a_captured_value_stays_in_the_path() -> None:
    (answer,) = answers(with_files(["/index.html"], "/search q=:w /find/:w 302\n"), ask("/search", "q=a?b#c"))
    assert location(answer) == "/find/a%3Fb%23c"


def test_http_leads_to_https_on_the_same_host_and_https_stays() -> None:
    site = with_files(["/index.html", "/about.html"], f"http://{HOST}/* https://{HOST}/:splat 301!\n")
    plain, safe = answers(site, *(ask("/about", cloudfront_forwarded_proto=scheme) for scheme in ("http", "https")))
    assert location(plain) == f"https://{HOST}/about"
    assert safe["uri"].endswith(site.assets["/about.html"].blob)


def test_a_rule_that_carries_its_capture_along_does_not_lead_to_itself() -> None:
    site = with_files(["/index.html"], "/a x=:v /a?x=:v 302\n/b x=:v /b?y=:v 302\n/c x=:v /c 302\n")
    same, renamed, taken = answers(site, ask("/a", "x=1"), ask("/b", "x=1"), ask("/c", "x=1"))
    assert same["statusCode"] == 404
    assert (location(renamed), location(taken)) == ("/b?y=1", "/c")


def test_header_rules_for_missing_paths_leave_pages_alone() -> None:
    made = parse({"_redirects": "/* /x 302! Country=de\n", "_headers": "/app\n  X-App: 1\n/:x/deep\n  X-Deep: 1\n"}, "netlify")
    site = with_files(["/index.html", "/app/index.html", "/404.html"], "")
    parts = pages([scanned(path) for path in site.assets], made, Settings())
    whole = Manifest(
        site.site, site.version, site.created, site.source, site.settings, parts.assets, parts.error_pages, parts.variants,
        parts.redirects, tuple(made.headers), parts.fallback, parts.fallbacks,
    )  # fmt: skip
    moved, page, missing = answers(whole, ask("/app"), ask("/app/"), ask("/APP"))
    assert (moved["statusCode"], location(moved)) == (308, "/app/")
    assert re.fullmatch(r"/shop/blobs/[\w-]{22}", page["uri"])
    assert missing["uri"].endswith(tuple(asset.blob for key, asset in parts.error_pages.items() if "#" in key))
    assert decide(whole).answers["/app"].after_patterns


def test_a_pool_that_is_cut_anywhere_gives_no_piece_of_a_text() -> None:
    site = with_files(["/index.html"], "/old /about-us\n/go /elsewhere 302 Language=en\n/n/* /m/:splat 302\n")
    table = compile_table(site, NONCE)
    kvs = {**table.puts, f"h:{HOST}": pointer(site, table.ref, "")}
    asked = [ask("/old"), ask("/go", accept_language="en"), ask("/n/1")]
    (pool,) = (key for key in kvs if key.startswith("x:"))
    whole = {location(answer) for answer in run("quickjs", kvs, asked)}
    assert whole == {"/about-us", "/elsewhere", "/m/1"}
    for end in range(len(kvs[pool])):
        for answer in run("quickjs", {**kvs, pool: kvs[pool][:end]}, asked):
            assert answer["statusCode"] == 503 or location(answer) in whole


def test_on_cloudflare_a_missing_path_gets_the_values_of_all_rules_as_a_page_does() -> None:
    files = ["/index.html", "/a/page.txt", "/404.html"]
    made = parse({"_headers": "/*\n  X-A: 1\n/a/*\n  X-A: 2\n"}, "cloudflare")
    settings = Settings(dialect="cloudflare")
    parts = pages([scanned(path) for path in files], made, settings)
    (variant,) = (asset for key, asset in parts.error_pages.items() if "#" in key)
    values = [edge_metadata(asset)["h"] for asset in (parts.assets["/a/page.txt"], variant)]
    assert values == [{"x-a": "1, 2"}, {"x-a": "1, 2"}]


def test_a_respelling_with_a_text_of_its_own_answers_where_a_condition_comes_first() -> None:
    """Its record is one in lower case that refers to a text; it was a 503."""
    site = with_files(["/index.html"], "/* /de/:splat 302! Country=de\n", settings=Settings(slashes="vercel-clean-slash"))
    asked = [ask("/index.html"), ask("/index.html", cloudfront_viewer_country="DE")]
    assert [(answer["statusCode"], location(answer)) for answer in answers(site, *asked)] == [(308, "//"), (302, "/de/index.html")]
    assert decide(site).answers["/index.html"].record[0] == "R"


def test_a_blob_is_asked_for_without_the_query_and_another_origin_with_it() -> None:
    site = with_files(["/index.html", "/404.html"], "/api/* https://api.example.net/v1/:splat 200\n")
    page, missing, elsewhere = answers(site, ask("/", "versionId=1"), ask("/nothing", "a=1"), ask("/api/x", "a=1"))
    assert (page["querystring"], missing["querystring"]) == ({}, {})
    assert elsewhere["querystring"] == {"a": {"value": "1"}}


def test_no_visitor_gets_what_another_origin_answered_to_another_visitor() -> None:
    """CloudFront answers waiting requests of one cache key together: of an address elsewhere all of a request is in the key."""
    rules = "/api/* https://api.example.net/:splat 200\n/other/* https://other.example.net/:splat 200\n"
    mine, yours = ask("/api/me"), ask("/api/me")
    mine["request"]["cookies"] = {"session": {"value": "mine"}}
    yours["request"]["cookies"] = {"session": {"value": "yours"}}
    different = [ask("/api/me"), mine, yours, ask("/other/me"), ask("/api/me", accept_language="de"), ask("/api/me", origin="x")]
    found = answers(with_files(["/index.html"], rules), *different, ask("/api/me"), ask("/api/me", x_key=cache_key_of("/api/me")))
    keys = [answer["headers"]["x-key"]["value"] for answer in found]
    assert {answer["uri"] for answer in found} == {"/me"}
    assert len(set(keys[:-2])) == len(different) and keys[-2] == keys[0], "and who asks the same is told the same"
    assert keys[-1] not in keys[:-1], "nobody chooses it"


def cache_key_of(path: str) -> str:
    (answer,) = answers(with_files(["/index.html"], "/api/* https://api.example.net/:splat 200\n"), ask(path))
    return str(answer["headers"]["x-key"]["value"])


def test_what_another_origin_answers_is_never_kept_for_a_blob() -> None:
    """An address elsewhere can be made to have a blob's path: its key is another, and a visitor gives a blob none."""
    site = with_files(["/index.html", "/404.html"], "/api/* https://api.example.net/:splat 200\n")
    page, missing = answers(site, ask("/", x_key="a"), ask("/nothing", x_key="a"))
    assert "x-key" not in page["headers"] and "x-key" not in missing["headers"]
    (elsewhere,) = answers(site, ask(f"/api{page['uri']}"))
    assert elsewhere["uri"] == page["uri"] and elsewhere["headers"]["x-key"]["value"]
