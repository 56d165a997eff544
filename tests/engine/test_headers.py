"""What travels with a blob: content type, lifetimes at the edge and in browsers, a site's own headers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.support import edge_metadata, scanned
from toolkit.engine import headers, limits, mime
from toolkit.engine.errors import UserError
from toolkit.engine.model import Asset, HeaderRule, Settings
from toolkit.local.object_rules import check_headers

VITE = Settings(immutable=("assets/*-????????.*",))


def asset(path: str, *rules: HeaderRule, settings: Settings | None = None, status: int = 200) -> Asset:
    return headers.asset(scanned(path), rules, settings or Settings(), status)


def test_pages_are_revalidated_and_hashed_files_are_not() -> None:
    assert edge_metadata(asset("/index.html"))["c"] == headers.REVALIDATE
    hashed = asset("/assets/app-B3x9_kQz.js", settings=VITE)
    assert (hashed.immutable, edge_metadata(hashed)["c"]) == (True, headers.IMMUTABLE)


def test_the_edge_keeps_every_blob_for_a_year_whatever_browsers_are_told() -> None:
    for found in (asset("/index.html"), asset("/a.js", HeaderRule("/*", {"cache-control": "no-store"}))):
        assert found.headers["cache-control"] == "public, max-age=0, s-maxage=31536000"


def test_an_error_page_carries_its_status_and_is_a_blob_of_its_own() -> None:
    page, missing = asset("/404.html"), asset("/404.html", status=404)
    assert (edge_metadata(page).get("s"), edge_metadata(missing)["s"]) == (None, 404)
    assert page.blob != missing.blob and page.sha256 == missing.sha256


def test_an_error_page_is_never_immutable() -> None:
    missing = asset("/404-00000000.html", settings=Settings(immutable=("404-????????.html",)), status=404)
    assert not missing.immutable and edge_metadata(missing)["c"] == headers.REVALIDATE


def test_rules_add_up_and_later_ones_win() -> None:
    found = asset("/a/b.html", HeaderRule("/*", {"x-a": "1", "x-b": "1"}), HeaderRule("/a/*", {"x-b": "2", "x-frame-options": ""}))
    assert edge_metadata(found)["h"] == {"x-a": "1", "x-b": "2", "x-frame-options": ""}


def test_a_rule_may_name_a_page_as_visitors_do() -> None:
    rule = HeaderRule("/about", {"x-a": "1"})
    assert "h" in edge_metadata(asset("/about.html", rule))
    assert "h" not in edge_metadata(asset("/about.html", rule, settings=Settings(clean_urls=False)))
    assert "h" in edge_metadata(asset("/blog/index.html", HeaderRule("/blog/", {"x-a": "1"})))


def test_content_type_and_cache_control_may_be_replaced() -> None:
    found = asset("/feed", HeaderRule("/feed", {"content-type": "application/rss+xml", "cache-control": "max-age=60"}))
    assert found.headers["content-type"] == "application/rss+xml"
    assert edge_metadata(found) == {"c": "max-age=60"}


def test_taking_content_type_or_cache_control_away_gives_the_usual_ones() -> None:
    found = asset("/index.html", HeaderRule("/*", {"content-type": "", "cache-control": ""}))
    assert found.headers["content-type"] == "text/html; charset=utf-8"
    assert edge_metadata(found) == {"c": headers.REVALIDATE}


def test_more_headers_than_an_object_carries_are_refused_with_the_path() -> None:
    def rule(length: int) -> HeaderRule:
        return HeaderRule("/*", {"content-security-policy": "x" * length})

    room = limits.METADATA_BYTES - 4 - len(asset("/a.html", rule(0)).headers["x-amz-meta-edge"])
    check_headers(asset("/a.html", rule(room)).headers)
    with pytest.raises(UserError, match=r"/a\.html"):
        asset("/a.html", rule(room + 1))


@given(
    st.dictionaries(st.text("abcxyz-", min_size=1, max_size=9), st.text(st.characters(max_codepoint=126), max_size=30), max_size=4)
)
def test_every_accepted_header_fits_an_object(values: dict[str, str]) -> None:
    from toolkit.engine.rules import parse

    text = "/*\n" + "".join(f"  {name}: {value}\n" for name, value in {**values, "content-type": "text/x\t; a=b"}.items())
    found = asset("/index.html", *parse({"_headers": text}).headers)
    check_headers(found.headers)


@pytest.mark.parametrize(
    ("path", "canonical"),
    [
        ("/index.html", "/"),
        ("/blog/index.html", "/blog/"),
        ("/about.html", "/about"),
        ("/a/.html", "/a/.html"),
        ("/myindex.html", "/myindex"),
        ("/index.html/x", "/index.html/x"),
        ("/a.htm", "/a.htm"),
        ("/a.HTML", "/a.HTML"),
        ("/a.b.html", "/a.b"),
        ("/app.js", "/app.js"),
    ],
)
def test_the_canonical_address_of_a_file(path: str, canonical: str) -> None:
    assert headers.clean_path(path) == canonical


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
