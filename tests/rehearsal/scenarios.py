"""What a release does when nothing is in its way, each with one line that says what holds."""

from __future__ import annotations

from typing import Any

from tests.rehearsal.checks import check, explicit, go_live, mark, released, scenario, serves, shows
from tests.rehearsal.content import files, page, script
from tests.rehearsal.edge import CLOUDFRONT
from tests.rehearsal.iam import Call, Caller
from tests.rehearsal.stage import WHO, Stage, earlier
from tests.rehearsal.wire import TLS
from toolkit.engine import canary, layout, release, rollback

_VISITORS = 200
_ACTIONS = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject")


@scenario("a first release: pages, addresses, headers, redirects, 404s; nothing is denied to its roles")
def first(stage: Stage) -> None:
    check(stage.get("/").status == 404, "something answers before the first release")
    version, done = go_live(stage)
    check((done["release"], done["previous"]) == (1, ""), f"it is release {done['release']}")
    serves(stage, version)
    about = stage.get("/about")
    check(about.headers.get("x-version") == version, "a header rule does not apply")
    check("x-amz-meta-edge" not in about.headers and about.headers["x-content-type-options"] == "nosniff", str(about.headers))
    check("s-maxage" not in about.headers["cache-control"], f"visitors hear {about.headers['cache-control']}")
    gone = stage.get("/old")
    check((gone.status, gone.headers["location"]) == (301, f"/about?from={version}"), f"/old: {gone}")
    check(stage.get("/docs").headers.get("location") == "/docs/", "another spelling does not lead to the page")
    check(stage.get("/", method="HEAD").text == "" and stage.get("/", method="POST").status == 405, "methods")
    check(stage.get("/", host="elsewhere.example").status == 403, "a host answers that is nobody's")
    check(not stage.aws.denied, "a role lacks a right", *stage.aws.denied)


@scenario("a second release: the switch is whole, and a page that is open still finds its script")
def second(stage: Stage) -> None:
    before, _ = go_live(stage)
    after = mark()
    execution, seen = stage.start(files(after)), set[str]()
    while stage.executor.status(execution) == "RUNNING":
        answer = stage.get("/")
        check(answer.status == 200, f"/ answers {answer.status} during a release")
        seen.add(answer.text)
    released(stage, stage.ended(execution))
    check(seen <= {page("home", before), page("home", after)}, "something else answered during the release", *seen)
    serves(stage, after)
    shows(stage, script(before), f"console.log({before!r})")


@scenario("a rollback answers with the version before, and the same version again goes forward")
def back(stage: Stage) -> None:
    before, _ = go_live(stage)
    after, done = go_live(stage)
    serves(stage, after)
    gone = rollback.roll_back(
        stage.target.objects, stage.target.routes, stage.site, "live", only_if=None, who=WHO, note="", token=mark()
    )
    check(gone.number == done["release"] + 1, f"the rollback is release {gone.number}")
    serves(stage, before)
    # Asked for by name; so would a person promote it.
    wanted = explicit(stage, done["version"])
    release.release(stage.target.objects, stage.target.routes, wanted)
    serves(stage, after)


@scenario("a preview answers apart from live, is nobody's to keep, and goes when its time is over")
def preview(stage: Stage) -> None:
    live, _ = go_live(stage)
    shown, _ = go_live(stage, channel="preview/pr-12")
    label = f"pr-12--{stage.site}"
    asked = _reach_preview(stage, label)
    serves(stage, shown, **asked)
    private = stage.get("/", **asked)
    check(private.headers.get("x-robots-tag") == "noindex", f"search engines may keep it: {private.headers}")
    serves(stage, live)
    stage.upkeep()
    serves(stage, shown, **asked)
    _age_preview(stage, "preview/pr-12", days=40)
    gone = stage.upkeep()
    check(gone["expired"] == ["preview/pr-12"], f"upkeep says {gone}")
    answer = stage.get("/", **asked)
    check(answer.text != page("home", shown), "the preview is still there")
    serves(stage, live)


def _reach_preview(stage: Stage, label: str) -> dict[str, Any]:
    """How a visitor comes to a preview: by its host, or by the link that sets a cookie where there is no host for it."""
    if stage.hosts:
        return {"host": f"{label}.{stage.hosts[-1].removeprefix('*.')}"}
    link = stage.get(f"/_preview/{label}")
    check((link.status, link.headers.get("location")) == (302, "/"), f"the link answers {link}")
    cookie = link.headers["set-cookie"]
    check(cookie.startswith(f"__Host-preview={label};"), cookie)
    wanted = ("Secure", "HttpOnly", "Path=/", "SameSite=Lax")
    check(all(one in cookie for one in wanted) and "Domain" not in cookie, f"the cookie is {cookie}")
    page_of_it = stage.get("/", cookie=label)
    check(page_of_it.headers["cache-control"] == "private, no-store", f"a proxy may keep it: {page_of_it.headers}")
    return {"cookie": label}


