"""The edge functions keep to CloudFront's limits of size and language, and the check of the latter sees what it should."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.functions.language import problems, shape
from toolkit.edgecode import compact, edge_code
from toolkit.engine import limits
from toolkit.paths import resource

FUNCTIONS = sorted((resource("functions") / "edge").glob("*.js"))


def test_all_functions_are_there() -> None:
    assert [file.name for file in FUNCTIONS] == ["preview.js", "viewer_request.js", "viewer_response.js"]


@pytest.mark.parametrize("file", FUNCTIONS, ids=lambda file: file.name)
def test_cloudfront_accepts_the_code_as_written_and_as_sent(file: Path) -> None:
    assert problems(file.read_text()) == []
    assert problems(edge_code(file)) == []
    assert len(edge_code(file).encode()) <= limits.FUNCTION_BYTES


@pytest.mark.parametrize("file", FUNCTIONS, ids=lambda file: file.name)
def test_what_is_sent_is_what_was_written(file: Path) -> None:
    assert shape(edge_code(file)) == shape(file.read_text())


@pytest.mark.parametrize(
    ("code", "sent"),
    [
        ("function f() {\n  a();\n}\nconst b = 1;\n", "function f(){a()}const b=1;"),
        ("if (a) {\n  b = ';}';\n}\nc = `;}`;", "if(a){b=';}'}\nc=`;}`;"),
        ("const a = { b: 1 };\n'}\\';}';", "const a={b:1};'}\\';}';"),
    ],
)
def test_texts_stay_as_they_are(code: str, sent: str) -> None:
    assert compact(code) == sent
    assert shape(compact(code)) == shape(code)


@pytest.mark.parametrize("code", ["while (a);", "if (a) b; else;", "for (;;);"])
def test_a_statement_that_is_lost_is_seen(code: str) -> None:
    within = f"function f() {{ {code} }}"
    assert shape(compact(within)) != shape(within)


@pytest.mark.parametrize(
    "code",
    [
        "const a = b?.c;",
        "const a = b?.[0];",
        "const a = b ?? c;",
        "a ??= 1;",
        "a ||= 1;",
        "const { a } = b;",
        "const [a] = b;",
        "for (const { a } of b) c(a);",
        "f(...a);",
        "const a = [...b];",
        "const a = { ...b };",
        "const a = { b };",
        "const a = { b() {} };",
        "const a = { get b() { return 1; } };",
        "const a = { [b]: 1 };",
        "function f(a = 1) {}",
        "function f(...a) {}",
        "function f({ a }) {}",
        "const f = (a, b = 2) => a;",
        "for (const a of b) {}",
        "async function f() { for await (const a of b) {} }",
        "class A {}",
        "const A = class {};",
        "try { a(); } catch { b(); }",
        "async function f() { g(await h()); }",
        "async function f() { g(1, [await h()]); }",
        "async function f() { new G(await h()); }",
        "function* f() { yield 1; }",
        "const a = b ** 2;",
        "const a = 10n;",
        "const a = 1_000;",
        "const a = /b/s;",
        "const a = /b/u;",
        "const a = /(?<=b)c/;",
        "const a = /(?<name>b)/;",
        "const a = new Map();",
        "const a = new URL(b);",
        "const a = b.matchAll(c);",
        "const a = b.replaceAll(c, d);",
        "eval(a);",
        "const a = b.constructor.constructor;",
        "const a = tag`b`;",
        "import fs from 'fs';",
        "import { kvs } from 'cloudfront';",
        "const a = import('crypto');",
        "export default a;",
        "const a = ;",
        "if (a {",
    ],
)
def test_what_it_would_not_run_is_found(code: str) -> None:
    assert problems(code)


@pytest.mark.parametrize(
    "code",
    [
        "import cf from 'cloudfront';",
        "async function f() { const a = await g(); return a * 2; }",
        "async function f() { g(async () => { const a = await h(); return a; }); }",
        "const f = (a) => `${a}-${a + 1}`;",
        "for (const name in a) delete a[name];",
        "for (let i = 0; i < 3; i++) { if (i === 2) continue; else break; }",
        "try { a(); } catch (e) { throw e; } finally { b(); }",
        "switch (a) { case 1: b += 1; break; default: c(); }",
        "const a = { b: /c/gi, 'd': [1, 0xff, 1.5], e: function () { return this; } };",
        "var a = typeof b === 'undefined' ? !c : void 0, d = new E(a);",
        "label: while (true) { do { break label; } while (a); }",
    ],
)
def test_what_it_runs_is_no_problem(code: str) -> None:
    assert problems(code) == []
