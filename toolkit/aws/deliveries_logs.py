"""The log of a build in CodeBuild, line by line as it is written.

CloudWatch Logs gives a page and a token; the same token once more means that there is nothing new (API reference, GetLogEvents).
A build's last lines may arrive after CodeBuild says that it has ended, so that a while after its end is waited for as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from toolkit.aws.errors import code
from toolkit.aws.session import STEADY, asking
from toolkit.engine.deliveries import patiently
from toolkit.errors import UserError

_PAUSE_SECONDS = 2.0
# Empty looks after the build's end before its log is taken to be whole.
_LAST_LOOKS = 2
_ACTION = "logs:GetLogEvents"


class BuildLogs:
    """`sleep` waits between two looks."""

    def __init__(self, session: Any, sleep: Callable[[float], None]) -> None:
        self._sleep = sleep
        self._builds = session.client("codebuild", config=STEADY)
        self._logs = session.client("logs", config=STEADY)

    def lines(self, build: str, *, follow: bool) -> Iterator[str]:
        """What the build with this id of CodeBuild printed; with `follow` until it has ended. UserError where nothing is kept."""
        token, looks, said = "", 0, False
        while True:
            about, (events, following) = patiently(partial(self._look, build, token), self._wait)
            for event in events:
                said, looks = True, 0
                yield from str(event["message"]).rstrip("\r\n").split("\n")
            if following != token:
                token = following
                continue
            looks += bool(about.get("buildComplete"))
            if not follow or looks >= _LAST_LOOKS:
                break
            self._wait()
        if not said:
            yield from _phases(build, about)

    def _wait(self) -> None:
        self._sleep(_PAUSE_SECONDS)

    def _look(self, build: str, token: str) -> tuple[Mapping[str, Any], tuple[list[Mapping[str, Any]], str]]:
        # Asked before its log is, so that a line that is written in between is not missed.
        about = self._about(build)
        return about, self._page(about, token)

    def _about(self, build: str) -> Mapping[str, Any]:
        with asking(f"the build {build}", "codebuild:BatchGetBuilds"):
            found = self._builds.batch_get_builds(ids=[build])["builds"]
        if not found:
            raise UserError(f"CodeBuild no longer knows the build {build}", "see a newer one: toolkit status")
        about: Mapping[str, Any] = found[0]
        return about

    def _page(self, about: Mapping[str, Any], token: str) -> tuple[list[Mapping[str, Any]], str]:
        """The next events, perhaps none, and the token after them: the same when there is nothing more, or no log yet."""
        group, stream = (about.get("logs", {}).get(name) for name in ("groupName", "streamName"))
        if not group or not stream:
            return [], token
        more = {"nextToken": token} if token else {}
        with asking(f"the log group {group}", _ACTION):
            try:
                page = self._logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True, **more)
            except ClientError as error:
                if code(error) != "ResourceNotFoundException":
                    raise
                return [], token  # CodeBuild makes the stream with the first line
        return page["events"], page["nextForwardToken"]


def _phases(build: str, about: Mapping[str, Any]) -> Iterator[str]:
    """A build that failed before it printed anything says why in its phases."""
    for phase in about.get("phases", ()):
        for context in phase.get("contexts", ()):
            if said := f"{context.get('statusCode', '')}: {context.get('message', '')}".strip(": "):
                yield f"[{phase['phaseType']}] {said}"
    yield f"{build} left no log: {about.get('buildStatus', 'unknown')}"
