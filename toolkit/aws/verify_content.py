"""The probe's files: pages, a text for ranges, and a rule for each thing that the functions must get to see."""

from __future__ import annotations

from pathlib import Path

# ISO 3166-1: whichever country CloudFront takes the caller to be in, this is one of them; ZZ would be none.
_COUNTRIES = """
    ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bl bm bn bo bq br bs bt bv bw by bz ca cc cd
    cf cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg eh er es et fi fj fk fm fo fr ga gb gd ge gf
    gg gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr ht hu id ie il im in io iq ir is it je jm jo jp ke kg kh ki km kn
    kp kr kw ky kz la lb lc li lk lr ls lt lu lv ly ma mc md me mf mg mh mk ml mm mn mo mp mq mr ms mt mu mv mw mx my mz na
    nc ne nf ng ni nl no np nr nu nz om pa pe pf pg ph pk pl pm pn pr ps pt pw py qa re ro rs ru rw sa sb sc sd se sg sh si
    sj sk sl sm sn so sr ss st sv sx sy sz tc td tf tg th tj tk tl tm tn to tr tt tv tw tz ua ug um us uy uz va vc ve vg vi
    vn vu wf ws ye yt za zm zw
"""
COUNTRIES = tuple(_COUNTRIES.split())
COOKIE_RULE = "verify-cookie"
TEXT = b"".join(b"line %04d of the probe's text\n" % number for number in range(400))
NOT_FOUND = b"<!doctype html><title>the probe's own error page</title>" + b"<p>nothing here</p>" * 80
HEADER = ("x-probe", "seen")
# Rules below one folder, all tried before the last one holds: near the most instructions that the toolkit lets a site have (F23).
HEAVY = 110
HEAVY_PATH = f"/heavy/a/b/c/{HEAVY - 1}/end"


def home(word: str) -> bytes:
    return b"<!doctype html><title>%s</title>" % word.encode() + b"<p>a page of the probe</p>" * 80


def write(folder: Path, word: str, domain: str) -> None:
    """The probe's site, into `folder`; `word` tells two versions apart."""
    files = {
        "index.html": home(word),
        "page.html": home("page"),
        "404.html": NOT_FOUND,
        "text.txt": TEXT,
        "gone.txt": b"this blob is deleted while the probe serves\n",
        "_headers": f"/page\n  {HEADER[0]}: {HEADER[1]}\n".encode(),
        "_redirects": "\n".join(_rules(domain)).encode(),
    }
    for name, body in files.items():
        (folder / name).write_bytes(body)


def _rules(domain: str) -> list[str]:
    heavy = [f"/heavy/*/{number}/:last /page 302" for number in range(HEAVY)]
    return [
        "/away /page 302",
        f"/country /page 302 Country={','.join(COUNTRIES)}",
        f"https://{domain}/scheme /page 302",
        "/query q=1 /page 302",
        f"/cookie /page 302 Cookie={COOKIE_RULE}",
        *heavy,
        "",
    ]
