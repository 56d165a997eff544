"""The layers of the design, held by reading the imports: nobody reaches up, nothing heavy is loaded before it is needed."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE, TESTS = ROOT / "toolkit", ROOT / "tests"

# What each part of the package may import of it; a part is a module or folder right below toolkit/. Anything may use itself.
BASE = {"edgecode", "engine", "errors", "paths"}
TOOLS = BASE | {"builds", "config", "config_aws", "console", "presets", "progress", "schema", "sources", "workspace"}
MAY_IMPORT = {
    "engine": set(),
    "edgecode": set(),
    "errors": {"engine"},
    "paths": set(),
    "bundle": BASE | {"sources", "workspace"},
    "local": BASE,
    "aws": BASE,
    "cdk": {"builds", "bundle", "config", "config_aws", "edgecode", "engine", "errors", "paths", "presets"},
    "synth": {"bundle", "config", "errors"},
    "targets": BASE | {"aws", "bundle", "config", "config_aws", "local", "synth", "workspace"},
    "builds": TOOLS,
    "config": TOOLS,
    "config_aws": {"schema"},
    "console": TOOLS,
    "presets": TOOLS,
    "progress": TOOLS,
    "schema": TOOLS,
    "sources": TOOLS,
    "workspace": TOOLS,
    "wizard": TOOLS | {"wizard"},
    "pipeline": TOOLS | {"targets"},
    "commands": TOOLS | {"pipeline", "targets", "wizard"},
    "cli": {"commands", "console", "errors", "targets"},
    "__main__": {"cli"},
    "__init__": set(),
}
# Whose business a library is.
ONLY_IN = {
    "boto3": "aws",
    "botocore": "aws",
    "awscrt": "aws",
    "dns": "aws",
    "aws_cdk": "cdk",
    "constructs": "cdk",
    "git": "sources",
    "quickjs": "local",
    "granian": "local",
    "brotli": "local",
    "rich": "console progress",
    "questionary": "wizard",
    "rjsmin": "edgecode",
}
# Loading the command line's module must not load these: each takes longer than `--help` may.
HEAVY = (
    "aws_cdk", "boto3", "botocore", "git", "yaml", "rich", "questionary", "jsonschema", "granian", "quickjs", "brotli",
    "watchfiles", "tomlkit", "rjsmin", "asyncio", "http.server", "sqlite3",
)  # fmt: skip
FILE_LINES, FUNCTION_LINES = 400, 60


def modules(folder: Path = PACKAGE) -> list[Path]:
    return sorted(folder.rglob("*.py"))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def part(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Full names of the modules that a file imports, also inside functions and for type checking, with their lines."""
    here = [*path.relative_to(ROOT).parts[:-1]]
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            # `from toolkit import engine` imports a module by its alias.
            yield from ((f"{module}.{alias.name}", node.lineno) for alias in node.names)


def own_imports(path: Path) -> Iterator[tuple[str, int]]:
    """The parts of the package that a file imports."""
    for name, line in imports(path):
        if name.split(".")[0] == "toolkit" and len(name.split(".")) > 1:
            yield name.split(".")[1], line


