"""Writes the 200 pages of the book while MkDocs collects its files, so that the repository stays a few kilobytes."""

from __future__ import annotations

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

LAST = 200
ROMAN = ((100, "C"), (90, "XC"), (50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"))


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    files.append(File.generated(config, "numbers/index.md", content=contents()))
    for number in range(1, LAST + 1):
        files.append(File.generated(config, f"numbers/{number}.md", content=page(number)))
    return files


def contents() -> str:
    rows = [f"[{number}]({number}.md)" for number in range(1, LAST + 1)]
    lines = (" · ".join(rows[start : start + 20]) for start in range(0, LAST, 20))
    return "# All numbers\n\n" + "\n\n".join(lines) + "\n"


def page(number: int) -> str:
    divisors = [n for n in range(1, number + 1) if number % n == 0]
    links = ", ".join(f"[{n}]({n}.md)" if n != number else str(n) for n in divisors)
    return f"""# {number}

{number} is {kind(number, divisors)}.

| Written as | |
| --- | --- |
| Roman | {roman(number)} |
| Binary | `{number:b}` |
| Hexadecimal | `{number:x}` |

## Divisors

{links}. Their sum is {sum(divisors)}.
"""


def kind(number: int, divisors: list[int]) -> str:
    rest = sum(divisors) - number
    if number == 1:
        return "the unit: neither prime nor composite"
    if len(divisors) == 2:
        return "a prime: only 1 and itself divide it"
    if rest == number:
        return "perfect: the sum of its proper divisors is the number itself"
    return f"composite and {'abundant' if rest > number else 'deficient'}: its proper divisors add up to {rest}"


def roman(number: int) -> str:
    text = ""
    for value, letters in ROMAN:
        text += letters * (number // value)
        number %= value
    return text
