"""What an answer of the request function amounts to for a visitor, worked out without the function's own code."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urljoin, urlsplit

from tests.functions.engines import Event
from tests.functions.sites import NAMED

STATUSES = {301, 302, 303, 307, 308, 401, 404, 405, 503}


def outcome(answer: dict[str, Any]) -> tuple[int, str]:
    """Status and place: a blob's path for a request that goes on to our origin (200), its URL for another origin, a Location."""
    if "uri" in answer:
        origin = answer.get("origin", {})
        if not origin:
            # The distribution has the query in its cache key, and S3 would read it.
            assert answer["querystring"] == {}, answer
            return 200, str(answer["uri"])
        custom = origin["customOriginConfig"]
        return 200, f"{custom['protocol']}://{origin['domainName']}:{custom['port']}{answer['uri']}"
    return int(answer["statusCode"]), answer["headers"].get("location", {"value": ""})["value"]


def landing(asked: Event, location: str) -> tuple[str, str]:
    """Host and path where a browser goes with a Location (URL Standard): tabs and line ends are dropped, a backslash is a slash."""
    host = asked["request"]["headers"].get("host", {"value": ""})["value"]
    cleaned = re.sub(r"[\t\r\n]", "", location).strip("".join(map(chr, range(33))))
    path, mark, rest = re.match(r"([^?#]*)([?#]?)(.*)", cleaned, re.DOTALL).groups()  # type: ignore[union-attr]
    path = path.replace("\\", "/")
    # However many slashes begin an authority, a browser takes what comes after them for the host.
    path = re.sub(r"^(https?:)?//+", lambda found: f"{found[1] or ''}//", path, flags=re.IGNORECASE)
    parts = urlsplit(urljoin(f"http://{host}/", path + mark + rest))
    return (parts.netloc.rpartition("@")[2] or "").lower(), parts.path


def leads_off(asked: Event, answer: dict[str, Any]) -> bool:
    """Whether an answer takes the visitor, or the request, to a host that no rule names."""
    status, place = outcome(answer)
    host = asked["request"]["headers"].get("host", {"value": ""})["value"].lower()
    if "origin" in answer:
        return (urlsplit(place).hostname or "") not in NAMED
    return 300 <= status < 400 and landing(asked, place)[0] not in {host, *NAMED}
