"""Put together what the Lambda functions run: `make bundle`, or `python -m toolkit.bundle [--out DIR]`.

    code/lambdas, code/toolkit           the handlers, and those of this package's modules that they import
    dependencies/python                  boto3 with awscrt for the functions' processor, without the services that nobody asks

Libraries are apart because they are large and change rarely: a layer. Their versions are those installed here, with which the tests
ran; their wheels come from the package index that pip is set up with, ready-made, so that no compiler and no container is needed.
The same sources give the same bytes.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from toolkit.engine.model import canonical
from toolkit.errors import EXIT_OK, EXIT_USER, INSTALL_AWS, UserError
from toolkit.paths import resource
from toolkit.sources.staging import staged
from toolkit.workspace import home

PYTHON = "3.14"
PLATFORM = "manylinux2014_aarch64"
VARIABLE = "TOOLKIT_BUNDLE"
LIBRARIES = ("awscrt", "boto3", "botocore", "jmespath", "python-dateutil", "s3transfer", "six", "urllib3")
# botocore describes 400 services in 25 MB; these are asked (sts by botocore itself).
SERVICES = ("cloudfront-keyvaluestore", "cloudwatch", "codepipeline", "s3", "secretsmanager", "sns", "stepfunctions", "sts")
# Unzipped, with all layers ("Lambda quotas").
_MOST_BYTES = 250_000_000
_PACKAGE = Path(__file__).resolve().parent
_FACTS = "bundle.json"
_MODULE = re.compile(r"toolkit(\.\w+)+")
_FIX = "run `python -m toolkit.bundle` (in a checkout: `make bundle`)"


@dataclass(frozen=True)
class Bundle:
    """The two folders that become the functions' code and their layer."""

    code: Path
    dependencies: Path


def find(folder: Path | None = None) -> Bundle:
    """The bundle that was made. UserError when there is none, or another one would be made now.

    The variable TOOLKIT_BUNDLE names the folder of one that is taken as it is.
    """
    named = os.environ.get(VARIABLE) if folder is None else None
    folder = Path(named) if named else folder or default_folder()
    found = _bundle(folder)
    if not (found.code.is_dir() and found.dependencies.is_dir()):
        raise UserError(f"the code of the Lambda functions is not in {folder}", _FIX)
    if not named and _made(folder) != facts():
        raise UserError(f"the code of the Lambda functions in {folder} is older than its sources", _FIX)
    return found


def is_made(folder: Path | None = None) -> bool:
    """Whether `find` finds one. UserError for a folder that TOOLKIT_BUNDLE names and that holds none: nothing is put there."""
    try:
        find(folder)
    except UserError:
        if folder is None and VARIABLE in os.environ:
            raise
        return False
    return True


def make(folder: Path) -> Bundle:
    """Put a bundle into `folder`; libraries that are there already in the right versions stay. UserError."""
    wanted, made, bundle = facts(), _made(folder), _bundle(folder)
    (folder / _FACTS).unlink(missing_ok=True)
    with _anew(bundle.code) as code:
        for name, source in _sources().items():
            target = code / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        _same_modes(code)
    if made.get("dependencies") != wanted["dependencies"] or not bundle.dependencies.is_dir():
        with _anew(bundle.dependencies) as dependencies:
            _install(dependencies / "python", wanted["dependencies"]["pins"])
            _same_modes(dependencies)
    if (whole := size(bundle.code) + size(bundle.dependencies)) > _MOST_BYTES:
        raise UserError(f"code and libraries have {whole:,} bytes, Lambda takes {_MOST_BYTES:,}", "pin older, smaller libraries")
    (folder / _FACTS).write_bytes(canonical(wanted))
    return bundle


def default_folder() -> Path:
    """`build/lambda` in a checkout; an installed package has its bundle in the state folder."""
    checkout = _PACKAGE.parent
    return checkout / "build" / "lambda" if (checkout / "functions").is_dir() else home() / "lambda"


