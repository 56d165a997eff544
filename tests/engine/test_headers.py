"""What travels with a blob: content type, lifetimes at the edge and in browsers, a site's own headers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.support import edge_metadata, scanned
from toolkit.engine import headers, limits, mime
from toolkit.engine.dialects.registry import DIALECTS, parse
from toolkit.engine.errors import UserError
from toolkit.engine.model import Asset, HeaderRule, Settings
from toolkit.local.object_rules import check_headers

VITE = Settings(immutable=("assets/*-????????.*",))
CLOUDFLARE = Settings(dialect="cloudflare")


def asset(path: str, *rules: HeaderRule, settings: Settings | None = None, address: str = "") -> Asset:
    return headers.asset(scanned(path), rules, settings or Settings(), address)


def error_page(path: str, given: dict[str, str], settings: Settings | None = None, status: int = 404) -> Asset:
    return headers.error_page(scanned(path), given, settings or Settings(), status)


def everywhere(**values: str) -> HeaderRule:
    return HeaderRule("/.*", {name.replace("_", "-"): value for name, value in values.items()})


def test_pages_are_revalidated_and_hashed_files_are_not() -> None:
    assert edge_metadata(asset("/index.html"))["c"] == headers.REVALIDATE
    hashed = asset("/assets/app-B3x9_kQz.js", settings=VITE)
    assert (hashed.immutable, edge_metadata(hashed)["c"]) == (True, headers.IMMUTABLE)


def test_the_edge_keeps_every_blob_for_a_year_whatever_browsers_are_told() -> None:
    for found in (asset("/index.html"), asset("/a.js", everywhere(cache_control="no-store"))):
        assert found.headers["cache-control"] == "public, max-age=0, s-maxage=31536000"


def test_an_error_page_carries_its_status_and_is_a_blob_of_its_own() -> None:
    page, missing = asset("/404.html"), error_page("/404.html", {})
    assert (edge_metadata(page).get("s"), edge_metadata(missing)["s"]) == (None, 404)
    assert page.blob != missing.blob and page.sha256 == missing.sha256


def test_an_error_page_is_never_immutable() -> None:
    missing = error_page("/404-00000000.html", {}, Settings(immutable=("404-????????.html",)))
    assert not missing.immutable and edge_metadata(missing)["c"] == headers.REVALIDATE


@pytest.mark.parametrize(
    ("settings", "status", "cache"),
    [(Settings(), 404, "max-age=60"), (CLOUDFLARE, 404, "no-store"), (CLOUDFLARE, 451, "max-age=60")],
)
def test_how_long_browsers_keep_an_error_page(settings: Settings, status: int, cache: str) -> None:
    page = error_page("/404.html", {"cache-control": "max-age=60", "x-a": "1"}, settings, status)
    assert edge_metadata(page) == {"c": cache, "s": status, "h": {"x-a": "1"}}


def test_rules_add_up_and_later_ones_win() -> None:
    rules = everywhere(x_a="1", x_b="1"), HeaderRule("/a/.*", {"x-b": "2", "x-frame-options": ""})
    assert edge_metadata(asset("/a/b.html", *rules))["h"] == {"x-a": "1", "x-b": "2", "x-frame-options": ""}


def test_where_a_dialect_joins_values_an_empty_one_takes_all_before_it_out() -> None:
    rules = everywhere(x_a="1"), everywhere(x_a="2")
    assert edge_metadata(asset("/a.js", *rules, settings=CLOUDFLARE))["h"] == {"x-a": "1, 2"}
    rules = (*rules, everywhere(x_a=""), everywhere(x_a="3"))
    assert edge_metadata(asset("/a.js", *rules, settings=CLOUDFLARE))["h"] == {"x-a": "3"}


def test_rules_speak_of_the_address_that_visitors_use() -> None:
    rule = HeaderRule("/about", {"x-a": "1"})
    assert "h" in edge_metadata(asset("/about.html", rule, address="/about"))
    assert "h" not in edge_metadata(asset("/about.html", rule))
    assert "h" in edge_metadata(asset("/caf\u00e9.txt", HeaderRule("/caf%C3%A9.*", {"x-a": "1"})))


def test_captures_of_the_pattern_go_into_values() -> None:
    rule = HeaderRule("/([^/]+)/(b)?(.*)", {"x-a": "<{1}> {2}{3}{9}"})
    assert edge_metadata(asset("/caf\u00e9/x.txt", rule))["h"] == {"x-a": "<caf%C3%A9> x.txt"}


def test_a_rule_may_take_any_case() -> None:
    assert "h" in edge_metadata(asset("/Read.ME", HeaderRule("/read\\.me", {"x-a": "1"}, ignore_case=True)))
    assert "h" not in edge_metadata(asset("/Read.ME", HeaderRule("/read\\.me", {"x-a": "1"})))


def test_content_type_and_cache_control_may_be_replaced() -> None:
    found = asset("/feed", HeaderRule("/feed", {"content-type": "application/rss+xml", "cache-control": "max-age=60"}))
    assert found.headers["content-type"] == "application/rss+xml"
    assert edge_metadata(found) == {"c": "max-age=60"}


def test_taking_content_type_or_cache_control_away_gives_the_usual_ones() -> None:
    found = asset("/index.html", everywhere(content_type="", cache_control=""))
    assert found.headers["content-type"] == "text/html; charset=utf-8"
    assert edge_metadata(found) == {"c": headers.REVALIDATE}


def test_more_headers_than_an_object_carries_are_refused_with_the_path() -> None:
    def rule(length: int) -> HeaderRule:
        return everywhere(content_security_policy="x" * length)

    room = limits.METADATA_BYTES - 4 - len(asset("/a.html", rule(0)).headers["x-amz-meta-edge"])
    check_headers(asset("/a.html", rule(room)).headers)
    with pytest.raises(UserError, match=r"/a\.html"):
        asset("/a.html", rule(room + 1))


@pytest.mark.parametrize("dialect", DIALECTS)
@given(
    values=st.dictionaries(
        st.text("abcxyz-", min_size=1, max_size=9), st.text(st.characters(max_codepoint=126), max_size=30), max_size=4
    )
)
def test_every_accepted_header_fits_an_object(dialect: str, values: dict[str, str]) -> None:
    text = "/*\n" + "".join(f"  {name}: {value}\n" for name, value in {**values, "content-type": "text/x\t; a=b"}.items())
    rules = parse({"_headers": text}, dialect).headers
    assert rules
    check_headers(asset("/index.html", *rules, settings=Settings(dialect=dialect)).headers)


@pytest.mark.parametrize(
    ("glob", "path", "hashed"),
    [
        ("assets/*-????????.*", "/assets/app-B3x9_kQz.js", True),
        ("assets/*-????????.*", "/assets/app-B3x9_kQz.js.map", True),
        ("assets/*-????????.*", "/assets/my-stylesheet.css", False),  # no eight characters that are a hash
        ("assets/*-????????.*", "/assets/app-register.js", False),  # a plain word of eight letters
        ("assets/*-????????.*", "/assets/sub/app-B3x9_kQz.js", False),
        ("assets/*-????????.*", "/x/assets/app-B3x9_kQz.js", False),
        ("**/*.????????.js", "/a/b/main.3f9a1c22.js", True),
        ("_astro/**", "/_astro/a/b.css", True),
        ("_next/static/**", "/_next/staticx/a", False),
        ("*.????????.js", "/main.3f9a1c22.js", True),
    ],
)
def test_which_names_carry_a_hash(glob: str, path: str, hashed: bool) -> None:
    assert headers.is_immutable(path, [glob]) is hashed


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/a.html", "text/html; charset=utf-8"),
        ("/a.HTML", "text/html; charset=utf-8"),
        ("/a.mjs", "text/javascript; charset=utf-8"),
        ("/a.woff2", "font/woff2"),
        ("/a.tar.gz", "application/gzip"),
        ("/a.b/c", "application/octet-stream"),
        ("/a.", "application/octet-stream"),
        ("/.well-known/apple-app-site-association", "application/json"),
        ("/a.unknown", "application/octet-stream"),
    ],
)
def test_content_types(path: str, kind: str) -> None:
    assert mime.content_type(path) == kind
