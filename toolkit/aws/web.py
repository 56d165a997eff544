"""HTTP as a visitor speaks it, for what only a running site can prove: the one place that connects to anything but AWS's API."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from toolkit.engine.errors import Unavailable

SECONDS = 10.0
_BYTES = 32 << 20


@dataclass(frozen=True)
class Asked:
    """A request."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "GET"
    body: bytes = b""


@dataclass(frozen=True)
class Reply:
    """What came back, headers in lower case. Redirects are not followed: they are an answer too."""

    status: int
    headers: Mapping[str, str]
    body: bytes


Fetch = Callable[[Asked], Reply]


def fetch(asked: Asked) -> Reply:
    """One request, at most 10 s between two signs of life. Unavailable when there is no answer, or no valid certificate."""
    url = urlsplit(asked.url)
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    connection = kind(url.hostname or "", url.port, timeout=SECONDS)
    try:
        target = f"{url.path or '/'}{'?' + url.query if url.query else ''}"
        connection.request(asked.method, target, asked.body or None, dict(asked.headers))
        reply = connection.getresponse()
        return Reply(reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read(_BYTES))
    except (OSError, http.client.HTTPException) as error:
        raise Unavailable(f"{url.scheme}://{url.hostname} does not answer: {error}") from error
    finally:
        connection.close()
