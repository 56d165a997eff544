"""Functions in the engine: what CloudFront's runtime has, lacks and limits."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.fakes import MemoryRoutes
from toolkit.engine.errors import LimitExceeded, UserError
from toolkit.local.javascript import Script, ScriptError, without_imports

IMPORTS = "import cf from 'cloudfront';\nimport crypto from 'crypto';\nconst kvs = cf.kvs();\n"


class Bench:
    """Runs the body of a handler; `log` is what it said."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "function.js"
        self.routes = MemoryRoutes()
        self.log: list[str] = []

    def load(self, source: str) -> Script:
        self.path.write_text(source)
        return Script(self.path, "viewer-request", self.routes, self.log.append)

    def answer(self, body: str, **request: Any) -> Any:
        script = self.load(f"{IMPORTS}async function handler(event) {{ {body} }}")
        return json.loads(script.call("127.0.0.1", json.dumps(request)))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_the_event_has_cloudfronts_shape(bench: Bench) -> None:
    script = bench.load("function handler(event) { return event; }")
    event = json.loads(script.call("10.0.0.1", '{"uri":"/a"}', '{"statusCode":200}'))
    assert event["version"] == "1.0"
    assert event["context"]["eventType"] == "viewer-request"
    assert event["viewer"] == {"ip": "10.0.0.1"}
    assert (event["request"], event["response"]) == ({"uri": "/a"}, {"statusCode": 200})
    assert "response" not in json.loads(script.call("10.0.0.1", "{}"))


def test_routes_are_read_and_counted(bench: Bench) -> None:
    bench.routes.pairs = {"a": "1", "j": '{"x":[1]}'}
    script = bench.load(
        IMPORTS
        + """
        async function handler(event) {
          let missing = 'none';
          try { await kvs.get('b'); } catch (e) { missing = 'rejected'; }
          const there = await kvs.exists('a');
          const absent = await kvs.exists('b');
          const one = await kvs.get('a');
          const parsed = await kvs.get('j', { format: 'json' });
          const meta = await kvs.meta();
          return { one: one, x: parsed.x, missing: missing, there: there, absent: absent, count: meta.keyCount };
        }"""
    )
    assert json.loads(script.call("", "{}")) == {
        "one": "1",
        "x": [1],
        "missing": "rejected",
        "there": True,
        "absent": False,
        "count": 2,
    }
    assert script.reads == 5


