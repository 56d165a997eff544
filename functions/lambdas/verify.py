"""Look at a published version before it is released: every blob is there, and through the distribution it answers as it should.

It answers at a host that no channel has, reached by the cookie that leads to previews. Edges learn of it a few seconds apart: each
question is asked until its answer is right, for at most 90 seconds.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress

from toolkit.aws.web import Asked, Reply
from toolkit.engine import layout, probe
from toolkit.engine.errors import Unavailable, UserError
from toolkit.engine.model import Manifest
from toolkit.engine.ports import ObjectStore
from toolkit.engine.release import current, load_manifest

from . import common, runs
from .common import Event, Result, Services, VerifyFailed

COOKIE = "__Host-preview"
PATIENCE_SECONDS = 90.0
_PAUSE_SECONDS = 2.0
_SHOWN = 5


def handler(event: Event, context: object) -> Result:
    return common.handle(step, event)


def step(event: Event, services: Services) -> Result:
    """`{"run"}` → `{"run", "channel", "version"}`. VerifyFailed with what is missing, or what answers otherwise."""
    name = common.given(event, "run", str)
    run = runs.read(services.objects, services.site, name)
    manifest = load_manifest(services.objects, services.site, run.version)
    _check_blobs(services.objects, manifest)
    label = probe.label(services.site, name, services.clock())
    host = f"{label}.{services.value('DOMAIN_NAME')}"
    with probe.answering(services.objects, services.routes, manifest, host, clock=services.clock, sleep=services.sleep):
        _check_answers(services, probe.samples(manifest, _new(services, run.channel, manifest)), label)
    return {"run": name, "channel": run.channel, "version": run.version}


def _new(services: Services, channel: str, manifest: Manifest) -> set[str]:
    """The blobs that the channel does not serve yet: an edge that knows of nothing new cannot answer with them."""
    there = current(services.routes, services.site, channel)
    with suppress(UserError):  # what serves may have been pruned, or be of another release of the toolkit
        return manifest.blobs() - (load_manifest(services.objects, services.site, there.version).blobs() if there else set())
    return manifest.blobs()


def _check_blobs(objects: ObjectStore, manifest: Manifest) -> None:
    """By one listing: a request per thousand objects is cheaper than one per file."""
    prefix = layout.blob(manifest.site, "")
    there = {info.key[len(prefix) :]: info.size for info in objects.list(prefix)}
    groups = (manifest.assets, manifest.variants, manifest.error_pages, manifest.carried)
    wrong = sorted({asset.path for group in groups for asset in group.values() if there.get(asset.blob) != asset.size})
    if wrong:
        shown = ", ".join(wrong[:_SHOWN]) + (" …" if len(wrong) > _SHOWN else "")
        raise VerifyFailed(f"{len(wrong)} files of {manifest.version} are missing or not whole: {shown}", "start the release again")


def _check_answers(services: Services, samples: list[probe.Sample], label: str) -> None:
    deadline = services.clock() + PATIENCE_SECONDS
    pending = {sample: "" for sample in samples}
    while True:
        for sample in list(pending):
            pending[sample] = _difference(services, sample, label)
            if not pending[sample]:
                del pending[sample]
        if not pending:
            return
        if services.clock() >= deadline:
            raise VerifyFailed("; ".join(pending.values()), "see the version in a preview, then start the release again")
        services.sleep(_PAUSE_SECONDS)


def _difference(services: Services, sample: probe.Sample, label: str) -> str:
    """What is wrong with the answer, "" when nothing is."""
    where = services.value("DOMAIN_NAME")
    headers = {
        "cookie": f"{COOKIE}={label}",
        "accept": "text/html",
        "accept-encoding": "identity",
        "user-agent": "hosting-toolkit-verify",
    }
    try:
        reply = services.fetch(Asked(f"https://{where}{sample.path}", headers))
    except Unavailable as error:
        return str(error)
    return _compared(sample, reply)


def _compared(sample: probe.Sample, reply: Reply) -> str:
    if sample.status not in (0, reply.status) or reply.status >= 500:
        expected = sample.status or "less than 500"
        return f"{sample.path} answers {reply.status} instead of {expected}"
    if sample.sha256 and hashlib.sha256(reply.body).hexdigest() != sample.sha256:
        return f"{sample.path} answers with other content than was published ({len(reply.body):,} bytes)"
    return ""
