"""CloudFront's KeyValueStore behind boto3's own client: its data plane in memory, and edges that learn of writes late.

Everything up to the wire is real: endpoint rules, serialisation, SigV4A, parsing of errors. Where AWS does not say what it does,
the store can be told to do either (`mismatch`, `is_quiet`, `needs_keys`), and takes the way that is harder for its user: pages of
`ListKeys` are positions in no useful order, so that a key can be missed when others write between two pages.
"""

from __future__ import annotations

import hashlib
import json
import random
import threading
import time
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from botocore.awsrequest import AWSResponse, HeadersDict
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, ReadTimeoutError

from toolkit.engine import limits
from toolkit.engine.hosts import SPREAD_SECONDS

ARN = "arn:aws:cloudfront::123456789012:key-value-store/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
_STATUS = {
    "AccessDeniedException": 403,
    "ConflictException": 409,
    "ExpiredTokenException": 403,
    "InternalServerException": 500,
    "PreconditionFailed": 412,
    "ResourceNotFoundException": 404,
    "ServiceQuotaExceededException": 402,
    "ThrottlingException": 429,
    "UnrecognizedClientException": 403,
    "ValidationException": 400,
}
# Faults of the way there, after which nothing was done, and of the way back.
_UNSENT, _TIMEOUT, _LOST, _LATE = "unsent", "timeout", "lost", "done, then InternalServerException"


class _Error(Exception):
    """An error of the service: its name and its text."""


class FakeKeyValueStore:
    """One store. `attach` it to a session before its client is made; `calls` names the operations that came.

    `mismatch` is the error for a stale tag, `is_quiet` keeps the tag when an update changes no value, `needs_keys` refuses to
    delete what is not there. `before` is called with each operation's name and may do something of its own.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.time,
        *,
        arn: str = ARN,
        mismatch: str = "ConflictException",
        is_quiet: bool = False,
        needs_keys: bool = False,
    ) -> None:
        self.clock, self.arn = clock, arn
        self.mismatch, self.is_quiet, self.needs_keys = mismatch, is_quiet, needs_keys
        self.before: Callable[[str], object] = lambda operation: None
        self.calls: list[str] = []
        self.pairs: dict[str, str] = {}
        self._faults: list[tuple[str, str]] = []
        self._changes: dict[str, list[tuple[float, str | None]]] = {}
        self._updates = 0
        self._lock = threading.Lock()

    def attach(self, session: Any) -> None:
        session.events.register_first("before-send.cloudfront-keyvaluestore.*", self.send)

    def fail(self, operation: str, fault: str, times: int = 1) -> None:
        """Let the next calls of an operation end in an error of the service, or "unsent", "timeout" (neither did anything), "lost"
        or "done, then InternalServerException" (both did)."""
        self._faults += [(operation, fault)] * times

    def heal(self) -> None:
        """Forget the faults that have not come yet."""
        self._faults.clear()

    @property
    def tag(self) -> str:
        return f"KV{hashlib.md5(str(self._updates).encode()).hexdigest()[:11].upper()}"

    @property
    def changed(self) -> float:
        """The moment of the last update, by the store's clock."""
        return max((changes[-1][0] for changes in self._changes.values()), default=float("-inf"))

    def values(self, key: str, since: float) -> list[tuple[float, str | None]]:
        """What the key held at `since`, and each value that it was given later, with the moments; oldest first."""
        changes = [(float("-inf"), None), *self._changes.get(key, ())]
        return [one for one, following in pairwise([*changes, (float("inf"), None)]) if following[0] > since]

    def send(self, request: Any, event_name: str, **_: object) -> AWSResponse:
        """The answer to a request that botocore is about to send."""
        operation = event_name.rpartition(".")[2]
        self.calls.append(operation)
        self.before(operation)
        fault = self._fault(operation)
        if fault == _UNSENT:
            raise EndpointConnectionError(endpoint_url=request.url)
        if fault == _TIMEOUT:
            raise ReadTimeoutError(endpoint_url=request.url)
        try:
            if fault and fault not in (_LOST, _LATE):
                raise _Error(fault, "as the test wants it")
            with self._lock:
                status, headers, body = 200, *self._answer(operation, request)
            if fault == _LATE:
                raise _Error("InternalServerException", "as the test wants it")
        except _Error as error:
            status, headers, body = _STATUS[error.args[0]], {"x-amzn-ErrorType": error.args[0]}, {"Message": error.args[1]}
        if fault == _LOST:
            raise ConnectionClosedError(endpoint_url=request.url)
        return AWSResponse(request.url, status, HeadersDict(headers), Raw(json.dumps(body).encode()))

    def _fault(self, operation: str) -> str:
        for number, (name, fault) in enumerate(self._faults):
            if name == operation:
                del self._faults[number]
                return fault
        return ""

    def _answer(self, operation: str, request: Any) -> tuple[dict[str, str], Mapping[str, object]]:
        _check_signature(request)
        url = urlsplit(request.url)
        _, _, arn, *rest = [unquote(part) for part in url.path.split("/")]
        if arn != self.arn:
            raise _Error("ResourceNotFoundException", "no such store")
        tag = {"ETag": self.tag}
        if operation == "DescribeKeyValueStore":
            return tag, {"KvsARN": arn, "Created": 1.7e9, "Status": "READY", **self._usage(self.pairs)}
        if operation == "GetKey":
            key = rest[1]
            if key not in self.pairs:
                raise _Error("ResourceNotFoundException", "no such key")
            return {}, {"Key": key, "Value": self.pairs[key], **self._usage(self.pairs)}
        if operation == "ListKeys":
            return {}, self._page({name: values[0] for name, values in parse_qs(url.query).items()})
        self._update(json.loads(request.body), _text(request.headers.get("If-Match")))
        return {"ETag": self.tag}, self._usage(self.pairs)

    def _page(self, query: dict[str, str]) -> dict[str, object]:
        size, start = int(query.get("MaxResults", 10)), int(query.get("NextToken", 0))
        if not 1 <= size <= 50:
            raise _Error("ValidationException", "MaxResults")
        keys = sorted(self.pairs, key=lambda key: hashlib.md5(key.encode()).digest())
        items = [{"Key": key, "Value": self.pairs[key]} for key in keys[start : start + size]]
        return {"Items": items, **({"NextToken": str(start + size)} if start + size < len(keys) else {})}

    def _update(self, body: dict[str, list[dict[str, str]]], if_match: str) -> None:
        puts, deletes = body.get("Puts") or [], [item["Key"] for item in body.get("Deletes") or []]
        keys = [*(item["Key"] for item in puts), *deletes]
        sizes = [(len(item["Key"].encode()), len(item["Value"].encode())) for item in puts] + [
            (len(k.encode()), 0) for k in deletes
        ]
        whole = sum(key + value for key, value in sizes)
        if not keys or len(keys) > limits.BATCH_KEYS or whole > limits.BATCH_BYTES or len(set(keys)) < len(keys):
            raise _Error("ValidationException", "the batch")
        if not if_match or any(not 0 < key <= limits.KEY_BYTES or value > limits.VALUE_BYTES for key, value in sizes):
            raise _Error("ValidationException", "If-Match, a key or a value")
        if if_match != self.tag:
            raise _Error(self.mismatch, "the store has another ETag")
        if self.needs_keys and not set(deletes) <= set(self.pairs):
            raise _Error("ResourceNotFoundException", "a key to delete is not there")
        pairs = {key: value for key, value in self.pairs.items() if key not in deletes}
        pairs.update((item["Key"], item["Value"]) for item in puts)
        if self._usage(pairs)["TotalSizeInBytes"] > limits.STORE_BYTES:
            raise _Error("ServiceQuotaExceededException", "the store is full")
        self._updates += not self.is_quiet or pairs != self.pairs
        for key in keys:
            self._changes.setdefault(key, []).append((self.clock(), pairs.get(key)))
        self.pairs = pairs

    @staticmethod
    def _usage(pairs: dict[str, str]) -> dict[str, int]:
        size = sum(len(key.encode()) + len(value.encode()) for key, value in pairs.items())
        return {"ItemCount": len(pairs), "TotalSizeInBytes": size}