def _age_preview(stage: Stage, channel: str, days: float) -> None:
    """Time passes for one channel: its record was written `days` ago."""
    key = layout.channel_key(stage.site, channel)
    stage.target.routes.update({key: earlier(stage.store.pairs[key], days)}, [], if_match=stage.target.routes.etag())


@scenario("a canary raised from 10 to 60 % keeps its visitors, and finished it is for everybody")
def canaries(stage: Stage) -> None:
    stable, _ = go_live(stage)
    shown, done = go_live(stage, channel="preview/next")
    stores = (stage.target.objects, stage.target.routes)
    step = canary.Step(stage.site, "live", WHO)
    canary.start(*stores, step, done["version"], 10)
    few = _canary_visitors(stage, stable, shown)
    check(0.02 < len(few) / _VISITORS < 0.25, f"{len(few)} of {_VISITORS} visitors are 10 %")
    canary.set_percent(*stores, canary.Step(stage.site, "live", WHO), 60)
    many = _canary_visitors(stage, stable, shown)
    check(few <= many and 0.45 < len(many) / _VISITORS < 0.75, f"{len(many)} of {_VISITORS} visitors are 60 %")
    canary.finish(*stores, canary.Step(stage.site, "live", WHO))
    check(len(_canary_visitors(stage, stable, shown)) == _VISITORS, "somebody still gets the version before")
    serves(stage, shown)


def _canary_visitors(stage: Stage, stable: str, shown: str) -> set[int]:
    found = set()
    for number in range(_VISITORS):
        text = stage.get("/", address=f"198.51.{number // 200}.{number}").text
        check(text in (page("home", stable), page("home", shown)), f"somebody got {text!r}")
        if text == page("home", shown):
            found.add(number)
    return found


@scenario("a site too large for a function is published by the trusted project, and live the same way")
def large(stage: Stage) -> None:
    go_live(stage)
    version, _ = go_live(stage, folders=5_001)
    check(any("lambdas.publish.main" in call for call, *_ in stage.functions.calls), "the project did not run")
    serves(stage, version)


@scenario("the bucket: the edge reads blobs and nothing else, another distribution and strangers nothing at all")
def bucket(stage: Stage) -> None:
    go_live(stage)
    keys = [info.key for info in stage.target.objects.list("")]
    kinds = {key.split("/")[1]: key for key in keys}
    check({"blobs", "versions", "releases", "runs"} <= set(kinds), f"the bucket holds {sorted(kinds)}")
    for kind, key in kinds.items():
        for number, edge in enumerate(stage.distributions):
            status = edge.read(f"/{key}")
            check((status == 200) == (kind == "blobs"), f"edge {number} gets {status} for {key}")
        _check_strangers(stage, key)
    _check_roles(stage, kinds)


def _check_strangers(stage: Stage, key: str) -> None:
    here = f"arn:aws:s3:::{stage.outputs['Bucket']}/{key}"
    others = {
        "another distribution": (Caller(service=CLOUDFRONT), {"aws:sourcearn": "arn:aws:cloudfront::999999999999:distribution/E1"}),
        "a stranger": (Caller(), {}),
        "another role": (Caller(arn="arn:aws:iam::123456789012:role/somebody"), {}),
    }
    for who, (caller, more) in others.items():
        for action in _ACTIONS:
            call = Call(action, here, {**TLS, **more})
            check(not stage.aws.policies.allow(caller, call), f"{who} may {action} on {key}")


def _check_roles(stage: Stage, kinds: dict[str, str]) -> None:
    """What no role may: another site's files, and what is not its business in this one."""
    bucket = f"arn:aws:s3:::{stage.outputs['Bucket']}"
    for role in stage.aws.policies.of_roles:
        may = {(kind, action) for kind, key in kinds.items() for action in _ACTIONS if _may(stage, role, action, f"{bucket}/{key}")}
        other = [action for action in _ACTIONS if _may(stage, role, action, f"{bucket}/another-{kinds['blobs']}")]
        check(not other, f"{role} may {other} in another site's folder")
        touches = {("blobs", "s3:PutObject"), ("versions", "s3:PutObject")} & may
        check(not touches or "Publish" in role or "Large" in role, f"{role} may {sorted(touches)}")
        switches = _may(stage, role, "cloudfront-keyvaluestore:UpdateKeys", stage.outputs["KeyValueStoreArn"])
        check(not switches or ("Machine" not in role and "Notif" not in role), f"{role} may change routing data")


def _may(stage: Stage, role: str, action: str, resource: str) -> bool:
    return stage.aws.policies.allow(Caller(arn=role), Call(action, resource, TLS))
