"""The libraries in the layer are wheels for the very runtime that the functions have."""

from __future__ import annotations

from toolkit import bundle
from toolkit.cdk import functions


def test_the_libraries_are_for_the_runtime_that_the_functions_have() -> None:
    assert functions.RUNTIME.name == f"python{bundle.PYTHON}"
