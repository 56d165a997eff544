"""Secrets never reach a log, however the output is cut."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from toolkit.builds.log import BuildLog, Masker

SECRETS = st.lists(st.text(alphabet="abc\n", min_size=4, max_size=9), min_size=1, max_size=3)


@given(SECRETS, st.lists(st.text(alphabet="abcx\n", max_size=12), max_size=8), st.data())
def test_cuts_do_not_matter(secrets: list[str], parts: list[str], data: st.DataObject) -> None:
    places = [data.draw(st.sampled_from([*parts, *secrets])) for _ in range(4)] if parts else secrets
    whole = "".join(places).encode()
    masker = Masker(secrets)
    cut = data.draw(st.lists(st.integers(0, len(whole)), max_size=6).map(sorted))
    pieces = [whole[start:end] for start, end in zip([0, *cut], [*cut, len(whole)], strict=True)]
    shown = b"".join([masker.feed(piece) for piece in pieces] + [masker.flush()])
    at_once = Masker(secrets)
    assert shown == at_once.feed(whole) + at_once.flush()
    for secret in secrets:
        assert secret.encode() not in shown


def test_only_what_could_be_a_secret_is_held_back() -> None:
    masker = Masker(["password"])
    assert masker.feed(b"at once ") == b"at once "
    assert masker.feed(b"pass") == b""
    assert masker.feed(b"age ") == b"passage "
    assert masker.feed(b"passwordpass") == b"***"
    assert masker.flush() == b"pass"


def test_a_longer_secret_wins() -> None:
    masker = Masker(["abcd", "abcdefgh"])
    assert masker.feed(b"abcd") == b""
    assert masker.feed(b"efgh abcd ") == b"*** *** "


def test_short_values_do_not_blot_out_the_log() -> None:
    assert Masker(["1", "yes"]).feed(b"1 yes") == b"1 yes"


def test_line_endings_and_bytes_that_are_no_text(tmp_path: Path) -> None:
    lines: list[str] = []
    with BuildLog(tmp_path / "sub" / "log", lines.append, tail=3) as log:
        for piece in (b"one\r", b"\ntwo\rthr", b"ee\n\xff\n", b"last"):
            log.piece(piece)
        log.line("ours")
    assert lines == ["one", "two", "three", "\ufffd", "last", "ours"]
    assert list(log.tail) == ["\ufffd", "last", "ours"]
    assert (tmp_path / "sub" / "log").read_text().splitlines() == lines
