"""What a target is: two stores and the few things that differ between a folder and an AWS account, given as data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from toolkit.engine.channels import Names
from toolkit.engine.deliveries import Deliveries
from toolkit.engine.model import Release
from toolkit.engine.ports import ObjectStore, RouteStore


@dataclass(frozen=True)
class Server:
    """What answers visitors. `state` is "running" or "stopped"; `where` is for people, such as 127.0.0.1:8080 (pid 4711)."""

    state: str
    where: str
    port: int = 0
    pid: int = 0


class EdgeRun(Protocol):
    """The routing functions over a target's route store, for `explain`."""

    reads: int

    def request(self, request: dict[str, object], viewer_ip: str = "127.0.0.1") -> dict[str, object]: ...

    def response(self, request: dict[str, object], response: dict[str, object]) -> dict[str, object]: ...


class Target(Protocol):
    """A folder on this machine, or an AWS account. `names` says where sites answer, `workers` how many uploads run at once."""

    @property
    def name(self) -> str: ...

    @property
    def names(self) -> Names: ...

    @property
    def workers(self) -> int: ...

    @property
    def objects(self) -> ObjectStore: ...

    @property
    def routes(self) -> RouteStore: ...

    def url(self, host: str) -> str:
        """The address of a host, as a visitor types it."""

    def start(self, *, address: str | None, port: int | None) -> Server:
        """See to it that visitors are answered. UserError when that fails."""

    def serve(self, *, address: str | None, port: int | None, descriptor: int | None, ready: Callable[[Server], None]) -> int:
        """Answer visitors in the foreground until interrupted; `ready` is told once they are answered. The exit code.

        `descriptor` is a listening socket that `start` passes on.
        """

    def server(self) -> Server:
        """Whether visitors are answered now."""

    def stop(self) -> bool:
        """End what `start` began; False when it was not running."""

    def edge(self, routes: Mapping[str, str] | None = None) -> EdgeRun:
        """The routing functions, reading this target's route store, or `routes` instead of it."""

    def released(self, record: Release) -> str:
        """Told of each release that a person or a build made: what the target does about it, in words, "" for nothing."""

    def deliveries(self, site: str) -> Deliveries | None:
        """What pushes and uploads of the site come to; None where nothing takes them."""


def netloc(target: Target, host: str) -> str:
    """A host as it stands in the target's addresses, with the port where that is not the usual one; "" for no host."""
    return target.url(host).split("/")[2] if host else ""
