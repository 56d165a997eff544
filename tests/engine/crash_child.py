"""What runs in a process that will be killed: one deploy on the folder target, with SIGKILL at a chosen step.

A step is a store call, or, one level below, any change to a file of the stores (an audit event with a path below the root): between
the temporary file and its link, between an object's description and its bytes.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.engine.stores import HookedObjects, HookedRoutes
from tests.engine.support import SITE
from toolkit.engine import channels, release
from toolkit.engine.model import Release, Settings, Source
from toolkit.engine.ports import ObjectStore, RouteStore
from toolkit.engine.publish import plan, publish
from toolkit.engine.release import Request
from toolkit.local.objects import FolderObjects
from toolkit.local.routes import FileRoutes

SETTINGS = Settings(immutable=("/assets/*-????????.*",))
CHANGES = ("os.link", "os.rename", "os.remove", "os.truncate")
WRITING = os.O_WRONLY | os.O_RDWR
HOST = "shop.localhost"


def stores(root: Path) -> tuple[FolderObjects, FileRoutes]:
    return FolderObjects(root), FileRoutes(root / "routes.db")


def deploy(objects: ObjectStore, routes: RouteStore, folder: Path) -> Release:
    """As the command does it, from the folder to the flip."""
    source = Source("folder", time.time())
    planned = plan(objects, routes, site=SITE, folder=folder, source=source, settings=SETTINGS)
    manifest = publish(objects, routes, planned, workers=1)
    hosts = channels.hosts(SITE, "live", channels.Names("{site}.localhost", "localhost"))
    return release.release(objects, routes, Request(SITE, "live", manifest.version, hosts, source.time, "tester", "deploy"))


def rollback(objects: ObjectStore, routes: RouteStore, version: str) -> Release:
    hosts = channels.hosts(SITE, "live", channels.Names("{site}.localhost", "localhost"))
    return release.release(objects, routes, Request(SITE, "live", version, hosts, time.time(), "tester", "rollback", explicit=True))


def countdown(step: int) -> Callable[[], None]:
    left = [step]

    def count() -> None:
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1

    return count


def killed_at_call(root: str, what: str, step: int) -> None:
    count = countdown(step)
    objects, routes = stores(Path(root))

    def before(call: str, key: object) -> None:
        count()

    _act(HookedObjects(objects, before), HookedRoutes(routes, before), what)


def killed_at_file(root: str, what: str, step: int) -> None:
    count = countdown(step)
    objects, routes = stores(Path(root))
    routes.etag()  # its connection is there, as in any process that does not begin with its end

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        changes = event in CHANGES or (event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING)
        if changes and any(isinstance(value, str | bytes | Path) and os.fsdecode(value).startswith(root) for value in arguments):
            count()

    sys.addaudithook(hook)
    _act(objects, routes, what)


def _act(objects: ObjectStore, routes: RouteStore, what: str) -> None:
    if Path(what).is_dir():
        deploy(objects, routes, Path(what))
    else:
        rollback(objects, routes, what)