def test_a_store_that_fails_is_not_taken_for_a_missing_key(bench: Bench) -> None:
    class Broken:
        def get(self, key: str) -> str | None:
            raise UserError("the disk is gone")

    bench.path.write_text(IMPORTS + "async function handler(e) { try { await kvs.get('a'); } catch (x) {} return 1; }")
    script = Script(bench.path, "viewer-request", Broken(), bench.log.append)
    for _ in range(2):
        with pytest.raises(UserError, match="disk is gone"):
            script.call("", "{}")


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256"])
def test_hashes(bench: Bench, algorithm: str) -> None:
    body = f"""
        const one = crypto.createHash('{algorithm}').update(event.request.a).update(event.request.b);
        const two = crypto.createHmac('{algorithm}', 'key').update(event.request.a);
        return {{ hex: one.digest('hex'), url: two.digest('base64url') }};"""
    found = bench.answer(body, a="salt", b="/café\U0001f600")
    assert found["hex"] == hashlib.new(algorithm, "salt/café\U0001f600".encode()).hexdigest()
    mac = hmac.new(b"key", b"salt", algorithm).digest()
    assert len(found["url"]) == -(-len(mac) * 4 // 3)
    assert not set(found["url"]) & set("+/=")


@pytest.mark.parametrize("text", ["a\0b", "\0", "x" * 511, "x" * 512, "x" * 8000, "\0" + "é" * 3000, "a\U0001f600"])
def test_texts_arrive_whole_at_the_host(bench: Bench, text: str) -> None:
    """NUL ends a C string, and a long sum of strings is a rope, which the engine's binding cannot hand over."""
    body = "return crypto.createHash('md5').update('salt').update(event.request.text + '').digest('hex');"
    assert bench.answer(body, text=text) == hashlib.md5(f"salt{text}".encode()).hexdigest()
    assert bench.answer("return 'salt' + event.request.text;", text=text) == f"salt{text}"
    bench.routes.pairs = {f"t:{text}"[:300]: "found"}
    body = "try { const v = await kvs.get('t:' + event.request.text); return v; } catch (e) { return 'missing'; }"
    assert bench.answer(body, text=text) == ("found" if len(text) < 298 else "missing")


def test_lone_surrogates_do_no_harm(bench: Bench) -> None:
    assert len(bench.answer(r"return crypto.createHash('md5').update('\ud800').digest('hex');")) == 32
    assert bench.answer(r"console.log('\ud800\0é'); return '\ud800' + 1;") == "\ud8001"
    with pytest.raises(ScriptError, match="went"):
        bench.answer(r"throw new Error('it went \ud800 wrong');")


def test_what_crypto_refuses(bench: Bench) -> None:
    for body in (
        "crypto.createHash('sha512')",
        "crypto.createHash('md5').update(1)",
        "crypto.createHash('md5').update('a').digest('binary')",
        "const h = crypto.createHash('md5'); h.digest('hex'); h.update('a')",
    ):
        with pytest.raises(ScriptError):
            bench.answer(f"{body}; return 1;")


LACKING = """
    eval setTimeout setInterval setImmediate fetch XMLHttpRequest queueMicrotask Map Set WeakMap WeakRef Proxy Reflect BigInt
    performance SharedArrayBuffer Atomics Iterator process module structuredClone escape unescape
    sandbox_enter sandbox_load sandbox_leave host_read host_md5_hex
"""


@pytest.mark.parametrize("name", LACKING.split())
def test_globals_that_cloudfront_lacks(bench: Bench, name: str) -> None:
    assert bench.answer(f"return typeof {name};") == "undefined"
    assert bench.answer(f"return '{name}' in globalThis;") is False


@pytest.mark.parametrize(
    "expression",
    [
        "'a'.matchAll", "'a'.at", "[1].at", "[1].flat", "[1].findLast", "[1].toSorted", "Object.fromEntries", "Object.groupBy",
        "Object.hasOwn", "Promise.withResolvers", "Promise.try", "Array.fromAsync", "'a'.isWellFormed", "'a'.anchor",
    ],
)  # fmt: skip
def test_methods_that_cloudfront_lacks(bench: Bench, expression: str) -> None:
    assert bench.answer(f"return typeof {expression};") == "undefined"


def test_what_is_there(bench: Bench) -> None:
    body = r"""
        const parts = 'a-b'.split('-').map((x) => x.toUpperCase());
        const all = await Promise.all([Promise.resolve(1), 2]);
        return [parts, all, 'aXa'.replaceAll('a', 'b'), 'x'.padStart(3, '.'), [1, 2, 3].includes(2), Object.entries({ k: 1 }),
                /(\d+)/.exec('a12')[1], new Uint8Array(2).length, `t${1}`, encodeURIComponent('é'), JSON.stringify({ a: [1] }),
                parseInt('ff', 16), Math.max(1, 2), new Date(0).toISOString(), Array.from('ab'), typeof Symbol.iterator];"""
    assert bench.answer(body) == [
        ["A", "B"], [1, 2], "bXb", "..x", True, [["k", 1]], "12", 2, "t1", "%C3%A9", '{"a":[1]}', 255, 2,
        "1970-01-01T00:00:00.000Z", ["a", "b"], "symbol",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "attempt",
    [
        "eval('1')",
        "(0, eval)('1')",
        "new Function('return 1')()",
        "Function('return 1')()",
        "(function () {}).constructor('return 1')()",
        "(async function () {}).constructor('return 1')()",
        "(function* () {}).constructor('yield 1')()",
        "(async function* () {}).constructor('yield 1')()",
        "handler.constructor.constructor('return 1')()",
        "[].constructor.constructor('return 1')()",
        "kvs.get.constructor('return 1')()",
        "Object.getPrototypeOf(async function () {}).constructor('return 1')()",
        "Function.prototype.constructor('return 1')()",
        "new (Object.getPrototypeOf(Function.prototype.constructor)).constructor('return 1')()",
    ],
)
def test_text_never_becomes_code(bench: Bench, attempt: str) -> None:
    with pytest.raises(ScriptError, match=r"EvalError|ReferenceError|TypeError"):
        bench.answer(f"return {attempt};")


def test_dynamic_import_finds_nothing(bench: Bench) -> None:
    with pytest.raises(ScriptError):
        bench.answer("const fs = await import('std'); return 1;")


def test_functions_are_strict(bench: Bench) -> None:
    with pytest.raises(ScriptError, match="undeclared"):
        bench.answer("undeclared = 1; return 1;")
    assert bench.answer("return (function () { return this; })() === undefined;") is True


def test_the_clock_stands_still_during_a_call(bench: Bench) -> None:
    body = """
        const first = Date.now();
        let x = 0; for (let i = 0; i < 300000; i++) x += i;
        return [Date.now() - first, new Date().getTime() - first, new Date(2020, 0, 5).getDate(), new Date(0) instanceof Date];"""
    assert bench.answer(body) == [0, 0, 5, True]


def test_logs_are_handed_on(bench: Bench) -> None:
    bench.answer("console.log('seen', { a: 1 }, 2); return 1;")
    assert bench.log == ['function.js: seen {"a":1} 2']


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("throw new Error('broken on purpose')", "broken on purpose"),
        ("throw 'text'", "threw text"),
        ("return undefined", "returned nothing"),
        ("await new Promise(() => {})", "never settles"),
        ("for (;;) await 1", "did not finish"),
        ("function f() { return f() + 1; } return f()", "(?i)stack"),
        ("const a = []; for (;;) a.push('x'.repeat(1000) + a.length)", "memory"),
        ("null.x", "TypeError"),
        ("await kvs.get('missing')", "KeyNotFound"),
    ],
)
def test_failures_are_reported_and_the_next_call_works(bench: Bench, body: str, message: str) -> None:
    script = bench.load(f"{IMPORTS}async function handler(event) {{ if (event.request.fail) {{ {body}; }} return {{ ok: 1 }}; }}")
    for _ in range(3):
        with pytest.raises(ScriptError, match=message):
            script.call("", '{"fail":1}')
        assert json.loads(script.call("", "{}")) == {"ok": 1}


