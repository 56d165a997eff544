"""Trials of answers: what a visitor gets through the distribution, against what the functions and the fidelity notes say."""

from __future__ import annotations

import base64
import gzip
import zlib

from toolkit.aws import verify_content as content
from toolkit.aws.verify import CHANNEL, Differs, Probe, Trial, Unproven, blob_of, expect, shown
from toolkit.aws.web import Asked, Reply
from toolkit.engine import access, channels, layout
from toolkit.engine.errors import Unavailable

_USER, _PASSWORD = "probe", "only-for-a-minute"
# What viewer-response adds to each answer from a blob.
_DRESS = "x-frame-options"


def page(probe: Probe) -> str:
    reply = probe.ask("/")
    expect(reply.status == 200 and reply.body == content.home("one"), f"/ answers {shown(reply)} with {len(reply.body)} bytes")
    return f"{len(reply.body):,} bytes as published"


def redirect(probe: Probe) -> str:
    reply = probe.ask("/away")
    expect(reply.status == 302 and reply.headers.get("location") == "/page", f"/away answers {shown(reply, 'location')}")
    expect(_DRESS not in reply.headers, "viewer-response ran for an answer of viewer-request")
    return shown(reply, "location")


def not_found(probe: Probe) -> str:
    reply = probe.ask("/there-is-no-such-page")
    expect(reply.status == 404, f"a missing page answers {shown(reply)}")
    expect(reply.body == content.NOT_FOUND, f"the 404 has another body ({len(reply.body)} bytes) than the version's error page")
    return "404 with the version's page"


def metadata(probe: Probe) -> str:
    reply = probe.ask("/page")
    name, value = content.HEADER
    expect(reply.headers.get(name) == value, f"{name} is not there: viewer-response does not see x-amz-meta-edge")
    left = sorted(header for header in reply.headers if header.startswith("x-amz-meta"))
    expect(not left, f"visitors see {', '.join(left)}")
    return f"{name} is set, x-amz-meta-* is gone"


def not_modified(probe: Probe) -> str:
    tag = probe.ask("/page").headers.get("etag", "")
    expect(bool(tag), "pages have no ETag")
    reply = probe.ask("/page", {"if-none-match": tag})
    expect(reply.status == 304 and not reply.body, f"If-None-Match with the page's own tag answers {shown(reply)}")
    left = [name for name in reply.headers if name.startswith("x-amz-meta")]
    expect(not left and "s-maxage" not in reply.headers.get("cache-control", ""), f"the 304 shows {shown(reply, 'cache-control')}")
    return shown(reply, "cache-control")


def partial(probe: Probe) -> str:
    reply = probe.ask("/text.txt", {"range": "bytes=10-29"})
    expect(
        reply.status == 206 and reply.body == content.TEXT[10:30], f"a range of 20 bytes answers {shown(reply)}, {len(reply.body)}"
    )
    expect(_DRESS in reply.headers and "x-amz-meta-edge" not in reply.headers, "viewer-response does not run for 206")
    return shown(reply, "content-range")


def whole_404(probe: Probe) -> str:
    tag = probe.ask("/there-is-no-such-page").headers.get("etag", '"none"')
    for headers in ({"if-none-match": tag}, {"range": "bytes=0-9"}):
        reply = probe.ask("/there-is-no-such-page", headers)
        is_whole = reply.status == 404 and reply.body == content.NOT_FOUND
        expect(is_whole, f"a missing page asked for with {next(iter(headers))} answers {shown(reply)}, {len(reply.body)} bytes")
    return "404 and whole, with If-None-Match and with Range"


def cached(probe: Probe) -> str:
    first = probe.ask("/page")
    for _ in range(10):
        reply = probe.ask("/page")
        if reply.headers.get("x-cache", "").startswith("Hit"):
            break
    else:
        raise Differs(f"ten requests, and none from the edge's cache: {shown(reply, 'x-cache')}")
    kept = [
        (name, first.headers.get(name), reply.headers.get(name)) for name in (content.HEADER[0], "cache-control", "etag", _DRESS)
    ]
    expect(all(before == after for _, before, after in kept) and reply.body == first.body, f"a hit differs from a miss: {kept}")
    return shown(reply, "x-cache")


def lifetimes(probe: Probe) -> str:
    reply = probe.ask("/page")
    said = reply.headers.get("cache-control", "")
    expect(
        "s-maxage" not in said and "age" not in reply.headers, f"the edge's lifetime shows: {shown(reply, 'cache-control', 'age')}"
    )
    expect(said == "private, no-store", f"what a cookie shows may be kept by others: {shown(reply, 'cache-control')}")
    return shown(reply, "cache-control")


