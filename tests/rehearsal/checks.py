"""What scenarios are made of: their list, and what is said of answers. All that visitors get is asked for over HTTP."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from tests.rehearsal.content import files, page, script
from tests.rehearsal.stage import WHO, Seen, Stage
from toolkit.engine import channels, release
from toolkit.engine.release import history

Scenario = Callable[[Stage], None]
SCENARIOS: dict[str, Scenario] = {}


def scenario(says: str) -> Callable[[Scenario], Scenario]:
    def add(play: Scenario) -> Scenario:
        SCENARIOS[says] = play
        return play

    return add


def mark() -> str:
    """A word that no version before had."""
    return f"{time.time_ns():x}"


def check(holds: bool, what: str, *more: object) -> None:
    """AssertionError with `what`, and a line for each of `more`."""
    if not holds:
        raise AssertionError(what + "".join(f"\n    {one}" for one in more))


def shows(stage: Stage, path: str, text: str, status: int = 200, **asked: Any) -> Seen:
    """A path answers exactly this."""
    seen = stage.get(path, **asked)
    check((seen.status, seen.text) == (status, text), f"{path} answers {seen.status} {seen.text!r}, not {status} {text!r}")
    return seen


def serves(stage: Stage, version: str, **asked: Any) -> None:
    """Everybody gets this version, whole."""
    shows(stage, "/", page("home", version), **asked)
    shows(stage, "/docs/", page("docs", version), **asked)
    shows(stage, "/about", page("about", version), **asked)
    shows(stage, "/nowhere", page("nothing here", version), 404, **asked)
    shows(stage, script(version), f"console.log({version!r})", **asked)


def released(stage: Stage, done: dict[str, Any], outcome: str = "released") -> dict[str, Any]:
    """The same, once it is sure that the execution ended so."""
    check(
        (done["status"], done.get("outcome")) == ("SUCCEEDED", outcome),
        f"the execution ended {done['status']}, {done.get('outcome')} {done['error']}",
        *done["failures"],
        *stage.aws.broken,
        *stage.aws.denied[-3:],
        *stage.functions.errors[-3:],
    )
    return done


def go_live(stage: Stage, **given: Any) -> tuple[str, dict[str, Any]]:
    """Release a new version; its word, and what the release said."""
    version = mark()
    return version, released(stage, stage.release(files(version), **given))


def explicit(stage: Stage, version: str) -> release.Request:
    """To serve a version because somebody wants it: what promote asks for."""
    hosts = channels.hosts(stage.site, "live", stage.target.names, stage.hosts)
    return release.Request(stage.site, "live", version, hosts, time.time(), WHO, "promote", explicit=True)


def unbroken_ledger(stage: Stage) -> None:
    """Every release of live has its entry."""
    numbers = [entry.number for entry in history(stage.target.objects, stage.site, "live")]
    check(numbers == list(range(numbers[0], 0, -1)), f"the ledger has holes: {numbers}")
