"""Slash policies: under which addresses the files of a version answer, worked out at publish time.

`addresses` asks a policy about every file and about the other spellings of every page. What it does not return is a 404, except
where `UNKNOWN` says that the host redirects paths that it knows nothing of. The edge needs no rules for any of this.

A Move leads to something that serves. Vercel's policies are the exception: that host redirects before it looks (see `vercel`).
No policy leads in a circle, and a Move's address begins with one slash; `Move("//", 308)` for `/index.html` of
"vercel-clean-slash" is the vendor's own oddity.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from toolkit.engine.slashes import cloudflare, servers
from toolkit.engine.slashes.answers import Answer, Move, Resolve, Serve
from toolkit.engine.slashes.firebase import firebase
from toolkit.engine.slashes.vercel import vercel

__all__ = ["POLICIES", "UNKNOWN", "Answer", "Move", "Policy", "Serve", "addresses"]


@dataclass(frozen=True)
class Policy:
    """`summary` is for docs and schema. `unknown`: what happens to a path that the version does not have, see `UNKNOWN`.

    `near`: of a page's spellings only its home, its file name and the one with the other last slash. `checked`: Moves that lead to
    nothing are left out; a file that has one answers under its own name.
    """

    summary: str
    resolve: Resolve
    unknown: str = ""
    near: bool = False
    checked: bool = True


def _vercel(summary: str, *, clean: bool, slash: bool | None) -> Policy:
    unknown = "" if slash is None else "add" if slash else "drop"
    return Policy(f"Vercel with {summary}", vercel(clean=clean, slash=slash), unknown, checked=False)


def _firebase(summary: str, *, clean: bool, slash: bool | None) -> Policy:
    return Policy(f"Firebase Hosting with {summary}", firebase(clean=clean, slash=slash))


POLICIES: Mapping[str, Policy] = {
    "auto": Policy(
        "one address per page: /a for a.html, /b/ for b/index.html; others lead there, 308", cloudflare.own_auto, near=True
    ),
    "exact": Policy("files under their own names, and /b/ serves b/index.html; nothing else", servers.exact),
    "cloudflare-auto": Policy("Cloudflare Workers, html_handling auto-trailing-slash: /a and /b/, 307", cloudflare.workers_auto),
    "cloudflare-force": Policy(
        "Cloudflare Workers, html_handling force-trailing-slash: /a/ and /b/, 307", cloudflare.workers_force
    ),
    "cloudflare-drop": Policy("Cloudflare Workers, html_handling drop-trailing-slash: /a and /b, 307", cloudflare.workers_drop),
    "cloudflare-none": Policy(
        "Cloudflare Workers, html_handling none: files under their own names only, not even /", cloudflare.workers_none
    ),
    "cloudflare-pages": Policy("Cloudflare Pages: /a and /b/, 308", cloudflare.pages),
    "netlify": Policy("Netlify with pretty URLs: /a and /b/, file names answer too, 301", servers.netlify_pretty),
    "netlify-plain": Policy("Netlify without pretty URLs: every spelling answers, no redirects", servers.netlify_plain),
    "vercel": _vercel("neither setting: file names, /b and /b/", clean=False, slash=None),
    "vercel-slash": _vercel("trailingSlash true: file names and /b/", clean=False, slash=True),
    "vercel-no-slash": _vercel("trailingSlash false: file names and /b", clean=False, slash=False),
    "vercel-clean": _vercel("cleanUrls: no .html, with or without a slash", clean=True, slash=None),
    "vercel-clean-slash": _vercel("cleanUrls and trailingSlash true: /a/ and /b/", clean=True, slash=True),
    "vercel-clean-no-slash": _vercel("cleanUrls and trailingSlash false: /a and /b", clean=True, slash=False),
    "github-pages": Policy("GitHub Pages: /a and /b/, file names answer too, /a/ does not, 301", servers.folders),
    "firebase": _firebase("neither setting: file names and /b/", clean=False, slash=None),
    "firebase-slash": _firebase("trailingSlash true: file names and /b/", clean=False, slash=True),
    "firebase-no-slash": _firebase("trailingSlash false: file names and /b", clean=False, slash=False),
    "firebase-clean": _firebase("cleanUrls: /a, and /b with or without a slash", clean=True, slash=None),
    "firebase-clean-slash": _firebase("cleanUrls and trailingSlash true: /a/ and /b/", clean=True, slash=True),
    "firebase-clean-no-slash": _firebase("cleanUrls and trailingSlash false: /a and /b", clean=True, slash=False),
    "amplify": Policy("AWS Amplify Hosting: /a and /b/, file names answer too, 301", servers.folders),
    "npm-serve": Policy("npx serve: no .html and no /index, with or without a slash, 301", servers.npm_serve),
}

# Policy -> what its host does with a path that the version does not have, before the 404. "": nothing. "add": 308 to the same path
# with a slash, when it has none and its last segment has no dot. "drop": 308 to the path without its last slash.
UNKNOWN: Mapping[str, str] = {name: policy.unknown for name, policy in POLICIES.items()}


def addresses(policy: str, files: Collection[str]) -> dict[str, Answer]:
    """Every address under which something answers, for decoded absolute paths of files. KeyError for a policy that does not exist.

    Cost: one to eight questions to the policy per file, 50,000 pages in about a second.
    """
    rules = POLICIES[policy]
    known = files if isinstance(files, (set, frozenset)) else frozenset(files)
    found: dict[str, Answer] = {}
    for file in sorted(known):
        for path in _spellings(file, rules.near):
            if path not in found:
                answer = rules.resolve(path, known.__contains__)
                if answer is not None:
                    found[path] = answer
    return _settled(found, known) if rules.checked else found


def _spellings(file: str, near: bool) -> Iterator[str]:
    """What visitors type for a file: only pages, and files without extension, have spellings beside their name.

    `/b/index/index` and the like are left out: on some hosts they would lead somewhere, but each one costs a record at the edge.
    """
    yield file
    stem = _stem(file)
    if stem is None or stem.endswith("/"):
        return
    if stem:
        yield stem
    yield f"{stem}/"
    if not near:
        yield from (f"{stem}.html", f"{stem}/index", f"{stem}/index.html", f"{stem}/index/")


def _stem(file: str) -> str | None:
    if file.endswith(".html"):
        return file.removesuffix("/index.html") if file.endswith("/index.html") else file.removesuffix(".html")
    return None if "." in file[file.rfind("/") :] else file


def _settled(found: dict[str, Answer], files: Collection[str]) -> dict[str, Answer]:
    """Without the Moves that end nowhere; a file that has such a one answers itself."""
    for path, answer in found.items():
        if path in files and isinstance(answer, Move) and not _serves(path, found):
            found[path] = Serve(path)
    return {path: answer for path, answer in found.items() if isinstance(answer, Serve) or _serves(path, found)}


def _serves(path: str, found: Mapping[str, Answer]) -> bool:
    seen = set()
    answer = found.get(path)
    while isinstance(answer, Move) and answer.address not in seen:
        seen.add(answer.address)
        answer = found.get(answer.address)
    return isinstance(answer, Serve)
