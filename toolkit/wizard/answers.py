"""What is asked and answered while site.toml is being made."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from toolkit.presets.project import Finding

OWN = "own"
OWN_SPEC = "buildspec.yml"
SOMETHING_ELSE = "something else"


class Asker(Protocol):
    """Someone who answers questions; without one (`None`) what cannot be found out is an error."""

    def choose(self, question: str, choices: Sequence[tuple[str, str]], default: str) -> str:
        """One of `choices` (value, text to show)."""

    def text(self, question: str, default: str) -> str:
        """A line of text, or the default."""

    def confirm(self, question: str, default: bool) -> bool:
        """Yes or no."""


@dataclass(frozen=True)
class Wishes:
    """What the command line says; empty means nothing."""

    name: str = ""
    preset: str = ""
    branch: str = ""
    root: str = ""
    output: str = ""
    mode: str = ""
    dialect: str = ""
    slashes: str = ""
    build_spec: str = ""
    build_command: str = ""
    node: str = ""
    package_manager: str = ""
    target: str = ""
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """A setting and why it is so."""

    value: str | list[str]
    why: str


@dataclass
class Plan:
    """What to write: `answers` by field of `sitefile.FIELDS`, a build spec of the site's own or None, remarks to print.

    `command` and `output` go into the own build spec.
    """

    answers: dict[str, Answer] = field(default_factory=dict)
    own_spec: Path | None = None
    command: str = ""
    output: str = ""
    findings: list[Finding] = field(default_factory=list)


def site_name(text: str) -> str:
    """`text` as a site's name: its letters and digits in lower case with single hyphens, at most 30; perhaps nothing is left."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:30].strip("-")
