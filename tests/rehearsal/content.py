"""The site that is released: every file says which version it is of, so that an answer tells where it came from."""

from __future__ import annotations


def files(mark: str) -> dict[str, str]:
    """A version of the site. `mark` is a word; the script's name carries a hash, as a build tool would give it."""
    return {
        "index.html": page("home", mark),
        "about.html": page("about", mark),
        "docs/index.html": page("docs", mark),
        "404.html": page("nothing here", mark),
        f"assets/app-{fingerprint(mark)}.js": f"console.log({mark!r})",
        "style.css": "body { margin: 0 }",
        "_redirects": f"/old /about?from={mark}\n/news/:name /docs/ 302\n",
        "_headers": f"/about\n  x-version: {mark}\n",
    }


def page(title: str, mark: str) -> str:
    return f"<!doctype html><title>{title}</title><p>{title} of version {mark}"


def fingerprint(mark: str) -> str:
    return f"{sum(map(ord, mark)):04x}{len(mark):02x}9f"


def script(mark: str) -> str:
    return f"/assets/app-{fingerprint(mark)}.js"
