"""Try on a real account what nothing else can prove: a probe is published, asked for through the distribution, and taken away.

The probe is a site of its own (`verify-<time>-<random>`) in the site's bucket and store, at a host that only the preview cookie
leads to: visitors of the site notice nothing, and no pointer of the site is touched. What a killed run leaves behind, the next one
removes after an hour. Each trial proves a row of docs/fidelity.md; all HTTP goes through one port.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toolkit.aws import verify_content as content
from toolkit.aws.web import Asked, Fetch, Reply
from toolkit.engine import channels, destroy, layout, release
from toolkit.engine.advice import OK, PROBLEM, UNKNOWN, Check
from toolkit.engine.errors import Unavailable, UserError
from toolkit.engine.model import Manifest, Settings, Source
from toolkit.engine.ports import ObjectStore, RouteStore
from toolkit.engine.publish import plan, publish

CHANNEL = f"{channels.PREVIEW}probe"
# Edges learn of writes in seconds; what is not there after this long is a fault.
PATIENCE_SECONDS = 90.0
_LEFT_SECONDS = 3600
_SITE = re.compile(r"verify-([0-9a-f]{8})-[0-9a-f]{4}")
_PAUSE = 0.5


class Differs(Exception):
    """A trial saw something else than it must."""


class Unproven(Exception):
    """A trial could not be made; the text says why."""


@dataclass(frozen=True)
class Hosting:
    """What is tried: the hosting of `site`, a distribution's domain, the bucket and its region, the stores over it, and own hosts.

    `session` is a boto3 session for what the account itself says; `distribution` is its id, `pipelines` are names by their keys.
    """

    site: str
    domain: str
    bucket: str
    region: str
    objects: ObjectStore
    routes: RouteStore
    fetch: Fetch
    distribution: str = ""
    hosts: Sequence[str] = ()
    pipelines: Mapping[str, str] = field(default_factory=dict)
    session: Any = None
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep


@dataclass
class Probe:
    """A published probe, and ways to ask for it. `versions` are two that differ in their home page; the first one serves."""

    hosting: Hosting
    site: str
    versions: tuple[Manifest, Manifest]
    seconds: float = 60.0

    @property
    def host(self) -> str:
        """The host that the cookie leads to; no name of it resolves. Where a site is live, only labels with its name count."""
        return f"{self.site}--{self.hosting.site}.{self.hosting.domain}"

    def ask(self, path: str, headers: Mapping[str, str] | None = None, *, method: str = "GET", scheme: str = "https") -> Reply:
        """As a visitor with the cookie."""
        given = dict(headers or {})
        cookies = "; ".join(filter(None, (f"{channels.COOKIE}={self.host.partition('.')[0]}", given.pop("cookie", ""))))
        sent = {"accept": "text/html", "accept-encoding": "identity", "user-agent": "hosting-toolkit-verify", "cookie": cookies}
        return self.hosting.fetch(Asked(f"{scheme}://{self.hosting.domain}{path}", {**sent, **given}, method))

    def until(self, holds: Callable[[Reply], bool], path: str = "/", headers: Mapping[str, str] | None = None) -> Reply:
        """The first answer for which that holds. Differs with the last one after PATIENCE_SECONDS."""
        deadline = self.hosting.clock() + PATIENCE_SECONDS
        while True:
            reply = self.ask(path, headers)
            if holds(reply):
                return reply
            if self.hosting.clock() > deadline:
                raise Differs(f"{path} still answers {reply.status} after {PATIENCE_SECONDS:.0f} seconds")
            self.hosting.sleep(_PAUSE)

    def flip(self, version: str) -> None:
        """Release one of the versions, as a deploy does."""
        now = self.hosting.clock()
        wanted = release.Request(self.site, CHANNEL, version, (self.host,), now, "toolkit verify", "deploy", explicit=True)
        release.release(self.hosting.objects, self.hosting.routes, wanted, clock=self.hosting.clock, sleep=self.hosting.sleep)


Run = Callable[[Probe], str]


@dataclass(frozen=True)
class Trial:
    """`run` returns what it saw, raises Differs or Unproven. `note` is the row of docs/fidelity.md."""

    note: str
    what: str
    run: Run


def verify(hosting: Hosting, trials: Sequence[Trial], *, seconds: float) -> Iterator[Check]:
    """The outcome of each trial, as it comes; whatever happens, the probe is removed at the end."""
    clear(hosting)
    with probing(hosting, seconds=seconds) as probe:
        try:
            probe.until(lambda reply: reply.status == 200 and reply.body == content.home("one"))
        except (Differs, Unavailable) as error:
            yield Check("F2", "the probe answers at all", PROBLEM, str(error))
            yield from (Check(trial.note, trial.what, UNKNOWN, "the probe does not answer") for trial in trials)
            return
        yield from (outcome(trial, probe) for trial in trials)


def outcome(trial: Trial, probe: Probe) -> Check:
    """What came of one trial; it raises nothing that is about the account."""
    try:
        return Check(trial.note, trial.what, OK, trial.run(probe))
    except Differs as error:
        return Check(trial.note, trial.what, PROBLEM, str(error))
    except (Unproven, Unavailable, UserError) as error:
        return Check(trial.note, trial.what, UNKNOWN, str(error))


@contextmanager
def probing(hosting: Hosting, *, seconds: float = 60.0) -> Iterator[Probe]:
    """Publish a probe and release it; remove it however the block ends."""
    site = f"verify-{int(hosting.clock()):08x}-{secrets.token_hex(2)}"
    try:
        with tempfile.TemporaryDirectory(prefix="toolkit-verify-") as folder:
            versions = (_publish(hosting, site, Path(folder), "one"), _publish(hosting, site, Path(folder), "two"))
        probe = Probe(hosting, site, versions, seconds)
        probe.flip(versions[0].version)
        yield probe
    finally:
        destroy.destroy(hosting.objects, hosting.routes, site, clock=hosting.clock)


def _publish(hosting: Hosting, site: str, folder: Path, word: str) -> Manifest:
    content.write(folder, word, hosting.domain)
    source = Source("folder", hosting.clock(), message="toolkit verify")
    found = plan(hosting.objects, hosting.routes, site=site, folder=folder, source=source, settings=Settings(carry_days=0))
    if found.problems:
        raise AssertionError(f"the probe's rules: {found.problems}")
    return publish(hosting.objects, hosting.routes, found, workers=8)


def clear(hosting: Hosting) -> list[str]:
    """Remove probes that were left behind more than an hour ago; their names."""
    sites = {key.split("/")[0][2:] for key, _ in hosting.routes.items() if key[:2] in ("c:", "v:")}
    sites |= {info.key.split("/")[0] for info in hosting.objects.list("verify-")}
    old = []
    for site in sorted(sites):
        found = _SITE.fullmatch(site)
        if found and int(found[1], 16) < hosting.clock() - _LEFT_SECONDS:
            destroy.destroy(hosting.objects, hosting.routes, site, clock=hosting.clock)
            old.append(site)
    return old


def expect(holds: bool, said: str) -> None:
    """Differs unless that holds."""
    if not holds:
        raise Differs(said)


def shown(reply: Reply, *names: str) -> str:
    """An answer in a few words: its status and these headers."""
    found = ", ".join(f"{name}: {reply.headers[name]}" for name in names if name in reply.headers)
    return f"{reply.status}{f' ({found})' if found else ''}"


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def blob_of(probe: Probe, path: str) -> str:
    """The object key of a file of the probe."""
    return layout.blob(probe.site, probe.versions[0].assets[path].blob)
