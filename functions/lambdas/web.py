"""HTTP as the handlers need it: the one place where they open a connection to anything but AWS's API."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from toolkit.engine.errors import Unavailable, UserError

SECONDS = 10.0
_BYTES = 32 << 20


@dataclass(frozen=True)
class Asked:
    """A request. A `body` makes it a POST."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Reply:
    """What came back, headers in lower case. Redirects are not followed: they are an answer too."""

    status: int
    headers: Mapping[str, str]
    body: bytes


Fetch = Callable[[Asked], Reply]


def fetch(asked: Asked) -> Reply:
    """One request over TLS, at most 10 s between two signs of life.

    Unavailable when there is no answer, UserError for what is no https URL.
    """
    url = urlsplit(asked.url)
    if url.scheme != "https" or not url.hostname:
        raise UserError(f"{url.scheme}://{url.hostname}/ is not an https address", "give an address that begins with https://")
    target = f"{url.path or '/'}{'?' + url.query if url.query else ''}"
    connection = http.client.HTTPSConnection(url.hostname, url.port, timeout=SECONDS)
    try:
        connection.request("POST" if asked.body else "GET", target, asked.body or None, dict(asked.headers))
        reply = connection.getresponse()
        headers = {name.lower(): value for name, value in reply.getheaders()}
        return Reply(reply.status, headers, reply.read(_BYTES))
    except (OSError, http.client.HTTPException) as error:
        raise Unavailable(f"https://{url.hostname} does not answer: {error}") from error
    finally:
        connection.close()
