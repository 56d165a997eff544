"""The code of an edge function as CloudFront and the local edge run it: without what JavaScript does not need.

Comments, white space, and semicolons and line ends where a statement ends anyway count in CloudFront's 10 KB.

Names and statements stay as they are written: a minifier that knows more moves `await` to where CloudFront's runtime refuses it.
"""

from __future__ import annotations

import re
from pathlib import Path

# Texts, which stay as they are; then a semicolon before a closing brace, and a line end between one and a word that can only begin
# a statement. tests/functions compares syntax trees: what is sent is what was written.
_NEEDLESS = re.compile(
    r"""(?P<text>'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`)"""
    r"""|;(?=\})|(?<=\})\n(?=(?:async|const|for|function|if|let|return|throw|try|while)\b)"""
)


def edge_code(path: Path) -> str:
    """The function in the file `path`. OSError when it cannot be read, UnicodeDecodeError when it is not UTF-8."""
    return compact(path.read_text(encoding="utf-8"))


def compact(source: str) -> str:
    """The same JavaScript in fewer bytes."""
    import rjsmin  # type: ignore[import-untyped]

    return _NEEDLESS.sub(lambda found: found["text"] or "", str(rjsmin.jsmin(source)))
