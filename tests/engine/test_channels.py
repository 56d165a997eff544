"""Channels and the one DNS label that each preview gets."""

from __future__ import annotations

import itertools
import re
import string

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from toolkit.engine import channels
from toolkit.engine.errors import UserError

LOCAL = channels.Names("{site}.localhost", "localhost")
LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
# Names as git allows them, with much of what differs only in what a label cannot show.
BRANCH = st.one_of(
    st.text(string.ascii_letters + string.digits + "-_/.+", min_size=1, max_size=80),
    st.text(min_size=1, max_size=40),
    st.from_regex(r"(feature|fix|Feature)[-/_.](a|b|A)[-/]?[0-9a-f]{0,9}", fullmatch=True),
    st.sampled_from(["main", "xn", "xn--", "XN", "x", "-", "--", "a--b", "feature/a", "feature-a", "Feature-a", "ünï"]),
)


@settings(max_examples=300)
@given(BRANCH, BRANCH)
@example("feature/a", "feature-a")
@example("feature/a", channels.slug("feature/a"))
@example("a" * 31, "a" * 32)
@example("ß", "SS")
@example("İ", "i")
def test_distinct_names_have_distinct_slugs(one: str, other: str) -> None:
    assert (channels.slug(one) == channels.slug(other)) == (one == other)


@settings(max_examples=300)
@given(BRANCH)
def test_a_slug_is_no_other_names_slug(name: str) -> None:
    slug = channels.slug(name)
    assert channels.slug(slug) != slug or slug == name


@settings(max_examples=300)
@given(BRANCH, st.sampled_from(["a", "shop", "s" * 30]))
def test_a_preview_is_one_dns_label(name: str, site: str) -> None:
    slug = channels.slug(name)
    (host,) = channels.hosts(site, f"preview/{name}", LOCAL)
    label, _, rest = host.partition(".")
    assert rest == "localhost"
    assert len(slug) <= 31 and len(label) <= 63
    assert LABEL.fullmatch(slug) and LABEL.fullmatch(label)
    assert label.split("--", 1) == [slug, site], "the site can be read from the label"
    assert not label.startswith("xn--"), "that would be read as punycode"


def test_plain_names_keep_their_looks() -> None:
    assert [channels.slug(name) for name in ("pr-12", "main", "staging")] == ["pr-12", "main", "staging"]


def test_live_answers_at_the_sites_own_hosts_only() -> None:
    assert channels.hosts("shop", "live", LOCAL, ("WWW.Example.com",)) == ("shop.localhost", "www.example.com")
    assert channels.hosts("shop", "preview/x", LOCAL, ("www.example.com",)) == ("x--shop.localhost",)


@pytest.mark.parametrize(
    ("text", "channel"),
    [("live", "live"), ("preview/x", "preview/x"), ("x", "preview/x"), ("feature/a", "preview/feature/a"),
     ("preview/preview/x", "preview/preview/x")],
)  # fmt: skip
def test_channels_as_people_write_them(text: str, channel: str) -> None:
    assert channels.parse(text) == channel


@pytest.mark.parametrize("text", ["", "  ", "\n", "preview/", "preview/  "])
def test_a_preview_needs_a_name(text: str) -> None:
    with pytest.raises(UserError, match="needs a name"):
        channels.parse(text)


def test_names_that_differ_only_in_what_a_label_cannot_show_stay_apart() -> None:
    # 78,125 names that all read `a-b`: with a hash of 28 bits, some ten pairs of them would meet.
    names = [f"a{''.join(separators)}b" for separators in itertools.product("/_.+@", repeat=7)]
    assert len({channels.slug(name) for name in names}) == len(names)


def test_a_target_may_give_a_site_one_host_and_previews_another_place() -> None:
    names = channels.Names("d111111abcdef8.cloudfront.net", "example.com")
    assert channels.hosts("shop", "live", names, ("*.example.com", "example.com")) == (
        "d111111abcdef8.cloudfront.net",
        "example.com",
    )
    assert channels.hosts("shop", "preview/x", names, ("*.example.com",)) == ("x--shop.example.com",)


@settings(max_examples=300)
@given(BRANCH, BRANCH, st.sampled_from(["", "pr/", "branch/", "branch/pr/", "branch/branch/"]))
def test_a_branch_and_a_pull_request_never_share_a_preview(one: str, other: str, before: str) -> None:
    """Who may open a pull request must not put something else in the place of what a branch shows."""
    assume(one.strip() and other.strip() and (before + one).isprintable() and other.isprintable())
    branch, pull = channels.of_preview(before + one), channels.of_pull(other)
    assert branch != pull and channels.slug(branch.partition("/")[2]) != channels.slug(pull.partition("/")[2])


