"""What is played, each with one line that says what holds. A scenario begins with what others left, and says nothing of its own but
by HTTP: what visitors get is what counts."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Any

from tests.rehearsal.aws import EXECUTOR
from tests.rehearsal.content import files, page, script
from tests.rehearsal.edge import CLOUDFRONT
from tests.rehearsal.iam import Call, Caller
from tests.rehearsal.stage import WHO, Seen, Stage, earlier
from tests.rehearsal.wire import TLS, Answered
from toolkit.engine import canary, channels, layout, release, rollback
from toolkit.engine.release import history

Scenario = Callable[[Stage], None]
SCENARIOS: dict[str, Scenario] = {}
_VISITORS = 200
_ACTIONS = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject")


def scenario(says: str) -> Callable[[Scenario], Scenario]:
    def add(play: Scenario) -> Scenario:
        SCENARIOS[says] = play
        return play

    return add


def mark() -> str:
    """A word that no version before had."""
    return f"{time.time_ns():x}"


def check(holds: bool, what: str, *more: object) -> None:
    if not holds:
        raise AssertionError(what + "".join(f"\n    {one}" for one in more))


def shows(stage: Stage, path: str, text: str, status: int = 200, **asked: Any) -> Seen:
    seen = stage.get(path, **asked)
    check((seen.status, seen.text) == (status, text), f"{path} answers {seen.status} {seen.text!r}, not {status} {text!r}")
    return seen


def serves(stage: Stage, version: str, **asked: Any) -> None:
    """Everybody gets this version, whole."""
    shows(stage, "/", page("home", version), **asked)
    shows(stage, "/docs/", page("docs", version), **asked)
    shows(stage, "/about", page("about", version), **asked)
    shows(stage, "/nowhere", page("nothing here", version), 404, **asked)
    shows(stage, script(version), f"console.log({version!r})", **asked)


def released(stage: Stage, done: dict[str, Any], outcome: str = "released") -> dict[str, Any]:
    check(
        (done["status"], done.get("outcome")) == ("SUCCEEDED", outcome),
        f"the execution ended {done['status']}, {done.get('outcome')} {done['error']}",
        *done["failures"],
        *stage.aws.broken,
        *stage.aws.denied[-3:],
        *stage.functions.errors[-3:],
    )
    return done


def go_live(stage: Stage, **given: Any) -> tuple[str, dict[str, Any]]:
    version = mark()
    return version, released(stage, stage.release(files(version), **given))


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
    wanted = _explicit(stage, done["version"])
    release.release(stage.target.objects, stage.target.routes, wanted)
    serves(stage, after)


def _explicit(stage: Stage, version: str) -> release.Request:
    hosts = channels.hosts(stage.site, "live", stage.target.names, stage.hosts)
    return release.Request(stage.site, "live", version, hosts, time.time(), WHO, "promote", explicit=True)


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


def _reach_preview(stage: Stage, label: str) -> dict[str, str]:
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


@scenario("two flips at the same moment: both are in the ledger or say why not, and the newer build is live")
def at_once(stage: Stage) -> None:
    go_live(stage)
    barrier = threading.Barrier(2, timeout=60)

    def meet(_: object) -> None:
        barrier.wait()

    for _ in range(2):
        stage.on("flip", "UpdateKeys", meet)
    old, new = mark(), mark()
    executions = {one: stage.start(files(one)) for one in (old, new)}
    ends = {one: stage.ended(execution) for one, execution in executions.items()}
    stage.calm()
    check(not barrier.broken and barrier.n_waiting == 0, "the two did not meet")
    released(stage, ends[new])
    check(ends[old].get("outcome") in ("released", "superseded"), f"the older one ended {ends[old]}")
    serves(stage, new)
    _check_ledger(stage)


def _check_ledger(stage: Stage) -> None:
    numbers = [entry.number for entry in history(stage.target.objects, stage.site, "live")]
    check(numbers == list(range(numbers[0], 0, -1)), f"the ledger has holes: {numbers}")


@scenario("an ETag conflict in the middle of a flip is no more than another attempt")
def conflict(stage: Stage) -> None:
    go_live(stage)

    def intrude(_: object) -> None:
        stage.target.routes.update({"z:somebody": mark()}, [], if_match=stage.target.routes.etag())

    met = stage.on("flip", "UpdateKeys", intrude)
    version, _ = go_live(stage)
    stage.calm()
    check(met.is_set(), "nobody intruded")
    serves(stage, version)
    _check_ledger(stage)


@scenario("a lost reply to a flip makes one release, not two and not none")
def lost_reply(stage: Stage) -> None:
    _, before = go_live(stage)
    for fault in ("lost", "done, then InternalServerException", "timeout"):
        met = stage.on("flip", "UpdateKeys", lambda sent, fault=fault: stage.store.fail("UpdateKeys", fault))  # type: ignore[misc]
        version, done = go_live(stage)
        stage.calm()
        check(met.is_set(), "no reply was lost")
        check(done["release"] == before["release"] + 1, f"release {before['release']} was followed by {done['release']}")
        serves(stage, version)
        before = done
    _check_ledger(stage)


@scenario("an older build that ends later is published, and does not go live")
def older(stage: Stage) -> None:
    slow, quick = mark(), mark()
    waiting = threading.Event()
    stage.on("publish", "PutObject", lambda sent: _hold(waiting))
    first_begun = stage.start(files(slow))
    done = released(stage, stage.release(files(quick)))
    waiting.set()
    late = released(stage, stage.ended(first_begun), "superseded")
    stage.calm()
    check(late["previous"] == done["version"], f"it says {late}")
    serves(stage, quick)


def _hold(event: threading.Event) -> None:
    check(event.wait(60), "nobody let it go on")


@scenario("a blob that vanishes before the check stops the release; live stays, and the next build mends it")
def missing(stage: Stage) -> None:
    live, _ = go_live(stage)
    version = mark()

    def vanish(_: object) -> None:
        objects, wanted = stage.target.objects, page("about", version).encode()
        blobs = [info.key for info in objects.list(f"{stage.site}/blobs/") if info.size == len(wanted)]
        objects.delete([key for key in blobs if objects.get(key)[1] == wanted])

    met = stage.on("verify", "ListObjectsV2", vanish, when=lambda sent: "blobs" in sent.url)
    failed = stage.release(files(version))
    stage.calm()
    check(met.is_set(), "the check did not look")
    check((failed["status"], failed["error"]) == ("FAILED", "VerifyFailed"), f"it ended {failed}")
    serves(stage, live)
    released(stage, stage.release(files(version)))
    serves(stage, version)


@scenario("a site too large for a function is published by the trusted project, and live the same way")
def large(stage: Stage) -> None:
    go_live(stage)
    version, _ = go_live(stage, folders=5_001)
    check(any("lambdas.publish.main" in call for call, *_ in stage.functions.calls), "the project did not run")
    serves(stage, version)


@scenario("an alarm while a release is watched flips it back, says so, and leaves a quiet release alone")
def watch(stage: Stage) -> None:
    stage.alarm("OK")
    quiet, _ = go_live(stage)
    broken, done = go_live(stage)
    serves(stage, broken)
    stage.alarm("ALARM")
    watching = [one for one in stage.executor.of(stage.outputs["WatchArn"]) if one.endswith(done["run"])]
    check(len(watching) == 1, "nobody watches the release")
    ended = stage.ended(watching[0])
    check(ended["status"] == "SUCCEEDED" and ended.get("outcome") == "flipped back", f"the watch ended {ended}")
    serves(stage, quiet)
    check(f"went back to {done['previous']}" in stage.notes()[-1], "nobody was told", *stage.notes()[-1:])
    # An alarm that is on already is older than what comes next, and no word against it.
    later, after = go_live(stage)
    time.sleep(3)
    serves(stage, later)
    stage.alarm("OK")
    check(after["release"] == done["release"] + 2, f"release {after['release']}")


@scenario("a release whose watch cannot be started is live all the same, and the message about it says so")
def unwatched(stage: Stage) -> None:
    headers = {"x-amzn-ErrorType": "StateMachineDoesNotExist", "x-amzn-RequestId": "1"}
    refused = Answered(400, headers, b'{"__type": "StateMachineDoesNotExist", "message": "it is gone"}')
    stage.aws.before = lambda sent: refused if (sent.access_key, sent.operation) == (EXECUTOR, "StartExecution") else None
    version, done = go_live(stage)
    stage.calm()
    check(bool(done["failures"]), "the watch was started")
    serves(stage, version)
    check("Nobody watches it" in stage.notes()[-1] and "failed" not in stage.notes()[-1], "the message", stage.notes()[-1])


@scenario("prune meets a deploy and gives way; what it takes is past its grace period, and nobody's")
def prune(stage: Stage) -> None:
    kept, _ = go_live(stage)
    first_one, told = go_live(stage)
    go_live(stage)
    result: list[dict[str, Any]] = []
    stage.on("publish", "PutObject", lambda sent: result.append(stage.upkeep()), when=lambda sent: "/blobs/" in sent.url)
    version, _ = go_live(stage)
    stage.calm()
    check(result and result[0]["outcome"] == "later", f"a prune went on during a deploy: {result}")
    serves(stage, version)
    after = stage.upkeep()
    check(after["outcome"] == "done", f"upkeep says {after}")
    serves(stage, version)
    # Within the grace period a version can be gone back to, however many are kept.
    release.release(stage.target.objects, stage.target.routes, _explicit(stage, told["version"]))
    serves(stage, first_one)
    stage.age(days=3)
    gone = stage.upkeep()
    check(gone["versions"] > 0 and gone["files"] > 0, f"nothing was old enough: {gone}")
    serves(stage, first_one)
    check(kept not in stage.get("/").text, "another version")
    _prune_meets_deploy(stage)


def _prune_meets_deploy(stage: Stage) -> None:
    """A deploy that begins while a prune deletes."""
    for _ in range(2):
        go_live(stage)
    stage.age(days=3)
    version, begun = mark(), list[str]()
    stage.on("upkeep", "DeleteObjects", lambda sent: begun.append(stage.start(files(version))))
    stage.upkeep()
    stage.calm()
    check(bool(begun), "the prune deleted nothing")
    released(stage, stage.ended(begun[0]))
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


@scenario("edges that learn of writes up to 60 s late: every answer is whole, of a version of that minute, or a 503")
def lagging(stage: Stage) -> None:
    stage.store.clock = lambda: time.time() - 2 * stage.lag
    before, _ = go_live(stage)
    stage.age(days=2 * stage.lag / 86400)
    stage.store.clock, stage.is_late = time.time, True
    after = mark()
    visitors = Visitors(stage, (before, after))
    visitors.start()
    try:
        released(stage, stage.release(files(after)))
        _wait_for(stage, after)
    finally:
        visitors.ended.set()
        visitors.join()
    check(not visitors.wrong, f"{len(visitors.wrong)} answers were wrong", *visitors.wrong[:5])
    check(visitors.counted.get(200, 0) > 100, f"too few visitors: {visitors.counted}")
    for number in range(len(stage.edges)):
        serves(stage, after, edge=number)


class Visitors(threading.Thread):
    """Ask all edges until `ended`: every answer is a whole page of one of `versions`, or the 503 of an edge that lacks a part."""

    def __init__(self, stage: Stage, versions: tuple[str, ...]) -> None:
        super().__init__(daemon=True)
        self.ended, self.wrong, self.counted = threading.Event(), list[str](), dict[int, int]()
        self._stage, self._versions, self._chance = stage, versions, random.Random(7)

    def run(self) -> None:
        while not self.ended.wait(0.05):
            number = self._chance.randrange(len(self._stage.edges))
            for path, title, status in (("/", "home", 200), ("/about", "about", 200), ("/nowhere", "nothing here", 404)):
                self._look(number, path, title, status)

    def _look(self, number: int, path: str, title: str, status: int) -> None:
        answer = self._stage.get(path, edge=number)
        self.counted[answer.status] = self.counted.get(answer.status, 0) + 1
        is_whole = answer.status == status and answer.text in {page(title, one) for one in self._versions}
        is_unready = answer.status == 503 and answer.headers.get("retry-after") and answer.headers["cache-control"] == "no-store"
        if not is_whole and not is_unready:
            self.wrong.append(f"edge {number}, {path}: {answer.status} {answer.text!r}")


def _wait_for(stage: Stage, version: str) -> None:
    """Until every edge has heard of it: after as long as a write may take."""
    deadline = time.monotonic() + stage.lag + 5
    while time.monotonic() < deadline:
        if all(stage.get(path, edge=number).text == text for number in range(len(stage.edges)) for path, text in _pages(version)):
            return
        time.sleep(0.5)
    raise AssertionError(f"an edge had not heard of {version} after {stage.lag + 5:.0f} s")


def _pages(version: str) -> list[tuple[str, str]]:
    return [("/", page("home", version)), ("/docs/", page("docs", version)), ("/nowhere", page("nothing here", version))]
