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

MANIFEST_FORMAT = 2
# Of a version's files, those that are shown during maintenance: the first that is there, as a 503.
MAINTENANCE_FILES = ("/503.html", "/maintenance.html")
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
    """Response headers for what `pattern` matches; an empty value takes a header out that an earlier rule, or the edge, would set.

    `pattern` is a regular expression over the whole canonical path (`engine.uris`), within what Python and both JavaScript engines
    read alike. `{1}`, `{2}` … in a value stand for its groups. `source` and `line` are for messages.
    """

    pattern: str
    headers: Mapping[str, str]
    line: int = 0
    source: str = ""
    ignore_case: bool = False
    file: str = "_headers"


@dataclass(frozen=True)
class Rule:
    """A redirect or a rewrite, in whichever dialect it was written. Of those that hold, the first one in the file answers.

    `paths`: decoded paths that it answers exactly (all groups are then empty). `pattern`: a regular expression over the whole
    canonical path ("" = only `paths`); everything it matches begins with the canonical folder `prefix` ("/", "/news/").
    `target`: a canonical path or an http(s) URL, in which `{1}`, `{2}` … stand for the pattern's groups and, counted on, for the
    captured query values; "" is the site's own error page. `status` 3xx is a redirect, 200 a rewrite (of a URL: a proxy), any other
    one the page at `target` under that status. `force`: also where a file has the path.

    The conditions all have to hold: `query` pairs of a name and a value ("{}" captures any value), `countries` (ISO 3166-1, lower
    case), `languages` (BCP 47, lower case), `cookies` (names that are there), `host` and `scheme`. `text` is the rule as written.
    """

    line: int
    text: str
    status: int
    target: str
    paths: tuple[str, ...] = ()
    pattern: str = ""
    prefix: str = "/"
    force: bool = False
    query: tuple[tuple[str, str], ...] = ()
    countries: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    cookies: tuple[str, ...] = ()
    host: str = ""
    scheme: str = ""
    file: str = "_redirects"

    @property
    def is_conditional(self) -> bool:
        """Whether more than the path decides."""
        return bool(self.query or self.countries or self.languages or self.cookies or self.host or self.scheme)

    @property
    def is_redirect(self) -> bool:
        return 300 <= self.status < 400


@dataclass(frozen=True)
class Settings:
    """How a version answers; sealed into its manifest, so a rollback also restores the rules.

    `dialect`: whose rule files `_redirects` and `_headers` are (`engine.dialects`). `slashes`: the policy that decides under which
    addresses a page answers (`engine.slashes`). `mode` is "site" (a missing page is a 404) or "spa" (it is `/index.html`).
    `immutable` holds globs of files whose names carry a hash (`?` is one character of the hash, `*` stays inside a folder).
    """

    mode: str = "site"
    not_found: str = "/404.html"
    dialect: str = "netlify"
    slashes: str = "auto"
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
class Fallback:
    """What answers for missing paths that `pattern` (as in `Rule`) covers: `page`, a key of `Manifest.error_pages`, or a bare 404
    with `headers`."""

    pattern: str
    prefix: str
    page: str
    headers: Mapping[str, str] = field(default_factory=dict)
    ignore_case: bool = False


@dataclass(frozen=True)
class Manifest:
    """A sealed version: every asset, every rule, where it came from. `carried` are assets of earlier versions for old tabs.

    `variants`: address -> the asset there, where it differs in headers from the file's own. `error_pages`: pages that answer under
    another status than 200; the key is that status and the file, "404/404.html", and for more than one of them "#" and a number.
    `fallback`: the file that answers for what is missing ("" none, "/index.html" for pages, "*/index.html" for everything);
    `fallbacks` come before it, the first that covers a path answers.
    """

    site: str
    version: str
    created: float
    source: Source
    settings: Settings
    assets: Mapping[str, Asset]
    error_pages: Mapping[str, Asset] = field(default_factory=dict)
    variants: Mapping[str, Asset] = field(default_factory=dict)
    redirects: tuple[Rule, ...] = ()
    header_rules: tuple[HeaderRule, ...] = ()
    fallback: str = ""
    fallbacks: tuple[Fallback, ...] = ()
    carried: Mapping[str, Asset] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Hex SHA-256 of what visitors can see of this version: equal for equal content, whenever it was built."""
        groups = {"assets": self.assets, "errors": self.error_pages, "variants": self.variants}
        seen = {
            **{name: {path: asset.blob for path, asset in group.items()} for name, group in groups.items()},
            "redirects": [asdict(rule) for rule in self.redirects],
            "headers": [asdict(rule) for rule in self.header_rules],
            "fallback": [self.fallback, [asdict(one) for one in self.fallbacks]],
            "settings": asdict(self.settings),
        }
        return hashlib.sha256(canonical(seen)).hexdigest()

    def served_at(self, address: str, file: str) -> Asset:
        """The asset that `file` answers with at `address`."""
        return self.variants.get(address) or self.assets[file]

    def blobs(self) -> set[str]:
        """Keys of all blobs that this version needs."""
        groups = (self.assets, self.error_pages, self.variants, self.carried)
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
                variants=_assets(data["variants"]),
                redirects=tuple(_rule(rule) for rule in data["redirects"]),
                header_rules=tuple(HeaderRule(**rule) for rule in data["header_rules"]),
                fallback=data["fallback"],
                fallbacks=tuple(Fallback(**one) for one in data["fallbacks"]),
                carried=_assets(data["carried"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"a manifest is damaged: {error}", "deploy the site again") from error


@dataclass(frozen=True)
class Release:
    """One entry of a channel's ledger: `number` counts from 1 and never repeats within a channel.

    `order` decides which of two releases is newer: the source's time for a build, the moment of the command for a rollback.
    `token` identifies the attempt, so that a retry after a lost reply recognises its own work. `reason` is "deploy", "push",
    "rollback", "promote", "canary", "remove" or "expire"; a removed channel's record has an empty `version`.

    While a canary runs, `percent` of the visitors get the version `canary`, picked by their `cookie` of that name if there is one.
    `ended` is the canary that this release put an end to, `canonical` the host that the user's other hosts redirect to.
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
    canonical: str = ""
    canary: str = ""
    percent: float = 0.0
    cookie: str = ""
    ended: str = ""

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


def _rule(data: Mapping[str, Any]) -> Rule:
    lists = {name: tuple(data[name]) for name in ("paths", "countries", "languages", "cookies")}
    return Rule(**{**data, **lists, "query": tuple((name, value) for name, value in data["query"])})


def canonical(value: object) -> bytes:
    """JSON with sorted keys and no spaces: equal values give equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def blob_key(sha256: str, headers: Mapping[str, str]) -> str:
    """The key of a blob: 132 bits of the digest over content and headers, URL-safe."""
    digest = hashlib.sha256(canonical([sha256, dict(headers)])).digest()
    return urlsafe_b64encode(digest)[:BLOB_KEY_LENGTH].decode()