class LaggingEdge:
    """What one edge location reads of a store: each key as it was at some moment of the last `spread` seconds.

    Assumed is only that a write is everywhere after `spread` (AWS speaks of a few seconds; this is ample). Nothing is assumed
    about order. Not between keys of one update: all or nothing is said of the store, not of edges. Not between two reads of one
    key either: a location is many machines, so that a later read may give an older value. With `is_steady` it is one machine, which
    for each key never goes back, and learns of each write after a delay of its own; keys are still apart.
    """

    def __init__(
        self, store: FakeKeyValueStore, chance: random.Random, *, spread: float = SPREAD_SECONDS, is_steady: bool = False
    ) -> None:
        self.store, self.chance, self.spread, self.is_steady = store, chance, spread, is_steady
        self._seed = chance.random()

    def get(self, key: str) -> str | None:
        now = self.store.clock()
        known = self.store.values(key, now - self.spread)
        if not self.is_steady:
            return self.chance.choice(known)[1]
        return next(value for moment, value in reversed(known) if moment + self._delay(key, moment) <= now)

    def _delay(self, key: str, moment: float) -> float:
        return random.Random(f"{self._seed} {key} {moment}").uniform(0, self.spread)


class Raw:
    """A body as urllib3 hands it over."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, *_: object, **__: object) -> list[bytes]:
        return [self._body]


def _check_signature(request: Any) -> None:
    if not _text(request.headers.get("Authorization")).startswith("AWS4-ECDSA-P256-SHA256 "):
        raise _Error("AccessDeniedException", "this service wants SigV4A")


def _text(value: str | bytes | None) -> str:
    return value.decode() if isinstance(value, bytes) else value or ""
