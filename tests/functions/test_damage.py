"""Every single key of the route store removed, cut short or overwritten: it fails closed, in both engines."""

from __future__ import annotations

import random
from collections import defaultdict
from functools import lru_cache
from typing import Any

import pytest

from tests.functions import corpus, damage
from tests.functions.engines import ENGINES, THREW, Event, keys_read, run
from tests.functions.judge import STATUSES, leads_off, outcome
from tests.functions.sites import SITE_HOSTS, SPA_HOST, WWW_HOST, blobs, store

# Requests for each damaged key, of those that read it.
ASKED = 8
# Of what is gone or cut short the edge can tell; of a text that is whole but other only what can never be right.
TELLS = ("removed", "empty", "cut short")


@lru_cache(maxsize=1)
def readers() -> dict[str, list[tuple[Event, dict[str, Any]]]]:
    """For each key of the store, requests that read it and their answers while all is well."""
    chance = random.Random(1)
    events = [corpus.visit(path, host, chance) for path in corpus.known() for host in SITE_HOSTS]
    found: dict[str, list[tuple[Event, dict[str, Any]]]] = defaultdict(list)
    answers = run("quickjs", store(), events)
    for asked, answer, keys in zip(events, answers, keys_read(store(), events), strict=True):
        for key in keys:
            found[key].append((asked, answer))
    return found


def test_every_key_is_read_by_something() -> None:
    assert set(store()) <= set(readers())


@pytest.mark.parametrize("engine", ENGINES)
def test_a_damaged_key_fails_closed(engine: str) -> None:
    chance = random.Random(2)
    for key, kind, kvs in damage.every_key(chance):
        pairs = chance.sample(readers()[key], min(ASKED, len(readers()[key])))
        for (asked, before), answer in zip(pairs, run(engine, kvs, [asked for asked, _ in pairs]), strict=True):
            where = f"{key} {kind}: {asked['request']} {kvs.get(key, '')!r}"
            assert answer != THREW, where
            status, place = outcome(answer)
            # This host has another table to fall back to.
            has_another = key.startswith("t:") and asked["request"]["headers"]["host"]["value"] == SPA_HOST
            if kind in TELLS and not has_another:
                assert answer == before or status in (404, 503) or (status, place) in _missing(asked), where
            elif status == 200 and "origin" not in answer:
                host = asked["request"]["headers"]["host"]["value"]
                # A name that no blob has is a 403 of the bucket: nobody else's content.
                assert place in blobs(host) or place not in blobs(), where
            else:
                assert status in {200, *STATUSES}, where
            # Where a text or a gate says another place, it is another place.
            if not key.startswith(("x:", f"h:{WWW_HOST}")):
                assert not leads_off(asked, answer), where


def _missing(asked: Event) -> set[tuple[int, str]]:
    """What the host answers where nothing is: its own page for that."""
    missing = {**asked, "request": {**asked["request"], "uri": "/no/such/thing/anywhere"}}
    return {outcome(run("quickjs", store(), [missing])[0])}
