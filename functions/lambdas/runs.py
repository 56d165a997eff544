"""What one run of the release workflow knows, kept in the bucket: events carry its name only."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass

from toolkit.engine import layout
from toolkit.engine.errors import NotFound, UserError
from toolkit.engine.model import canonical
from toolkit.engine.ports import ObjectStore

# "Names of state machine executions" (Step Functions, StartExecution), less what would need care in a key.
_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")
DAYS = 30


@dataclass(frozen=True)
class Run:
    """What was published for a channel. `order` is the source's time, `bytes` the size of all `files`, `new` how many were sent."""

    version: str
    order: float
    commit: str
    message: str
    channel: str
    who: str
    files: int
    bytes: int
    new: int
    warnings: tuple[str, ...] = ()


def key(site: str, name: str) -> str:
    """UserError when that is no name of an execution."""
    if not _NAME.fullmatch(name):
        raise UserError(f"{name!r} is no name of a run", "use 1 to 80 letters, digits, hyphens and underscores")
    return f"{layout.runs(site)}{name}.json"


def write(objects: ObjectStore, site: str, name: str, run: Run) -> None:
    objects.put(key(site, name), canonical(asdict(run)), {"content-type": "application/json"})


def read(objects: ObjectStore, site: str, name: str) -> Run:
    """UserError when nothing was published under that name."""
    try:
        found = json.loads(objects.get(key(site, name))[1])
    except NotFound:
        raise UserError(f"the run {name} of {site} has published nothing", "start the release again") from None
    return Run(**{**found, "warnings": tuple(found["warnings"])})


def clear(objects: ObjectStore, site: str, now: float) -> int:
    """Remove records older than DAYS; how many."""
    old = [info.key for info in objects.list(layout.runs(site)) if info.modified < now - DAYS * 86400]
    objects.delete(old)
    return len(old)
