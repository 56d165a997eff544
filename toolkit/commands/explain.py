"""Say which rule, version, blob, headers and cache key answer a URL, by running the routing functions themselves.

toolkit explain http://blog.localhost:8080/about
toolkit explain /about                      the live channel of the site here
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from toolkit.commands import common
from toolkit.engine import channels, layout, release, routes
from toolkit.engine.model import Manifest
from toolkit.engine.target import Target
from toolkit.errors import UserError

if TYPE_CHECKING:
    from toolkit.console import Console

HELP = "say which rule, version and headers answer a URL"
_EDGE_HEADERS = {"host": "", "accept": "text/html,*/*;q=0.8"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", help="a URL, or a path of the site here")
    parser.add_argument("--method", default="GET")
    common.add_site(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    target = common.target_of(args)
    url = args.url
    if url.startswith("/"):
        url = f"http://{channels.hosts(common.site_of(args), channels.LIVE, target.domain)[0]}{url}"
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if not parts.hostname:
        raise UserError(f"{args.url!r} is no URL", "give one such as http://blog.localhost:8080/about, or a path")
    found = explain(target, parts.hostname, parts.path or "/", parts.query, args.method.upper())
    console.result(found)
    _print(found, console)
    return 0


def explain(target: Target, host: str, path: str, query: str, method: str) -> dict[str, Any]:
    """What the edge does with the request, as data: status, rule, version, blob, headers, cache key, reads."""
    edge = target.edge()
    request = _event(host, path, query, method)
    answer: dict[str, Any] = edge.request(request)
    found: dict[str, Any] = {"url": f"//{host}{path}", "method": method, "reads": edge.reads, **_whose(target, host)}
    if "statusCode" in answer:
        headers = {name: value["value"] for name, value in answer.get("headers", {}).items()}
        found |= {"status": answer["statusCode"], "headers": headers, "blob": None, "cache_key": None}
    else:
        found |= _origin(target, edge, request, answer["uri"])
    found["rule"] = _rule(target, found, path)
    return found


def _event(host: str, path: str, query: str, method: str) -> dict[str, Any]:
    pairs = [part.partition("=") for part in query.split("&") if part]
    return {
        "method": method,
        "uri": path,
        "querystring": {name: {"value": value} for name, _, value in pairs},
        "headers": {name: {"value": value or host} for name, value in _EDGE_HEADERS.items()},
        "cookies": {},
    }


def _whose(target: Target, host: str) -> dict[str, Any]:
    value = target.routes.get(layout.host_key(host))
    fields = value.split("|") if value else []
    if len(fields) < 7:
        return {"site": None, "channel": None, "version": None, "release": None}
    record = next((one for one in release.channels(target.routes, fields[1]) if host in one.hosts), None)
    return {
        "site": fields[1],
        "version": fields[2],
        "channel": record.channel if record else None,
        "release": record.number if record else None,
    }


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


def _rule(target: Target, found: dict[str, Any], path: str) -> str:
    if found["version"] is None:
        return "unknown host: no site answers here"
    if found["status"] == 405:
        return "only GET and HEAD are answered"
    manifest = release.load_manifest(target.objects, found["site"], found["version"])
    return describe(manifest, unquote(path, errors="surrogateescape"))


def describe(manifest: Manifest, path: str) -> str:
    """In words, what in the version answers `path` (decoded)."""
    entries, used = routes.entries(manifest)
    record = entries.get(path, "")
    if record[:1] == "R":
        rule = used[int(record[1:])]
        return f"_redirects line {rule.line}: {rule.path} {rule.target} {rule.status}{'!' if rule.force else ''}"
    if record[:1] == "C":
        return "another spelling of a page: its canonical address answers"
    blob = record[1:]
    groups = (
        ("file", manifest.assets),
        ("page for what is missing", manifest.error_pages),
        ("carried for old tabs", manifest.carried),
    )
    for name, assets in groups:
        for asset in assets.values():
            if asset.blob == blob:
                return f"{name} {asset.path}"
    if manifest.settings.mode == "spa":
        return "nothing there: a page request gets /index.html (single-page app), others a 404"
    return "nothing there: 404" + (f" with {manifest.settings.not_found}" if manifest.error_pages else "")


def _print(found: dict[str, Any], console: Console) -> None:
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