@settings(max_examples=300)
@given(BRANCH, BRANCH, st.sampled_from(["", "pr/", "branch/"]), st.sampled_from(["", "pr/", "branch/"]))
@example("pr/x", "branch/pr/x", "", "")
@example("x", "x", "pr/", "branch/pr/")
def test_each_branch_has_a_preview_of_its_own(one: str, other: str, before: str, after: str) -> None:
    one, other = before + one, after + other
    assume(one.strip() and other.strip() and one.isprintable() and other.isprintable())
    assert (channels.of_preview(one) == channels.of_preview(other)) == (one == other)
    assert (channels.of_pull(one) == channels.of_pull(other)) == (one == other)


@given(BRANCH, st.sampled_from(["main", "live", "preview/live"]))
@example("live", "main")
@example("live", "live")
@example("preview/live", "main")
def test_live_is_the_live_branch_s_alone(branch: str, live_branch: str) -> None:
    assume(branch.strip() and branch.isprintable())
    assert (channels.of_branch(branch, live_branch) == "live") == (branch == live_branch)
    for channel in (channels.of_preview(branch), channels.of_pull(branch)):
        assert channel.startswith("preview/") and channels.parse(channel) == channel
        assert channels.hosts("shop", channel, LOCAL) != channels.hosts("shop", "live", LOCAL)


def test_branches_keep_their_names() -> None:
    found = [channels.of_branch(name, "main") for name in ("main", "a", "feature/a", "pr-12", "live", "pr/12", "branch/x")]
    assert found == ["live", "preview/a", "preview/feature/a", "preview/pr-12", "preview/live", "preview/branch/pr/12",
                     "preview/branch/branch/x"]  # fmt: skip
    assert channels.of_pull("feature/a") == "preview/pr/feature/a"
    for nameless in ("", " "):
        with pytest.raises(UserError, match="needs a name"):
            channels.of_pull(nameless)


@pytest.mark.parametrize(
    ("key", "channel"),
    [("uploads/site.zip", "live"), ("uploads/live.zip", "live"), ("uploads/preview.zip", "live"), ("uploads/a b.zip", "live"),
     ("uploads/preview/pr-12/site.zip", "preview/pr-12"), ("uploads/preview/live/x.zip", "preview/live"),
     ("uploads/preview/feature/a/x.zip", "preview/feature/a"), ("uploads/preview/preview/x.zip", "preview/preview")],
)  # fmt: skip
def test_an_upload_s_key_says_where_it_goes(key: str, channel: str) -> None:
    assert channels.of_upload(key, "uploads/") == channel


@pytest.mark.parametrize(
    "key",
    ["other/x.zip", "x.zip", "uploads/x.txt", "uploads/.zip", "uploads/", "uploads/a/x.zip", "uploads/live/x.zip", "uploads//x.zip",
     "uploads/preview/x.zip", "uploads/preview//x.zip", "uploads/preview/a//x.zip", "uploads/preview/ /x.zip",
     "uploads/preview/a\n/x.zip", "uploads/preview/a/.zip", "uploads/Preview/a/x.zip", "more/uploads/x.zip"],
)  # fmt: skip
def test_other_keys_are_refused(key: str) -> None:
    with pytest.raises(UserError, match=r"says neither live nor a preview|control character"):
        channels.of_upload(key, "uploads/")


@given(BRANCH, BRANCH, st.sampled_from(["uploads/", "a/b/", "preview/"]))
def test_what_is_uploaded_for_a_preview_reaches_that_one_only(one: str, other: str, prefix: str) -> None:
    names = [name for name in (one, other) if name.isprintable() and all(part.strip() for part in name.split("/"))]
    found = [channels.of_upload(f"{prefix}preview/{name}/site.zip", prefix) for name in names]
    assert found == [f"preview/{name}" for name in names]


@pytest.mark.parametrize("name", ["", " ", "a\nb", "\x7f", "\udcff", "pr-\ud800"])
def test_names_that_no_preview_can_have(name: str) -> None:
    with pytest.raises(UserError, match=r"needs a name|control character|not UTF-8"):
        channels.preview_channel(name)
