"""What is asked before something is lost, and what counts as yes."""

from __future__ import annotations

import subprocess
import sys

import pytest

ASK = """
import sys
from toolkit.commands import common
from toolkit.errors import UserError
try:
    common.confirm("Go on?", False, True) if sys.argv[1] == "yes" else common.confirm_name("Sure?", "blog", False, True)
except UserError as error:
    print(error.what, "|", error.fix)
else:
    print("agreed")
"""


@pytest.mark.parametrize(
    ("kind", "typed", "says"),
    [
        ("yes", "y\n", "agreed"),
        ("yes", "YES\n", "agreed"),
        ("yes", "\n", "nothing was changed | answer y to go on"),
        ("yes", "", "nothing was changed | answer y to go on"),
        ("name", "blog\n", "agreed"),
        ("name", "Blog\n", "nothing was changed | type blog to go on"),
        ("name", "", "nothing was changed | type blog to go on"),
    ],
)
def test_an_answer(kind: str, typed: str, says: str) -> None:
    """No text at all is Ctrl-D. What is asked is no part of the result."""
    done = subprocess.run([sys.executable, "-c", ASK, kind], input=typed, capture_output=True, text=True, check=False)
    assert done.stdout == f"{says}\n", done.stderr
    assert ("Go on?" if kind == "yes" else "Type blog") in done.stderr
