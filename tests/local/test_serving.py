"""HTTP through the real server, with a pair of functions made for the purpose."""

from __future__ import annotations

import gzip
import json
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import brotli
import pytest

from tests.local.serving import HOST, Client, parse, running_server
from toolkit.local.http import http_date
from toolkit.local.objects import FolderObjects
from toolkit.local.routes import FileRoutes

# /b/<key> is the blob of that key; other paths try out what a function can do.
REQUEST_JS = """
import cf from 'cloudfront';
const kvs = cf.kvs();
async function handler(event) {
  const request = event.request;
  const path = request.uri;
  if (path.slice(0, 3) === '/b/') { request.uri = '/site/blobs/' + path.slice(3); return request; }
  if (path.slice(0, 5) === '/uri/') { request.uri = path.slice(4); return request; }
  if (path === '/throw') throw new Error('broken on purpose');
  if (path === '/invalid') { request.headers.host = { value: 'other' }; return request; }
  if (path === '/kvs') {
    let value = 'none';
    try { value = await kvs.get('greeting'); } catch (e) { value = 'missing'; }
    return { statusCode: 200, body: value };
  }
  if (path === '/nobody') return { statusCode: 204 };
  if (path === '/base64') return { statusCode: 200, body: { encoding: 'base64', data: 'AAH/' } };
  if (path === '/cookies') return { statusCode: 200, cookies: {
    a: { value: '1', attributes: 'Path=/; Secure', multiValue: [{ value: '1', attributes: 'Path=/; Secure' }, { value: '2' }] } } };
  return { statusCode: 200, headers: { 'content-type': { value: 'application/json' } }, body: JSON.stringify(event) };
}
"""

RESPONSE_JS = """
function handler(event) {
  const response = event.response;
  const meta = response.headers['x-amz-meta-edge'];
  delete response.headers['x-amz-meta-edge'];
  const query = event.request.querystring;
  if (response.headers.age) response.headers['x-age'] = { value: response.headers.age.value };
  delete response.headers.age;
  response.headers['x-given'] = { value: String(response.statusCode) };
  if (meta && meta.value) response.headers['x-meta'] = { value: meta.value };
  if (query.status) response.statusCode = parseInt(query.status.value, 10);
  if (query.body) response.body = query.body.value;
  if (query.throw) throw new Error('in viewer-response');
  if (query.bad) response.headers['content-length'] = { value: '1' };
  return response;
}
"""

PAGE = ("<!doctype html>" + "<p>some words that compress well</p>\n" * 100).encode()
TEN = b"0123456789"
LARGE = random.Random(7).randbytes(3_000_000)
LARGE_TEXT = b"".join(b"line %d of a large text\n" % number for number in range(100_000))
GZIPPED = gzip.compress(PAGE)
EDGE = {"cache-control": "public, max-age=0, s-maxage=31536000", "x-amz-meta-edge": "m"}
TEXT = {"content-type": "text/plain; charset=utf-8", **EDGE}
HTML = {**TEXT, "content-type": "text/html; charset=utf-8"}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("root")
    objects = FolderObjects(root)
    objects.put("site/blobs/ten", TEN, TEXT)
    objects.put("site/blobs/empty", b"", TEXT)
    objects.put("site/blobs/page", PAGE, HTML)
    objects.put("site/blobs/large", LARGE, {**TEXT, "content-type": "application/octet-stream"})
    objects.put("site/blobs/largetext", LARGE_TEXT, TEXT)
    objects.put("site/blobs/encoded", GZIPPED, {**HTML, "content-encoding": "gzip"})
    objects.put("site/blobs/uncached", TEN, {**TEXT, "cache-control": "no-store"})
    objects.put("site/versions/secret.json", b"{}", TEXT)
    return root


