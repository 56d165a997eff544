"""Sealed manifests, ledger entries and blob keys."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.support import manifest_of
from toolkit.engine.errors import UserError
from toolkit.engine.model import MANIFEST_FORMAT, HeaderRule, Manifest, Release, Rule, Settings, blob_key

HEADERS = st.dictionaries(st.text("abcdef-", min_size=1), st.text(st.characters(min_codepoint=32, max_codepoint=126)))
SHA = st.text("0123456789abcdef", min_size=64, max_size=64)

RULE = Rule(
    3,
    "as written",
    302,
    "/new/{1}?a={2}",
    ("/old",),
    "/old/(.*)",
    "/old/",
    True,
    (("a", "{}"),),
    ("de",),
    ("de-at",),
    ("c",),
    "h",
    "https",
)


def sample() -> Manifest:
    return manifest_of(
        ["/index.html", "/404.html", "/café/404.html", "/café/ten.txt", "/b/index.html", "/assets/app.3f9a1c22.js"],
        redirects=[RULE],
        rules=[HeaderRule("/caf.*", {"x-a": "{1}"}, 7, "/caf*", True), HeaderRule("/b/.*", {"x-b": "1"})],
        settings=Settings("site", "/404.html", "cloudflare", "netlify-plain", ("assets/*.????????.*",), 2.5),
        carried=manifest_of(["/assets/app.00000000.js"]).assets,
    )


def test_a_manifest_reads_back_as_it_was_written() -> None:
    assert Manifest.from_json(sample().to_json()) == sample()


def test_equal_manifests_have_equal_bytes() -> None:
    assert sample().to_json() == sample().to_json()


def test_any_changed_byte_of_a_manifest_is_noticed() -> None:
    body = sample().to_json()
    for at in range(len(body)):
        for flip in (0x01, 0x20):
            changed = body[:at] + bytes([body[at] ^ flip]) + body[at + 1 :]
            with pytest.raises(UserError):
                Manifest.from_json(changed)


@pytest.mark.parametrize("cut", [0, 1, 100, -1])
def test_a_cut_manifest_is_noticed(cut: int) -> None:
    with pytest.raises(UserError):
        Manifest.from_json(sample().to_json()[:cut])


@pytest.mark.parametrize("body", [b"[]", b"null", b"3", b"{}", b'{"format":1}', b"\xff\xfe"])
def test_what_is_no_manifest_is_a_clear_error(body: bytes) -> None:
    with pytest.raises(UserError):
        Manifest.from_json(body)


def test_a_manifest_of_a_later_format_says_so() -> None:
    later = MANIFEST_FORMAT + 1
    data = {**json.loads(sample().to_json()), "format": later}
    with pytest.raises(UserError, match=f"format {later}") as raised:
        Manifest.from_json(json.dumps(data).encode())
    assert "upgrade" in raised.value.fix


def test_the_digest_tells_content_and_not_when_it_was_built() -> None:
    one, other = manifest_of(["/index.html"]), manifest_of(["/index.html"], version="20301114T221320Z-abcdef0")
    assert one.digest == other.digest
    assert one.digest != manifest_of(["/index.html", "/b.html"]).digest
    assert one.digest != manifest_of(["/index.html"], redirects=[Rule(1, "/a /b", 301, "/b", paths=("/a",))]).digest
    assert one.digest != manifest_of(["/index.html"], settings=Settings(mode="spa")).digest


def test_a_manifest_names_every_blob_that_it_needs() -> None:
    manifest = sample()
    # Each error page is a blob of its own, and one more with the headers that only some of what is missing gets.
    assert manifest.variants and manifest.fallbacks and len(manifest.error_pages) > 2
    files, carried = len(manifest.assets), 1
    assert len(manifest.blobs()) == files + len(manifest.error_pages) + len(manifest.variants) + carried


@given(SHA, HEADERS, HEADERS)
def test_blob_keys_differ_when_headers_do(sha: str, one: dict[str, str], other: dict[str, str]) -> None:
    assert (blob_key(sha, one) == blob_key(sha, other)) == (one == other)


@given(SHA, SHA, HEADERS)
def test_blob_keys_differ_when_content_does(one: str, other: str, headers: dict[str, str]) -> None:
    assert (blob_key(one, headers) == blob_key(other, headers)) == (one == other)


@given(SHA, HEADERS)
def test_blob_keys_are_what_the_edge_accepts(sha: str, headers: dict[str, str]) -> None:
    assert re.fullmatch(r"[\w-]{22}", blob_key(sha, headers), re.ASCII)


@given(st.text(), st.text(), st.floats(0, 4e9), st.integers(1), st.lists(st.text()))
def test_a_release_reads_back_as_it_was_written(who: str, note: str, at: float, number: int, hosts: list[str]) -> None:
    record = Release("s", "live", number, "v", at, at, who, "deploy", "t", tuple(hosts), "c", note)
    assert Release.from_json(record.to_json()) == record
