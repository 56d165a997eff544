"""What is particular to the KeyValueStore: what is repeated, torn listings, and AWS's errors as people can read them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import boto3
import pytest

from tests.aws.support import no_sleep, routes_on, session_on
from tests.contracts.kvs import ARN, FakeKeyValueStore
from tests.contracts.routes import fill
from tests.engine.world import World
from toolkit.aws.routes import KeyValueRoutes
from toolkit.engine.errors import Conflict, LimitExceeded, Unavailable, UserError

READS: dict[str, Callable[[KeyValueRoutes], object]] = {
    "DescribeKeyValueStore": KeyValueRoutes.etag,
    "GetKey": lambda routes: routes.get("a"),
    "ListKeys": KeyValueRoutes.items,
}
PASSING = ("ThrottlingException", "InternalServerException", "lost", "timeout", "unsent", "ConflictException")


@pytest.fixture
def aws() -> FakeKeyValueStore:
    return FakeKeyValueStore()


@pytest.fixture
def routes(aws: FakeKeyValueStore) -> KeyValueRoutes:
    return routes_on(aws)


@pytest.mark.parametrize("fault", PASSING)
@pytest.mark.parametrize("operation", READS)
def test_reads_are_repeated_but_not_for_ever(aws: FakeKeyValueStore, operation: str, fault: str) -> None:
    waited: list[float] = []
    routes = routes_on(aws, sleep=waited.append)
    aws.fail(operation, fault, times=4)
    READS[operation](routes)
    assert len(waited) == 4 and all(0 <= seconds <= 2 for seconds in waited)
    aws.calls.clear()
    aws.fail(operation, fault, times=5)
    with pytest.raises(Unavailable):
        READS[operation](routes)
    assert aws.calls.count(operation) == 5


@pytest.mark.parametrize("fault", ["ThrottlingException", "unsent"])
def test_an_update_is_repeated_where_nothing_was_done(aws: FakeKeyValueStore, routes: KeyValueRoutes, fault: str) -> None:
    aws.fail("UpdateKeys", fault, times=4)
    assert routes.update({"a": "1"}, [], if_match=aws.tag) == aws.tag
    aws.fail("UpdateKeys", fault, times=5)
    with pytest.raises(Unavailable):
        routes.update({"a": "2"}, [], if_match=aws.tag)
    assert (aws.calls.count("UpdateKeys"), aws.pairs) == (10, {"a": "1"})


@pytest.mark.parametrize(
    ("fault", "is_done"),
    [("lost", True), ("done, then InternalServerException", True), ("InternalServerException", False), ("timeout", False)],
)
def test_an_update_with_an_unknown_end_is_sent_once(
    aws: FakeKeyValueStore, routes: KeyValueRoutes, fault: str, is_done: bool
) -> None:
    aws.fail("UpdateKeys", fault)
    with pytest.raises(Unavailable):
        routes.update({"a": "1"}, [], if_match=aws.tag)
    assert (aws.calls.count("UpdateKeys"), aws.pairs) == (1, {"a": "1"} if is_done else {})


@pytest.mark.parametrize("fault", ["lost", "done, then InternalServerException", "timeout", "ThrottlingException"])
@pytest.mark.parametrize("which", range(3))
def test_a_flip_finds_its_own_work_after_a_lost_reply(fault: str, which: int) -> None:
    """Of a first deploy's updates (table, table's record, flip) each may be the one."""
    aws = FakeKeyValueStore()
    world = World(routes=routes_on(aws))

    def trouble(operation: str) -> None:
        if operation == "UpdateKeys" and aws.calls.count("UpdateKeys") == which + 1:
            aws.fail("UpdateKeys", fault)

    aws.before = trouble
    world.deploy({"index.html": "one"})
    assert (world.body("/"), [entry.number for entry in world.ledger()]) == (b"one", [1])
    world.check()


@pytest.mark.parametrize("mismatch", ["ConflictException", "PreconditionFailed", "ValidationException"])
def test_a_stale_tag_is_a_conflict_whatever_aws_calls_it(mismatch: str) -> None:
    aws = FakeKeyValueStore(mismatch=mismatch)
    routes = routes_on(aws)
    stale = aws.tag
    routes.update({"a": "1"}, [], if_match=stale)
    with pytest.raises(Conflict):
        routes.update({"a": "2"}, [], if_match=stale)


def test_what_is_refused_under_the_right_tag_is_no_conflict(aws: FakeKeyValueStore, routes: KeyValueRoutes) -> None:
    aws.fail("UpdateKeys", "ValidationException")
    with pytest.raises(UserError, match="ValidationException"):
        routes.update({"a": "1"}, [], if_match=aws.tag)


def test_a_full_store_is_told_by_its_figures(aws: FakeKeyValueStore, routes: KeyValueRoutes) -> None:
    fill(routes, 5070)
    for refusal in ("ServiceQuotaExceededException", "ValidationException"):
        aws.fail("UpdateKeys", refusal)
        with pytest.raises(LimitExceeded, match=r"5,242,380 bytes of 5,242,880, 1,025 more"):
            routes.update({"k": "v" * 1024}, [], if_match=aws.tag)


def test_keys_that_are_gone_do_not_stop_a_delete() -> None:
    aws = FakeKeyValueStore(needs_keys=True)
    routes = routes_on(aws)
    tag = routes.update({"a": "1", "b": "2"}, [], if_match=aws.tag)
    tag = routes.update({"c": "3"}, ["a", "gone"], if_match=tag)
    assert aws.pairs == {"b": "2", "c": "3"}
    assert routes.update({}, ["gone"], if_match=tag) == tag == aws.tag
    aws.before = lambda operation: aws.pairs.pop("b", None) if operation == "GetKey" else None
    routes.update({}, ["b", "gone"], if_match=tag)
    assert aws.pairs == {"c": "3"}


def test_a_listing_is_of_one_moment(aws: FakeKeyValueStore, routes: KeyValueRoutes) -> None:
    """Pages are positions: a key that goes moves another one from the page to come to the one that was read."""
    pairs = {f"k{number:03d}": "v" for number in range(120)}
    for start in range(0, 120, 50):
        routes.update(dict(list(pairs.items())[start : start + 50]), [], if_match=aws.tag)
    other = routes_on(aws)

    def between(operation: str) -> None:
        if operation == "ListKeys" and aws.calls.count("ListKeys") == 2:
            aws.before = lambda operation: None
            for key in list(pairs)[:30]:
                del pairs[key]
                other.update({}, [key], if_match=aws.tag)

    aws.before = between
    assert dict(routes.items()) == pairs
    aws.before = lambda operation: other.update({"x": str(len(aws.calls))}, [], if_match=aws.tag) if operation == "ListKeys" else 0
    with pytest.raises(Unavailable, match="while it was listed"):
        routes.items()


def test_a_page_whose_token_no_longer_counts_begins_the_listing_again(aws: FakeKeyValueStore, routes: KeyValueRoutes) -> None:
    fill(routes, 60)

    def refuse_the_second_page(operation: str) -> None:
        if operation == "ListKeys" and aws.calls.count("ListKeys") == 2:
            aws.fail("ListKeys", "ValidationException")

    aws.before = refuse_the_second_page
    assert len(list(routes.items())) == 60


def test_a_store_that_is_gone_is_not_an_empty_one(aws: FakeKeyValueStore) -> None:
    for ask in (*READS.values(), KeyValueRoutes.usage, lambda store: store.update({"a": "1"}, [], if_match="x")):
        with pytest.raises(UserError, match="there is no route store") as caught:
            ask(routes_on(aws, arn=f"{ARN}1"))
        assert "toolkit up" in caught.value.fix


def test_a_key_that_is_not_there_costs_one_request(aws: FakeKeyValueStore, routes: KeyValueRoutes) -> None:
    routes.etag()
    aws.calls.clear()
    assert routes.get("nothing") is None
    assert aws.calls == ["GetKey"]


@pytest.mark.parametrize(
    ("fault", "what", "fix"),
    [
        ("ExpiredTokenException", "expired", "sign in again"),
        ("UnrecognizedClientException", "does not accept", "clock"),
        ("AccessDeniedException", "may not", "cloudfront-keyvaluestore:DescribeKeyValueStore"),
    ],
)
def test_who_may_not_is_told_what_to_do(aws: FakeKeyValueStore, routes: KeyValueRoutes, fault: str, what: str, fix: str) -> None:
    aws.fail("DescribeKeyValueStore", fault)
    with pytest.raises(UserError, match=what) as caught:
        routes.etag()
    assert fix in caught.value.fix and aws.calls == ["DescribeKeyValueStore"]


def test_no_credentials(aws: FakeKeyValueStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / name))
    session = boto3.Session()
    aws.attach(session)
    with pytest.raises(UserError, match="no AWS credentials") as caught:
        KeyValueRoutes(session, ARN, sleep=no_sleep).etag()
    assert "AWS_PROFILE" in caught.value.fix and aws.calls == []


def test_a_region_is_not_needed_but_must_be_of_the_store_s_partition(
    aws: FakeKeyValueStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "nowhere")
    assert KeyValueRoutes(session_on(aws, region=None), ARN).etag() == aws.tag
    with pytest.raises(UserError, match="aws-cn") as caught:
        KeyValueRoutes(session_on(aws, region="cn-north-1"), ARN).etag()
    assert "region" in caught.value.fix


@pytest.mark.parametrize("arn", ["a-store", "arn:aws:s3:::bucket", "arn:aws:cloudfront::123456789012:distribution/E1"])
def test_what_is_no_store(aws: FakeKeyValueStore, arn: str) -> None:
    with pytest.raises(UserError, match=arn):
        routes_on(aws, arn=arn).etag()


WITHOUT_CRT = """
import json, sys
sys.modules["awscrt"] = None
import boto3
from toolkit.aws.routes import KeyValueRoutes
from toolkit.engine.errors import UserError
try:
    session = boto3.Session(aws_access_key_id="a", aws_secret_access_key="b", region_name="us-east-1")
    KeyValueRoutes(session, sys.argv[1]).etag()
except UserError as error:
    print(json.dumps([error.what, error.fix]))
"""


def test_awscrt_is_missing() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_CRT, ARN], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    what, fix = json.loads(done.stdout)
    assert "awscrt" in what and "pip install" in fix
