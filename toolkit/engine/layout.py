"""Keys of everything that is stored: one place, so that no two modules can disagree."""

from __future__ import annotations

import re
import time

from toolkit.engine.errors import UserError

_SITE = re.compile(r"[a-z0-9](-?[a-z0-9])*")
_VERSION = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{7}")


def check_site(site: str) -> str:
    if not _SITE.fullmatch(site) or len(site) > 30 or site.startswith("xn-"):
        raise UserError(f"{site!r} is not a site name", "use 1 to 30 lowercase letters, digits and single hyphens, such as my-blog")
    return site


def version_id(moment: float, digest: str) -> str:
    """An id that sorts by time: `20261120T231500Z-1a2b3c4`. `moment` in seconds since the epoch, `digest` in hex."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(moment)) + "-" + digest[:7]


def is_version(text: str) -> bool:
    return bool(_VERSION.fullmatch(text))


def blob(site: str, key: str) -> str:
    return f"{site}/blobs/{key}"


def manifest(site: str, version: str) -> str:
    return f"{site}/versions/{version}.json"


def build_log(site: str, version: str) -> str:
    return f"{site}/logs/{version}.log"


def ledger(site: str, channel: str, number: int) -> str:
    """Zero-padded, so that a listing is in order."""
    return f"{ledger_prefix(site, channel)}{number:08d}.json"


def ledger_prefix(site: str, channel: str) -> str:
    # A branch name may hold anything that git allows; percent-encoding keeps it one safe path segment below its kind.
    kind, _, name = channel.partition("/")
    return f"{site}/releases/{kind}/{_segment(name)}/" if name else f"{site}/releases/{kind}/"


def pin(site: str, version: str) -> str:
    return f"{site}/pins/{version}.json"


def runs(site: str) -> str:
    """Below it, one record for each run of a release workflow."""
    return f"{site}/runs/"


def locks(site: str) -> str:
    return f"{site}/locks/"


def host_key(host: str) -> str:
    return f"h:{host}"


def channel_key(site: str, channel: str) -> str:
    kind, _, name = channel.partition("/")
    return f"c:{site}/{kind}/{_segment(name)}" if name else f"c:{site}/{kind}"


def access_key(site: str, channel: str) -> str:
    """Of a channel's access record; `preview/` without a name is that of all previews."""
    return f"s{channel_key(site, channel)[1:]}"


def table_key(site: str, version: str) -> str:
    return f"v:{site}/{version}"


def _segment(name: str) -> str:
    safe = re.sub(rb"[^A-Za-z0-9_-]", lambda match: b"=%02X" % match[0][0], name.encode())
    # 255 bytes is what file systems hold in one name; `.json` and the like come on top.
    if len(safe) > 240:
        raise UserError(f"the name {name[:40]!r}… is too long for a channel", "use a shorter branch name")
    return safe.decode()