def compression(probe: Probe) -> str:
    reply = probe.ask("/text.txt", {"accept-encoding": "gzip"})
    expect(
        reply.headers.get("content-encoding") == "gzip", f"a text of {len(content.TEXT):,} bytes is not compressed: {shown(reply)}"
    )
    try:
        body = gzip.decompress(reply.body)
    except (OSError, EOFError, zlib.error) as error:
        raise Differs(f"the compressed text cannot be read: {error}") from error
    expect(body == content.TEXT, "the compressed text is another one")
    expect(reply.headers.get("etag", "").startswith('W/"'), f"the tag of a compressed text is strong: {shown(reply, 'etag')}")
    return shown(reply, "content-encoding", "etag")


def https(probe: Probe) -> str:
    plain = probe.ask("/", scheme="http")
    led = plain.headers.get("location", "").startswith("https://")
    expect(plain.status in (301, 302, 307, 308) and led, f"http:// answers {shown(plain, 'location')}")
    reply = probe.ask("/")
    expect("max-age" in reply.headers.get("strict-transport-security", ""), "Strict-Transport-Security is missing")
    return f"http:// leads to https:// ({plain.status}), {shown(reply, 'strict-transport-security')}"


def http3(probe: Probe) -> str:
    reply = probe.ask("/")
    expect("h3" in reply.headers.get("alt-svc", ""), f"HTTP/3 is not offered: {shown(reply, 'alt-svc')}")
    return shown(reply, "alt-svc")


def methods(probe: Probe) -> str:
    reply = probe.ask("/page", method="POST")
    expect(reply.status in (403, 405), f"POST answers {shown(reply)}")
    return shown(reply)


def country(probe: Probe) -> str:
    reply = probe.ask("/country")
    expect(reply.status == 302, f"no country's rule holds ({reply.status}): the function does not get CloudFront-Viewer-Country")
    return "the function gets CloudFront-Viewer-Country, and S3 takes the signed request"


def scheme(probe: Probe) -> str:
    reply = probe.ask("/scheme")
    expect(reply.status == 302, f"the rule for https:// does not hold ({reply.status})")
    return "the function gets CloudFront-Forwarded-Proto"


def query_and_cookies(probe: Probe) -> str:
    asked = {"a query": probe.ask("/query?q=1"), "a cookie": probe.ask("/cookie", {"cookie": f"{content.COOKIE_RULE}=1"})}
    for what, reply in asked.items():
        expect(reply.status == 302, f"a rule for {what} does not hold: {shown(reply)}")
    without = probe.ask("/query")
    expect(without.status == 404, f"a rule for a query holds without one: {shown(without)}")
    return "the function gets both, though no policy names them"


def origin_query(probe: Probe) -> str:
    reply = probe.ask("/text.txt?response-content-type=text/evil")
    kind = reply.headers.get("content-type", "")
    expect(reply.status == 200 and kind.startswith("text/plain"), f"a query reaches S3: {shown(reply, 'content-type')}")
    return shown(reply, "content-type")


def instructions(probe: Probe) -> str:
    reply = probe.ask(content.HEAVY_PATH)
    expect(reply.status == 302, f"after {content.HEAVY} patterns the function answers {shown(reply)}: beyond CloudFront's limit")
    return f"{content.HEAVY} patterns are tried, and the last one answers"


def password(probe: Probe) -> str:
    hosting = probe.hosting
    login = base64.b64encode(f"{_USER}:{_PASSWORD}".encode()).decode()
    stores = (hosting.objects, hosting.routes, probe.site, CHANNEL)
    access.protect(*stores, _USER, _PASSWORD, sleep=hosting.sleep)
    try:
        probe.until(lambda reply: reply.status == 401)
        known = probe.until(lambda reply: reply.status == 200, headers={"authorization": f"Basic {login}"})
        expect(known.body == content.home("one"), "with the password another page comes")
        wrong = probe.ask("/", {"authorization": "Basic " + base64.b64encode(b"probe:guess").decode()})
        expect(wrong.status == 401, f"a wrong password answers {shown(wrong)}")
    finally:
        access.unprotect(*stores, sleep=hosting.sleep)
    probe.until(lambda reply: reply.status == 200)
    return "401 without, 200 with it; S3 takes requests that came with Authorization"