@pytest.fixture(scope="module")
def client(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    functions = tmp_path_factory.mktemp("functions")
    (functions / "viewer_request.js").write_text(REQUEST_JS)
    (functions / "viewer_response.js").write_text(RESPONSE_JS)
    with running_server(root, functions) as client:
        yield client


@pytest.fixture(scope="module")
def etag(root: Path) -> str:
    return FolderObjects(root).get("site/blobs/ten")[0].etag


def test_a_file(client: Client, root: Path, etag: str) -> None:
    reply = client.get("/b/ten")
    assert (reply.status, reply.body) == (200, TEN)
    modified = FolderObjects(root).get("site/blobs/ten")[0].modified
    expected = {
        "content-type": "text/plain; charset=utf-8",
        "content-length": "10",
        "etag": etag,
        "last-modified": http_date(modified),
        "accept-ranges": "bytes",
        "x-meta": "m",
        "x-given": "200",
    }
    assert expected.items() <= reply.headers.items()
    assert "date" in reply.headers
    assert not {"content-encoding", "vary", "x-amz-meta-edge", "transfer-encoding"} & set(reply.headers)
    assert len(reply.lines) == len(reply.headers), "a header was sent twice"


def test_head_is_get_without_the_body(client: Client) -> None:
    for target in ("/b/ten", "/b/page", "/b/large", "/b/empty", "/anything", "/b/missing", "/throw"):
        got, head = client.get(target), client.head(target)
        assert (head.status, head.body) == (got.status, b""), target
        assert int(head.headers["content-length"]) == len(got.body) or target == "/anything"
        for reply in (got, head):
            for name in ("x-cache", "date", "x-age"):
                reply.headers.pop(name, None)
        if target != "/anything":
            assert head.headers == got.headers, target


def test_an_empty_file(client: Client) -> None:
    reply = client.get("/b/empty")
    assert (reply.status, reply.body, reply.headers["content-length"]) == (200, b"", "0")


# What functions see and answer


def test_the_event_as_the_function_sees_it(client: Client) -> None:
    sent = f"GET /p%2Fq/../%C3%A9?a=1&b&a=%20 HTTP/1.1\r\nHost: SITE.localhost:{client.info.port}\r\nX-Multi: 1\r\nx-multi: 2\r\n"
    sent += "Cookie: k=v; l=\r\nX-Edge-Hidden: 1\r\nConnection: close\r\n\r\n"
    event = json.loads(client.send(sent.encode()).body)
    assert event["version"] == "1.0"
    assert event["viewer"] == {"ip": "127.0.0.1"}
    assert event["request"] == {
        "method": "GET",
        "uri": "/p%2Fq/../%C3%A9",
        "querystring": {"a": {"value": "1", "multiValue": [{"value": "1"}, {"value": "%20"}]}, "b": {"value": ""}},
        "headers": {
            "host": {"value": HOST},
            "x-multi": {"value": "1", "multiValue": [{"value": "1"}, {"value": "2"}]},
            "cloudfront-forwarded-proto": {"value": "http"},
        },
        "cookies": {"k": {"value": "v"}, "l": {"value": ""}},
    }


def test_generated_answers(client: Client) -> None:
    assert client.get("/any").cache == "FunctionGeneratedResponse from toolkit"
    assert client.get("/base64").body == b"\x00\x01\xff"
    nothing = client.get("/nobody")
    assert (nothing.status, nothing.body, "content-length" in nothing.headers) == (204, b"", False)
    cookies = [value for name, value in client.get("/cookies").lines if name == "set-cookie"]
    assert cookies == ["a=1; Path=/; Secure", "a=2"]


def test_a_function_that_fails(client: Client) -> None:
    for target in ("/throw", "/b/ten?throw=1"):
        reply = client.get(target)
        assert (reply.status, reply.cache) == (503, "FunctionExecutionError from toolkit")
        assert b"purpose" not in reply.body
    for target in ("/invalid", "/b/ten?bad=1"):
        reply = client.get(target)
        assert (reply.status, reply.cache) == (502, "FunctionValidationError from toolkit")
    assert client.get("/b/ten").status == 200


def test_viewer_response_may_replace_status_and_body(client: Client) -> None:
    reply = client.get("/b/ten?status=404")
    assert (reply.status, reply.body, reply.headers["content-length"]) == (404, TEN, "10")
    reply = client.get("/b/ten?body=other-text")
    assert (reply.status, reply.body, reply.headers["content-length"]) == (200, b"other-text", "10")
    reply = client.get("/b/ten?status=204")
    assert (reply.status, reply.body, "content-length" in reply.headers) == (204, b"", False)


def test_route_changes_are_seen_by_the_next_request(client: Client, root: Path) -> None:
    routes = FileRoutes(root / "routes.db")
    assert client.get("/kvs").body == b"missing"
    for number in range(5):
        routes.update({"greeting": f"hello {number}"}, [], if_match=routes.etag())
        assert client.get("/kvs").body == f"hello {number}".encode()
    routes.update({}, ["greeting"], if_match=routes.etag())
    assert client.get("/kvs").body == b"missing"


# The origin


UNREADABLE = """
    /site/blobs/missing /site/versions/secret.json /site/blobs/ /site/blobs/a/b /site/blobs/../versions/secret.json /site/blobs/..
    /etc/passwd //site/blobs/ten /site/blobs/ten%00 /site/blobs/ten. /a/b/blobs/ten /
"""


@pytest.mark.parametrize("uri", UNREADABLE.split())
def test_only_blobs_can_be_read(client: Client, uri: str) -> None:
    reply = client.get(f"/uri{uri}")
    assert (reply.status, reply.cache) == (403, "Error from toolkit")
    assert "x-given" not in reply.headers, "viewer-response must not see errors of the origin"


def test_other_methods_do_not_reach_the_origin(client: Client) -> None:
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
        assert client.get("/b/ten", {"Content-Length": "0"}, method=method).status == 403
    post = f"POST /any HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"
    assert json.loads(client.send(post.encode()).body)["request"]["method"] == "POST"


# The cache


def test_the_second_request_is_a_hit(client: Client, root: Path) -> None:
    FolderObjects(root).put("site/blobs/fresh", PAGE, HTML)
    assert [client.get("/b/fresh").cache.split()[0] for _ in range(3)] == ["Miss", "Hit", "Hit"]
    first = client.get("/b/fresh", {"Accept-Encoding": "gzip"})
    assert first.cache == "Miss from toolkit", "the encoding is part of the key"
    assert "x-age" not in first.headers
    hit = client.get("/b/fresh?query=is-not", {"Accept-Encoding": "deflate, gzip;q=0.5", "Host": "another.localhost"})
    assert hit.cache == "Hit from toolkit"
    assert int(hit.headers["x-age"]) < 10
    assert "age" not in hit.headers


def test_what_may_not_be_stored_is_fetched_each_time(client: Client) -> None:
    assert {client.get("/b/uncached").cache for _ in range(3)} == {"Miss from toolkit"}


# Compression


@pytest.mark.parametrize(
    ("accept", "encoding"), [("gzip", "gzip"), ("gzip, br", "br"), ("br", "br"), ("identity", ""), ("gzip;q=0", "")]
)
def test_compression_like_cloudfronts(client: Client, accept: str, encoding: str) -> None:
    reply = client.get("/b/page", {"Accept-Encoding": accept})
    body = {"gzip": gzip.decompress, "br": brotli.decompress, "": bytes}[encoding](reply.body)
    assert body == PAGE
    assert reply.headers.get("content-encoding", "") == encoding
    assert reply.headers["vary"] == "Accept-Encoding"
    assert reply.headers["content-length"] == str(len(reply.body))
    assert reply.headers["etag"].startswith("W/") is bool(encoding)


def test_what_is_not_compressed(client: Client) -> None:
    accept = {"Accept-Encoding": "gzip, br"}
    for target, body in (("/b/ten", TEN), ("/b/large", LARGE)):
        reply = client.get(target, accept)
        assert (reply.body, "content-encoding" in reply.headers, "vary" in reply.headers) == (body, False, False)
    already = client.get("/b/encoded", accept)
    assert (already.headers["content-encoding"], already.body) == ("gzip", GZIPPED)
    assert not already.headers["etag"].startswith("W/")
    assert "content-encoding" not in client.get("/b/page", accept, version="1.0").headers


def test_large_texts_are_compressed_once_for_all_who_wait(client: Client) -> None:
    barrier = threading.Barrier(6)

    def fetch(_: int) -> bytes:
        barrier.wait()
        return client.get("/b/largetext", {"Accept-Encoding": "br"}).body

    with ThreadPoolExecutor(6) as pool:
        bodies = set(pool.map(fetch, range(6)))
    assert len(bodies) == 1
    assert brotli.decompress(bodies.pop()) == LARGE_TEXT
    assert client.get("/b/largetext").body == LARGE_TEXT


# Conditions and ranges


def test_not_modified(client: Client, etag: str) -> None:
    for tag in (etag, f"W/{etag}", f'"zzz", {etag}', "*"):
        reply = client.get("/b/ten", {"If-None-Match": tag})
        assert (reply.status, reply.body, reply.headers["etag"], reply.headers["x-given"]) == (304, b"", etag, "304")
        assert not {"content-length", "content-type", "content-encoding", "transfer-encoding"} & set(reply.headers)
    assert client.get("/b/ten", {"If-None-Match": '"zzz"'}).status == 200
    assert client.head("/b/ten", {"If-None-Match": etag}).status == 304


def test_a_weak_tag_validates_either_representation(client: Client) -> None:
    plain = client.get("/b/page").headers["etag"]
    packed = client.get("/b/page", {"Accept-Encoding": "br"}).headers["etag"]
    assert packed == f"W/{plain}"
    for tag in (plain, packed):
        for headers in ({}, {"Accept-Encoding": "br"}):
            reply = client.get("/b/page", {**headers, "If-None-Match": tag})
            assert (reply.status, reply.headers["vary"]) == (304, "Accept-Encoding")
            assert reply.headers["etag"] == (packed if headers else plain)


def test_dates(client: Client) -> None:
    modified = client.get("/b/ten").headers["last-modified"]
    assert client.get("/b/ten", {"If-Modified-Since": modified}).status == 304
    assert client.get("/b/ten", {"If-Modified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"}).status == 200
    both = {"If-None-Match": '"zzz"', "If-Modified-Since": modified}
    assert client.get("/b/ten", both).status == 200


@pytest.mark.parametrize(
    ("value", "status", "body", "content_range"),
    [
        ("bytes=0-3", 206, b"0123", "bytes 0-3/10"),
        ("bytes=5-", 206, b"56789", "bytes 5-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=0-", 206, TEN, "bytes 0-9/10"),
        ("bytes=10-", 416, b"", "bytes */10"),
        ("bytes=-0", 416, b"", "bytes */10"),
        ("bytes=5-6,0-6", 200, TEN, None),
        ("bytes=0-1,4-5", 200, TEN, None),
        ("bytes=3-1", 200, TEN, None),
        ("lines=0-3", 200, TEN, None),
    ],
)
def test_ranges(client: Client, value: str, status: int, body: bytes, content_range: str | None) -> None:
    reply = client.get("/b/ten", {"Range": value})
    assert (reply.status, reply.headers.get("content-range")) == (status, content_range)
    if status != 416:
        assert (reply.body, reply.headers["content-length"]) == (body, str(len(body)))
    else:
        assert "x-given" not in reply.headers


def test_a_range_is_of_the_object_itself_and_never_compressed(client: Client) -> None:
    reply = client.get("/b/page", {"Range": "bytes=10-29", "Accept-Encoding": "br"})
    assert (reply.status, reply.body, "content-encoding" in reply.headers) == (206, PAGE[10:30], False)
    again = client.get("/b/page", {"Range": "bytes=0-9"})
    assert (again.status, again.body, again.headers["content-range"]) == (206, PAGE[:10], f"bytes 0-9/{len(PAGE)}")


def test_if_range(client: Client, etag: str) -> None:
    modified = client.get("/b/ten").headers["last-modified"]
    for condition, status in ((etag, 206), (f"W/{etag}", 200), ('"zzz"', 200), (modified, 206), ("nonsense", 200)):
        assert client.get("/b/ten", {"Range": "bytes=0-3", "If-Range": condition}).status == status, condition
    assert client.get("/b/ten", {"Range": "bytes=0-3", "If-None-Match": etag}).status == 304
    head = client.head("/b/ten", {"Range": "bytes=0-3"})
    assert (head.status, head.headers["content-length"]) == (200, "10")


# Large files


def test_large_files_are_streamed_whole_and_in_part(client: Client) -> None:
    reply = client.get("/b/large")
    assert (reply.status, reply.headers["content-length"]) == (200, str(len(LARGE)))
    assert reply.body == LARGE
    part = client.get("/b/large", {"Range": "bytes=1000000-2500000"})
    assert (part.status, part.body == LARGE[1000000:2500001]) == (206, True)
    assert client.get("/b/large", {"Range": "bytes=-1"}).body == LARGE[-1:]


def test_a_download_survives_the_deletion_of_its_object(client: Client, root: Path) -> None:
    objects = FolderObjects(root)
    objects.put("site/blobs/doomed", LARGE, {**TEXT, "content-type": "video/mp4"})
    with client.connect() as connection:
        connection.sendall(f"GET /b/doomed HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
        reply = connection.recv(1000)
        objects.delete(["site/blobs/doomed"])
        while chunk := connection.recv(1 << 20):
            reply += chunk
    assert parse(reply).body == LARGE
    assert client.get("/b/doomed").status == 403


def test_a_visitor_who_leaves_does_no_harm(client: Client) -> None:
    for _ in range(5):
        with client.connect() as connection:
            connection.sendall(f"GET /b/large HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
            connection.recv(1000)
    assert client.get("/b/ten").body == TEN


# Limits and odd requests


def test_the_length_of_a_uri(client: Client) -> None:
    assert client.get("/" + "a" * 8190).status == 200
    assert client.get("/" + "a" * 8191).status == 414
    assert client.get("/?" + "a" * 8189).status == 200
    assert client.get("/?" + "a" * 8190).status == 414


def test_a_request_without_a_host(client: Client) -> None:
    assert client.send(b"GET /b/ten HTTP/1.1\r\nConnection: close\r\n\r\n").status == 400
    assert client.send(b"GET /b/ten HTTP/1.0\r\n\r\n").status == 400
    assert client.send(f"GET /b/ten HTTP/1.0\r\nHost: {HOST}\r\n\r\n".encode()).body == TEN


ODD = "/% /%zz /%00 /caf%E9 //evil.example /%2F%2Fevil /..%2f..%2fetc /[x] /a|b"


@pytest.mark.parametrize("target", ODD.split())
def test_odd_paths_arrive_as_they_are(client: Client, target: str) -> None:
    reply = client.get(target)
    assert (reply.status, json.loads(reply.body)["request"]["uri"]) == (200, target)


def test_the_control_host_answers_this_machine_only_what_it_should(client: Client) -> None:
    control = {"Host": "_toolkit.localhost"}
    health = json.loads(client.get("/healthz", control).body)
    assert (health["pid"], health["port"]) == (client.info.pid, client.info.port)
    assert set(health["cache"]) == {"entries", "bytes", "hits", "misses"}
    assert client.get("/b/ten", control).status == 404


def test_many_visitors_at_once(client: Client) -> None:
    targets = {"/b/ten": TEN, "/b/page": PAGE, "/b/large": LARGE, "/b/empty": b""}

    def fetch(number: int) -> bool:
        target = list(targets)[number % len(targets)]
        return client.get(target).body == targets[target]

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(fetch, range(200)))
