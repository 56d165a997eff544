"""What stands before a channel: a password, a maintenance page, a canonical host.

A channel's access record (`s:<site>/<channel>` in the route store) outlives its releases: each reads it under the tag that its flip
depends on, so a preview never shows a new version without its password. `s:<site>/preview` speaks for all previews, also for those
to come. The format of a gate is in docs/routing-data.md.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from base64 import b64encode
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

from toolkit.engine import channels, layout
from toolkit.engine.errors import UserError
from toolkit.engine.model import MAINTENANCE_FILES, Manifest, Release, canonical
from toolkit.engine.pointers import NONE

Get = Callable[[str], str | None]
_SALT_BYTES = 8


@dataclass(frozen=True)
class Access:
    """Who sees a channel. `password` is `<salt>.<digest>` (see `sealed`), never the password itself; `user` is for people to read.

    `open`: without a password although all previews have one.
    """

    password: str = ""
    user: str = ""
    open: bool = False
    maintenance: bool = False

    def to_json(self) -> str:
        return canonical({name: value for name, value in asdict(self).items() if value}).decode()


def parse(text: str | None) -> Access:
    """What a record says, nothing where there is none. UserError when it is damaged."""
    try:
        return Access(**json.loads(text)) if text else Access()
    except (ValueError, TypeError) as error:
        raise UserError(f"an access record is damaged: {error}", "write it again: toolkit preview protect, or unprotect") from None


def own(get: Get, site: str, channel: str) -> Access:
    """The record of the channel itself (`channels.PREVIEW`: of all previews). UserError when it is damaged: nothing opens then."""
    return parse(get(layout.access_key(site, channel)))


def read(get: Get, site: str, channel: str) -> Access:
    """What applies to a channel: its own record, else for a preview that of all previews."""
    mine = own(get, site, channel)
    if mine.password or mine.open or not channel.startswith(channels.PREVIEW):
        return mine
    everyone = own(get, site, channels.PREVIEW)
    return replace(mine, password=everyone.password, user=everyone.user)


def sealed(user: str, password: str) -> str:
    """`<salt>.<SHA-256 of "salt:credentials", in hex>`, the credentials as browsers send them.

    That is base 64 of "user:password" (RFC 7617, section 2): the edge compares without decoding.
    """
    salt, credentials = secrets.token_hex(_SALT_BYTES), b64encode(f"{user}:{password}".encode()).decode()
    return f"{salt}.{hashlib.sha256(f'{salt}:{credentials}'.encode()).hexdigest()}"


def gate(access: Access, record: Release, host: str, page: Callable[[], str]) -> str:
    """The gate of one host of a channel; `page` gives the blob of the version's maintenance page, or NONE.

    A host that only redirects does so whatever else holds: the place that it leads to has the other gates. The site's own host (the
    first one) never redirects, so that there is always a way in that needs no DNS of the user's.
    """
    if record.canonical and host not in (record.hosts[0], record.canonical.partition(":")[0]):
        return f"r{record.canonical}"
    if access.maintenance:
        return f"m{page()}"
    return f"p{access.password}" if access.password else NONE


def maintenance_page(manifest: Manifest) -> str:
    """Blob of the page that the version brings for its own maintenance, or NONE."""
    keys = [f"503{file}" for file in MAINTENANCE_FILES]
    found = [manifest.error_pages[key].blob for key in keys if key in manifest.error_pages]
    return found[0] if found else NONE
