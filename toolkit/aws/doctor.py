"""What must be in order before and while a site runs in AWS: each matter a check, all side by side, in less than five seconds.

First what needs no answer from AWS, DNS, and who is asking; then, if AWS accepts the credentials, the rest. A check yields findings
and may raise what boto3 and DNS raise: that becomes a finding, too. What has not answered in time is left behind and said so.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from toolkit.aws.dns import Lookup
from toolkit.aws.errors import answered, unanswered
from toolkit.engine.advice import OK, PROBLEM, UNKNOWN, Finding, SiteFacts
from toolkit.engine.errors import Unavailable, UserError
from toolkit.engine.stacks import EDGE_REGION

DECISIVE = ("credentials", "region")
# Of each of the two rounds. A client gives up a little sooner, so that its own words are heard.
ROUND_SECONDS = 2.3
_CLIENT = Config(connect_timeout=1.5, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 1})


@dataclass(frozen=True)
class Patient:
    """What the checks look at. `connect` makes a boto3 session of a region and a profile."""

    facts: SiteFacts
    connect: Callable[[str, str], Any]
    lookup: Lookup
    clock: Callable[[], float] = time.time
    notes: dict[str, Any] = field(default_factory=dict)
    _lock: Any = field(default_factory=threading.RLock, repr=False)

    @property
    def region(self) -> str:
        """The site's region, "" when nobody said one."""
        return str(self.facts.region or self.session().region_name or "")

    def session(self) -> Any:
        with self._lock:
            if "session" not in self.notes:
                self.notes["session"] = self.connect(self.facts.region, self.facts.profile)
            return self.notes["session"]

    @property
    def account(self) -> str:
        return str(self.notes.get("account", "ACCOUNT"))

    def client(self, service: str, region: str = "") -> Any:
        session = self.session()
        with self._lock:  # making clients of one session is not safe in threads, using them is
            return session.client(service, region_name=region or self.region or EDGE_REGION, config=_CLIENT)


@dataclass(frozen=True)
class Examination:
    """A matter: its name for people, how it is looked at, and what a policy would have to allow for that."""

    topic: str
    look: Callable[[Patient], Iterable[Finding]]
    action: str = ""


def examine(
    patient: Patient, first: Sequence[Examination], then: Sequence[Examination], *, seconds: float = ROUND_SECONDS
) -> list[Finding]:
    """All findings, in the order of the examinations. `then` needs an account that answers: what was found of DECISIVE tells."""
    found = _round(patient, first, seconds)
    if blocking := [one.topic for one in found if one.topic in DECISIVE and one.state != OK]:
        topics = ", ".join(dict.fromkeys(one.topic for one in then))
        return [*found, Finding("account", UNKNOWN, f"not looked at: {topics}", f"mend first what is said of: {blocking[0]}")]
    return [*found, *_round(patient, then, seconds)]


def _round(patient: Patient, examinations: Sequence[Examination], seconds: float) -> list[Finding]:
    """Threads that do not end keep nobody waiting, nor the program from ending: they are daemons."""
    done: queue.Queue[tuple[int, list[Finding]]] = queue.Queue()
    for number, one in enumerate(examinations):
        threading.Thread(target=lambda n=number, it=one: done.put((n, _look(patient, it))), daemon=True).start()
    found: dict[int, list[Finding]] = {}
    deadline = time.monotonic() + seconds
    while len(found) < len(examinations):
        try:
            number, findings = done.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            break
        found[number] = findings
    return [
        Finding(finding.topic or one.topic, finding.state, finding.what, finding.fix)
        for number, one in enumerate(examinations)
        for finding in (found[number] if number in found else _late(one, seconds))
    ]


def _late(one: Examination, seconds: float) -> list[Finding]:
    """What others depend on must not stay open: nothing else can be done either."""
    state = PROBLEM if one.topic in DECISIVE else UNKNOWN
    return [
        Finding(
            "", state, f"it did not answer within {seconds:g} seconds", "see that this machine reaches the Internet; then again"
        )
    ]


def _look(patient: Patient, one: Examination) -> list[Finding]:
    findings: list[Finding] = []
    try:
        findings.extend(one.look(patient))
    except ClientError as error:
        findings.append(_failed(answered(error, f"the check of {one.topic}", one.action or error.operation_name) or error))
    except BotoCoreError as error:
        findings.append(_failed(unanswered(error, f"the check of {one.topic}")))
    except Exception as error:  # a check of ours that is wrong must not hide what the others found
        findings.append(_failed(error))
    return findings


def _failed(error: Exception) -> Finding:
    if isinstance(error, UserError):
        return Finding("", UNKNOWN, error.what, error.fix)
    if isinstance(error, Unavailable):
        return Finding("", UNKNOWN, str(error), "see that this machine reaches the Internet, then run the command again")
    return Finding("", UNKNOWN, f"{type(error).__name__}: {error}", "run the command again; if it stays so, please report it")


def pages(client: Any, operation: str, **arguments: object) -> Iterator[dict[str, Any]]:
    """The answers of an operation of CloudFront's, page after page; its lists are told apart by their own names only."""
    marker: dict[str, object] = {}
    while True:
        reply = getattr(client, operation)(**arguments, **marker)
        listed = next(value for name, value in reply.items() if name.endswith("List"))
        yield listed
        if not listed.get("NextMarker"):
            return
        marker = {"Marker": listed["NextMarker"]}


def fine(what: str) -> Finding:
    return Finding("", OK, what)


def wrong(what: str, fix: str) -> Finding:
    return Finding("", PROBLEM, what, fix)
