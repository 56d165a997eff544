"""Channels and the host names that lead to them.

`live` answers at the site's own hosts; a preview at `<slug>--<site>.<domain>`, one DNS label of at most 63 characters, so that one
wildcard certificate covers all. Slugs are injective: `feature/a` and `feature-a` never share one. The hash has 48 bits because who
may push a branch may choose its name: with fewer, a name that takes over another preview's host is found in minutes.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from toolkit.engine.errors import UserError

LIVE = "live"
PREVIEW = "preview/"
SITE_LENGTH = 30
# Whoever sends it, with the first label of a preview's host, is shown that preview of the site (functions/edge/viewer_request.js).
COOKIE = "__Host-preview"
_SLUG_LENGTH = 63 - 2 - SITE_LENGTH
_PLAIN = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_DIGEST_LENGTH = 12
_LABEL = re.compile(rf"[a-z0-9-]{{1,{_SLUG_LENGTH}}}--[a-z0-9-]{{1,{SITE_LENGTH}}}")
_HASHED = re.compile(rf"(.*-)?[0-9a-f]{{{_DIGEST_LENGTH}}}")
# Pull requests have previews of their own. A branch named like one of those is set apart, or whoever opens a pull request
# from `x` could put something else in the place of what the branch `pr/x` shows.
_PULLS, _APART = "pr/", "branch/"
_ZIP = ".zip"


@dataclass(frozen=True)
class Names:
    """Where a target's sites answer: `own` is the host that it gives a site (`{site}` stands for the site's name), `previews` what
    the hosts of previews lie below."""

    own: str
    previews: str


def preview_channel(branch: str) -> str:
    """The channel that a branch, or a name given by hand, is previewed on."""
    if not branch.strip():
        raise UserError("a preview needs a name", "give a branch or a name, such as pr-12")
    if any(ord(character) < 32 or ord(character) == 127 for character in branch):
        raise UserError(f"the preview's name {branch!r} holds a control character", "give a branch or a name, such as pr-12")
    # What a terminal or git gives that is no UTF-8 comes as halves of surrogates: no store takes them.
    if any(0xD800 <= ord(character) < 0xE000 for character in branch):
        raise UserError(f"the preview's name {branch!r} is not UTF-8", "give a branch or a name, such as pr-12")
    return f"{PREVIEW}{branch}"


def of_branch(branch: str, live_branch: str) -> str:
    """Where a push to a branch goes."""
    return LIVE if branch == live_branch else of_preview(branch)


def of_preview(branch: str) -> str:
    """The preview of a branch, also of the one that live is released from. No pull request has the same."""
    return preview_channel(f"{_APART}{branch}" if branch.startswith((_PULLS, _APART)) else branch)


def of_pull(branch: str) -> str:
    """The preview of a pull request, by the branch that it comes from."""
    preview_channel(branch)
    return preview_channel(f"{_PULLS}{branch}")


def of_upload(key: str, prefix: str) -> str:
    """Where a zip in a bucket goes by its key: `<prefix>site.zip` to live, `<prefix>preview/<name>/site.zip` to that preview.

    UserError for any other key.
    """
    folder, slash, file = key.removeprefix(prefix).rpartition("/")
    if key.startswith(prefix) and file.endswith(_ZIP) and file != _ZIP:
        if not slash:
            return LIVE
        name = folder.removeprefix(PREVIEW)
        if folder.startswith(PREVIEW) and all(part.strip() for part in name.split("/")):
            return preview_channel(name)
    raise UserError(
        f"{key!r} says neither live nor a preview",
        f"upload to {prefix}<file>{_ZIP} for live, to {prefix}{PREVIEW}<name>/<file>{_ZIP} for a preview",
    )


def parse(text: str) -> str:
    """A channel as a person writes it: `live`, `preview/x`, or the bare name of a preview."""
    return text if text == LIVE else preview_channel(text.removeprefix(PREVIEW))


def slug(name: str) -> str:
    """The DNS label for a preview's name. Anything that is not plainly a label, or could be taken for a hashed one, gets a hash."""
    if _PLAIN.fullmatch(name) and len(name) <= _SLUG_LENGTH and not _HASHED.fullmatch(name) and name != "xn":
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGEST_LENGTH]
    stem = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[: _SLUG_LENGTH - _DIGEST_LENGTH - 1].strip("-")
    return f"{stem or 'x'}-{digest}" if stem != "xn" else f"x-{digest}"


def is_label(text: str) -> bool:
    """Whether a preview's host may begin so: `pr-12--shop`."""
    return bool(_LABEL.fullmatch(text))


def hosts(site: str, channel: str, names: Names, custom: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The host names (lowercase, no port) of a channel; a site's own hosts lead to `live` only. `*.example.com` is no host: it says
    where previews may lie, which `names` knows already."""
    if channel == LIVE:
        return (names.own.format(site=site), *(host.lower() for host in custom if not host.startswith("*.")))
    return (f"{slug(channel[len(PREVIEW) :])}--{site}.{names.previews}",)
