"""Say which rule, version, blob, headers and cache key answer a URL, by running the routing functions themselves.

toolkit explain http://blog.localhost:8080/about
toolkit explain /about                      the live channel of the site here
toolkit explain / --header "CloudFront-Viewer-Country: DE"
toolkit explain --all                       every rule of the live version that can never answer
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from toolkit.commands import common
from toolkit.engine import channels, layout, pointers, release
from toolkit.engine import explain as explaining
from toolkit.engine.lint import shadowed
from toolkit.engine.routes import compile_table
from toolkit.engine.target import Target
from toolkit.errors import UserError

if TYPE_CHECKING:
    from toolkit.console import Console

HELP = "say which rule, version and headers answer a URL"
_EDGE_HEADERS = {"host": "", "accept": "text/html,*/*;q=0.8"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", nargs="?", help="a URL, or a path of the site here")
    parser.add_argument(
        "--all", action="store_true", help="list the rules of the live version that can never answer, and its costs"
    )
    parser.add_argument("--method", default="GET")
    parser.add_argument("--header", action="append", default=[], metavar="NAME: VALUE", help="a header of the request")
    common.add_site(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    target = common.target_of(args)
    if bool(args.all) == bool(args.url):
        raise UserError("nothing to explain" if not args.all else "--all speaks of no single URL", "give a URL, or --all alone")
    if args.all:
        return explain_all(target, common.site_of(args), console)
    url = args.url
    if url.startswith("/"):
        url = target.url(channels.hosts(common.site_of(args), channels.LIVE, target.names)[0]).rstrip("/") + url
    parts = urlsplit(url if "://" in url else f"{target.url('host').split(':')[0]}://{url}")
    if not parts.hostname or re.search(r"[\s\x00-\x1f]", url):
        raise UserError(f"{args.url!r} is no URL", "give one such as http://blog.localhost:8080/about, or a path")
    headers = {"cloudfront-forwarded-proto": parts.scheme, **dict(_header(text) for text in args.header)}
    path = parts.path or "/"
    if label := _linked(target, parts.hostname, path):
        # What the link leads to: the front page, for who has the cookie by then.
        path, headers["cookie"] = "/", f"{channels.COOKIE}={label}"
    found = explain(target, parts.hostname, path, parts.query, args.method.upper(), headers)
    console.result(found)
    _print(found, console)
    return 0


def explain_all(target: Target, site: str, console: Console) -> int:
    """List the rules of the live version that can never answer, and what its routes cost."""
    manifest = release.load_manifest(target.objects, site, common.serving(target, site, channels.LIVE).version)
    found, table = shadowed(manifest), compile_table(manifest, explaining.NONCE)
    rules = sum(1 for rule in manifest.redirects if rule.line)  # the others are the slash policy's
    cost = {
        "routes": table.routes,
        "store_bytes": table.bytes,
        "reads": {"page": table.cost.page_reads, "worst": table.cost.reads},
        "thousand_instructions": {"worst": table.cost.kilo_instructions},
    }
    console.result(
        {
            "site": site,
            "version": manifest.version,
            "rules": rules,
            "shadowed": [
                {"file": one.rule.file, "line": one.rule.line, "rule": one.rule.text, "reason": one.reason} for one in found
            ],
            "cost": cost,
        }
    )
    for one in found:
        console.warn(str(one))
    console.say(f"{site} {manifest.version}: {rules} rules, {len(found)} of them can never answer")
    console.say(
        f"{table.routes:,} routes take {table.bytes:,} bytes of the route store; a page {table.cost.page_reads} reads, "
        f"the worst case {table.cost.reads} (about {table.cost.kilo_instructions:,},000 instructions)"
    )
    return 0


def explain(target: Target, host: str, path: str, query: str, method: str, headers: dict[str, str] | None = None) -> dict[str, Any]:
    """What the edge does with the request, as data: status, rule, version, blob, headers, cache key, reads."""
    edge = target.edge()
    request = _event(host, path, query, method, headers or {})
    answer: dict[str, Any] = edge.request(request)
    reads = edge.reads

    def ask(routes: Mapping[str, str]) -> dict[str, Any]:
        # Only a rewrite to another origin takes other methods; its stand-in is a redirect.
        return target.edge(routes).request({**request, "method": "GET"})

    label = request["cookies"].get(channels.COOKIE, {"value": ""})["value"]
    asked, host = host, explaining.host_of(host, label, target.routes.get, ask)
    whose, gate = _whose(target, host, ask)
    found: dict[str, Any] = {
        "url": f"{_origin_of(target, asked)}{path}{query and '?'}{query}",
        "method": method,
        "reads": reads,
        **whose,
    }
    if "statusCode" in answer:
        headers = {name: value["value"] for name, value in answer.get("headers", {}).items()}
        found |= {"status": answer["statusCode"], "headers": headers, "blob": None, "cache_key": None}
    elif "origin" in answer:
        found |= {"status": None, "headers": {}, "blob": None, "cache_key": None, "proxy_to": _proxy_url(answer)}
    else:
        found |= _origin(target, edge, request, answer["uri"])
    found["rule"] = _rule(target, found, gate, host, path, ask)
    return found


def _linked(target: Target, host: str, path: str) -> str:
    """The label of the preview that a link leads to, "" for any other address."""
    label = path.rpartition("/")[2]
    is_link = host == target.names.previews and channels.is_label(label) and urlsplit(target.url(f"{label}.{host}")).path == path
    return label if is_link else ""


def _origin_of(target: Target, host: str) -> str:
    """Scheme, host and port; a host that is reached by a link only is shown as itself."""
    parts = urlsplit(target.url(host))
    return f"{parts.scheme}://{parts.netloc if parts.path == '/' else host}"


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip() or re.search(r"[\r\n\0]", text):
        raise UserError(f"{text!r} is no header", "write it as NAME: VALUE")
    return name.strip().lower(), value.strip()


def _proxy_url(answer: dict[str, Any]) -> str:
    origin = answer["origin"]
    query = "&".join(f"{name}={field['value']}" for name, field in answer["querystring"].items())
    config = origin["customOriginConfig"]
    port = "" if config["port"] == (443 if config["protocol"] == "https" else 80) else f":{config['port']}"
    url = f"{config['protocol']}://{origin['domainName']}{port}{answer['uri']}"
    return f"{url}?{query}" if query else url


def _event(host: str, path: str, query: str, method: str, headers: dict[str, str]) -> dict[str, Any]:
    pairs = [part.partition("=") for part in query.split("&") if part]
    cookies = [part.strip().partition("=") for part in headers.pop("cookie", "").split(";") if part.strip()]
    given = {**{name: value or host for name, value in _EDGE_HEADERS.items()}, **headers}
    return {
        "method": method,
        "uri": path,
        "querystring": {name: {"value": value} for name, _, value in pairs},
        "headers": {name: {"value": value} for name, value in given.items()},
        "cookies": {name: {"value": value} for name, _, value in cookies},
    }


def _whose(target: Target, host: str, ask: explaining.Ask) -> tuple[dict[str, Any], str]:
    """Whose site answers, and the gate before it."""
    value = target.routes.get(layout.host_key(host))
    pointer = explaining.side(value, host, ask) if value else None
    if pointer is None:
        return {"site": None, "channel": None, "version": None, "release": None}, pointers.NONE
    record = next((one for one in release.channels(target.routes, pointer.site) if host in one.hosts), None)
    found = {"site": pointer.site, "version": pointer.version}
    return {**found, "channel": record.channel if record else None, "release": record.number if record else None}, pointer.gate


def _origin(target: Target, edge: Any, request: dict[str, Any], uri: str) -> dict[str, Any]:
    info = target.objects.head(uri[1:])
    if info is None:
        raise UserError(f"the blob {uri} is not in the store", "deploy the site again")
    headers = {name: {"value": value} for name, value in info.headers.items()}
    response = {"statusCode": 200, "statusDescription": "OK", "headers": headers, "cookies": {}}
    answer: dict[str, Any] = edge.response(request, response)
    return {
        "status": answer["statusCode"],
        "headers": {name: value["value"] for name, value in answer["headers"].items()},
        "blob": uri.rsplit("/", 1)[1],
        "size": info.size,
        # CloudFront: the path after the function, and which of br and gzip the visitor takes; no host, no query string.
        "cache_key": f"{uri} + normalised Accept-Encoding",
    }


def _rule(target: Target, found: dict[str, Any], gate: str, host: str, path: str, ask: explaining.Ask) -> str:
    if found["version"] is None:
        return "unknown host: no site answers here"
    if found["status"] == 405:
        return "only GET and HEAD are answered"
    closed = explaining.behind(gate, found["status"])
    if closed:
        return closed
    manifest = release.load_manifest(target.objects, found["site"], found["version"])
    rule = explaining.rule_for(manifest, host, path, ask)
    return explaining.shown(rule) if rule else explaining.described(manifest, path, found["blob"])


def _print(found: dict[str, Any], console: Console) -> None:
    if found["status"] is None:
        console.say(f"{found['method']} {found['url']}  →  {found['proxy_to']} answers")
    else:
        colour = "green" if found["status"] < 300 else "yellow" if found["status"] < 400 else "red"
        console.say(f"{found['method']} {found['url']}  →  {console.style(str(found['status']), colour)}")
    rows = [("rule", found["rule"]), ("site", found["site"]), ("channel", found["channel"]), ("version", found["version"])]
    rows += [("release", found["release"]), ("blob", found["blob"]), ("cache key", found["cache_key"]), ("reads", found["reads"])]
    for name, value in rows:
        if value is not None:
            console.say(f"  {name:<10} {value}")
    console.say("  headers")
    for name, value in sorted(found["headers"].items()):
        console.say(f"    {name}: {value}")
