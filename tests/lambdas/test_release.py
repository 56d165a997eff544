"""Publish, verify and flip as the state machine runs them: what visitors see, and what a refusal leaves as it was."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from lambdas import flip, publish, runs, verify
from lambdas.common import VerifyFailed

from tests.lambdas.support import ARTIFACTS, BUCKET, DOMAIN, SITE, Aws, pages, zipped
from toolkit.aws.web import Asked, Reply
from toolkit.engine import access, channels, layout, release
from toolkit.engine.errors import Unavailable, UserError
from toolkit.engine.release import load_manifest


def published(aws: Aws, word: str = "one", channel: str = "live", **more: Any) -> dict[str, Any]:
    """The event of a run that has been published."""
    event = {"run": f"run-{word}", "channel": channel, "source": {**aws.upload(pages(word)), **more}, "who": "tester"}
    aws.run(publish.step, event)
    return event


def test_a_zip_goes_live_step_by_step(aws: Aws) -> None:
    source = aws.upload(pages("one"))
    event = {"run": "run-1", "channel": "live", "source": {**source, "commit": "abcdef0123", "branch": "main"}, "who": "sue"}
    assert aws.run(publish.step, event) == {"run": "run-1", "channel": "live", "large": False, "event": ""}
    assert aws.page() == (404, "404 Not Found\n"), "nothing serves before the flip"
    checked = aws.run(verify.step, event)
    version = checked["version"]
    assert checked == {"run": "run-1", "channel": "live", "version": version} and version.endswith("-abcdef0")
    done = aws.run(flip.step, event, WATCH_MINUTES="10")
    assert done["until"] - done["at"] == 600
    assert {name: done[name] for name in ("outcome", "channel", "version", "release", "previous", "message")} == {
        "outcome": "released", "channel": "live", "version": version, "release": 1, "previous": "", "message": "from site.zip",
    }  # fmt: skip
    assert aws.page() == (200, "<title>one</title>") == aws.page(host="www.example.com")
    assert aws.page("/nowhere") == (404, "nothing here, one")
    live = aws.live()
    assert live and (live.who, live.commit, live.token, live.reason) == ("sue", "abcdef0123", "run-1", "deploy")
    assert live.order == source["time"]


def test_the_run_s_record_says_what_was_published(aws: Aws) -> None:
    aws.run(publish.step, {"run": "r", "channel": "preview/a", "source": aws.upload({**pages("x"), "_headers": "nonsense\n"})})
    run = runs.read(aws.objects, SITE, "r")
    assert (run.channel, run.who, run.files, run.new) == ("preview/a", "unknown", 4, 5), "the 404 page is two blobs"
    assert run.bytes == sum(len(pages("x")[name]) for name in ("index.html", "about.html", "css/site.css", "404.html"))
    assert len(run.warnings) == 1 and "_headers" in run.warnings[0]
    with pytest.raises(UserError, match="_headers"):
        aws.run(
            publish.step, {"run": "r", "channel": "live", "source": aws.upload({**pages("y"), "_headers": "x\n"})}, STRICT="true"
        )


def test_a_second_release_names_the_first_and_an_older_build_does_not_overtake_it(aws: Aws) -> None:
    older = published(aws, "older")
    first = aws.deploy("first")
    assert aws.run(flip.step, older)["outcome"] == "superseded"
    second = aws.deploy("second")
    assert (second["outcome"], second["previous"], second["release"]) == ("released", first["version"], 2)
    late = aws.run(flip.step, older)
    assert late["outcome"] == "superseded" and "toolkit promote" in late["message"]
    assert (late["release"], late["previous"]) == (2, second["version"])
    assert aws.page() == (200, "<title>second</title>")


def test_a_preview_is_reached_by_its_cookie(aws: Aws) -> None:
    aws.deploy("live")
    done = aws.deploy("other", channel="preview/pr-12")
    assert done["channel"] == "preview/pr-12"
    assert aws.page() == (200, "<title>live</title>")
    assert aws.page(cookie=f"__Host-preview=pr-12--{SITE}") == (200, "<title>other</title>")


def test_previews_below_a_wildcard_have_hosts_of_their_own(aws: Aws) -> None:
    event = published(aws, "wild", channel="preview/pr-12")
    aws.run(flip.step, event, HOSTS=json.dumps(["www.example.com", "*.example.com"]))
    assert aws.page(host=f"pr-12--{SITE}.example.com") == (200, "<title>wild</title>")


# --- publish


def test_a_zip_beyond_an_ordinary_site_is_left_to_codebuild(aws: Aws) -> None:
    many = {f"files/{number}.txt": "x" for number in range(publish.LARGE_FILES)}
    event = {"run": "big", "channel": "live", "source": aws.upload({"index.html": "big", **many})}
    done = aws.run(publish.step, event)
    assert (done["run"], done["channel"], done["large"]) == ("big", "live", True)
    assert not aws.keys(""), "nothing was written"
    assert aws.run(publish.large, json.loads(done["event"]))["large"] is False
    assert len(load_manifest(aws.objects, SITE, runs.read(aws.objects, SITE, "big").version).assets) == publish.LARGE_FILES + 1


def test_texts_of_any_length_come_into_no_state_and_no_variable_whole(aws: Aws) -> None:
    """Step Functions takes 256 KB a state, and a process's variable has its bounds too."""
    endless = "because " * 20_000
    source = {**aws.upload({"index.html": "one"}), "message": f"Subject\n\n{endless}", "author": endless, "more": endless}
    event = {"run": "r", "channel": "live", "source": source, "who": endless}
    aws.run(publish.step, event)
    run = runs.read(aws.objects, SITE, "r")
    assert run.message.startswith("Subject\n") and len(run.message) + len(run.who) < 1000
    assert len(aws.run(flip.step, event)["message"]) < 1000
    heavy = {f"{number}.txt": "x" for number in range(publish.LARGE_FILES)}
    event = {**event, "source": {**source, **aws.upload({"index.html": "big", **heavy}), "message": f"Subject\n\n{endless}"}}
    told = aws.run(publish.step, event)["event"]
    assert len(told.encode()) < 3000 and json.loads(told)["source"]["message"].startswith("Subject\n")


