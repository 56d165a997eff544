"""Events, patterns and transformers, as EventBridge's user guide has them: what the rehearsal takes for delivered must be."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.rehearsal.eventbus import matches, object_created, transformed
from tests.rehearsal.iam import BeyondThis

PATTERN = {
    "source": ["aws.s3"],
    "detail-type": ["Object Created"],
    "detail": {"bucket": {"name": ["zips"]}, "object": {"key": [{"wildcard": "uploads/*.zip"}]}},
}
TEMPLATE = '{"key": <key>, "said": "version <version>", "at": "<time>"}'
PATHS = {"key": "$.detail.object.key", "version": "$.detail.object.version-id", "time": "$.time"}


def event(key: str, bucket: str = "zips") -> dict[str, Any]:
    return object_created(bucket, key, "v1", 3, "0a", "eu-west-1")


@pytest.mark.parametrize(
    ("key", "taken"),
    [
        ("uploads/x.zip", True),
        ("uploads/preview/menu/x.zip", True),
        ("uploads/.zip", True),
        ("uploads/x.txt", False),
        ("other/x.zip", False),
        ("uploads/x.zip.part", False),
        ("uploadsXx.zip", False),
        ("UPLOADS/x.zip", False),
    ],
)
def test_a_key_is_taken_or_not(key: str, taken: bool) -> None:
    assert matches(PATTERN, event(key)) is taken
    assert not matches(PATTERN, event(key, "others"))


@given(st.text("upload/.zipx*\\", max_size=24))
@example("uploads/*.zip")
def test_one_star_is_a_beginning_and_an_end(key: str) -> None:
    expected = key.startswith("uploads/") and key.endswith(".zip") and len(key) >= len("uploads/.zip")
    assert matches(PATTERN, event(key)) is expected


def test_a_list_of_operators_means_either() -> None:
    either = {"detail": {"object": {"key": [{"prefix": "uploads/"}, {"suffix": ".zip"}]}}}
    assert matches(either, event("uploads/x.txt")) and matches(either, event("other/x.zip"))


def test_an_operator_that_is_not_known_is_no_match_and_no_miss() -> None:
    with pytest.raises(BeyondThis):
        matches({"detail": {"object": {"key": [{"contains": "x"}]}}}, event("x"))


def test_outside_of_quotes_a_value_becomes_json_and_inside_its_text() -> None:
    found = json.loads(transformed({"InputPathsMap": PATHS, "InputTemplate": TEMPLATE}, event('uploads/a "b" \\ü.zip')))
    assert (found["key"], found["said"]) == ('uploads/a "b" \\ü.zip', "version v1")
    assert found["at"].endswith("Z")


def test_a_quote_in_a_value_inside_of_quotes_breaks_it() -> None:
    broken = transformed({"InputPathsMap": PATHS, "InputTemplate": '{"key": "<key>"}'}, event('uploads/","x":".zip'))
    assert json.loads(broken) != {"key": 'uploads/","x":".zip'}


def test_a_path_that_eventbridge_would_not_read() -> None:
    with pytest.raises(BeyondThis):
        transformed({"InputPathsMap": {"key": "$.detail['object']"}, "InputTemplate": "<key>"}, event("x"))