def test_memory_is_limited_to_two_megabytes(bench: Bench) -> None:
    assert bench.answer("return 'x'.repeat(1000 * 1000).length;") == 1_000_000
    with pytest.raises(ScriptError, match="memory"):
        bench.answer("return 'x'.repeat(2200 * 1000).length;")


def test_many_calls_take_no_more_memory(bench: Bench) -> None:
    cycle = "const a = {}; a.a = a; a.text = 'x'.repeat(1000); await kvs.exists('x'); return e.request;"
    script = bench.load(f"{IMPORTS}async function handler(e) {{ {cycle} }}")
    for _ in range(5_000):
        script.call("", '{"uri":"/a"}')


def test_code_is_limited_to_ten_kilobytes(bench: Bench) -> None:
    def code(size: int) -> str:
        start, end = "function handler(e){return'", "'}"
        return start + "x" * (size - len(start) - len(end)) + end

    bench.load(code(10 * 1024))
    bench.load("// what is no code is not sent\n" + code(10 * 1024))
    with pytest.raises(LimitExceeded, match="10241 bytes"):
        bench.load(code(10 * 1024 + 1))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("function handler(e) { return 1", "SyntaxError"),
        ("const a = 1;", "handler"),
        ("const a = 1;\nimport cf from 'cloudfront';\nfunction handler() {}", "cannot run"),
        ("import fs from 'fs';\nfunction handler() {}", "'fs'"),
        ("throw new Error('at load')", "at load"),
    ],
)
def test_functions_that_do_not_load(bench: Bench, source: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        bench.load(source)


def test_a_function_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere"):
        Script(tmp_path / "nowhere.js", "viewer-request", MemoryRoutes(), print)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import cf from 'cloudfront';\nconst a = 1;", "var cf = sandbox_load('cloudfront');\nconst a = 1;"),
        ('import c from "crypto"\nrest', "var c = sandbox_load('crypto');\nrest"),
        ("// import x from 'fs';\nimport c from 'crypto'; rest", "// import x from 'fs';\nvar c = sandbox_load('crypto'); rest"),
        ("/* a\n * b */ import\n  * as c\n from 'crypto';x", "/* a\n * b */ var c = sandbox_load('crypto');\n\nx"),
        ("const s = \"import c from 'crypto';\";", "const s = \"import c from 'crypto';\";"),
        ("f();\nimport c from 'crypto';", "f();\nimport c from 'crypto';"),
        ("", ""),
    ],
)
def test_imports_become_variables_on_their_own_lines(source: str, expected: str) -> None:
    assert without_imports(source) == '"use strict"; ' + expected


def test_errors_name_the_file_and_the_function_that_threw(bench: Bench) -> None:
    script = bench.load("function inner() {\n  null.x;\n}\nfunction handler(e) {\n  inner();\n}")
    with pytest.raises(ScriptError, match=r"function\.js: TypeError(?s:.*)at inner .*\n +at handler"):
        script.call("", "{}")
