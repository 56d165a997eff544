"""Keys of what is stored, and ids that sort by time."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.engine import layout, limits
from toolkit.engine.errors import UserError

BRANCH = st.text(min_size=1, max_size=40)
DIGEST = st.text("0123456789abcdef", min_size=7, max_size=64)
MOMENT = st.floats(0, 4_000_000_000)


@given(MOMENT, MOMENT, DIGEST, DIGEST)
def test_version_ids_sort_by_time(one: float, other: float, digest: str, second: str) -> None:
    earlier, later = sorted((one, other))
    if int(earlier) < int(later):
        assert layout.version_id(earlier, digest) < layout.version_id(later, second)


@given(MOMENT, DIGEST)
def test_version_ids_are_recognised(moment: float, digest: str) -> None:
    assert layout.is_version(layout.version_id(moment, digest))


@pytest.mark.parametrize("text", ["", "live", "../../etc/passwd", "20231114T221320Z-abcdef0\n", "20231114T221320Z-ABCDEF0"])
def test_other_text_is_no_version(text: str) -> None:
    assert not layout.is_version(text)


def test_a_version_id_reads_as_the_design_shows() -> None:
    assert layout.version_id(1_795_216_500.9, "1a2b3c4d5e") == "20261120T231500Z-1a2b3c4"


@given(BRANCH, BRANCH)
def test_channels_never_share_a_key(one: str, other: str) -> None:
    same = one == other
    assert (layout.channel_key("s", f"preview/{one}") == layout.channel_key("s", f"preview/{other}")) == same
    assert (layout.ledger_prefix("s", f"preview/{one}") == layout.ledger_prefix("s", f"preview/{other}")) == same


@given(BRANCH)
def test_a_branch_is_one_safe_path_segment(branch: str) -> None:
    prefix = layout.ledger_prefix("s", f"preview/{branch}")
    assert re.fullmatch(r"s/releases/preview/[A-Za-z0-9_=-]+/", prefix)


@given(st.text(min_size=1))
def test_a_branch_name_fits_every_store_or_is_refused(branch: str) -> None:
    try:
        key, entry = layout.channel_key("s" * 30, f"preview/{branch}"), layout.ledger("s" * 30, f"preview/{branch}", 99_999_999)
    except UserError:
        return
    assert len(key.encode()) <= limits.KEY_BYTES
    # 255 bytes is what a folder's file systems hold in one name.
    assert max(len(part.encode()) for part in entry.split("/")) <= 255


def test_a_branch_name_that_no_file_system_holds_is_refused_before_anything_is_written() -> None:
    with pytest.raises(UserError, match="too long"):
        layout.ledger_prefix("s", "preview/" + "x" * 256)


def test_ledger_entries_list_in_order() -> None:
    keys = [layout.ledger("s", "live", number) for number in (1, 2, 9, 10, 99, 100, 12_345_678)]
    assert keys == sorted(keys)


@pytest.mark.parametrize("site", ["my-blog", "a", "0", "a1-b2", "x" * 30])
def test_site_names(site: str) -> None:
    assert layout.check_site(site) == site


@pytest.mark.parametrize("site", ["", "-a", "a-", "a--b", "A", "a.b", "a/b", "x" * 31, "xn--a", "xn-a", "a\n", "é", "../a"])
def test_what_is_no_site_name(site: str) -> None:
    with pytest.raises(UserError, match="not a site name"):
        layout.check_site(site)
