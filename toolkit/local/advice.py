"""What the local target can say of itself: `engine.advice.Advisor` for a folder and a server on this machine."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from toolkit.engine.advice import OK, PROBLEM, WARNING, Bill, Check, Finding, Policy, Traffic
from toolkit.engine.errors import UserError

_SCARCE_BYTES = 1_000_000_000


class LocalAdvisor:
    """`root` is the state folder, `remote` the target that the other questions are about."""

    def __init__(self, root: Path, remote: str) -> None:
        self._root, self._remote = root, remote

    def doctor(self) -> Sequence[Finding]:
        found = list(self._folder())
        return found if found[0].state == PROBLEM else [*found, *self._server()]

    def verify(self, *, seconds: float) -> Iterator[Check]:
        raise UserError("nothing here needs a verification: the tests of the toolkit do that", f"add --target {self._remote}")

    def permissions(self, step: str, *, boundary: str = "", account: str = "*") -> Sequence[Policy]:
        raise UserError("this machine asks for no permissions", f"add --target {self._remote}")

    def cost(self, traffic: Traffic) -> Bill:
        raise UserError("a site on this machine costs nothing", f"add --target {self._remote}")

    def _folder(self) -> Iterator[Finding]:
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            probe = self._root / ".doctor"
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as error:
            yield Finding(
                "folder", PROBLEM, f"{self._root} cannot be written: {error.strerror}", "set TOOLKIT_HOME to another folder"
            )
            return
        free = shutil.disk_usage(self._root).free
        state = OK if free >= _SCARCE_BYTES else WARNING
        fix = "" if state == OK else "free some space, or `toolkit prune`"
        yield Finding("folder", state, f"{free / 1e9:.1f} GB are free where {self._root} is", fix)

    def _server(self) -> Iterator[Finding]:
        from toolkit.local.target import LocalTarget

        target = LocalTarget(self._root)
        server = target.server()
        if server.state == "running":
            yield Finding("server", OK, f"running: {server.where}")
            return
        try:
            yield Finding("server", OK, f"not running; `toolkit up` starts it on port {target.free_port()}")
        except UserError as error:
            yield Finding("server", PROBLEM, error.what, error.fix)
