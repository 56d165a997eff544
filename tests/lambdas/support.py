"""A site in AWS as the handlers meet it: S3 and the like on moto, the KeyValueStore's stand-in, visitors at the real functions."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import boto3
from lambdas import common, flip, publish, verify
from lambdas.common import Result, Services, Step

from tests.contracts.kvs import ARN, FakeKeyValueStore
from tests.engine.interference import Crash
from tests.engine.stores import After, Before, HookedObjects, HookedRoutes, nothing
from toolkit.aws.objects import S3Objects
from toolkit.aws.routes import KeyValueRoutes
from toolkit.aws.web import Asked, Reply
from toolkit.engine import layout, release
from toolkit.engine.model import Release
from toolkit.local.edge import Edge
from toolkit.paths import resource

SITE, BUCKET, ARTIFACTS, DOMAIN = "shop", "site-bucket", "artifacts", "d111111abcdef8.cloudfront.net"
Files = Mapping[str, str]


def zipped(files: Files) -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return body.getvalue()


def pages(word: str) -> dict[str, str]:
    return {
        "index.html": f"<title>{word}</title>",
        "about.html": f"about {word}",
        "css/site.css": f"/* {word} */",
        "404.html": f"nothing here, {word}",
        "_redirects": "/old /about 301\n",
    }


@dataclass(frozen=True)
class Hooks:
    before: Before = nothing
    after: After = nothing


class Killed:
    """The process is gone once the `at`-th writing call is done: what it calls from then on does not happen."""

    def __init__(self, at: int) -> None:
        self.left, self.dead = at, False

    def hooks(self) -> Hooks:
        return Hooks(self._before, self._after)

    def _before(self, call: str, what: object) -> None:
        if self.dead:
            raise Crash

    def _after(self, call: str, what: object) -> None:
        if call not in ("put", "delete", "update"):
            return
        if not self.left:
            self.dead = True
            raise Crash
        self.left -= 1


@dataclass(frozen=True)
class HookedServices(Services):
    """Services whose store calls can be watched, and cut off."""

    hooks: Hooks = field(default_factory=Hooks)

    @cached_property
    def objects(self) -> HookedObjects:  # type: ignore[override]
        return HookedObjects(S3Objects(self.session, BUCKET), self.hooks.before, self.hooks.after)

    @cached_property
    def routes(self) -> HookedRoutes:  # type: ignore[override]
        return HookedRoutes(KeyValueRoutes(self.session, ARN, sleep=self.sleep), self.hooks.before, self.hooks.after)


class Aws:
    """Everything that the handlers reach. `asked` are the requests that left for the network.

    The clock moves when somebody sleeps. It begins five minutes ago, so that what moto dates, as alarms' states, is newer than a
    release and not later than its watch.
    """

    def __init__(self) -> None:
        self.session = boto3.Session(aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key="secret", region_name="us-east-1")
        self.store = FakeKeyValueStore(self.clock)
        self.store.attach(self.session)
        self.s3 = self.session.client("s3")
        for bucket in (BUCKET, ARTIFACTS):
            self.s3.create_bucket(Bucket=bucket)
        self.objects, self.routes = S3Objects(self.s3, BUCKET), KeyValueRoutes(self.session, ARN, sleep=self.sleep)
        self.read: Callable[[str], str | None] = lambda key: self.store.pairs.get(key)
        self._edge = Edge(_Reads(self), resource("functions") / "edge")
        self.asked: list[Asked] = []
        self.slept = -300.0
        self.env = {
            "SITE": SITE,
            "BUCKET": BUCKET,
            "STORE_ARN": ARN,
            "DOMAIN_NAME": DOMAIN,
            "HOSTS": json.dumps(["www.example.com"]),
            "ALARMS": json.dumps(["5xx", "functions"]),
            "SETTINGS": json.dumps({"immutable": ["/assets/*-????????.*"]}),
        }

    def clock(self) -> float:
        return time.time() + self.slept

    def sleep(self, seconds: float) -> None:
        self.slept += max(seconds, 0.001)

    def services(self, hooks: Hooks | None = None, fetch: Callable[[Asked], Reply] | None = None, **env: str) -> HookedServices:
        return HookedServices({**self.env, **env}, self.session, fetch or self.visit, self.clock, self.sleep, hooks or Hooks())

    def run(self, step: Step, event: Mapping[str, Any], hooks: Hooks | None = None, **more: Any) -> Result:
        return common.handle(step, event, self.services(hooks, **more))

    def upload(self, files: Files | bytes, key: str = "site.zip") -> dict[str, Any]:
        """An artifact, as an execution's `source`; each is younger than those before it."""
        self.s3.put_object(Bucket=ARTIFACTS, Key=key, Body=files if isinstance(files, bytes) else zipped(files))
        self.sleep(1)
        return {"kind": "zip", "bucket": ARTIFACTS, "key": key, "version": "", "time": self.clock(), "message": f"from {key}"}

    def deploy(self, word: str, run: str = "", channel: str = "live") -> Result:
        """What the state machine does, as far as the flip."""
        name = run or f"run-{word}"
        event = {"run": name, "channel": channel, "source": self.upload(pages(word)), "who": "tester"}
        for step in (publish.step, verify.step):
            self.run(step, event)
        return self.run(flip.step, event)

    def visit(self, asked: Asked) -> Reply:
        """What a visitor gets, by the functions as CloudFront runs them; neither caches nor compresses."""
        self.asked.append(asked)
        url = urlsplit(asked.url)
        cookies = dict(one.strip().split("=", 1) for one in asked.headers.get("cookie", "").split(";") if "=" in one)
        request = {
            "method": "GET",
            "uri": url.path,
            "querystring": {},
            "headers": {"host": {"value": url.netloc}, "accept": {"value": asked.headers.get("accept", "*/*")}},
            "cookies": {name: {"value": value} for name, value in cookies.items()},
        }
        routed = self._edge.request(request)
        if "statusCode" in routed:
            headers = {name: str(one["value"]) for name, one in routed.get("headers", {}).items()}
            body = routed.get("body", {})
            return Reply(routed["statusCode"], headers, (body.get("data", "") if isinstance(body, dict) else body).encode())
        info, content = self.objects.get(routed["uri"][1:])
        given = {name: {"value": value} for name, value in info.headers.items()}
        done = self._edge.response(request, {"statusCode": 200, "headers": given, "cookies": {}})
        return Reply(done["statusCode"], {name: str(one["value"]) for name, one in done["headers"].items()}, content)

    def page(self, path: str = "/", host: str = DOMAIN, cookie: str = "") -> tuple[int, str]:
        reply = self.visit(Asked(f"https://{host}{path}", {"accept": "text/html", **({"cookie": cookie} if cookie else {})}))
        return reply.status, reply.body.decode()

    def live(self, channel: str = "live") -> Release | None:
        return release.last(self.routes, SITE, channel)

    def keys(self, part: str) -> list[str]:
        """Keys in the bucket that hold `part`, without what locks them."""
        return [info.key for info in self.objects.list("") if part in info.key and not info.key.startswith(layout.locks(SITE))]


class _Reads:
    """What the edge reads now: a test may put another `read` in its place."""

    def __init__(self, aws: Aws) -> None:
        self._aws = aws

    def get(self, key: str) -> str | None:
        return self._aws.read(key)
