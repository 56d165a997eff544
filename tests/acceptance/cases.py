"""Bad input as a table: what to put into a folder, what to run, and what the error has to name.

A case's folder lies beside the site's project and is its own. `words` may hold `{folder}`; with `inside` they run there.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.acceptance.world import SITE, write_site
from tests.sources.rawzip import Archive, Raw, overlapping_bomb


@dataclass(frozen=True)
class Case:
    """`says` is what the sentence must hold, `code` the exit code."""

    name: str
    says: tuple[str, ...]
    prepare: Callable[[Path], object] = lambda folder: None
    words: tuple[str, ...] = ("deploy", "{folder}")
    inside: bool = False
    code: int = 1


def every() -> Iterator[Case]:
    for name, (make, says) in _ZIPS.items():
        yield Case(f"zip-{name}", (f"{name}.zip", says), partial(_write, f"{name}.zip", make), ("deploy", f"{{folder}}/{name}.zip"))
    for name, (site, says) in _UPLOADED.items():
        yield Case(f"zip-{name}", (says,), partial(_write, "site.zip", site), ("deploy", "{folder}/site.zip"))
    for name, (fill, says) in _FOLDERS.items():
        yield Case(f"folder-{name}", (says,), fill)
    for name, (toml, says) in _TOMLS.items():
        yield Case(f"toml-{name}", ("site.toml", says), partial(_settings, toml), ("deploy",), inside=True)
    for name, (commands, toml, says) in _BUILDS.items():
        prepare = partial(write_project, commands=commands, toml=toml)
        yield Case(f"build-{name}", says, prepare, ("deploy",), inside=True)
    for name, (spec, says) in _SPECS.items():
        yield Case(f"spec-{name}", ("spec.yml", says), partial(_spec, spec), ("deploy",), inside=True)
    for name, (words, says) in _REQUESTS.items():
        yield Case(f"request-{name}", (says,), words=words)
    for name, (words, says) in _USAGE.items():
        yield Case(f"usage-{name}", (says,), words=words, code=2)


def _write(name: str, make: Callable[[], bytes], folder: Path) -> None:
    (folder / name).write_bytes(make())


def _page(name: str = "index.html") -> Raw:
    return Raw(name.encode(), b"<title>bad</title>")


def _truncated() -> bytes:
    whole = Archive([_page(), Raw(b"big.bin", os.urandom(5000))]).to_bytes()
    return whole[: len(whole) * 2 // 3]


_LINK = (stat.S_IFLNK | 0o777) << 16
_ZIPS: dict[str, tuple[Callable[[], bytes], str]] = {
    "truncated": (_truncated, "truncated"),
    "of-nothing": (bytes, "empty file"),
    "of-text": (lambda: b"<title>bad</title>" * 20, "not a zip"),
    "dot-dot": (Archive([_page(), _page("a/../../evil.html")]).to_bytes, "'a/../../evil.html'"),
    "absolute": (Archive([_page(), _page("/etc/evil.html")]).to_bytes, "'/etc/evil.html'"),
    "drive": (Archive([_page(), _page("C:/evil.html")]).to_bytes, "'C:/evil.html'"),
    "symlink": (Archive([_page(), Raw(b"passwd", b"/etc/passwd", attributes=_LINK)]).to_bytes, "'passwd'"),
    "twice": (Archive([_page(), _page("a.html"), _page("a.html")]).to_bytes, "'a.html'"),
    "case": (Archive([_page(), _page("About.html"), _page("about.HTML")]).to_bytes, "'about.HTML'"),
    "case-of-folders": (Archive([_page(), _page("Img/a.html"), _page("img/b.html")]).to_bytes, "'img'"),
    "ratio": (Archive([_page(), Raw(b"zeros", bytes(30_000_000), deflate=True)]).to_bytes, "'zeros'"),
    "overlap": (partial(overlapping_bomb, 50, 20_000), "overlap"),
    "size": (Archive([_page(), Raw(b"lie.bin", bytes(90_000), deflate=True, size=100)]).to_bytes, "'lie.bin'"),
    "checksum": (Archive([_page(), Raw(b"bad.bin", b"1234", crc=1)]).to_bytes, "'bad.bin'"),
    "only-folders": (Archive([Raw(b"a/", b"")]).to_bytes, "no files"),
}  # fmt: skip
_UPLOADED: dict[str, tuple[Callable[[], bytes], str]] = {
    "without-index": (Archive([_page("start.html")]).to_bytes, "error: site.zip has no index.html"),
    "of-another-site": (Archive([_page(), Raw(b"site.toml", b'name = "other"')]).to_bytes, "for the site other"),
}


def _no_index(folder: Path) -> None:
    write_site(folder / "public", "bad")


def _litter(folder: Path) -> None:
    (folder / ".DS_Store").write_text("x", encoding="utf-8")


def _link(name: str, target: str, folder: Path) -> None:
    (write_site(folder, "bad") / name).symlink_to(target)


def _pipe(folder: Path) -> None:
    os.mkfifo(write_site(folder, "bad") / "pipe.html")


def _named(name: str, folder: Path) -> None:
    (write_site(folder, "bad") / name).write_text("x", encoding="utf-8")


_FOLDERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda folder: None, "no file to publish"),
    "without-index": (_no_index, "no index.html"),
    "of-litter": (_litter, "no file to publish"),
    "with-a-dangling-link": (partial(_link, "gone.html", "nowhere"), "/gone.html"),
    "with-a-link-out": (partial(_link, "passwd.txt", "/etc/passwd"), "/passwd.txt"),
    "with-a-link-to-itself": (partial(_link, "round.html", "round.html"), "/round.html"),
    "with-a-pipe": (_pipe, "/pipe.html"),
    "with-a-control-character": (partial(_named, "a\nb.html"), "control character"),
    "with-a-name-in-latin-1": (partial(_named, os.fsdecode(b"caf\xe9.html")), "not valid UTF-8"),
}


def _settings(text: str | bytes, folder: Path) -> None:
    write_site(folder, "bad")
    (folder / "site.toml").write_bytes(text if isinstance(text, bytes) else text.encode())


_TOMLS: dict[str, tuple[str | bytes, str]] = {
    "syntax": ('name = "shop"\n\n[build\nroot = 1\n', "line 3"),
    "no-quotes": ("name = shop\n", "line 1"),
    "wrong-type": ('name = "shop"\n[routing]\nslashes = "yes"\n', "line 3: routing.slashes"),
    "unknown-key": ('name = "shop"\n\nbranhc = "main"\n', "line 3: branhc"),
    "unknown-key-in-table": ('name = "shop"\n[build]\nsecret = ["A"]\n', "line 3: build.secret"),
    "bad-name": ('# ours\nname = "My Shop"\n', "line 2: name"),
    "no-name": ('branch = "main"\n', "name"),
    "key-twice": ('name = "shop"\nname = "shop"\n', "line 2"),
    "below-its-range": ('name = "shop"\n[versions]\nkeep = -1\n', "line 3: versions.keep"),
    "not-utf-8": (b'name = "shop"\n# caf\xe9\n', "line 2"),
    "no-such-preset": ('name = "shop"\npreset = "gatsbee"\n', "line 2: preset"),
}
_SPEC = 'version: 0.2\nphases:\n  build:\n    commands:\n{commands}artifacts:\n  base-directory: out\n  files: ["**/*"]\n'


def write_project(folder: Path, commands: str, toml: str = "") -> Path:
    """A project of the site that runs `commands`, one a line, and publishes `out`."""
    folder.mkdir(exist_ok=True)
    lines = "".join(f"      - {line}\n" for line in commands.splitlines())
    (folder / "site.toml").write_text(f'name = "{SITE}"\nbuild_spec = "spec.yml"\n{toml}', encoding="utf-8")
    (folder / "spec.yml").write_text(_SPEC.format(commands=lines), encoding="utf-8")
    return folder


_BUILDS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "fails": ("mkdir -p out\necho said last; exit 7", "", ("build", "exit code 7", "said last")),
    "command-not-found": ("no-such-tool build", "", ("127", "no-such-tool")),
    "killed": ("kill -9 $$", "", ("137",)),
    "writes-elsewhere": ("mkdir -p dist && echo x > dist/index.html", "", ("out/", "dist/")),
    "writes-nothing": ("true", "", ("out/",)),
    "leaves-an-empty-folder": ("mkdir -p out", "", ("out", "no file")),
    "writes-no-index": ("mkdir -p out/deep && echo x > out/deep/index.html", "", ("no index.html",)),
    "links-out": ("mkdir -p out && ln -s /etc out/etc && echo x > out/index.html", "", ("/etc",)),
    "is-a-link-out": ("ln -s /etc out", "", ("out", "leads out")),
    "lacks-a-secret": ("true", '[build]\nsecrets = ["SHOP_TOKEN"]\n', ("SHOP_TOKEN",)),
    "has-no-project": ("true", 'root = "missing"\n', ("missing",)),
}


def _spec(text: str, folder: Path) -> None:
    write_project(folder, "true")
    (folder / "spec.yml").write_text(text, encoding="utf-8") if text else (folder / "spec.yml").unlink()


_SPECS = {
    "syntax": ("version: 0.2\nphases: [", "line 2"),
    "unknown-phase": ("version: 0.2\nphases:\n  biuld: {}\n", "biuld"),
    "missing": ("", ""),
}
_REQUESTS = {
    "folder-missing": (("deploy", "dsit/"), "dsit"),
    "a-device": (("deploy", "/dev/null"), "/dev/null"),
    "site-name": (("deploy", "{folder}", "--site", "../other"), "'../other'"),
    "no-such-version": (("rollback", "20200101T000000Z-1234567"), "20200101T000000Z-1234567"),
    "nothing-before": (("rollback",), "live"),
    "no-such-preview": (("preview", "rm", "nothing"), "preview/nothing"),
    "not-a-zip": (("deploy", "site.toml"), "site.toml"),
    "no-repository": (("deploy", "--ref", "main"), "git repository"),
}
_USAGE = {
    "verb": (("depoly",), "depoly"),
    "option": (("deploy", "--chanel", "x"), "--chanel"),
    "path-and-ref": (("deploy", "a", "--ref", "b"), "--ref"),
    "port-of-letters": (("up", "--port", "http"), "http"),
    "port-too-large": (("up", "--port", "99999"), "99999"),
    "target": (("deploy", "--target", "moon"), "moon"),
}
