"""Errors of the constructs. In somebody's own app they end in a traceback, which shows a note but not the field `fix`."""

from __future__ import annotations

from toolkit.errors import UserError


class PropertyError(UserError):
    """A construct was given a value that does not fit: `what` names it, `fix` says what does."""

    def __init__(self, what: str, fix: str) -> None:
        super().__init__(what, fix)
        self.add_note(f"fix: {fix}")