def where(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def test_every_part_of_the_package_has_its_place() -> None:
    assert {part(path) for path in modules()} <= set(MAY_IMPORT), "a new part: say in MAY_IMPORT what it may use"


def test_nobody_reaches_up() -> None:
    wrong = [
        f"{where(path, line)} imports toolkit.{name}"
        for path in modules()
        for name, line in own_imports(path)
        if name not in MAY_IMPORT[part(path)] | {part(path), "__init__", "__version__"}
    ]
    assert not wrong, "\n".join(wrong)


def test_the_engine_stands_on_the_standard_library_alone() -> None:
    wrong = [
        f"{where(path, line)} imports {name}"
        for path in modules(PACKAGE / "engine")
        for name, line in imports(path)
        if name.split(".")[0] not in sys.stdlib_module_names and not name.startswith("toolkit.engine")
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("library", sorted(ONLY_IN))
def test_a_library_is_one_part_s_business(library: str) -> None:
    wrong = [
        f"{where(path, line)} imports {name}"
        for path in modules()
        for name, line in imports(path)
        if name.split(".")[0] == library and part(path) not in ONLY_IN[library].split()
    ]
    assert not wrong, "\n".join(wrong)


def test_nothing_imports_the_cdk_app() -> None:
    lambdas = modules(ROOT / "functions")
    wrong = [
        where(path, line)
        for path in [*modules(), *lambdas]
        for name, line in imports(path)
        if name.startswith("toolkit.cdk") and not path.is_relative_to(PACKAGE / "cdk")
    ]
    assert not wrong, "\n".join(wrong)


def test_handlers_are_thin() -> None:
    """Events in, engine out: what is AWS's is behind the adapters, and the work is done below."""
    paths = modules(ROOT / "functions")
    wrong = [
        f"{where(path, line)} imports {name}"
        for path in paths
        for name, line in imports(path)
        if name.split(".")[0] not in {*sys.stdlib_module_names, "functions"}
        and not name.startswith(("toolkit.aws.", "toolkit.engine", "toolkit.sources.archive"))
    ]
    wrong += [f"{where(path, line)} imports {name}" for path in paths for name, line in imports(path) if name in ONLY_IN]
    wrong += [f"{path.name} is long" for path in paths if len(path.read_text(encoding="utf-8").splitlines()) > 250]
    assert paths and not wrong, "\n".join(wrong)


def test_only_targets_knows_which_targets_there_are() -> None:
    """Differences between targets come back as data: nobody else asks for a target's name."""
    wrong = [where(path, node.lineno) for path in modules() if part(path) != "targets" for node in _target_tests(tree(path))]
    assert not wrong, "\n".join(wrong)


def _target_tests(module: ast.Module) -> Iterator[ast.expr | ast.match_case]:
    for node in ast.walk(module):
        if isinstance(node, ast.Compare):
            for value in ast.walk(node):
                if isinstance(value, ast.Constant) and value.value in ("aws", "local"):
                    yield node
        elif isinstance(node, ast.MatchValue) and isinstance(node.value, ast.Constant) and node.value.value in ("aws", "local"):
            yield node.value


def test_adapters_are_loaded_when_they_are_chosen() -> None:
    """targets.py imports no adapter at its top: a local deploy loads nothing of AWS."""
    top = [node for node in tree(PACKAGE / "targets.py").body if isinstance(node, ast.Import | ast.ImportFrom)]
    named = [name for node in top for name in _names(node)]
    assert not [name for name in named if name.startswith(("toolkit.aws", "toolkit.local", "toolkit.cdk"))]


def _names(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [f"{node.module}.{alias.name}" for alias in node.names]


def test_the_command_line_loads_nothing_heavy() -> None:
    code = f"import sys, toolkit.cli; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stdout.split()) == (0, []), done.stdout + done.stderr


def test_no_test_patches_what_it_tests() -> None:
    """A fake behind a port instead; environment variables and the working folder may be set."""
    wrong = [where(path, node.lineno) for path in modules(TESTS) for node in _patches(tree(path))]
    assert not wrong, "\n".join(wrong)


def _patches(module: ast.Module) -> Iterator[ast.expr | ast.stmt]:
    for node in ast.walk(module):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(("unittest.mock", "mock")):
            yield node
        if isinstance(node, ast.ImportFrom) and node.module == "unittest" and "mock" in [alias.name for alias in node.names]:
            yield node
        if isinstance(node, ast.Import) and {alias.name.split(".")[0] for alias in node.names} & {"mock", "pytest_mock"}:
            yield node
        is_patch = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "monkeypatch"
        if is_patch and node.attr not in ("setenv", "delenv", "chdir", "syspath_prepend", "context"):
            yield node
        if isinstance(node, ast.arg) and node.arg == "mocker":
            yield node  # type: ignore[misc]


def test_files_and_functions_stay_readable() -> None:
    long = []
    for path in modules():
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > FILE_LINES:
            long.append(f"{path.relative_to(ROOT)} has {lines} lines, {FILE_LINES} are enough")
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > FUNCTION_LINES:
                    long.append(f"{where(path, node.lineno)} {node.name} has {length} lines, {FUNCTION_LINES} are enough")
    assert not long, "\n".join(long)