def size(folder: Path) -> int:
    """Bytes of all files."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _bundle(folder: Path) -> Bundle:
    return Bundle(folder.absolute() / "code", folder.absolute() / "dependencies")


def facts() -> dict[str, dict[str, list[str]]]:
    """What a bundle is made of now: digests of the code, and versions of the libraries for a platform."""
    code = [f"{name} {hashlib.sha256(source.read_bytes()).hexdigest()}" for name, source in _sources().items()]
    about = {"pins": _pins(), "platform": [PLATFORM, PYTHON], "services": list(SERVICES)}
    return {"code": {"files": code}, "dependencies": about}


def _made(folder: Path) -> dict[str, dict[str, list[str]]]:
    try:
        found = json.loads((folder / _FACTS).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _pins() -> list[str]:
    try:
        return [f"{name}=={importlib.metadata.version(name)}" for name in LIBRARIES]
    except importlib.metadata.PackageNotFoundError as error:
        raise UserError(f"the package {error.name} is not installed", INSTALL_AWS) from error


def _sources() -> dict[str, Path]:
    """Every file of the code by its name in the bundle: the handlers, and what they import of this package, in order."""
    found = {f"lambdas/{file.name}": file for file in (resource("functions") / "lambdas").glob("*.py")}
    todo = list(found.values())
    while todo:
        for module in _imported(todo.pop()):
            for name, file in _files(module):
                if name not in found:
                    found[name] = file
                    todo.append(file)
    return dict(sorted(found.items()))


def _files(module: str) -> Iterator[tuple[str, Path]]:
    """The files that make `toolkit.a.b`: each package's own and the module's, as far as there are any."""
    parts = module.split(".")[1:]
    for depth in range(len(parts) + 1):
        path = _PACKAGE.joinpath(*parts[:depth])
        for file in (path / "__init__.py", path.with_suffix(".py")):
            if file.is_file() and file.is_relative_to(_PACKAGE):
                yield f"toolkit/{file.relative_to(_PACKAGE).as_posix()}", file


def _imported(file: Path) -> Iterator[str]:
    """Names below `toolkit` that a file imports, wherever it does so, or has as a text, to import it by name; but not what only a
    type checker reads."""
    todo: list[ast.AST] = [ast.parse(file.read_text(encoding="utf-8"), str(file))]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        todo += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Constant) and _MODULE.fullmatch(str(node.value)):
            names = [str(node.value)]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] == "toolkit")


def _anew(folder: Path) -> AbstractContextManager[Path]:
    """The folder, empty; what was there before is gone even if this fails."""
    shutil.rmtree(folder, ignore_errors=True)
    return staged(folder)


def _install(folder: Path, pins: Sequence[str]) -> None:
    """Fetch wheels with pip and take out what a function never reads."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-compile"]
    command += ["--only-binary=:all:", "--implementation=cp", f"--platform={PLATFORM}", f"--python-version={PYTHON}"]
    done = subprocess.run([*command, "--target", str(folder), *pins], capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines()
        raise UserError(
            f"pip could not fetch the functions' libraries: {said[-1] if said else done.returncode}",
            "see that pip is installed here and reaches its package index, then try again",
        )
    for unread in (*folder.glob("*.dist-info"), folder / "bin", folder / "boto3" / "data", folder / "boto3" / "examples"):
        shutil.rmtree(unread, ignore_errors=True)
    for described in (folder / "botocore" / "data").iterdir():
        if described.is_dir() and described.name not in SERVICES:
            shutil.rmtree(described)
    for example in (folder / "botocore" / "data").glob("*/*/examples-*.json*"):
        example.unlink()


def _same_modes(folder: Path) -> None:
    """Readable for everybody, whatever the umask here: Lambda runs as a user of its own."""
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m toolkit.bundle", description="Put together what the Lambda functions run.")
    parser.add_argument("--out", type=Path, default=None, metavar="DIR", help="where to (default: build/lambda)")
    parser.add_argument("--json", action="store_true", help="print one JSON document for programs to read")
    args = parser.parse_args(words)
    try:
        bundle = make(args.out or default_folder())
    except UserError as error:
        print(f"error: {error.what}\n  fix: {error.fix}", file=sys.stderr)
        return EXIT_USER
    sizes = {"code": size(bundle.code), "dependencies": size(bundle.dependencies)}
    if args.json:
        print(json.dumps({"folder": str(bundle.code.parent), "bytes": sizes}))
    else:
        print(f"{bundle.code.parent}: code {sizes['code']:,} bytes, dependencies {sizes['dependencies']:,} bytes")
    return EXIT_OK


if __name__ == "__main__":
    raise SystemExit(main())
