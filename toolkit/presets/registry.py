"""Presets: what is known of a framework. All of it is data (`data/presets.json`); adding one is an entry and a build spec."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from toolkit.errors import UserError
from toolkit.paths import resource

DATA_FILE = Path(__file__).parent.parent / "data" / "presets.json"


@dataclass(frozen=True)
class Preset:
    """A framework: how to find it, build it, and how its output is served.

    `language` is "node", "python" or "none"; `build` the command that its package brings; `output` the folder it writes unless
    told otherwise; `mode`, `immutable` as in `Settings`. `detect`, `output_from`, `several_pages` are what `detection` goes by.
    """

    name: str
    title: str
    language: str
    build: str
    output: str
    mode: str
    immutable: tuple[str, ...]
    detect: Mapping[str, Any]
    output_from: Mapping[str, str] = field(default_factory=dict)
    never_immutable: tuple[str, ...] = ()
    several_pages: str = ""
    verified: str = ""

    @property
    def spec_path(self) -> Path:
        """The build spec that comes with the preset."""
        return resource("build_specs") / f"{self.name}.yml"


@cache
def every() -> tuple[Preset, ...]:
    """All presets, specific before general."""
    return tuple(_preset(entry) for entry in json.loads(DATA_FILE.read_text(encoding="utf-8"))["presets"])


def _preset(entry: dict[str, Any]) -> Preset:
    globs = {key: tuple(entry.get(key, ())) for key in ("immutable", "never_immutable")}
    return Preset(**{**entry, **globs})


def get(name: str) -> Preset:
    """The preset of that name. UserError names those there are."""
    for preset in every():
        if preset.name == name:
            return preset
    raise UserError(f'there is no preset "{name}"', f"use one of: {', '.join(sorted(preset.name for preset in every()))}")
