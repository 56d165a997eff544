"""Our schema reader against the `jsonschema` package: the same verdicts, on our own schemas."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from toolkit import config
from toolkit.builds import spec as buildspec
from toolkit.schema import KEYWORDS, check, dotted, suggest

SCHEMAS = {path.name: json.loads(path.read_text()) for path in (config.SCHEMA_FILE, buildspec.SCHEMA_FILE)}


@pytest.mark.parametrize("name", SCHEMAS)
def test_our_schemas_are_valid_and_use_what_we_read(name: str) -> None:
    Draft202012Validator.check_schema(SCHEMAS[name])
    for part in _schemas_in(SCHEMAS[name]):
        assert set(part) <= KEYWORDS
        assert "description" in part or not set(part) & {"pattern"} or part.get("type") != "string", part


def _schemas_in(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield schema
    for key in ("properties", "$defs"):
        for part in schema.get(key, {}).values():
            yield from _schemas_in(part)
    for key in ("items", "additionalProperties", "propertyNames"):
        if isinstance(schema.get(key), dict):
            yield from _schemas_in(schema[key])


def documents(schema: dict[str, Any], root: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that often fit the schema, and often just do not."""
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    words = [str(item) for item in schema.get("enum", [])] + [str(item) for item in schema.get("examples", [])]
    odd = st.one_of(
        st.none(), st.booleans(), st.integers(-2, 2000), st.floats(0.1, 0.9), st.text(max_size=6), st.just([]), st.just({})
    )
    names = ["", "a", "/a", "..", "a/../b", "x\n", "A_B", "CODEBUILD_X", "www.a.com", "RETRY-3", "yes", *words]
    fitting: dict[str, st.SearchStrategy[Any]] = {
        "string": st.sampled_from(names),
        "integer": st.integers(-1, 1001),
        "number": st.one_of(st.integers(-1, 400), st.floats(0.1, 0.9)),
        "boolean": st.booleans(),
        "null": st.none(),
    }
    kinds = schema.get("type", "string")
    choices = [odd]
    for kind in [kinds] if isinstance(kinds, str) else kinds:
        if kind == "array":
            choices += [st.lists(documents(schema.get("items", {}), root), max_size=schema.get("maxItems", 2) + 1)] * 3
        elif kind == "object":
            known = {name: documents(part, root) for name, part in schema.get("properties", {}).items()}
            extra = schema.get("additionalProperties")
            other = documents(extra, root) if isinstance(extra, dict) else odd
            keys = st.sampled_from(["A", "A_B", "b-c", "CODEBUILD_X", "x"])
            fixed = st.fixed_dictionaries({}, optional=known)
            choices += [fixed] * 3
            choices.append(st.builds(lambda one, two: {**two, **one}, fixed, st.dictionaries(keys, other, max_size=2)))
        else:
            choices += [fitting[kind]] * 3
    return st.one_of(choices)


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_same_verdicts(name: str) -> None:
    schema = SCHEMAS[name]
    oracle = Draft202012Validator(schema)

    @settings(max_examples=300, deadline=None)
    @given(documents(schema, schema))
    def compare(document: Any) -> None:
        problems = check(document, schema)
        assert bool(problems) != oracle.is_valid(document), problems
        assert all(problem.fix for problem in problems)

    compare()


def test_words() -> None:
    assert dotted(("a", "b", 0, "c")) == "a.b[0].c"
    assert suggest("kep", ["keep", "name"]) == 'did you mean "keep"? '
    assert suggest("zzz", ["keep"]) == ""


def test_schema_files_end_with_a_newline() -> None:
    assert all(Path(path).read_bytes().endswith(b"}\n") for path in (config.SCHEMA_FILE, buildspec.SCHEMA_FILE))


def test_a_field_of_another_table_is_said_to_be_there() -> None:
    schema = {
        "properties": {
            "keep": {"type": "integer"},
            "aws": {"properties": {"region": {}, "build": {"properties": {"compute": {}}}}, "additionalProperties": False},
        },
        "additionalProperties": False,
    }
    said = {name: check({name: 1}, schema)[0].fix for name in ("region", "compute")}
    assert said["region"].startswith('"region" belongs in [aws]. ')
    assert said["compute"].startswith('"compute" belongs in [aws.build]. ')
    assert check({"aws": {"keep": 1}}, schema)[0].fix.startswith('"keep" belongs above the first table. ')
