"""The values that the engine passes around. All are immutable; times are seconds since the epoch, sizes are bytes.

Paths of assets are decoded Unicode with a leading slash, exactly as the files are named: `/café/ten.txt`.
"""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from toolkit.engine.errors import UserError

MANIFEST_FORMAT = 1
BLOB_KEY_LENGTH = 22


@dataclass(frozen=True)
class Source:
    """Where a version's files came from. `time` orders releases: the moment of the push, upload or command."""

    kind: str  # "git", "zip", "folder"
    time: float
    commit: str = ""
    branch: str = ""
    message: str = ""
    author: str = ""


@dataclass(frozen=True)
class HeaderRule:
    """Response headers for the paths that `pattern` matches (`*` matches anything, also slashes). `line` is for messages."""

    pattern: str
    headers: Mapping[str, str]
    line: int = 0


@dataclass(frozen=True)
class Redirect:
    """An exact redirect: `path` is decoded, `target` is what goes into Location (percent-encoded)."""

    path: str
    target: str
    status: int = 301
    force: bool = False
    line: int = 0


@dataclass(frozen=True)
class Settings:
    """How a version answers; sealed into its manifest, so a rollback also restores the rules.

    `mode` is "site" (a missing page is a 404) or "spa" (it is `/index.html`). `clean_urls`: `/about` serves `about.html`.
    `immutable` holds globs of files whose names carry a hash (`?` is one character of the hash, `*` stays inside a folder).
    """

    mode: str = "site"
    not_found: str = "/404.html"
    clean_urls: bool = True
    immutable: tuple[str, ...] = ()
    carry_days: float = 7.0


@dataclass(frozen=True)
class Asset:
    """One file of a version. `blob` is the key of its bytes and headers under `<site>/blobs/`; `sha256` is of the bytes, in hex."""

    path: str
    sha256: str
    size: int
    blob: str
    headers: Mapping[str, str]
    immutable: bool = False


@dataclass(frozen=True)
class Manifest:
    """A sealed version: every asset, every rule, where it came from. `carried` are assets of earlier versions for old tabs."""

    site: str
    version: str
    created: float
    source: Source
    settings: Settings
    assets: Mapping[str, Asset]
    error_pages: Mapping[str, Asset] = field(default_factory=dict)
    redirects: tuple[Redirect, ...] = ()
    carried: Mapping[str, Asset] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Hex SHA-256 of what visitors can see of this version: equal for equal content, whenever it was built."""
        seen = {
            "assets": {path: asset.blob for path, asset in self.assets.items()},
            "errors": {path: asset.blob for path, asset in self.error_pages.items()},
            "redirects": [asdict(rule) for rule in self.redirects],
            "settings": asdict(self.settings),
        }
        return hashlib.sha256(canonical(seen)).hexdigest()

    def blobs(self) -> set[str]:
        """Keys of all blobs that this version needs."""
        groups = (self.assets, self.error_pages, self.carried)
        return {asset.blob for group in groups for asset in group.values()}

    def to_json(self) -> bytes:
        """The sealed form: `seal` is the SHA-256 of everything else in it."""
        body = canonical({"format": MANIFEST_FORMAT, "digest": self.digest, "seal": "", **asdict(self)})
        seal = hashlib.sha256(body.replace(_seal_member(""), b"", 1)).hexdigest()
        return body.replace(_seal_member(""), _seal_member(seal), 1)

    @classmethod
    def from_json(cls, body: bytes) -> Manifest:
        """Read a sealed manifest. UserError when it is damaged or of a format that this release does not know."""
        try:
            data = _object(body)
            if data["format"] != MANIFEST_FORMAT:
                raise UserError(
                    f"manifest {data.get('version')} has format {data['format']}, this toolkit reads {MANIFEST_FORMAT}",
                    "upgrade the toolkit",
                )
            # The seal is over the very bytes that stand around it: nothing is written again to check it.
            seal = data["seal"]
            if seal != hashlib.sha256(body.replace(_seal_member(seal), b"", 1)).hexdigest():
                raise UserError(f"manifest {data.get('version')} does not match its seal", "deploy the site again")
            return cls(
                site=data["site"],
                version=data["version"],
                created=data["created"],
                source=Source(**data["source"]),
                settings=Settings(**{**data["settings"], "immutable": tuple(data["settings"]["immutable"])}),
                assets=_assets(data["assets"]),
                error_pages=_assets(data["error_pages"]),
                redirects=tuple(Redirect(**rule) for rule in data["redirects"]),
                carried=_assets(data["carried"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"a manifest is damaged: {error}", "deploy the site again") from error


@dataclass(frozen=True)
class Release:
    """One entry of a channel's ledger: `number` counts from 1 and never repeats within a channel.

    `order` decides which of two releases is newer: the source's time for a build, the moment of the command for a rollback.
    `token` identifies the attempt, so that a retry after a lost reply recognises its own work. `reason` is "deploy", "push",
    "rollback", "promote" or "remove"; a removed channel's record has an empty `version`.
    """

    site: str
    channel: str
    number: int
    version: str
    order: float
    at: float
    who: str
    reason: str
    token: str
    hosts: tuple[str, ...] = ()
    commit: str = ""
    note: str = ""

    def to_json(self) -> str:
        return canonical(asdict(self)).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> Release:
        data: dict[str, Any] = json.loads(text)
        return cls(**{**data, "hosts": tuple(data["hosts"])})


def _seal_member(seal: str) -> bytes:
    """As it stands in canonical JSON, where it cannot be part of a string: those have their quotes escaped."""
    return b'"seal":%s,' % canonical(seal)


def _object(body: bytes) -> dict[str, Any]:
    data = json.loads(body)
    if not isinstance(data, dict):
        raise ValueError("it is no JSON object")
    return data


def _assets(data: Mapping[str, Mapping[str, Any]]) -> dict[str, Asset]:
    return {path: Asset(**asset) for path, asset in data.items()}


def canonical(value: object) -> bytes:
    """JSON with sorted keys and no spaces: equal values give equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def blob_key(sha256: str, headers: Mapping[str, str]) -> str:
    """The key of a blob: 132 bits of the digest over content and headers, URL-safe."""
    digest = hashlib.sha256(canonical([sha256, dict(headers)])).digest()
    return urlsafe_b64encode(digest)[:BLOB_KEY_LENGTH].decode()
