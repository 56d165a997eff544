"""Pushes and uploads that AWS delivers, as the command line shows them: `upload`, `trigger`, `status`."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from tests.aws.account import DOMAIN, REGION, FakeAccount
from tests.aws.conftest import Cli, said
from tests.aws.pipelines import Execution, FakePipelines, task
from tests.sources.rawzip import Archive, Raw, overlapping_bomb
from toolkit.aws import deliveries_upload
from toolkit.engine import channels
from toolkit.engine.deliveries import Upload
from toolkit.errors import UserError

MACHINE = f"arn:aws:states:{REGION}:123456789012:stateMachine:release"
UPLOADS = "blog-uploads"
ZIP = {"UploadPipeline": "blog-upload", "UploadBucket": UPLOADS, "UploadPrefix": "uploads/"}
GITHUB = {"LivePipeline": "blog-live", "PreviewPipeline": "blog-preview"}
PUSHED = {"BranchName": "main", "CommitId": "1a2b3c4d5e6f7a8b", "CommitMessage": "Say hello\n\nand more"}
SERVED = {"Outcome": "released", "Version": "20261120T231500Z-1a2b3c4", "Channel": "live"}
CONSOLE = f"https://{REGION}.console.aws.amazon.com/codesuite/codepipeline/pipelines"


@pytest.fixture
def zips(account: FakeAccount) -> None:
    """A site that takes uploads, with a bucket for them."""
    account.set_up(ReleaseArn=MACHINE, **ZIP)
    s3 = account.connect(REGION, "").client("s3")
    s3.create_bucket(Bucket=UPLOADS, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_bucket_versioning(Bucket=UPLOADS, VersioningConfiguration={"Status": "Enabled"})


@pytest.fixture
def site_zip(project: Path) -> Path:
    with zipfile.ZipFile(project / "site.zip", "w") as archive:
        archive.write(project / "dist" / "index.html", "index.html")
    return project / "site.zip"


def sent(account: FakeAccount) -> list[dict[str, str]]:
    """Keys, versions and metadata of what lies in the upload bucket."""
    s3 = account.connect(REGION, "").client("s3")
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket=UPLOADS).get("Contents", ())]
    heads = [(key, s3.head_object(Bucket=UPLOADS, Key=key)) for key in keys]
    return [{"key": key, "version": head["VersionId"], **head["Metadata"]} for key, head in heads]


def starts(account: FakeAccount, pipelines: FakePipelines) -> Execution:
    """What EventBridge does: an execution for what was uploaded last, its source known."""
    it = sent(account)[-1]
    made = pipelines.execution("blog-upload", f"exec-{len(pipelines.executions)}", 10.0)
    made.act("Source", began=10, ended=12, variables={"ObjectKey": it["key"], "VersionId": it["version"]})
    return made


@pytest.mark.usefixtures("zips")
def test_an_upload_is_sent_found_and_followed(run: Cli, account: FakeAccount, pipelines: FakePipelines, site_zip: Path) -> None:
    assert run("deploy", "dist").code == 0
    made: list[Execution] = []

    def released() -> None:
        made[0].act("Inspect", began=12, ended=14, variables={"Kind": "site"})
        made[0].act("Direct", "InProgress", began=14, ended=15, id="run-1")
        pipelines.history(MACHINE, "run-1", task("Publish", 14, 18), task("Verify", 18, 19), task("Flip", 19, 20))

    def ended() -> None:
        made[0].status = "Succeeded"
        made[0].actions[-1].status = "Succeeded"
        made[0].actions[-1].variables = SERVED

    pipelines.then(lambda: made.append(starts(account, pipelines)), released, ended)
    outcome = run("upload", site_zip, "--message", "für „live“", "--commit", "1a2b3c4")
    assert outcome.code == 0, outcome.out + outcome.err
    (it,) = sent(account)
    assert it["key"].startswith("uploads/2") and it["key"].endswith("Z-site.zip")
    assert {name: unquote(it[name]) for name in ("who", "message", "commit")} == {
        "who": "tester", "message": "für „live“", "commit": "1a2b3c4",
    }  # fmt: skip
    lines = outcome.out.splitlines()
    assert "sent to live, delivery upload/exec-0" in lines[0]
    assert [line.split() for line in lines[1:6]] == [
        ["source", "done", "in", "2.0", "s"],
        ["inspect", "done", "in", "2.0", "s"],
        ["publish", "done", "in", "4.0", "s"],
        ["verify", "done", "in", "1.0", "s"],
        ["flip", "done", "in", "1.0", "s"],
    ]
    assert lines[6:] == ["live serves 20261120T231500Z-1a2b3c4", f"  https://{DOMAIN}/"]


@pytest.mark.usefixtures("zips")
def test_an_upload_to_a_preview_for_a_program(run: Cli, account: FakeAccount, pipelines: FakePipelines, site_zip: Path) -> None:
    def goes() -> None:
        made = starts(account, pipelines)
        made.act("Direct", variables={**SERVED, "Channel": "preview/feature/a"})
        made.status = "Succeeded"

    pipelines.then(goes)
    outcome = run("upload", site_zip, "--channel", "feature/a", "--json")
    assert sent(account)[0]["key"].startswith("uploads/preview/feature/a/2")
    delivery = outcome.data["delivery"]
    assert (delivery["id"], delivery["state"], delivery["channel"]) == ("upload/exec-0", "done", "preview/feature/a")


@pytest.mark.usefixtures("zips")
def test_of_two_uploads_at_once_each_finds_its_own(
    run: Cli, account: FakeAccount, pipelines: FakePipelines, site_zip: Path
) -> None:
    pipelines.execution("blog-upload", "earlier", 1.0).act("Source", variables={"ObjectKey": "uploads/a.zip", "VersionId": "a"})

    def other() -> None:
        pipelines.execution("blog-upload", "other", 11.0).act("Source", variables={"ObjectKey": "uploads/b.zip", "VersionId": "b"})
        pipelines.execution("blog-upload", "not yet", 12.0).act("Source", "InProgress")

    pipelines.then(other, lambda: starts(account, pipelines))
    assert run("upload", site_zip, "--no-follow", "--json").data["delivery"]["id"] == "upload/exec-3"


@pytest.mark.usefixtures("zips")
def test_an_upload_that_starts_nothing(run: Cli, pipelines: FakePipelines, site_zip: Path) -> None:
    error = said(run("upload", site_zip, "--json"))
    assert "within 60 s nothing began" in str(error["what"]) and "EventBridge" in str(error["fix"])
    assert pipelines.waits == 20


@pytest.mark.usefixtures("zips")
def test_a_source_that_fails_does_not_say_whose_it_was(run: Cli, pipelines: FakePipelines, site_zip: Path) -> None:
    def fails() -> None:
        error = {"errorDetails": {"code": "PermissionError", "message": "may not read the bucket"}}
        pipelines.execution("blog-upload", "x", status="Failed").act("Source", "Failed", result=error)

    pipelines.then(fails)
    error = said(run("upload", site_zip, "--json"))
    assert "upload/x failed at its source: may not read the bucket" in str(error["what"])


@pytest.mark.usefixtures("zips")
def test_a_bucket_without_versions(run: Cli, account: FakeAccount, site_zip: Path) -> None:
    s3 = account.connect(REGION, "").client("s3")
    s3.put_bucket_versioning(Bucket=UPLOADS, VersioningConfiguration={"Status": "Suspended"})
    error = said(run("upload", site_zip, "--json"))
    assert "keeps no versions" in str(error["what"]) and f"--bucket {UPLOADS}" in str(error["fix"])


@pytest.mark.usefixtures("zips")
@pytest.mark.parametrize(
    ("body", "says"),
    [
        (Archive([Raw(b"index.html"), Raw(b"../evil.html")]).to_bytes(), "'../evil.html'"),
        (Archive([Raw(b"index.html")]).to_bytes()[:-9], "truncated"),
        (Archive([]).to_bytes(), "holds no files"),
        (Archive([Raw(b"link", b"/etc/passwd", attributes=0o120777 << 16)]).to_bytes(), "is a symbolic link"),
        (overlapping_bomb(250, 900_000), "overlap"),
        (b"no zip at all", "is not a zip"),
    ],
    ids=["leads out", "truncated", "no files", "link", "bomb", "no zip"],
)
def test_what_is_no_good_zip_is_refused_before_a_byte_is_sent(
    run: Cli, account: FakeAccount, project: Path, body: bytes, says: str
) -> None:
    (project / "bad.zip").write_bytes(body)
    outcome = run("upload", "bad.zip", "--json")
    assert outcome.code == 1 and says in str(said(outcome)["what"])
    assert sent(account) == []


def test_what_cannot_be_sent_is_said_before_aws_is_asked(run: Cli, account: FakeAccount, site_zip: Path) -> None:
    assert said(run("upload", "none.zip", "--json"))["what"] == "there is no none.zip"
    assert "toolkit deploy" in str(said(run("upload", "dist", "--json"))["fix"])
    assert "too long for a channel" in str(said(run("upload", "site.zip", "--channel", "x" * 600, "--json"))["what"])
    assert said(run("upload", os.devnull, "--json"))["what"] == f"{os.devnull} is no file"
    assert account.connected == []


@pytest.mark.usefixtures("zips")
def test_a_build_that_fails_is_told_with_its_words(
    run: Cli, account: FakeAccount, pipelines: FakePipelines, site_zip: Path
) -> None:
    def fails() -> None:
        made = starts(account, pipelines)
        error = {"code": "JobFailed", "message": "npm run build\x1b[2J: exit status 1"}
        made.act("Build", "Failed", 12, 40, result={"errorDetails": error, "externalExecutionUrl": "https://x/build"})
        made.status = "Failed"

    pipelines.then(fails)
    outcome = run("upload", site_zip)
    assert outcome.code == 1
    assert "error: build failed: npm run build[2J: exit status 1" in outcome.err
    assert "`toolkit logs`, https://x/build" in outcome.err and "failed in 28 s" in outcome.out


@pytest.mark.usefixtures("zips")
def test_an_upload_that_something_newer_overtook_is_no_success(
    run: Cli, account: FakeAccount, pipelines: FakePipelines, site_zip: Path
) -> None:
    def overtaken() -> None:
        made = starts(account, pipelines)
        made.act("Direct", variables={**SERVED, "Outcome": "superseded"})
        made.status = "Succeeded"

    pipelines.then(overtaken)
    outcome = run("upload", site_zip)
    assert outcome.code == 1 and "live serves something newer" in outcome.err


@pytest.mark.usefixtures("zips")
def test_a_delivery_that_was_stopped(run: Cli, account: FakeAccount, pipelines: FakePipelines, site_zip: Path) -> None:
    def stopped() -> None:
        starts(account, pipelines).status = "Stopped"

    pipelines.then(stopped)
    outcome = run("upload", site_zip)
    assert outcome.code == 1 and "upload/exec-0 was stopped" in outcome.err
    assert f"{CONSOLE}/blog-upload/executions/exec-0/timeline?region={REGION}" in outcome.err


@pytest.mark.usefixtures("zips")
def test_ctrl_c_leaves_the_delivery_alone(run: Cli, account: FakeAccount, pipelines: FakePipelines, site_zip: Path) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    pipelines.then(lambda: starts(account, pipelines), interrupted)
    outcome = run("upload", site_zip)
    assert outcome.code == 130 and "goes on without you" in outcome.err
    assert not [name for name, _ in pipelines.asked if name.startswith(("Stop", "Abandon"))]


@pytest.mark.usefixtures("zips")
def test_ctrl_c_between_sending_and_delivery_says_that_it_goes_on(run: Cli, pipelines: FakePipelines, site_zip: Path) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    pipelines.then(interrupted)
    outcome = run("upload", site_zip)
    assert outcome.code == 130 and "all of site.zip was sent: it may be delivered without you" in outcome.err


@pytest.mark.usefixtures("zips")
def test_passing_faults_do_not_end_the_following(run: Cli, account: FakeAccount, pipelines: FakePipelines, site_zip: Path) -> None:
    def ended() -> None:
        pipelines.executions[0].status = "Succeeded"
        pipelines.executions[0].act("Direct", variables=SERVED)

    pipelines.then(lambda: starts(account, pipelines), ended)
    pipelines.fail("GetPipelineExecution", "ThrottlingException", "lost", "PipelineExecutionNotFoundException")
    assert run("upload", site_zip).code == 0
    pipelines.then(lambda: starts(account, pipelines))
    pipelines.fail("GetPipelineExecution", *["ThrottlingException"] * 5)
    outcome = run("upload", site_zip)
    assert outcome.code == 1 and "ThrottlingException" in outcome.err and "run the command again" in outcome.err


@pytest.mark.parametrize("verb", [("upload", "site.zip"), ("trigger",), ("logs", "--delivery", "live/x")])
def test_a_site_without_pipelines(run: Cli, account: FakeAccount, site_zip: Path, verb: tuple[str, ...]) -> None:
    account.set_up()
    error = said(run(*verb, "--json"))
    assert error["what"] == "the site blog has no pipeline" and "[aws.github] or [aws.uploads]" in str(error["fix"])


def test_a_site_that_takes_no_uploads(run: Cli, account: FakeAccount, site_zip: Path) -> None:
    account.set_up(**GITHUB)
    error = said(run("upload", site_zip, "--json"))
    assert error["what"] == "the site blog takes no uploads" and "[aws.uploads]" in str(error["fix"])


def started(pipelines: FakePipelines) -> list[object]:
    return [said for name, said in pipelines.asked if name == "StartPipelineExecution"]


def test_trigger_starts_the_live_pipeline(run: Cli, account: FakeAccount, pipelines: FakePipelines) -> None:
    account.set_up(**GITHUB)

    def ended() -> None:
        pipelines.executions[0].act("Release", variables=SERVED)
        pipelines.executions[0].status = "Succeeded"

    pipelines.then(ended)
    outcome = run("trigger")
    assert outcome.code == 0 and started(pipelines) == [{"name": "blog-live"}]
    assert "live serves 20261120T231500Z-1a2b3c4" in outcome.out
    assert run("trigger", "--branch", "main", "--no-follow", "--json").data["delivery"]["id"].startswith("live/")


def test_who_may_not_read_the_store_still_hears_that_it_serves(run: Cli, account: FakeAccount, pipelines: FakePipelines) -> None:
    account.set_up(**GITHUB)

    def ended() -> None:
        pipelines.executions[0].act("Release", variables=SERVED)
        pipelines.executions[0].status = "Succeeded"
        account.store.fail("GetKey", "AccessDeniedException", times=5)
        account.store.fail("ListKeys", "AccessDeniedException", times=5)

    pipelines.then(ended)
    outcome = run("trigger")
    assert outcome.code == 0 and "live serves 20261120T231500Z-1a2b3c4" in outcome.out


def test_trigger_cannot_say_a_preview_s_branch(run: Cli, account: FakeAccount, pipelines: FakePipelines) -> None:
    account.set_up(**GITHUB)
    error = said(run("trigger", "--branch", "feature", "--json"))
    assert "only a push can start the preview of feature" in str(error["what"]) and "git push origin feature" in str(error["fix"])
    assert started(pipelines) == []


def test_trigger_of_a_site_that_tags_release(run: Cli, account: FakeAccount, pipelines: FakePipelines, project: Path) -> None:
    github = '[aws.github]\nrepository = "o/n"\nconnection_arn = "{}"\ntags = ["v*"]\n'
    arn = "arn:aws:codeconnections:eu-west-1:123456789012:connection/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
    (project / "site.toml").write_text(f'name = "blog"\ntarget = "aws"\n{github.format(arn)}')
    account.set_up(**GITHUB)
    assert "no tag of blog was delivered" in str(said(run("trigger", "--json"))["what"])
    pipelines.execution("blog-live", "old", 1.0).act("Source", variables={**PUSHED, "CommitId": "older"})
    pipelines.execution("blog-live", "new", 2.0).act("Source", variables=PUSHED)
    assert run("trigger", "--no-follow").code == 0
    revision = {"actionName": "Source", "revisionType": "COMMIT_ID", "revisionValue": PUSHED["CommitId"]}
    assert started(pipelines) == [{"name": "blog-live", "sourceRevisions": [revision]}]


@pytest.mark.usefixtures("zips")
def test_trigger_takes_the_last_upload_to_live(run: Cli, pipelines: FakePipelines) -> None:
    assert "nothing was uploaded to live" in str(said(run("trigger", "--json"))["what"])
    keys = {"first": "uploads/a.zip", "second": "uploads/b.zip", "preview": "uploads/preview/x/c.zip"}
    for began, (name, key) in enumerate(keys.items()):
        pipelines.execution("blog-upload", name, began).act("Source", variables={"ObjectKey": key, "VersionId": f"v-{name}"})
    assert run("trigger", "--no-follow").code == 0
    (said_,) = started(pipelines)
    assert isinstance(said_, dict) and [(it["revisionType"], it["revisionValue"]) for it in said_["sourceRevisions"]] == [
        ("S3_OBJECT_KEY", "uploads/b.zip"), ("S3_OBJECT_VERSION_ID", "v-second"),
    ]  # fmt: skip


NAME = st.text(st.characters(min_codepoint=32, exclude_characters="\x7f", exclude_categories=["Cs"]), min_size=1, max_size=60)


@given(NAME, st.text(max_size=30))
@example("a//b", "site")
def test_a_key_leads_where_the_upload_was_to_go_or_there_is_none(name: str, file: str) -> None:
    assume(name.strip())
    upload = Upload(Path(f"{file.replace('/', '')}.zip"), channels.preview_channel(name))
    if all(part.strip() for part in name.split("/")):
        assert channels.of_upload(deliveries_upload.key_for("uploads/", upload), "uploads/") == upload.channel
        return
    with pytest.raises(UserError):
        deliveries_upload.key_for("uploads/", upload)


def test_a_name_that_is_no_utf_8_goes_with_an_upload_all_the_same() -> None:
    assert unquote(deliveries_upload._encoded("a\udcff.zip")) == "a?.zip"


@given(st.text(max_size=3000))
def test_what_goes_with_an_upload_fits_and_is_a_beginning(text: str) -> None:
    encodable = text.encode("utf-8", "ignore").decode()
    encoded = deliveries_upload._encoded(encodable)
    assert len(encoded) <= 450 and encoded.isascii() and encodable.startswith(unquote(encoded))
    assert encoded or not encodable
