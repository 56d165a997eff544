"""AWS behind boto3's own client, answer by answer: what each operation says is written down by the test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any

import boto3
import botocore.loaders
import botocore.session
from botocore.exceptions import ClientError

# Read once: to read the services' models takes longer than a test.
_LOADER = botocore.loaders.create_loader()
Answer = Mapping[str, Any] | Exception | Callable[[Mapping[str, Any]], Any]


@dataclass
class _Http:
    status_code: int = 200


class Answers:
    """`connect` makes sessions whose calls are answered from `said`, by "service.Operation": a reply, an error to raise, or a
    function of the request's parameters. `calls` are those that came. `now` is AWS's clock, None for no date in the replies."""

    def __init__(self, said: Mapping[str, Answer], *, now: float | None = None, region: str = "eu-west-1") -> None:
        self.said = dict(said)
        self.calls: list[str] = []
        self.now, self.region = now, region
        self.keys: tuple[str, str] | None = ("AKIDEXAMPLE", "secret")

    def connect(self, region: str, profile: str) -> boto3.Session:
        key, secret = self.keys or (None, None)
        core = botocore.session.get_session()
        core.register_component("data_loader", _LOADER)
        session = boto3.Session(key, secret, region_name=region or self.region or None, botocore_session=core)
        session.events.register_first("before-call.*.*", self._answer)
        return session

    def _answer(self, event_name: str, model: Any, params: Mapping[str, Any], context: Any, **_: object) -> tuple[_Http, Any]:
        name = f"{event_name.split('.')[1]}.{model.name}"
        self.calls.append(f"{name}@{context['client_region']}")
        answer = self.said[name]
        reply = answer(params) if callable(answer) else answer
        if isinstance(reply, ClientError):
            return _Http(int(reply.response["ResponseMetadata"]["HTTPStatusCode"])), {
                **reply.response,
                **self._meta(reply.response),
            }
        if isinstance(reply, Exception):
            raise reply
        return _Http(), {**reply, **self._meta({})}

    def _meta(self, given: Mapping[str, Any]) -> dict[str, Any]:
        date = {"date": formatdate(self.now, usegmt=True)} if self.now is not None else {}
        return {"ResponseMetadata": {"HTTPStatusCode": 200, **given.get("ResponseMetadata", {}), "HTTPHeaders": date}}


def refused(code: str, message: str = "", status: int = 400) -> ClientError:
    """An answer other than 200."""
    return ClientError({"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}, "")