def preview_link(probe: Probe) -> str:
    """The link is for visitors without a cookie; with a wildcard host there is none."""
    if any(host.startswith("*.") for host in probe.hosting.hosts):
        raise Unproven("previews have hosts of their own here")
    label = probe.host.partition(".")[0]
    link = f"https://{probe.hosting.domain}/_preview/"
    reply = probe.hosting.fetch(Asked(link + label))
    cookie = reply.headers.get("set-cookie", "")
    expect(reply.status == 302 and reply.headers.get("location") == "/", f"the link answers {shown(reply, 'location')}")
    kept = all(word in cookie for word in ("Secure", "HttpOnly", "Path=/"))
    expect(cookie.startswith(f"{channels.COOKIE}={label};") and kept, f"the link sets the cookie {cookie!r}")
    back = probe.hosting.fetch(Asked(link))
    expect("Max-Age=0" in back.headers.get("set-cookie", ""), f"/_preview/ does not take the cookie back: {shown(back)}")
    wrong = probe.hosting.fetch(Asked(f"{link}no-preview"))
    expect(wrong.status == 404 and "set-cookie" not in wrong.headers, f"a link to nothing answers {shown(wrong)}")
    return shown(reply, "set-cookie")


def unsigned(probe: Probe) -> str:
    hosting = probe.hosting
    root = f"https://{hosting.bucket}.s3.{hosting.region}.amazonaws.com/"
    keys = {
        "a blob": blob_of(probe, "/page.html"),
        "a manifest": layout.manifest(probe.site, probe.versions[0].version),
        "the list of objects": "?list-type=2",
    }
    for what, key in keys.items():
        reply = hosting.fetch(Asked(root + key))
        expect(reply.status in (401, 403), f"anybody gets {what} from the bucket: {shown(reply)}")
    return "the bucket answers nobody without a signature"


def gone(probe: Probe) -> str:
    """Last: the blob is deleted."""
    probe.hosting.objects.delete([blob_of(probe, "/gone.txt")])
    reply = probe.ask("/gone.txt")
    expect(reply.status in (403, 404), f"a blob that is gone answers {shown(reply)}")
    expect(b"<Contents>" not in reply.body and _DRESS not in reply.headers, "an error of S3 was dressed, or lists objects")
    return f"{reply.status}, without viewer-response"


def own_hosts(probe: Probe) -> str:
    hosts = [host for host in probe.hosting.hosts if not host.startswith("*.")]
    if not hosts:
        raise Unproven("the site has no host of its own (site.toml: hosts)")
    answers: dict[str, Reply] = {}
    for host in hosts:
        try:
            answers[host] = probe.hosting.fetch(Asked(f"https://{host}/", {"accept-encoding": "identity"}))
        except Unavailable as error:
            raise Differs(str(error)) from error
    for host, reply in answers.items():
        seen = "cloudfront" in reply.headers.get("via", "").lower() or "x-amz-cf-id" in reply.headers
        expect(seen and reply.status not in (403, 421), f"{host} is not answered by this distribution: {shown(reply, 'server')}")
    return f"{', '.join(hosts)}: TLS and answers by CloudFront"


TRIALS = (
    Trial("F1", "the functions answer as here", page),
    Trial("F6", "what viewer-request answers passes by viewer-response", redirect),
    Trial("F7", "200 becomes 404, the body stays", not_found),
    Trial("F7", "metadata is seen by the function, not by visitors", metadata),
    Trial("F8", "conditional requests", not_modified),
    Trial("F8", "ranges", partial),
    Trial("F8", "a missing page knows neither", whole_404),
    Trial("F5", "hits are dressed as misses are", cached),
    Trial("F5", "the edge's lifetime is not the visitor's", lifetimes),
    Trial("F9", "compression and ETag", compression),
    Trial("F10", "TLS and HSTS", https),
    Trial("F10", "HTTP/3 is offered", http3),
    Trial("F11", "methods that are not let in", methods),
    Trial("F25", "the visitor's country", country),
    Trial("F25", "the visitor's scheme", scheme),
    Trial("F26", "query and cookies in the function", query_and_cookies),
    Trial("F26", "no query at the origin", origin_query),
    Trial("F23", "instructions near our own limit", instructions),
    Trial("F22", "a password", password),
    Trial("F44", "the link to a preview", preview_link),
    Trial("F24", "the bucket without a signature", unsigned),
    Trial("F30", "own hosts and their certificate", own_hosts),
    Trial("F24", "a blob that is gone", gone),
)
