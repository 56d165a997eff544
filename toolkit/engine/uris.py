"""Canonical paths: one spelling for all the ways in which a path can be percent-encoded.

A canonical path is what JavaScript's `encodeURI` makes of the decoded path, with `?` and `#` encoded too and `%2F` left as it is
(an encoded slash is no separator: RFC 3986, section 2.2). It is ASCII without spaces, quotes, backslashes and control characters,
so that parts of it can go into a Location. Patterns are matched against it, by this package and by viewer_request.js.
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

# The characters that `encodeURI` leaves alone (ECMA-262, 19.2.6.4) beside letters, digits and _.-~, without `#` and `?`.
_KEPT = ";,/:@&=+$!*'()"
_SLASH = re.compile("%2f", re.IGNORECASE)


def canonical(path: str) -> str:
    """The canonical form of a path as it stands in a URL or in a rule file. ValueError when its percent-encoding is not UTF-8."""
    try:
        return "%2F".join(quote(unquote(part, errors="strict"), safe=_KEPT) for part in _SLASH.split(path))
    except UnicodeError:
        raise ValueError(f"the percent-encoding in {path!r} is not UTF-8") from None


def canonical_of(decoded: str) -> str:
    """The canonical form of a path as its file is named."""
    return quote(decoded, safe=_KEPT)


def decoded(path: str) -> str:
    """How a file with this address is named. ValueError as for `canonical`."""
    try:
        return unquote(path, errors="strict")
    except UnicodeError:
        raise ValueError(f"the percent-encoding in {path!r} is not UTF-8") from None