def test_size_alone_makes_a_zip_large(aws: Aws) -> None:
    heavy = zipped({"index.html": "heavy", "zeros.bin": "\0" * 5000})
    # The directory promises a gigabyte and more; nothing is unpacked to find out.
    promised = heavy.replace((5000).to_bytes(4, "little"), (publish.LARGE_BYTES + 1).to_bytes(4, "little"))
    assert promised != heavy
    event = {"run": "r", "channel": "live", "source": aws.upload(promised)}
    assert aws.run(publish.step, event)["large"] is True


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"no zip at all", "site.zip: is not a zip archive"),
        (zipped({"index.html": "x" * 1000})[:-30], "site.zip: is truncated"),
        (zipped({"../escape.html": "x"}), "leads out of the folder"),
        (zipped({"page.html": "x"}), "site.zip has no index.html"),
    ],
    ids=["no zip", "truncated", "leads out", "no page"],
)
def test_what_is_no_site_is_refused_and_leaves_nothing(aws: Aws, body: bytes, said: str) -> None:
    with pytest.raises(UserError, match=re.escape(said)):
        aws.run(publish.step, {"run": "r", "channel": "live", "source": aws.upload(body)})
    assert not aws.keys("")


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ({"channel": "live"}, "'run'"),
        ({"run": "../x", "channel": "live", "source": {}}, "no name of a run"),
        ({"run": "r", "channel": "live", "source": "zip"}, "'source'"),
        ({"run": "r", "channel": "live", "source": {"kind": "folder"}}, "'folder'"),
        ({"run": "r", "channel": "live", "source": {"kind": "zip", "bucket": ARTIFACTS, "key": "none", "time": 1.0}}, "none"),
        ({"run": "r", "channel": "", "source": {}}, "a preview needs a name"),
    ],
)
def test_an_event_that_does_not_fit_is_the_callers_error(aws: Aws, event: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=re.escape(said)):
        aws.run(publish.step, event)


@pytest.mark.parametrize("moment", [True, "now", -1.0, 1e12])
def test_a_source_s_time_must_be_one(aws: Aws, moment: object) -> None:
    """A release from the future would hold back all others for as long."""
    source = {**aws.upload(pages("one")), "time": moment}
    with pytest.raises(UserError, match="time"):
        aws.run(publish.step, {"run": "r", "channel": "live", "source": source})


def test_the_version_of_the_zip_that_the_event_names_is_the_one_that_is_published(aws: Aws) -> None:
    aws.s3.put_bucket_versioning(Bucket=ARTIFACTS, VersioningConfiguration={"Status": "Enabled"})
    source = aws.upload(pages("meant"))
    source["version"] = aws.s3.head_object(Bucket=ARTIFACTS, Key="site.zip")["VersionId"]
    aws.upload(pages("later"))
    event = {"run": "r", "channel": "live", "source": source}
    aws.run(publish.step, event)
    aws.run(flip.step, event)
    assert aws.page() == (200, "<title>meant</title>")


def test_the_way_in_of_codebuild_reads_its_event_and_says_why_it_failed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EVENT", json.dumps({"run": "r"}))
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    assert publish.main() == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("UserError: the event's 'source' is None instead of a dict")
    assert json.loads(captured.out)["level"] == "ERROR"


# --- verify


