"""Tell people what became of a release: a message to the topic, and to a chat's webhook where there is one.

Both are tried whatever becomes of the other; what failed is raised at the end, so that the state machine tries again. A retry may
repeat a message that did arrive: twice is better than never.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from toolkit.aws import notifications
from toolkit.aws.names import aws_names, preview_link
from toolkit.aws.web import Asked
from toolkit.engine import channels
from toolkit.engine.errors import Unavailable, UserError

from . import common
from .common import Event, Result, Services

_TRIES = 3


def handler(event: Event, context: object) -> Result:
    return common.handle(step, event)


def step(event: Event, services: Services) -> Result:
    """`{"event", "channel", …}` (what flip, watch or a failure left) → `{"event", "sent"}`: "topic", "webhook"."""
    subject, lines = _words(event, services)
    text = "\n".join([subject, *lines])
    ways: dict[str, Callable[[], None]] = {}
    if topic := services.value("TOPIC_ARN", ""):
        attributes = {"site": services.site, **{name: str(event.get(name) or "") for name in ("event", "channel", "version")}}
        ways["topic"] = lambda: notifications.send(services.session, topic, subject, text, attributes)
    if arn := services.value("WEBHOOK_SECRET_ARN", ""):
        ways["webhook"] = lambda: _webhook(services, arn, text)
    failures = {way: error for way, send in ways.items() if (error := _tried(send))}
    for way, error in failures.items():
        common.log("WARNING", f"{way}: {error}", event=event.get("event"))
    if failures:
        kind = Unavailable if any(isinstance(error, Unavailable) for error in failures.values()) else UserError
        raise kind("; ".join(f"{way}: {error}" for way, error in failures.items()))
    return {"event": event.get("event"), "sent": list(ways)}


def _tried(send: Callable[[], None]) -> Exception | None:
    try:
        send()
    except (Unavailable, UserError) as error:
        return error
    return None


def _webhook(services: Services, arn: str, text: str) -> None:
    """What Slack, Mattermost and others call an incoming webhook. Its address is a secret: no message names it."""
    url = notifications.secret(services.session, arn)
    if not url.startswith("https://"):
        raise UserError("the webhook's secret is no https address", "put the address alone into the secret, as the chat gives it")
    asked = Asked(url, {"content-type": "application/json"}, "POST", json.dumps({"text": text}).encode())
    for attempt in range(_TRIES):
        try:
            status = services.fetch(asked).status
        except Unavailable:
            status = 0
        if 200 <= status < 300:
            return
        if 300 <= status < 500 and status != 429:
            raise UserError(f"the webhook answers {status}", "put its present address into the secret")
        services.sleep(2.0**attempt)
    raise Unavailable(f"the webhook answers {status or 'nothing'}")


def _words(event: Event, services: Services) -> tuple[str, list[str]]:
    """A line that says it all, and those that follow."""
    kind, channel = common.given(event, "event", str), str(event.get("channel") or channels.LIVE)
    place, version = f"{channel} of {services.site}", str(event.get("version") or "")
    message = str(event.get("message") or "")
    if kind == "released":
        before = f"It served {event['previous']} before." if event.get("previous") else ""
        link = _link(services, channel)
        return f"{place} serves {version} (release {event.get('release')})", [line for line in (message, before, link) if line]
    if kind == "failed":
        return f"A release to {place} failed", [line for line in (_cause(event), "What was serving still serves.") if line]
    if kind == "watch failed":
        return f"Nobody watches release {event.get('release')} of {place} any more", [line for line in (_cause(event),) if line]
    if kind == "flipped back":
        return f"{place} went back to {event.get('serving')}: {version} set off an alarm", [message] if message else []
    return f"{place}: {kind}" + (f" ({version})" if version else ""), [message] if message else []


def _link(services: Services, channel: str) -> str:
    hosts = services.json("HOSTS", "[]")
    domain = services.value("DOMAIN_NAME", "")
    if not domain:
        return ""
    own = channels.hosts(services.site, channel, aws_names(domain, hosts), tuple(hosts))
    if channel == channels.LIVE:
        return f"https://{services.value('CANONICAL', '') or own[-1]}/"
    return preview_link(own[0], domain)


def _cause(event: Event) -> str:
    """What went wrong, as Step Functions has it: `{"Error", "Cause"}`, the cause being JSON that Lambda wrote, or text."""
    error = event.get("error")
    if not isinstance(error, dict):
        return str(error or event.get("message") or "")
    cause = str(error.get("Cause") or "")
    try:
        told = json.loads(cause)
        said = str(told.get("errorMessage") or "") if isinstance(told, dict) else ""
    except ValueError:
        said = ""
    return ": ".join(part for part in (str(error.get("Error") or ""), said or cause[:500]) if part)
