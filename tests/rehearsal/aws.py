"""AWS as far as a release meets it: requests are checked against the template's policies, then go to moto or to the KVS fake."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection, Listener
from types import SimpleNamespace
from typing import Any

import boto3
import botocore.exceptions
from botocore.awsrequest import AWSPreparedRequest, AWSResponse, HeadersDict
from botocore.compat import HTTPHeaders
from botocore.exceptions import BotoCoreError
from moto.core.models import botocore_stubber

from tests.contracts.kvs import FakeKeyValueStore
from tests.rehearsal.iam import Call, Caller, Policies
from tests.rehearsal.wire import TLS, Answered, Sent, calls, s3_address
from tests.rehearsal.worker import Raw

OPERATOR = "AKIDOPERATOR"
# With this one moto's executor signs for every machine.
EXECUTOR = "ak"
Fetch = Callable[[str, str, Mapping[str, str], bytes], Answered]


class PlayedAws:
    """All services of the account. `keys` maps access keys to the roles that they sign for; OPERATOR may do everything.

    `machines` are the roles of the state machines by their definitions: the executor does not say for which one it asks, so each
    that names the resource must be allowed to. `denied` lists what was refused, `seen` what got through, but for the stores' data,
    `broken` errors of the rehearsal itself. `before` is told of each request and may do something of its own, or answer instead.
    """

    def __init__(self, policies: Policies, store: FakeKeyValueStore, region: str) -> None:
        self.policies, self.store, self.region = policies, store, region
        self.keys: dict[str, Caller] = {}
        self.machines: dict[str, Caller] = {}
        self.denied: list[str] = []
        self.seen: list[Sent] = []
        self.broken: list[str] = []
        self.before: Callable[[Sent], Answered | None] = lambda sent: None
        self.invoke: Callable[[Sent], Answered] = lambda sent: Answered(501, {}, b"no functions here")
        self.build: Callable[[Sent], Answered] = lambda sent: Answered(501, {}, b"no builds here")
        self.pipelines: Callable[[Sent], Answered] = lambda sent: Answered(501, {}, b"no pipelines here")
        # Told of what S3 took, with its answer.
        self.stored: Callable[[Sent, Answered], None] = lambda sent, answered: None
        self.fetch: Fetch = lambda method, url, headers, body: Answered(0, {}, b"", "no web here")

    def send(self, sent: Sent) -> Answered:
        try:
            return self._send(sent)
        except Exception as error:
            # moto's executor would hide it.
            self.broken.append(f"{sent.event} at {sent.url}: {type(error).__name__}: {error}")
            raise

    def _send(self, sent: Sent) -> Answered:
        callers = []
        for call in calls(sent) if sent.access_key != OPERATOR else ():
            callers = self._callers(sent, call)
            for caller in callers:
                if not self.policies.allow(caller, call):
                    return self._deny(sent, f"{caller.name} may not {call}")
        return self.before(sent) or self._done(sent, callers)

    def _done(self, sent: Sent, callers: list[Caller]) -> Answered:
        if sent.service == "cloudfront-keyvaluestore":
            return self._route_data(sent)
        if (sent.service, sent.operation) == ("lambda", "Invoke"):
            return self.invoke(sent)
        if (sent.service, sent.operation) == ("codebuild", "StartBuild"):
            return self.build(sent)
        if sent.service == "codepipeline":
            return self.pipelines(sent)
        found = self._moto(sent)
        if (sent.service, sent.operation, found.status) == ("s3", "PutObject", 200):
            self.stored(sent, found)
        if sent.service != "s3":
            self.seen.append(sent)
        if sent.service == "s3" and found.status == 404 and sent.operation in ("GetObject", "HeadObject"):
            # Only those who may list learn that something is missing; such a request has no s3:prefix.
            call = Call("s3:ListBucket", f"arn:aws:s3:::{s3_address(sent)[0]}", TLS)
            for caller in callers:
                if not self.policies.allow(caller, call):
                    return self._deny(sent, f"{caller.name} may not know that {sent.url} is missing")
        return found

    def _callers(self, sent: Sent, call: Call) -> list[Caller]:
        if sent.access_key == EXECUTOR:
            return [caller for definition, caller in self.machines.items() if f'"{call.resource}"' in definition]
        if sent.access_key not in self.keys:
            raise AssertionError(f"{sent.event} was signed by {sent.access_key!r}, whom nobody knows")
        return [self.keys[sent.access_key]]

    def _deny(self, sent: Sent, why: str) -> Answered:
        self.denied.append(why)
        return _denied(sent, why)

    def _route_data(self, sent: Sent) -> Answered:
        request = SimpleNamespace(url=sent.url, headers=dict(sent.headers), body=sent.body)
        try:
            found = self.store.send(request, sent.event)
        except BotoCoreError as error:
            return Answered(0, {}, b"", type(error).__name__)
        return _answered(found)

    def _moto(self, sent: Sent) -> Answered:
        headers = HTTPHeaders()
        for name, value in sent.headers.items():
            if name.lower() != "transfer-encoding":  # the body is here already; moto would wait for it
                headers[name] = value
        headers["content-length"] = str(len(sent.body))
        request = AWSPreparedRequest(sent.method, sent.url, headers, sent.body, False)
        found = botocore_stubber(sent.event, request)
        if found is None:
            raise AssertionError(f"moto does not play {sent.event} at {sent.url}")
        return _answered(found)

    def key_of(self, role: str) -> str:
        """An access key of a role's: the wire tells by it who asks."""
        name = role.rpartition("/")[2]
        key = f"ASIA{hashlib.sha256(role.encode()).hexdigest()[:8]}{re.sub('[^A-Za-z0-9]', '', name)}".upper()[:40]
        self.keys[key] = Caller(arn=role)
        return key

    def session_of(self, role: str, service: str) -> Any:
        """A boto3 session of a service that took a role. AssertionError when it may not."""
        assert self.policies.trusts(role, service), f"{service} may not take the role {role}"
        session = boto3.Session(aws_access_key_id=self.key_of(role), aws_secret_access_key="made-up", region_name=self.region)
        self.attach(session)
        return session

    def attach(self, session: Any) -> None:
        """Send here what this boto3 session sends."""
        # botocore asks all handlers and takes the first answer: moto would do everything a second time.
        session.events.unregister("before-send", botocore_stubber)
        session.events.register("before-send.*", self._handle)

    def _handle(self, request: Any, event_name: str, **_: object) -> AWSResponse:
        body = request.body.read() if hasattr(request.body, "read") else request.body
        headers = {name: value.decode() if isinstance(value, bytes) else value for name, value in request.headers.items()}
        body = body.encode() if isinstance(body, str) else body or b""
        found = self.send(Sent(event_name, request.method, request.url, headers, body))
        if found.error:
            raise getattr(botocore.exceptions, found.error)(endpoint_url=request.url)
        return AWSResponse(request.url, found.status, HeadersDict(found.headers), Raw(found.body))

    def listen(self, address: str) -> Listener:
        """Answer workers on a socket, each connection in a thread of its own. Close what is returned to end it."""
        listener = Listener(address, "AF_UNIX", backlog=64)
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return listener

    def _accept(self, listener: Listener) -> None:
        while True:
            try:
                connection = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: Connection) -> None:
        with connection:
            while True:
                try:
                    kind, *rest = connection.recv()
                except (EOFError, OSError):
                    return
                try:
                    found = self.send(Sent(*rest)) if kind == "aws" else self.fetch(*rest)
                except Exception:  # said by `broken`; to the function it is a connection that broke
                    found = Answered(0, {}, b"", "ConnectionClosedError")
                connection.send((found.status, dict(found.headers), found.body, found.error))


def _answered(found: AWSResponse) -> Answered:
    return Answered(found.status_code, {str(k): str(v) for k, v in found.headers.items()}, found.content)


def _denied(sent: Sent, why: str) -> Answered:
    """AccessDenied as the service would say it."""
    if sent.service == "s3":
        body = f"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>{why}</Message></Error>".encode()
        return Answered(403, {"content-type": "application/xml"}, b"" if sent.method == "HEAD" else body)
    if sent.service == "sns":
        text = f"<ErrorResponse><Error><Code>AuthorizationError</Code><Message>{why}</Message></Error></ErrorResponse>"
        return Answered(403, {"content-type": "text/xml"}, text.encode())
    headers = {"x-amzn-ErrorType": "AccessDeniedException", "content-type": "application/json"}
    return Answered(403, headers, json.dumps({"__type": "AccessDeniedException", "message": why, "Message": why}).encode())
