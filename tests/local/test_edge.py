"""CloudFront's rules around the two functions: what they may answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.fakes import MemoryRoutes
from toolkit.local.edge import Edge
from toolkit.paths import resource

REQUEST = {
    "method": "GET",
    "uri": "/a%20b",
    "querystring": {"q": {"value": "1"}},
    "headers": {"host": {"value": "site.localhost"}, "via": {"value": "proxy"}, "accept": {"value": "*/*"}},
    "cookies": {},
}
RESPONSE = {
    "statusCode": 200,
    "statusDescription": "OK",
    "headers": {"content-type": {"value": "text/html"}, "content-length": {"value": "10"}, "content-encoding": {"value": "br"}},
    "cookies": {},
}


class Bench:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def edge(self, request: str = "return event.request;", response: str = "return event.response;") -> Edge:
        (self.folder / "viewer_request.js").write_text(f"async function handler(event) {{ const r = event.request; {request} }}")
        (self.folder / "viewer_response.js").write_text(f"function handler(event) {{ const r = event.response; {response} }}")
        return Edge(MemoryRoutes(), self.folder)

    def request(self, body: str) -> dict[str, Any]:
        return self.edge(request=body).request(REQUEST, "127.0.0.1")

    def response(self, body: str) -> dict[str, Any]:
        return self.edge(response=body).response(REQUEST, RESPONSE)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_request_goes_on(bench: Bench) -> None:
    assert bench.request("return r;") == REQUEST
    changed = bench.request("r.uri = '/other'; delete r.headers.accept; r.headers['x-a'] = { value: '1' }; return r;")
    assert changed["uri"] == "/other"
    assert changed["headers"] == {**{name: REQUEST["headers"][name] for name in ("host", "via")}, "x-a": {"value": "1"}}  # type: ignore[index]


def test_a_generated_response(bench: Bench) -> None:
    answer = {"statusCode": 302, "statusDescription": "Found", "headers": {"location": {"value": "/x"}}}
    assert bench.request(f"return {json.dumps(answer)};") == answer


FORBIDDEN = """
    connection expect keep-alive proxy-authorization trailer upgrade x-accel-redirect x-amz-cf-id x-cache x-edge-location
    x-forwarded-proto x-real-ip
"""


@pytest.mark.parametrize("name", FORBIDDEN.split())
def test_headers_that_may_not_be_set(bench: Bench, name: str) -> None:
    assert bench.request(f"r.headers['{name}'] = {{ value: 'x' }}; return r;")["statusCode"] == 502
    assert bench.request(f"return {{ statusCode: 200, headers: {{ '{name}': {{ value: 'x' }} }} }};")["statusCode"] == 502
    assert bench.response(f"r.headers['{name}'] = {{ value: 'x' }}; return r;")["statusCode"] == 502


@pytest.mark.parametrize("name", ["host", "via", "content-length", "transfer-encoding"])
def test_read_only_headers_of_requests(bench: Bench, name: str) -> None:
    assert bench.request(f"r.headers['{name}'] = {{ value: 'changed' }}; return r;")["statusCode"] == 502
    removed = bench.request(f"delete r.headers['{name}']; return r;")
    assert removed.get("statusCode", 200) == (502 if name in REQUEST["headers"] else 200)  # type: ignore[operator]


@pytest.mark.parametrize("name", ["content-length", "content-encoding", "transfer-encoding", "warning", "via"])
def test_read_only_headers_of_responses(bench: Bench, name: str) -> None:
    assert bench.response(f"r.headers['{name}'] = {{ value: 'changed' }}; return r;")["statusCode"] == 502


@pytest.mark.parametrize(
    "body",
    [
        "return 'text';",
        "return 5;",
        "return [];",
        "return {};",
        "r.method = 'POST'; return r;",
        "delete r.method; return r;",
        "r.uri = 'no-slash'; return r;",
        "r.uri = '/with space'; return r;",
        "r.uri = '/a?b'; return r;",
        "r.uri = '/a#b'; return r;",
        "r.uri = '/' + 'a'.repeat(8192); return r;",
        "r.uri = 5; return r;",
        "r.headers['Upper'] = { value: 'x' }; return r;",
        "r.headers['sp ace'] = { value: 'x' }; return r;",
        "r.headers['a:b'] = { value: 'x' }; return r;",
        "r.headers.a = 'x'; return r;",
        "r.headers.a = { value: 5 }; return r;",
        "r.headers.a = { value: 'x\\r\\nset-cookie: y' }; return r;",
        "r.headers.a = { value: '\\u0105' }; return r;",
        "r.headers = 5; return r;",
        "return { statusCode: '200' };",
        "return { statusCode: 99 };",
        "return { statusCode: 600 };",
        "return { statusCode: true };",
        "return { statusCode: 200, headers: 5 };",
        "return { statusCode: 200, body: 5 };",
        "return { statusCode: 200, body: { encoding: 'hex', data: '00' } };",
        "return { statusCode: 200, body: { encoding: 'base64', data: '!' } };",
        "return { statusCode: 200, body: 'x'.repeat(40961) };",
        "return { statusCode: 200, headers: { 'content-length': { value: '5' } } };",
        "return { statusCode: 200, cookies: 5 };",
        "return { statusCode: 200, cookies: { a: { value: 'x\\r\\ny: z' } } };",
    ],
)
def test_answers_that_cloudfront_refuses(bench: Bench, body: str) -> None:
    answer = bench.request(body)
    assert (answer["statusCode"], answer["statusDescription"]) == (502, "FunctionValidationError"), answer


def test_a_function_that_throws_is_503(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    answer = bench.request("throw new Error('the reason');")
    assert (answer["statusCode"], answer["statusDescription"]) == (503, "FunctionExecutionError")
    assert "the reason" in caplog.text
    assert bench.response("throw new Error('again');")["statusCode"] == 503


def test_reads_are_counted_per_call() -> None:
    routes = MemoryRoutes()
    edge = Edge(routes, resource("functions") / "edge")
    assert edge.request({**REQUEST, "headers": {"host": {"value": "nobody.localhost"}}}, "127.0.0.1")["statusCode"] == 404
    assert edge.reads == 1
    edge.response(REQUEST, RESPONSE)
    assert edge.reads == 0


def test_the_real_functions_load() -> None:
    edge = Edge(MemoryRoutes(), resource("functions") / "edge")
    assert edge.request({**REQUEST, "method": "POST"}, "::1")["statusCode"] == 405
    ours = {**RESPONSE, "headers": {**RESPONSE["headers"], "x-amz-meta-edge": {"value": "{}"}}}
    seen = edge.response(REQUEST, ours)
    assert seen["headers"]["x-content-type-options"] == {"value": "nosniff"}
