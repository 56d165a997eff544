"""What the Lambda functions run: all that they need, nothing that they do not, and the same bytes each time."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from toolkit import bundle
from toolkit.bundle import Bundle
from toolkit.errors import UserError

STEPS = ("publish", "verify", "flip", "watch", "upkeep", "notify")


def pretend(folder: Path) -> Bundle:
    """A bundle whose libraries are there already: `make` leaves those of the right versions alone."""
    found = Bundle(folder / "code", folder / "dependencies")
    (found.dependencies / "python").mkdir(parents=True)
    facts = bundle.facts()
    (folder / "bundle.json").write_text(json.dumps({"dependencies": facts["dependencies"]}), encoding="utf-8")
    return found


@pytest.fixture
def made(tmp_path: Path) -> Bundle:
    pretend(tmp_path)
    return bundle.make(tmp_path)


def contents(folder: Path) -> dict[str, tuple[int, str]]:
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_mode, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_it_holds_the_handlers_and_what_they_import_and_no_more(made: Bundle) -> None:
    names = set(contents(made.code))
    assert {f"lambdas/{step}.py" for step in STEPS} <= names
    assert {"toolkit/engine/dialects/netlify.py", "toolkit/engine/dialects/cloudflare.py"} <= names, "imported by name"
    parts = {name.split("/")[1].removesuffix(".py") for name in names if name.startswith("toolkit/")}
    assert parts == {"__init__", "aws", "engine", "errors", "sources"}
    adapters = {name.removeprefix("toolkit/aws/") for name in names if name.startswith("toolkit/aws/")}
    assert not {"target.py", "cloudformation.py", "doctor_tools.py"} & adapters
    assert not [name for name in names if not name.endswith(".py")]


RUN = """
import importlib, json, sys, time
sys.path[:0] = {paths!r}
begun = time.perf_counter()
for step in {steps!r}:
    module = importlib.import_module(f"lambdas.{{step}}")
    assert callable(module.handler) and callable(module.step)
seconds = time.perf_counter() - begun
from toolkit.engine.dialects.registry import parse
from toolkit.engine import tables
import toolkit.engine.routes, awscrt, botocore.session
parse({{"_redirects": "", "_headers": ""}}, "netlify"), parse({{"_redirects": "", "_headers": ""}}, "cloudflare")
here = [name for name, module in sys.modules.items() if name.split(".")[0] in ("toolkit", "lambdas")]
outside = [name for name in here if not sys.modules[name].__file__.startswith({code!r})]
print(json.dumps({{"seconds": seconds, "outside": outside, "modules": len(sys.modules)}}))
"""


def run_apart(code: Path, *dependencies: str) -> dict[str, object]:
    """Import everything in a process that knows only these folders."""
    script = RUN.format(paths=[str(code), *dependencies], steps=STEPS, code=str(code))
    done = subprocess.run([sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_the_handlers_load_with_the_bundle_s_code_alone(made: Bundle, tmp_path: Path) -> None:
    """Only the libraries that go into the layer are there, as installed here: a fifth one would be missing in Lambda."""
    alone = tmp_path / "libraries"
    alone.mkdir()
    for name in ("_awscrt.abi3.so", "awscrt", "boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six.py", "urllib3"):
        installed = Path(sysconfig.get_path("platlib")) / name
        (alone / name).symlink_to(installed)
    found = run_apart(made.code, str(alone))
    assert found["outside"] == []
    print(f"cold import of all handlers: {found['seconds']:.2f} s, {found['modules']} modules")


def test_two_runs_give_the_same_bytes(made: Bundle, tmp_path: Path) -> None:
    again = tmp_path / "again"
    pretend(again)
    assert contents(bundle.make(again).code) == contents(made.code)
    before = contents(made.code)
    (made.code / "toolkit" / "stray.py").write_text("left over", encoding="utf-8")
    assert contents(bundle.make(tmp_path).code) == before, "what does not belong there goes"


def test_one_that_is_missing_or_older_than_its_sources_is_not_found(
    made: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TOOLKIT_BUNDLE", raising=False)
    assert bundle.find(tmp_path) == made
    facts = json.loads((tmp_path / "bundle.json").read_bytes())
    facts["code"]["files"][0] += "x"
    (tmp_path / "bundle.json").write_text(json.dumps(facts), encoding="utf-8")
    with pytest.raises(UserError, match="older than its sources") as caught:
        bundle.find(tmp_path)
    assert caught.value.fix.startswith("run `python -m toolkit.bundle`")
    shutil.rmtree(made.code)
    with pytest.raises(UserError, match="is not in"):
        bundle.find(tmp_path)
    assert not bundle.is_made(tmp_path)


def test_a_folder_can_be_named_and_is_taken_as_it_is(made: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bundle.json").unlink()
    monkeypatch.setenv("TOOLKIT_BUNDLE", str(tmp_path))
    assert bundle.find() == made
    monkeypatch.setenv("TOOLKIT_BUNDLE", str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match="nowhere"):
        bundle.find()
    with pytest.raises(UserError, match="nowhere"):
        bundle.is_made()


def test_an_index_that_cannot_be_reached_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/simple")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert bundle.main(["--out", str(tmp_path)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("error: pip could not fetch the functions' libraries: ERROR: ") and lines[1].startswith("  fix: ")
    assert len(lines) == 2 and not (tmp_path / "bundle.json").exists()
