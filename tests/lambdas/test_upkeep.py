"""The daily round: what goes, what stays, and who has priority."""

from __future__ import annotations

from typing import Any

import pytest
from lambdas import publish, runs, upkeep, verify

from tests.engine.interference import Crash
from tests.lambdas.support import SITE, Aws, Killed, pages
from toolkit.engine import channels, release
from toolkit.engine.leases import DEPLOY_SECONDS
from toolkit.engine.release import load_manifest

DAY = 86400


def kept(aws: Aws) -> list[str]:
    """The channels that serve something."""
    return sorted(record.channel for record in release.channels(aws.routes, SITE))


def versions(aws: Aws) -> int:
    return len(aws.keys("/versions/"))


def once(aws: Aws, **env: Any) -> dict[str, Any]:
    return aws.run(upkeep.step, {}, **{"KEEP": "1", "GRACE_HOURS": "1", "PREVIEW_DAYS": "30", **env})


def test_previews_whose_time_is_over_go_and_then_what_they_needed(aws: Aws) -> None:
    aws.deploy("old", channel="preview/old")
    aws.sleep(35 * DAY)
    aws.deploy("young", channel="preview/young")
    aws.deploy("live")
    aws.sleep(DAY)
    done = once(aws)
    assert (done["outcome"], done["expired"], done["versions"]) == ("done", ["preview/old"], 0), "it served a moment ago"
    assert kept(aws) == ["live", "preview/young"]
    aws.sleep(DAY)
    assert once(aws)["versions"] == 1 and versions(aws) == 2
    assert aws.page(cookie=f"__Host-preview=young--{SITE}") == (200, "<title>young</title>")
    assert aws.page(cookie=f"__Host-preview=old--{SITE}") == (200, "<title>live</title>"), "a cookie that is left over"


def test_zero_days_are_for_ever(aws: Aws) -> None:
    aws.deploy("old", channel="preview/old")
    aws.sleep(4000 * DAY)
    assert once(aws, PREVIEW_DAYS="0")["expired"] == [] and kept(aws) == ["preview/old"]


def test_versions_and_files_that_nobody_needs_go_when_their_grace_is_over(aws: Aws) -> None:
    for word in ("one", "two", "three"):
        aws.deploy(word)
    assert once(aws, GRACE_HOURS="24")["versions"] == 0
    aws.sleep(2 * DAY)
    done = once(aws)
    assert (done["versions"], done["files"]) == (2, 10) and done["bytes"] > 0
    assert aws.page() == (200, "<title>three</title>")
    manifest = load_manifest(aws.objects, SITE, release.history(aws.objects, SITE, channels.LIVE)[0].version)
    assert len(aws.keys("/blobs/")) == len(manifest.blobs())


def test_a_deploy_under_way_goes_first(aws: Aws) -> None:
    aws.deploy("one")
    aws.sleep(2 * DAY)
    event = {"run": "r", "channel": "live", "source": aws.upload(pages("two"))}
    with pytest.raises(Crash):
        aws.run(publish.step, event, Killed(1).hooks())
    done = once(aws)
    assert (done["outcome"], done["versions"]) == ("later", 0) and done["message"] == "a deploy of shop is under way"
    aws.sleep(DEPLOY_SECONDS)
    assert once(aws)["outcome"] == "done"


def test_what_a_killed_check_left_goes(aws: Aws) -> None:
    event = {"run": "r", "channel": "live", "source": aws.upload(pages("one"))}
    aws.run(publish.step, event)
    for at in range(1, 4):
        killed = Killed(at)
        with pytest.raises(Crash):
            aws.run(verify.step, event, killed.hooks())
        if left := [key for key in aws.store.pairs if key.startswith("h:check-")]:
            break
    assert len(left) == 1
    aws.sleep(DEPLOY_SECONDS + 1)
    assert once(aws)["outcome"] == "done"
    assert left[0] not in aws.store.pairs


def test_records_of_runs_go_after_a_month(aws: Aws) -> None:
    aws.deploy("one", run="first")
    assert runs.read(aws.objects, SITE, "first").message
    once(aws)
    assert aws.keys("/runs/") == [f"{SITE}/runs/first.json"]
    aws.sleep((runs.DAYS + 1) * DAY)
    once(aws)
    assert aws.keys("/runs/") == []
