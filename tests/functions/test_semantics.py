"""Generated sites, rules and requests: the edge answers as a reading of the rules one by one says, in both engines."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.support import HOST, NONCE, Answer, find, manifest_of, status_of, with_files
from tests.engine.test_routes import files
from tests.functions.engines import ENGINES, Event, event, run
from tests.functions.oracle import Request, answer
from toolkit.engine.dialects.registry import parse
from toolkit.engine.model import Manifest, Settings
from toolkit.engine.pointers import pointer
from toolkit.engine.routes import compile_table

EXAMPLES = int(os.environ.get("SEMANTICS_EXAMPLES", "400"))
WORD = st.sampled_from(["a", "b", "é", "a b", "index", "c.txt", "404"])
FILE = st.lists(WORD, min_size=1, max_size=3).flatmap(
    lambda parts: st.sampled_from(["", ".html", "/index.html"]).map(lambda end: "/" + "/".join(parts) + end)
)
ENCODED = st.sampled_from(
    ["a", "b", "%C3%A9", "%c3%a9", "é", "a%20b", "%61", "index", "index.html", "c.txt", "404", "x%2Fy", "%ff", ""]
)
URI = st.lists(ENCODED, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))
SEGMENT = st.sampled_from(["a", "b", "%C3%A9", "é", "index.html", "c.txt", ":one", ":two"])
SOURCE = st.tuples(st.lists(SEGMENT, max_size=3, unique=True), st.sampled_from(["", "", "/", "/*"])).map(
    lambda pair: ("/" + "/".join(pair[0]) + pair[1]).replace("//", "/")
)
TARGET = st.lists(st.sampled_from(["a", "b", "é", "c.txt", "new", "index", "404"]), max_size=3).map(
    lambda parts: "/" + "/".join(parts)
)
TAIL = st.sampled_from(["", "", "/", "/{one}", "/{splat}", "/{splat}", "?q={one}", "#top"])
AWAY = st.sampled_from(["", "", "", "", "https://example.com"])
CONDITION = st.sampled_from(["", "", "", "", "", " Country=de", " Language=fr", " Cookie=k", " Country=de,fr Cookie=k"])
QUERY = st.sampled_from(["", "", "", "", " id=:id", " id=1"])


@st.composite
def rule_lines(draw: st.DrawFn, dialect: str) -> str:
    source, away = draw(SOURCE), draw(AWAY)
    status = draw(st.sampled_from([301, 302, 200, 404] if dialect == "netlify" else [301, 302, 307, 200]))
    status = 302 if away else status
    target = away + draw(TARGET) + draw(TAIL)
    for name, text in (("one", ":one"), ("splat", ":splat")):
        there = (text if name == "one" else "*") in source and status != 404
        target = target.replace(f"{{{name}}}", text if there else "z")
    if dialect == "cloudflare":
        return f"{source} {target} {status}"
    force = draw(st.sampled_from(["", "!"]))
    return f"{source}{draw(QUERY)} {target} {status}{force}{draw(CONDITION)}"


REQUEST = st.builds(
    Request,
    uri=URI,
    query=st.sampled_from([{}, {}, {"id": "1"}, {"id": "x%20y", "a": ""}, {"a": "1", "b": "%2F"}]),
    country=st.sampled_from(["", "DE", "FR"]),
    language=st.sampled_from(["", "fr", "fr-CA", "en"]),
    cookies=st.sampled_from([(), ("k",)]),
)


def event_of(asked: Request) -> Event:
    names = {"cloudfront_viewer_country": asked.country, "accept_language": asked.language, "accept": "text/html"}
    query = {name: {"value": value} for name, value in asked.query.items()}
    made = event(asked.uri, HOST, "GET", query, **{name: value for name, value in names.items() if value})
    made["request"]["cookies"] = {name: {"value": "1"} for name in asked.cookies}
    return made


def given_answer(manifest: Manifest, said: dict[str, Any]) -> Answer:
    if "statusCode" in said:
        return Answer(said["statusCode"], location=said["headers"].get("location", {"value": ""})["value"])
    blob = said["uri"].rsplit("/", 1)[1]
    groups = (manifest.assets, manifest.error_pages)
    asset = next(asset for group in groups for asset in group.values() if asset.blob == blob)
    return Answer(status_of(asset), blob=blob)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[str, Manifest, list[Request]]:
    dialect = draw(st.sampled_from(["netlify", "cloudflare"]))
    paths = files(draw(st.lists(FILE, max_size=6, unique=True)))
    text = "\n".join(draw(st.lists(rule_lines(dialect), max_size=6)))
    chosen = Settings(dialect=dialect, slashes=draw(st.sampled_from(["auto", "netlify", "cloudflare-auto"])))
    site = manifest_of(paths or ["/index.html"], redirects=parse({"_redirects": text}, dialect).redirects, settings=chosen)
    return text, site, draw(st.lists(REQUEST, min_size=1, max_size=10))


def held(site: Manifest) -> dict[str, str]:
    table = compile_table(site, NONCE)
    return {**table.puts, f"h:{HOST}": pointer(site, table.ref, "")}


@settings(max_examples=EXAMPLES, deadline=None)
@given(worlds())
def test_the_edge_answers_as_the_rules_say(world: tuple[str, Manifest, list[Request]]) -> None:
    text, site, requests = world
    answers = run(ENGINES[0], held(site), [event_of(asked) for asked in requests])
    for asked, said in zip(requests, answers, strict=True):
        assert given_answer(site, said) == answer(site, asked), f"{asked} of {sorted(site.assets)} with {text!r}"


def test_a_rewrite_reaches_a_file_that_has_a_rule_of_its_own() -> None:
    site = with_files(["/b/x.txt"], "/a/* /b/:splat 200\n/b/x.txt /elsewhere 302 Country=de\n/b/x.txt /other 301!\n")
    assert find(site, "/a/x.txt") == answer(site, Request("/a/x.txt"))


@settings(max_examples=EXAMPLES // 4, deadline=None)
@given(worlds())
def test_both_engines_answer_alike(world: tuple[str, Manifest, list[Request]]) -> None:
    _, site, requests = world
    first, second = (run(engine, held(site), [event_of(asked) for asked in requests]) for engine in ENGINES)
    assert first == second
