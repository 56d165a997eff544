"""The route store in a CloudFront KeyValueStore, over its data plane (`cloudfront-keyvaluestore`, signed with SigV4A by awscrt).

What happens to an update: botocore sends it once and never by itself again. Had the first one taken effect and only its reply been
lost, the second would come with a tag that its own twin has made stale, and a success would be reported as a Conflict. So this
adapter repeats an update only where AWS certainly did nothing (throttled, not connected). After a lost reply or a 5xx it raises
Unavailable: nobody knows. Whoever updates reads again under a new tag: a flip finds its own token in the channel's record and is
done (`engine.release`), tables and records are written again, which is harmless (`engine.tables`). A Conflict means that this
update did nothing. Reads are repeated a few times, with jitter.

Cost: a request per call, `items` one per 50 keys and two more; $1 per thousand of them ("Amazon CloudFront pricing").
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from toolkit.aws.errors import NothingDone, answered, code, status, unanswered
from toolkit.engine import limits
from toolkit.engine.batch import check_batch, pair_bytes
from toolkit.engine.errors import Conflict, LimitExceeded, Unavailable, UserError
from toolkit.engine.ports import Usage

_SERVICE = "cloudfront-keyvaluestore"
# The data plane is global: a region only has to be there and of the store's partition.
_REGION = "us-east-1"
_PAGE = 50
_TRIES = 5
_ONCE = Config(retries={"mode": "standard", "total_max_attempts": 1}, connect_timeout=5, read_timeout=15)


class KeyValueRoutes:
    """`engine.ports.RouteStore` in the KeyValueStore `arn`; `session` is a boto3 session. Threads may share it.

    Every method may raise Unavailable, and UserError for what a person has to mend: credentials, policies, a store that is gone.
    """

    def __init__(self, session: Any, arn: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self.arn = arn
        self._sleep = sleep
        self._is_there = False
        try:
            self._client = session.client(_SERVICE, region_name=session.region_name or _REGION, config=_ONCE)
        except BotoCoreError as error:
            raise unanswered(error, arn) from error

    def etag(self) -> str:
        return str(self._describe()["ETag"])

    def usage(self) -> Usage:
        return _usage(self._describe())

    def get(self, key: str) -> str | None:
        try:
            return str(self._read("get_key", Key=key)["Value"])
        except _Refused as refused:
            if refused.status != 404:
                raise self._unexpected(refused) from refused
        if not self._is_there:  # a store that is not there has the same answer
            self._describe()
        return None

    def items(self) -> Iterator[tuple[str, str]]:
        """Every pair as of one moment: what others change between two pages is found by the tag, and the listing begun again.

        A prune would otherwise take a version for unneeded whose channel slipped from one page to another. Unavailable when the
        store does not stay as it is for long enough.
        """
        for attempt in range(_TRIES):
            tag = self.etag()
            pairs = self._pages()
            if pairs is not None and self.etag() == tag:
                return iter(sorted(pairs.items(), key=lambda pair: pair[0].encode()))
            self._back_off(attempt)
        raise Unavailable(f"{self.arn} was changed {_TRIES} times while it was listed")

    def update(self, puts: Mapping[str, str], deletes: Sequence[str], *, if_match: str) -> str:
        check_batch(puts, deletes)
        wanted = {
            "IfMatch": if_match,
            "Puts": [{"Key": key, "Value": value} for key, value in puts.items()],
            "Deletes": [{"Key": key} for key in deletes],
        }
        for attempt in range(_TRIES):
            try:
                return str(self._call("update_keys", **wanted)["ETag"])
            except NothingDone:
                if attempt == _TRIES - 1:
                    raise
                self._back_off(attempt)
            except _Refused as refused:
                return self._refused(refused, puts, deletes, if_match)
        raise AssertionError("unreachable")

    def _refused(self, refused: _Refused, puts: Mapping[str, str], deletes: Sequence[str], if_match: str) -> str:
        """Why an update was refused. A stale tag is documented as 409, and may come as 412 or 400, which has other meanings too."""
        if refused.status in (409, 412):
            raise Conflict(f"{self.arn} changed since it was read") from refused
        now = self._describe()
        if now["ETag"] != if_match:
            raise Conflict(f"{self.arn} changed since it was read") from refused
        there = [key for key in deletes if self.get(key) is not None] if refused.status == 404 else deletes
        if len(there) < len(deletes):
            # The port lets keys be deleted that are not there; should AWS not, they are left out, still under the same tag.
            return self.update(puts, there, if_match=if_match) if puts or there else if_match
        added = sum(pair_bytes(key, value) for key, value in puts.items())
        if refused.status == 402 or _usage(now).bytes + added > limits.STORE_BYTES:
            raise LimitExceeded(
                f"{self.arn} holds {_usage(now).bytes:,} bytes of {limits.STORE_BYTES:,}, {added:,} more were refused: {refused}",
                "remove previews or old versions (toolkit prune), or publish fewer routes",
            ) from refused
        raise self._unexpected(refused) from refused

    def _describe(self) -> dict[str, Any]:
        try:
            found = self._read("describe_key_value_store")
        except _Refused as refused:
            if refused.status == 404:
                raise UserError(f"there is no route store {self.arn}", "set the target up: toolkit up") from refused
            raise self._unexpected(refused) from refused
        self._is_there = True
        return found

    def _pages(self) -> dict[str, str] | None:
        """What all pages hold; None when AWS no longer takes a page's token."""
        pairs: dict[str, str] = {}
        more: dict[str, str] = {}
        while True:
            try:
                page = self._read("list_keys", MaxResults=_PAGE, **more)
            except _Refused as refused:
                if more and refused.status == 400:
                    return None
                raise self._unexpected(refused) from refused
            pairs.update((item["Key"], item["Value"]) for item in page.get("Items", ()))
            if not page.get("NextToken"):
                return pairs
            more = {"NextToken": page["NextToken"]}

    def _read(self, operation: str, **arguments: object) -> dict[str, Any]:
        for attempt in range(_TRIES - 1):
            try:
                return self._call(operation, **arguments)
            except Unavailable:
                self._back_off(attempt)
            except _Refused as refused:
                if refused.status != 409:  # "not in expected state": being made, or changed just now
                    raise
                self._back_off(attempt)
        return self._call(operation, **arguments)

    def _call(self, operation: str, **arguments: object) -> dict[str, Any]:
        try:
            found: dict[str, Any] = getattr(self._client, operation)(KvsARN=self.arn, **arguments)
            return found
        except ClientError as error:
            raise answered(error, self.arn, f"{_SERVICE}:{error.operation_name}") or _Refused(error) from error
        except BotoCoreError as error:
            raise unanswered(error, self.arn) from error

    def _unexpected(self, refused: _Refused) -> Exception:
        if refused.status == 409:
            return Unavailable(f"{self.arn}: {refused}")
        return UserError(f"{self.arn}: {refused}", "see that the store is in order: toolkit status")

    def _back_off(self, attempt: int) -> None:
        """Full jitter, at most two seconds ("Timeouts, retries and backoff with jitter", Amazon Builders' Library)."""
        self._sleep(random.uniform(0, min(2.0, 0.1 * 2**attempt)))


class _Refused(Exception):
    """AWS read the request and did not do it; the text is its own."""

    def __init__(self, error: ClientError) -> None:
        super().__init__(f"{code(error)}: {error.response.get('Error', {}).get('Message', '')}")
        self.status = status(error)


def _usage(description: Mapping[str, Any]) -> Usage:
    return Usage(items=description["ItemCount"], bytes=description["TotalSizeInBytes"])
