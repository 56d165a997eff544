"""Errors that the engine raises. Each says what happened and where, and what mends it."""

from __future__ import annotations


class UserError(Exception):
    """Something that the person at the terminal can mend (exit code 1).

    `what` is one sentence naming the thing and the place; `fix` is what to do about it.
    """

    def __init__(self, what: str, fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix


class NotFound(Exception):
    """A store holds nothing under the key in `args[0]`."""


class Conflict(Exception):
    """The store changed since its ETag was read: nothing was written, read again and retry."""


class Busy(UserError):
    """Others are at it and nothing was done; the same command will do later."""


class LimitExceeded(UserError):
    """A limit of the store would be passed (key, value, batch or store size): nothing was written."""


class VersionTaken(UserError):
    """Another publication of that second and commit has the version's id, and other content."""


class Superseded(UserError):
    """The channel already serves a newer release; the version is published but was not released."""


class Unavailable(Exception):
    """A passing fault of a store (throttled, reply lost): whether the write took effect is unknown, a retry is safe."""
