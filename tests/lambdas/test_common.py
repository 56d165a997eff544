"""What the state machine and the log see of a step: names of errors, lines of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from lambdas import common
from lambdas.common import Services, VerifyFailed

from toolkit.aws.errors import NothingDone
from toolkit.engine.errors import Busy, Conflict, LimitExceeded, Superseded, Unavailable, UserError

SERVICES = Services({"SITE": "shop", "HOSTS": '["a"]', "BAD": "{"}, session=None)


@pytest.mark.parametrize(
    ("error", "name", "text"),
    [
        (NothingDone("arn: throttled"), "Unavailable", "arn: throttled"),
        (Unavailable("lost"), "Unavailable", "lost"),
        (Busy("the store stayed busy", "again"), "Conflict", "the store stayed busy"),
        (Conflict("tag"), "Conflict", "tag"),
        (LimitExceeded("too many routes", "publish fewer"), "UserError", "too many routes: publish fewer"),
        (Superseded("newer", ""), "UserError", "newer"),
        (VerifyFailed("/ answers 500", "look"), "VerifyFailed", "/ answers 500: look"),
        (ZeroDivisionError("a bug"), "ZeroDivisionError", "a bug"),
    ],
)
def test_errors_leave_under_names_that_the_state_machine_knows(error: Exception, name: str, text: str) -> None:
    """Step Functions compares the class's name with `ErrorEquals`, and knows nothing of base classes."""

    def step(event: Mapping[str, Any], services: Services) -> dict[str, Any]:
        raise error

    with pytest.raises(Exception) as caught:
        common.handle(step, {}, SERVICES)
    assert (caught.type.__name__, str(caught.value)) == (name, text)


@pytest.mark.parametrize("error", [UserError("x" * 300_000, "mend it"), VerifyFailed("é" * 300_000, ""), Busy("y" * 300_000, "")])
def test_an_error_of_any_length_is_one_that_step_functions_can_catch(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    def step(event: Mapping[str, Any], services: Services) -> dict[str, Any]:
        raise error

    with pytest.raises((UserError, Conflict)) as caught:
        common.handle(step, {}, SERVICES)
    assert common.TEXT_LENGTH - 10 < len(str(caught.value)) < common.TEXT_LENGTH + 50 and "…" in str(caught.value)
    assert len(capsys.readouterr().out) < 2 * common.TEXT_LENGTH + 30_000


def test_each_event_leaves_one_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    def step(event: Mapping[str, Any], services: Services) -> dict[str, Any]:
        if "bad" in event:
            raise UserError("two\nlines", "mend it")
        return {"site": services.site}

    common.handle(step, {"run": "r1", "channel": "live", "source": {"key": "secret.zip"}}, SERVICES)
    with pytest.raises(UserError):
        common.handle(step, {"run": "r2", "bad": 1}, SERVICES)
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (first["level"], first["run"], first["channel"], first["result"]) == ("INFO", "r1", "live", {"site": "shop"})
    assert (second["level"], second["run"], second["message"]) == ("ERROR", "r2", "UserError: two\nlines")
    assert first["step"] == "test_common" and first["seconds"] >= 0 and "secret" not in json.dumps(first)


def test_an_environment_that_lacks_something_is_named() -> None:
    assert SERVICES.json("HOSTS") == ["a"] and SERVICES.value("NONE", "x") == "x"
    with pytest.raises(UserError, match="the function's environment lacks BUCKET"):
        assert SERVICES.objects
    with pytest.raises(UserError, match="the function's environment lacks STORE_ARN"):
        assert SERVICES.routes
    with pytest.raises(UserError, match="the function's variable BAD is no JSON"):
        SERVICES.json("BAD")


@pytest.mark.parametrize(("value", "kind"), [(True, float), ("1", float), (None, str), (1, str), ([], dict), (1.5, int)])
def test_members_of_events_have_their_types(value: object, kind: type) -> None:
    with pytest.raises(UserError, match=f"'x' is .* instead of a {kind.__name__}"):
        common.given({"x": value}, "x", kind)


def test_whole_numbers_are_numbers_too() -> None:
    """JSON has no types for them: Step Functions writes 1732200000 for 1732200000.0."""
    assert common.given({"x": 3}, "x", float) == 3.0
