"""Questions to the person at the terminal, with arrow keys."""

from __future__ import annotations

from collections.abc import Sequence

import questionary


class Questions:
    """Asks the person at the terminal. Ctrl-C raises KeyboardInterrupt."""

    def choose(self, question: str, choices: Sequence[tuple[str, str]], default: str) -> str:
        listed = [questionary.Choice(title=text, value=value) for value, text in choices]
        return str(questionary.select(question, choices=listed, default=default).unsafe_ask())

    def text(self, question: str, default: str) -> str:
        return str(questionary.text(question, default=default).unsafe_ask())

    def confirm(self, question: str, default: bool) -> bool:
        return bool(questionary.confirm(question, default=default).unsafe_ask())
