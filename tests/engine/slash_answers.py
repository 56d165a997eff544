"""What each host answers under its slash policy: facts for test_slashes.py.

Cloudflare's, Firebase's and npm-serve's lines, and Vercel's redirects, are what the vendors' own packages answered; Netlify's and
GitHub Pages' are from live tables, Amplify's from its documentation.
"""

from __future__ import annotations

SITE = ("/index.html", "/404.html", "/a.html", "/b/index.html", "/c.html", "/c/index.html")
X_PATHS = ("/x", "/x/", "/x.html", "/x/index", "/x/index.html", "/x/index/")

# Files, and the paths that are asked for.
SITES = (
    (SITE, ("/", "/index.html", "/a", "/a/", "/a.html", "/b", "/b/", "/b.html", "/b/index.html")),
    (SITE, ("/c", "/c/", "/c.html", "/c/index.html")),
    (("/x.html",), X_PATHS),
    (("/x/index.html",), X_PATHS),
    (("/x.html", "/x/index.html"), X_PATHS),
    (("/x", "/x.html"), X_PATHS),
)

# Policy and status of its redirects -> a line for each of SITES, a word for each of its paths: the file served, `>` and the address
# that it leads to, `-` for a 404.
ANSWERS = {
    ("auto", 308): (
        "/index.html >/ /a.html >/a >/a >/b/ /b/index.html - >/b/",
        "/c.html /c/index.html >/c >/c/",
        "/x.html >/x >/x - - -",
        ">/x/ /x/index.html - - >/x/ -",
        "/x.html /x/index.html >/x - >/x/ -",
        "/x - /x.html - - -",
    ),
    ("exact", 0): (
        "/index.html /index.html - - /a.html - /b/index.html - /b/index.html",
        "- /c/index.html /c.html /c/index.html",
        "- - /x.html - - -",
        "- /x/index.html - - /x/index.html -",
        "- /x/index.html /x.html - /x/index.html -",
        "/x - /x.html - - -",
    ),
    ("cloudflare-auto", 307): (
        "/index.html >/ /a.html >/a >/a >/b/ /b/index.html >/b/ >/b/",
        "/c.html /c/index.html >/c >/c/",
        "/x.html >/x >/x >/x >/x -",
        ">/x/ /x/index.html >/x/ >/x/ >/x/ >/x/index",
        "/x.html /x/index.html >/x >/x/ >/x/ >/x/index",
        "/x - /x.html - - -",
    ),
    ("cloudflare-force", 307): (
        "/index.html >/ >/a/ /a.html >/a/ >/b/ /b/index.html >/b/ >/b/",
        ">/c/ /c/index.html /c.html >/c/",
        ">/x/ /x.html >/x/ >/x/ >/x/ -",
        ">/x/ /x/index.html >/x/ >/x/ >/x/ /x/index.html",
        ">/x/ /x/index.html /x.html >/x/ >/x/ /x/index.html",
        "/x /x.html >/x/ >/x/ >/x/ -",
    ),
    ("cloudflare-drop", 307): (
        "/index.html >/ /a.html >/a >/a /b/index.html >/b >/b >/b",
        "/c.html >/c >/c /c/index.html",
        "/x.html >/x >/x >/x >/x -",
        "/x/index.html >/x >/x >/x >/x >/x/index",
        "/x.html >/x >/x >/x /x/index.html >/x/index",
        "/x - /x.html - - -",
    ),
    ("cloudflare-none", 0): (
        "- /index.html - - /a.html - - - /b/index.html",
        "- - /c.html /c/index.html",
        "- - /x.html - - -",
        "- - - - /x/index.html -",
        "- - /x.html - /x/index.html -",
        "/x - /x.html - - -",
    ),
    ("cloudflare-pages", 308): (
        "/index.html >/ /a.html >/a >/a >/b/ /b/index.html - >/b/",
        "/c.html /c/index.html >/c >/c/",
        "/x.html >/x >/x >/x/ - >/x/",
        ">/x/ /x/index.html - >/x/ >/x/ >/x/",
        "/x.html /x/index.html >/x >/x/ >/x/ >/x/",
        "/x >/x /x.html >/x/ - >/x/",
    ),
    ("netlify", 301): (
        "/index.html /index.html /a.html >/a /a.html >/b/ /b/index.html - /b/index.html",
        "/c.html >/c /c.html /c/index.html",
        "/x.html >/x /x.html - - -",
        ">/x/ /x/index.html - /x/index.html /x/index.html >/x/index",
        "/x.html >/x /x.html /x/index.html /x/index.html >/x/index",
        "/x >/x /x.html - - -",
    ),
    ("netlify-plain", 0): (
        "/index.html /index.html /a.html /a.html /a.html /b/index.html /b/index.html - /b/index.html",
        "/c.html /c/index.html /c.html /c/index.html",
        "/x.html /x.html /x.html - - -",
        "/x/index.html /x/index.html - /x/index.html /x/index.html /x/index.html",
        "/x.html /x/index.html /x.html /x/index.html /x/index.html /x/index.html",
        "/x /x.html /x.html - - -",
    ),
    ("vercel", 0): (
        "/index.html /index.html - - /a.html /b/index.html /b/index.html - /b/index.html",
        "/c/index.html /c/index.html /c.html /c/index.html",
        "- - /x.html - - -",
        "/x/index.html /x/index.html - - /x/index.html -",
        "/x/index.html /x/index.html /x.html - /x/index.html -",
        "/x /x /x.html - - -",
    ),
    ("vercel-slash", 308): (
        "/index.html /index.html >/a/ - /a.html >/b/ /b/index.html - /b/index.html",
        ">/c/ /c/index.html /c.html /c/index.html",
        ">/x/ - /x.html >/x/index/ - -",
        ">/x/ /x/index.html - >/x/index/ /x/index.html -",
        ">/x/ /x/index.html /x.html >/x/index/ /x/index.html -",
        ">/x/ /x /x.html >/x/index/ - -",
    ),
    ("vercel-no-slash", 308): (
        "/index.html /index.html - >/a /a.html /b/index.html >/b - /b/index.html",
        "/c/index.html >/c /c.html /c/index.html",
        "- >/x /x.html - - >/x/index",
        "/x/index.html >/x - - /x/index.html >/x/index",
        "/x/index.html >/x /x.html - /x/index.html >/x/index",
        "/x >/x /x.html - - >/x/index",
    ),
    ("vercel-clean", 308): (
        "/index.html >/ /a.html /a.html >/a /b/index.html /b/index.html >/b >/b",
        "/c.html /c.html >/c >/c",
        "/x.html /x.html >/x >/x >/x >/x",
        "/x/index.html /x/index.html >/x >/x >/x >/x",
        "/x.html /x.html >/x >/x >/x >/x",
        "/x /x >/x >/x >/x >/x",
    ),
    ("vercel-clean-slash", 308): (
        "/index.html >// >/a/ /a.html >/a/ >/b/ /b/index.html >/b/ >/b/",
        ">/c/ /c.html >/c/ >/c/",
        ">/x/ /x.html >/x/ >/x/ >/x/ >/x/",
        ">/x/ /x/index.html >/x/ >/x/ >/x/ >/x/",
        ">/x/ /x.html >/x/ >/x/ >/x/ >/x/",
        ">/x/ /x >/x/ >/x/ >/x/ >/x/",
    ),
    ("vercel-clean-no-slash", 308): (
        "/index.html >/ /a.html >/a >/a /b/index.html >/b >/b >/b",
        "/c.html >/c >/c >/c",
        "/x.html >/x >/x >/x >/x >/x",
        "/x/index.html >/x >/x >/x >/x >/x",
        "/x.html >/x >/x >/x >/x >/x",
        "/x >/x >/x >/x >/x >/x",
    ),
    ("github-pages", 301): (
        "/index.html /index.html /a.html - /a.html >/b/ /b/index.html - /b/index.html",
        "/c.html /c/index.html /c.html /c/index.html",
        "/x.html - /x.html - - -",
        ">/x/ /x/index.html - /x/index.html /x/index.html -",
        "/x.html /x/index.html /x.html /x/index.html /x/index.html -",
        "/x - /x.html - - -",
    ),
    ("firebase", 301): (
        "/index.html /index.html - - /a.html >/b/ /b/index.html - /b/index.html",
        ">/c/ /c/index.html /c.html /c/index.html",
        "- - /x.html - - -",
        ">/x/ /x/index.html - - /x/index.html -",
        ">/x/ /x/index.html /x.html - /x/index.html -",
        "/x - /x.html - - -",
    ),
    ("firebase-slash", 301): (
        "/index.html /index.html - - /a.html >/b/ /b/index.html - /b/index.html",
        ">/c/ /c/index.html /c.html /c/index.html",
        "- - /x.html - - -",
        ">/x/ /x/index.html - - /x/index.html -",
        ">/x/ /x/index.html /x.html - /x/index.html -",
        "/x - /x.html - - -",
    ),
    ("firebase-no-slash", 301): (
        "/index.html /index.html - - /a.html /b/index.html >/b - /b/index.html",
        "/c/index.html >/c /c.html /c/index.html",
        "- - /x.html - - -",
        "/x/index.html >/x - - /x/index.html -",
        "/x/index.html >/x /x.html - /x/index.html -",
        "/x - /x.html - - -",
    ),
    ("firebase-clean", 301): (
        "/index.html >/ /a.html - >/a /b/index.html /b/index.html - >/b",
        "/c/index.html /c/index.html >/c >/c",
        "/x.html - >/x - - -",
        "/x/index.html /x/index.html - >/x >/x -",
        "/x/index.html /x/index.html >/x >/x >/x -",
        "/x - >/x - - -",
    ),
    ("firebase-clean-slash", 301): (
        "/index.html >/ >/a/ /a.html >/a/ >/b/ /b/index.html - >/b/",
        ">/c/ /c/index.html >/c/ >/c/",
        ">/x/ /x.html >/x/ - - -",
        ">/x/ /x/index.html - >/x/ >/x/ >/x",
        ">/x/ /x/index.html >/x/ >/x/ >/x/ >/x",
        "/x /x.html >/x/ - - -",
    ),
    ("firebase-clean-no-slash", 301): (
        "/index.html >/ /a.html >/a >/a /b/index.html >/b - >/b",
        "/c/index.html >/c >/c >/c",
        "/x.html >/x >/x - - -",
        "/x/index.html >/x - >/x >/x >/x/index",
        "/x/index.html >/x >/x >/x >/x >/x/index",
        "/x >/x >/x - - -",
    ),
    ("amplify", 301): (
        "/index.html /index.html /a.html - /a.html >/b/ /b/index.html - /b/index.html",
        "/c.html /c/index.html /c.html /c/index.html",
        "/x.html - /x.html - - -",
        ">/x/ /x/index.html - /x/index.html /x/index.html -",
        "/x.html /x/index.html /x.html /x/index.html /x/index.html -",
        "/x - /x.html - - -",
    ),
    ("npm-serve", 301): (
        "/index.html >/index /a.html /a.html >/a /b/index.html /b/index.html >/b >/b/index",
        "/c/index.html /c/index.html >/c >/c/index",
        "/x.html /x.html >/x >/x >/x/index -",
        "/x/index.html /x/index.html >/x >/x >/x/index /x/index.html",
        "/x/index.html /x/index.html >/x >/x >/x/index /x/index.html",
        "/x.html /x.html >/x >/x >/x/index -",
    ),
}
