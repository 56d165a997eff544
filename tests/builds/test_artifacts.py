"""CodeBuild's rules for `artifacts`, with the examples of its user guide."""

from __future__ import annotations

from pathlib import Path

import pytest

from toolkit.builds.artifacts import collect, glob_pattern, top_level
from toolkit.builds.spec import Artifacts
from toolkit.errors import UserError


def tree(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)
    return root


def listed(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def guide(tmp_path: Path) -> Path:
    return tree(tmp_path / "w", "my-build-1/my-file-1.txt", "my-build-2/my-file-2.txt", "my-build-2/my-subdirectory/my-file-3.txt")


def test_one_folder_from_one_base(guide: Path, tmp_path: Path) -> None:
    folder = collect(Artifacts(("*/my-file-3.txt",), "my-build-2"), guide, tmp_path / "out")
    assert listed(folder) == ["my-subdirectory/my-file-3.txt"]


def test_several_bases_flattened(guide: Path, tmp_path: Path) -> None:
    folder = collect(Artifacts(("**/*",), "my-build*", discard_paths=True), guide, tmp_path / "out")
    assert listed(folder) == ["my-file-1.txt", "my-file-2.txt", "my-file-3.txt"]


def test_everything_of_one_folder_is_that_folder(guide: Path, tmp_path: Path) -> None:
    assert collect(Artifacts(("**/*",), "my-build-2/"), guide, tmp_path / "out") == guide / "my-build-2"
    assert collect(Artifacts(("**/*",), "my-*-1"), guide, tmp_path / "out") == guide / "my-build-1"
    assert collect(Artifacts(), guide, tmp_path / "out") == guide
    assert not (tmp_path / "out").exists()


def test_exclude_paths(tmp_path: Path) -> None:
    work = tree(tmp_path / "w", "a.html", ".env", "sub/.git/config", "sub/b.js", "sub/b.js.map")
    folder = collect(Artifacts(("**/*",), "", ("**/.*", "**/.*/**/*", "**/*.map")), work, tmp_path / "out")
    assert listed(folder) == ["a.html", "sub/b.js"]
    assert (folder / "a.html").samefile(work / "a.html")


@pytest.mark.parametrize(
    ("glob", "matching", "other"),
    [
        ("**/*", ["a", "a/b/c"], []),
        ("sub/*", ["sub/a"], ["sub/a/b", "a"]),
        ("sub/**/*", ["sub/a", "sub/a/b"], ["sub", "x/sub/a"]),
        ("./my.jar", ["my.jar"], ["myxjar"]),
        ("*.{js,css}", ["a.js", "b.css"], ["a.html", "x/a.js"]),
        ("[!a]?.txt", ["bc.txt"], ["ab.txt", "b.txt", "b/.txt"]),
        ("**/.*", [".env", "a/.env"], ["a.env"]),
    ],
)
def test_globs(glob: str, matching: list[str], other: list[str]) -> None:
    pattern = glob_pattern(glob)
    assert all(pattern.match(path) for path in matching)
    assert not any(pattern.match(path) for path in other)


def test_what_was_written_instead(tmp_path: Path) -> None:
    work = tree(tmp_path / "w", "src/index.html")
    before = top_level(work)
    tree(work, "node_modules/x.js", "assets/x", "build/index.html")
    with pytest.raises(UserError) as raised:
        collect(Artifacts(("**/*",), "dist"), work, tmp_path / "out", before)
    assert raised.value.what == "the output folder dist/ was not found; the build wrote build/, assets/"
    assert 'output = "build"' in raised.value.fix


@pytest.mark.parametrize(("files", "says"), [(("**/*",), "dist holds no file"), (("*.htm",), r"dist \(\*.htm\) holds no file")])
def test_an_empty_output(tmp_path: Path, files: tuple[str, ...], says: str) -> None:
    (tmp_path / "w" / "dist" / "sub").mkdir(parents=True)
    with pytest.raises(UserError, match=says):
        collect(Artifacts(files, "dist"), tmp_path / "w", tmp_path / "out")


@pytest.mark.parametrize("base", ["/etc", "../other", "a/../../other"])
def test_outside_the_project(tmp_path: Path, base: str) -> None:
    with pytest.raises(UserError, match="is outside the project"):
        collect(Artifacts(("**/*",), base), tree(tmp_path / "w", "a"), tmp_path / "out")


def test_links_that_lead_out(tmp_path: Path) -> None:
    work = tree(tmp_path / "w", "dist/a")
    tree(tmp_path / "private", "key")
    (work / "linked").symlink_to(tmp_path / "private")
    with pytest.raises(UserError, match="leads out of the project"):
        collect(Artifacts(("**/*",), "linked"), work, tmp_path / "out")
    (work / "dist" / "b").symlink_to(tmp_path / "private" / "key")
    with pytest.raises(UserError, match="leads out of the output folder"):
        collect(Artifacts(("*",), "dist"), work, tmp_path / "out")


def test_two_files_cannot_become_one(tmp_path: Path) -> None:
    work = tree(tmp_path / "w", "a/x.html", "b/x.html")
    with pytest.raises(UserError, match=r"would both become /x\.html"):
        collect(Artifacts(("**/*",), "", discard_paths=True), work, tmp_path / "out")
