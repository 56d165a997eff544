"""Checks a document against a JSON Schema and says what is wrong in a person's words.

Reads the part of draft 2020-12 that our own schemas use (`KEYWORDS`; a test holds them to it, another compares verdicts with the
`jsonschema` package). That package takes 140 ms of CPU to import, more than half of what a rollback may take in all.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

KEYWORDS = frozenset({
    "type", "enum", "pattern", "minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems", "uniqueItems",
    "items", "properties", "required", "additionalProperties", "propertyNames", "$ref", "$defs", "$schema", "$id", "title",
    "description", "default", "examples",
})  # fmt: skip
_NAMES = {
    "string": "a string",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a table",
    "null": "nothing",
}
Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: where (keys and list positions), what, and what would be right."""

    path: Path
    what: str
    fix: str


def check(value: object, schema: Mapping[str, Any]) -> list[Problem]:
    """Everything that `schema` forbids in `value`; empty when it is valid."""
    return list(_check(value, schema, (), schema))


def dotted(path: Path) -> str:
    """`("routing", "immutable", 0)` as `routing.immutable[0]`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def suggest(word: str, known: Iterable[str]) -> str:
    """ "did you mean "x"? " when one of `known` looks like `word`, else nothing."""
    import difflib

    close = difflib.get_close_matches(word, list(known), n=1)
    return f'did you mean "{close[0]}"? ' if close else ""


def _check(value: object, schema: Mapping[str, Any], path: Path, root: Mapping[str, Any]) -> Iterator[Problem]:
    if "$ref" in schema:
        schema = {**root["$defs"][schema["$ref"].removeprefix("#/$defs/")], **schema}
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    kind = _type(value)
    if types and kind not in types and not (kind == "integer" and "number" in types):
        wanted = " or ".join(_NAMES[name] for name in types)
        yield Problem(path, f"is {_NAMES.get(kind, kind)}", f"write {wanted}{_about(schema)}")
        return
    if "enum" in schema and value not in schema["enum"]:
        allowed = ", ".join(show(item) for item in schema["enum"])
        yield Problem(path, f"is {show(value)}", f"{suggest(str(value), map(str, schema['enum']))}allowed: {allowed}")
        return
    if isinstance(value, str):
        yield from _check_text(value, schema, path)
    elif isinstance(value, int | float):
        yield from _check_number(value, schema, path)
    elif isinstance(value, list):
        yield from _check_list(value, schema, path, root)
    elif isinstance(value, dict):
        yield from _check_table(value, schema, path, root)


def _check_text(value: str, schema: Mapping[str, Any], path: Path) -> Iterator[Problem]:
    wrong = "pattern" in schema and not re.search(schema["pattern"], value)
    if wrong or not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
        yield Problem(path, f"is {show(value)}", f"write {schema.get('description', 'something else')}")


def _check_number(value: float, schema: Mapping[str, Any], path: Path) -> Iterator[Problem]:
    low, high = schema.get("minimum"), schema.get("maximum")
    if (low is not None and not value >= low) or (high is not None and not value <= high):
        bounds = [f"at least {low}"] * (low is not None) + [f"at most {high}"] * (high is not None)
        yield Problem(path, f"is {show(value)}", f"write a number of {' and '.join(bounds)}{_about(schema)}")


def _check_list(value: Sequence[object], schema: Mapping[str, Any], path: Path, root: Mapping[str, Any]) -> Iterator[Problem]:
    if len(value) < schema.get("minItems", 0):
        yield Problem(path, "is empty", f"write a list{_about(schema)}")
    if len(value) > schema.get("maxItems", len(value)):
        yield Problem(path, f"has {len(value)} entries", f"write at most {schema['maxItems']}{_about(schema)}")
    if schema.get("uniqueItems"):
        for place, item in enumerate(value):
            if item in value[:place]:
                yield Problem((*path, place), f"repeats {show(item)}", "name each thing once")
    for place, item in enumerate(value):
        yield from _check(item, schema.get("items", {}), (*path, place), root)


def _check_table(value: Mapping[str, object], schema: Mapping[str, Any], path: Path, root: Mapping[str, Any]) -> Iterator[Problem]:
    known = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            yield Problem((*path, name), "is missing", f"add it: {known.get(name, {}).get('description', name)}")
    for name, item in value.items():
        extra = schema.get("additionalProperties", {})
        naming = schema.get("propertyNames", {})
        if name in known:
            yield from _check(item, known[name], (*path, name), root)
        elif extra is False:
            hint = suggest(name, known) or _elsewhere(name, path, root)
            yield Problem((*path, name), "is not a field", f"{hint}allowed here: {', '.join(sorted(known))}")
        elif wrong := list(_check(name, naming, (), root)):
            yield Problem((*path, name), "is no good name", wrong[0].fix)
        else:
            yield from _check(item, extra, (*path, name), root)


def _elsewhere(name: str, path: Path, root: Mapping[str, Any]) -> str:
    """Whether the field exists, only in another table."""
    if path and name in root.get("properties", {}):
        return f'"{name}" belongs above the first table. '
    return next((f'"{name}" belongs in [{dotted(table)}]. ' for table in _tables_with(name, root) if table != path), "")


def _tables_with(name: str, schema: Mapping[str, Any], path: Path = ()) -> Iterator[Path]:
    """Paths of the tables that have a field `name`, the outer ones first."""
    tables = {key: part for key, part in schema.get("properties", {}).items() if "properties" in part}
    yield from ((*path, key) for key, part in tables.items() if name in part["properties"])
    for key, part in tables.items():
        yield from _tables_with(name, part, (*path, key))


def _type(value: object) -> str:
    if value is None:
        return "null"
    for kind, name in ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "string")):
        if isinstance(value, kind):
            return name
    if isinstance(value, datetime.date | datetime.time):
        return "a date or time"
    return "array" if isinstance(value, list) else "object"


def _about(schema: Mapping[str, Any]) -> str:
    return f": {schema['description']}" if "description" in schema else ""


def show(value: object) -> str:
    """A value as it would stand in the file, cut to a readable length."""
    if isinstance(value, bool):
        return str(value).lower()
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 80 else text[:77] + "..."
