"""What these tests conclude from a table with support.Edge, CloudFront's function concludes too: both are asked the same paths."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.support import SITE, Answer, Edge, manifest_of
from tests.engine.test_routes import PATH, RULE, files
from toolkit.engine import pointers, routes
from toolkit.engine.model import Manifest, Redirect, Settings
from toolkit.local.edge import Edge as Functions
from toolkit.paths import resource

HOST = "shop.localhost"
ODD = ["/café/ten.html", "/a b.html", "/100%.txt", "/q?.html", "/h#.txt", "/plus+.html", "/e\u0301.txt", "/\U0001f600.html"]


class Store:
    """A route store that holds one compiled version; replaced from example to example, as loading the functions takes long."""

    def __init__(self) -> None:
        self.pairs: dict[str, str] = {}

    def get(self, key: str) -> str | None:
        return self.pairs.get(key)

    def load(self, manifest: Manifest) -> None:
        table = routes.compile_table(manifest, "n0nce")
        self.pairs = {**table.puts, f"h:{HOST}": pointers.pointer(manifest, table.ref, "")}


STORE = Store()


@pytest.fixture(scope="module")
def functions() -> Functions:
    return Functions(STORE, resource("functions") / "edge")


def javascript(functions: Functions, uri: str) -> Answer:
    headers = {"host": {"value": HOST}, "accept": {"value": "text/html"}}
    found = functions.request({"method": "GET", "uri": uri, "querystring": {}, "headers": headers, "cookies": {}})
    if "statusCode" in found:
        return Answer(found["statusCode"], location=found["headers"].get("location", {}).get("value", ""))
    prefix = f"/{SITE}/blobs/"
    assert found["uri"].startswith(prefix)
    return Answer(200, blob=found["uri"][len(prefix) :])


def asked(manifest: Manifest) -> list[str]:
    """Every path of the version, its near relations, and some that are nowhere."""
    known = list(routes.entries(manifest)[0])
    near = [variant for path in known for variant in (f"{path}/", f"{path}x", path.rstrip("/"), f"{path}.html", f"/{path}")]
    return [quote(path, safe="/") for path in [*known, *near, "/nowhere", "//", "/%"] if path]


def agree(functions: Functions, manifest: Manifest) -> None:
    STORE.load(manifest)
    mirror = Edge(STORE.get)
    for uri in asked(manifest):
        mine, theirs = mirror.ask(HOST, uri), javascript(functions, uri)
        # The status of a page that is a 404 travels with its blob: the request function does not know it.
        assert (theirs.blob, theirs.location) == (mine.blob, mine.location), uri
        assert mine.blob or theirs.status == mine.status, uri


@settings(max_examples=100, deadline=None)
@given(st.lists(PATH, unique=True, min_size=1, max_size=6).map(files), st.lists(RULE, max_size=3), st.booleans(), st.booleans())
def test_generated_sites(functions: Functions, paths: list[str], rules: list[Redirect], clean: bool, spa: bool) -> None:
    agree(functions, manifest_of(paths, redirects=rules, settings=Settings("spa" if spa else "site", clean_urls=clean)))


def test_names_that_need_encoding(functions: Functions) -> None:
    agree(
        functions,
        manifest_of(["/index.html", "/404.html", *ODD], redirects=[Redirect("/ü", "/caf%C3%A9/ten"), Redirect("/ö", "/%23?a=1#b")]),
    )


def test_many_routes(functions: Functions) -> None:
    agree(functions, manifest_of([f"/{number}/index.html" for number in range(300)]))
