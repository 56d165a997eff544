"""What every handler stands on: its environment, its stores, its log, and errors under the names that the state machine knows.

Retried by the state machine: `Unavailable` and `Conflict`. Not retried: `UserError`, which says what to mend, and `VerifyFailed`.
Subclasses leave under these names, since Step Functions compares names. The log is one JSON object a line.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, TypeVar

from toolkit.aws.objects import S3Objects
from toolkit.aws.routes import KeyValueRoutes
from toolkit.aws.session import session
from toolkit.aws.web import Fetch, fetch
from toolkit.engine.errors import Busy, Conflict, Unavailable, UserError
from toolkit.engine.ports import ObjectStore, RouteStore

Event = Mapping[str, Any]
Result = dict[str, Any]


class VerifyFailed(UserError):
    """The published version does not answer as it should: it was not released."""


@dataclass(frozen=True)
class Services:
    """What a step may use. Tests and the rehearsal bring their own: `session` is a boto3 session, `fetch` reaches the distribution.

    Retries of a step use new stores but the same state in AWS: nothing may be kept here between two events.
    """

    env: Mapping[str, str]
    session: Any
    fetch: Fetch = fetch
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def value(self, name: str, default: str | None = None) -> str:
        """A variable of the function's environment. UserError when it has none and there is no default."""
        found = self.env.get(name, default)
        if found is None:
            raise UserError(f"the function's environment lacks {name}", "deploy the stack again")
        return found

    def json(self, name: str, default: str | None = None) -> Any:
        """The same for one that holds JSON."""
        try:
            return json.loads(self.value(name, default))
        except ValueError as error:
            raise UserError(f"the function's variable {name} is no JSON: {error}", "deploy the stack again") from error

    @property
    def site(self) -> str:
        return self.value("SITE")

    @cached_property
    def objects(self) -> ObjectStore:
        return S3Objects(self.session, self.value("BUCKET"))

    @cached_property
    def routes(self) -> RouteStore:
        return KeyValueRoutes(self.session, self.value("STORE_ARN"), sleep=self.sleep)


# A state of Step Functions holds 256 KB, and what is larger fails in a way that nothing catches
# (docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html, States.DataLimitExceeded): nobody would hear of it.
# A strict site's rules alone can have thousands of lines to complain of.
TEXT_LENGTH = 4000
# A commit's message may be of any length, what an execution's state and a build's variables hold is not.
MESSAGE_LENGTH, WORDS_LENGTH = 500, 256
_T = TypeVar("_T")
Step = Callable[[Event, Services], Result]


@cache
def default_services() -> Services:
    """Those of a Lambda function, made once for all events that a process gets: clients take 100 ms and more."""
    return Services(os.environ, session())


def handle(step: Step, event: Event, services: Services | None = None) -> Result:
    """Run a step, log how it went, and let its errors leave under names that the state machine knows."""
    about = {"step": step.__module__.rpartition(".")[2], **{name: event[name] for name in ("run", "channel") if name in event}}
    begun = time.monotonic()
    try:
        result = step(event, services or default_services())
    except Exception as error:
        log("ERROR", cut(f"{type(error).__name__}: {error}"), **about, seconds=round(time.monotonic() - begun, 3))
        raise _named(error) from error
    log("INFO", "done", **about, seconds=round(time.monotonic() - begun, 3), result=result)
    return result


def given(event: Event, name: str, kind: type[_T]) -> _T:
    """A member of an event. UserError when it is not there or of another type."""
    found = event.get(name)
    if kind is float and isinstance(found, int) and not isinstance(found, bool):
        found = float(found)
    if not isinstance(found, kind):
        raise UserError(f"the event's {name!r} is {found!r} instead of a {kind.__name__}", "start the execution with it")
    return found


@contextmanager
def scratch(name: str) -> Iterator[Path]:
    """An empty folder. Lambda may start a process anew where one was killed, and what that had left takes up room."""
    here = Path(tempfile.gettempdir())
    for old in here.glob(f"{name}-*"):
        if not Path(f"/proc/{old.name.split('-')[1]}").exists() or old.name.split("-")[1] == str(os.getpid()):
            shutil.rmtree(old, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-{os.getpid()}-", dir=here))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def cut(text: str, length: int = TEXT_LENGTH) -> str:
    """The text's beginning, with a mark where something is left out."""
    return text if len(text) <= length else f"{text[: length - 2]} …"


def log(level: str, message: str, **fields: object) -> None:
    """One line. Lambda passes lines of JSON on as they are."""
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    print(json.dumps({"time": moment, "level": level, "message": message, **fields}, default=str), file=sys.stdout, flush=True)


def _named(error: Exception) -> Exception:
    if isinstance(error, Busy | Conflict):
        return Conflict(cut(str(error)))
    if isinstance(error, Unavailable):
        return Unavailable(cut(str(error)))
    if isinstance(error, UserError):
        kind = VerifyFailed if isinstance(error, VerifyFailed) else UserError
        what = cut(error.what)
        return kind(f"{what}: {error.fix}" if error.fix else what)
    return error
