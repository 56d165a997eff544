"""Errors as the person at the terminal meets them, and the exit codes they lead to."""

from __future__ import annotations

from toolkit.engine.errors import Unavailable, UserError

__all__ = [
    "EXIT_BUG",
    "EXIT_INTERRUPTED",
    "EXIT_OK",
    "EXIT_USAGE",
    "EXIT_USER",
    "INSTALL_AWS",
    "Unavailable",
    "UsageError",
    "UserError",
]

EXIT_OK = 0
EXIT_USER = 1
EXIT_USAGE = 2
EXIT_BUG = 3
EXIT_INTERRUPTED = 130
# What mends a missing library of the target aws. The toolkit is installed from its checkout: no package index has it.
INSTALL_AWS = "run `pip install '/path/to/the/checkout[aws]'`"


class UsageError(UserError):
    """The command line itself is wrong (exit code 2)."""