def test_a_blob_that_is_missing_or_cut_short_is_found_and_named(aws: Aws) -> None:
    aws.deploy("one")
    event = published(aws, "two")
    manifest = load_manifest(aws.objects, SITE, runs.read(aws.objects, SITE, "run-two").version)
    key = layout.blob(SITE, manifest.assets["/about.html"].blob)
    aws.s3.put_object(Bucket=BUCKET, Key=key, Body=b"cut")
    aws.objects.delete([layout.blob(SITE, manifest.assets["/css/site.css"].blob)])
    with pytest.raises(VerifyFailed, match=r"2 files of .* missing or not whole: /about.html, /css/site.css"):
        aws.run(verify.step, event)
    assert aws.page() == (200, "<title>one</title>")


def test_what_the_distribution_answers_otherwise_is_found_and_nothing_is_left_behind(aws: Aws) -> None:
    event, begun = published(aws, "one"), aws.slept

    def defaced(asked: Asked) -> Reply:
        reply = aws.visit(asked)
        return Reply(reply.status, reply.headers, b"someone else's page") if asked.url.endswith("/about") else reply

    with pytest.raises(VerifyFailed, match=r"^/about answers with other content than was published"):
        aws.run(verify.step, event, fetch=defaced)
    assert not [key for key in aws.store.pairs if key.startswith(("h:", "c:"))]
    assert verify.PATIENCE_SECONDS <= aws.slept - begun < 2 * verify.PATIENCE_SECONDS
    assert {len(re.findall("__Host-preview=check-", asked.headers["cookie"])) for asked in aws.asked} == {1}


@pytest.mark.parametrize("status", [403, 503])
def test_an_origin_that_refuses_or_fails_is_found(aws: Aws, status: int) -> None:
    event = published(aws, "one")
    with pytest.raises(VerifyFailed, match=f"/ answers {status} instead of 200"):
        aws.run(verify.step, event, fetch=lambda asked: Reply(status, {}, b"<Error/>"))


def test_what_is_new_is_asked_for_first(aws: Aws) -> None:
    aws.deploy("one")
    many = {f"a/{number}.html": "old" for number in range(9)}
    for word in ("before", "zz"):
        event = {"run": word, "channel": "live", "source": aws.upload({**pages("one"), **many, f"{word}.html": word})}
        aws.run(publish.step, event)
        aws.asked.clear()
        aws.run(verify.step, event)
        aws.run(flip.step, event)
    assert [asked.url.removeprefix(f"https://{DOMAIN}") for asked in aws.asked][:3] == ["/", "/zz", "/a/0"]


def test_edges_that_learn_of_it_late_are_asked_again(aws: Aws) -> None:
    event = published(aws, "one")
    pairs, begun = dict(aws.store.pairs), aws.slept
    aws.read = lambda key: (aws.store.pairs if aws.slept > begun + 30 else pairs).get(key)
    aws.run(verify.step, event)
    assert 30 < aws.slept - begun < 60


def test_a_distribution_that_never_answers_fails_the_check(aws: Aws) -> None:
    def dead(asked: Asked) -> Reply:
        raise Unavailable(f"https://{DOMAIN} does not answer: timed out")

    with pytest.raises(VerifyFailed, match="does not answer: timed out"):
        aws.run(verify.step, published(aws), fetch=dead)


def test_verify_meets_no_password_and_shows_the_version_to_nobody_else(aws: Aws) -> None:
    """Previews behind a password must not keep the check out, nor may the check open them."""
    access.protect(aws.objects, aws.routes, SITE, access.ALL, "me", "long enough", sleep=aws.sleep)
    event = published(aws, channel="preview/secret")
    aws.run(verify.step, event)
    hosts = {asked.headers["cookie"] for asked in aws.asked}
    assert len(hosts) == 1
    aws.run(flip.step, event)
    assert aws.page(cookie=f"__Host-preview=secret--{SITE}")[0] == 401
    assert aws.page(cookie=hosts.pop())[0] == 404, "the check's own address is gone"
    assert [record.channel for record in release.channels(aws.routes, SITE)] == ["preview/secret"]


def test_verify_takes_conditions_as_they_come(aws: Aws) -> None:
    rules = "/  /about  302  Language=fr\n/*  /index.html  200\n"
    event = {"run": "r", "channel": "live", "source": aws.upload({**pages("one"), "_redirects": rules})}
    aws.run(publish.step, event)
    aws.run(verify.step, event)


def test_a_run_that_published_nothing_cannot_go_on(aws: Aws) -> None:
    for step in (verify.step, flip.step):
        with pytest.raises(UserError, match="the run none of shop has published nothing: start the release again"):
            aws.run(step, {"run": "none"})


def test_hosts_are_the_target_s(aws: Aws) -> None:
    aws.deploy("one")
    live = aws.live()
    assert live and live.hosts == (DOMAIN, "www.example.com")
    assert live.channel == channels.LIVE
