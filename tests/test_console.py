"""What people and programs get to read."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest

from toolkit.console import Console
from toolkit.errors import UsageError, UserError


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Ascii(io.StringIO):
    encoding = "ascii"


@pytest.fixture(autouse=True)
def _colourful(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")


def console(json: bool = False, terminal: bool = False) -> tuple[Console, io.StringIO, io.StringIO]:
    out, err = (Terminal(), Terminal()) if terminal else (io.StringIO(), io.StringIO())
    return Console(json, out, err), out, err


def test_people_read_stdout_and_remarks_go_to_stderr() -> None:
    it, out, err = console()
    it.say("result")
    it.say()
    it.note("by the way")
    it.warn("careful")
    it.result({"never": "seen"})
    assert out.getvalue() == "result\n\n" and err.getvalue() == "by the way\nwarning: careful\n"


def test_programs_read_one_document() -> None:
    it, out, err = console(json=True)
    it.say("silent")
    it.table(["a"], [["b"]])
    with it.progress("x", 3) as bar:
        bar.advance(3)
    it.note("by the way")
    it.result({"path": Path("/x"), "names": {"b", "a"}, "text": "é"})
    assert json.loads(out.getvalue()) == {"path": "/x", "names": ["a", "b"], "text": "é"}
    assert err.getvalue() == "by the way\n"


def test_errors() -> None:
    it, out, err = console()
    it.error(UserError("it broke\nbadly", "mend it"))
    assert err.getvalue() == "error: it broke\n       badly\n  fix: mend it\n" and not out.getvalue()
    it, out, _ = console(json=True)
    it.error(UsageError("which?", "that one"))
    assert json.loads(out.getvalue()) == {"error": {"what": "which?", "fix": "that one", "code": 2}}


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_colours_obey(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    it, _, err = console(terminal=True)
    assert it.style("x", "red", "bold") == "\x1b[31;1mx\x1b[0m"
    monkeypatch.setenv(name, value)
    assert it.style("x", "red") == "x"
    it.warn("y")
    assert err.getvalue() == "warning: y\n"


def test_colours_need_a_terminal() -> None:
    assert console()[0].style("x", "red") == "x"
    assert Console(True, Terminal(), Terminal()).style("x", "red") == "x"


def test_tables_fit_the_terminal_and_nothing_is_cut_in_a_pipe() -> None:
    rows = [["1", "x" * 200], [f"{2}", "日本語\x1b[2J\x07 é"]]
    it, out, _ = console(terminal=True)
    it.table(["n", "name"], rows)
    lines = out.getvalue().splitlines()
    assert len(lines[1]) == 80 and lines[1].endswith("…")
    assert lines[2] == "2  日本語[2J é"
    it, out, _ = console()
    it.table(["n", "name"], rows)
    assert "x" * 200 in out.getvalue()


def test_a_line_below_a_row_is_whole_on_a_terminal() -> None:
    it, out, _ = console(terminal=True)
    it.table(["n", "name"], [["1", "x" * 200], ["2", "y"]], ["first → " + "z" * 90, ""])
    lines = out.getvalue().splitlines()
    assert len(lines) == 4 and len(lines[1]) == 80
    assert lines[2] == f"  first → {'z' * 90}" and lines[3].startswith("2  y")


def test_wide_characters_and_styles_keep_columns_straight() -> None:
    it, out, _ = console(terminal=True)
    it.table(["a", "b"], [["日本", "1"], [it.style("ab", "red"), "2"]])
    assert out.getvalue().splitlines()[1:] == ["日本  1", "\x1b[31mab\x1b[0m    2"]


def test_addresses_are_there_to_be_copied() -> None:
    address = "https://d111111abcdef8.cloudfront.net/_preview/pr-12--blog"
    it, out, _ = console(terminal=True)
    it.table(["version", "note", "url"], [["20261121T162619Z-07c41ed", "n" * 60, address]])
    row = out.getvalue().splitlines()[1]
    assert address in row and "20261121T162619Z-07c41ed" in row and "n" * 60 not in row


def test_a_stream_that_knows_no_accents() -> None:
    out = Ascii()
    Console(False, out, Ascii()).say("café \udcff")
    assert out.getvalue() == "caf\\xe9 \\udcff\n"


def test_logs_get_no_bar() -> None:
    it, out, err = console()
    with it.progress("publishing", 10, "bytes") as bar:
        bar.set("x")
        bar.advance(10)
    assert bar.done == 10 and not out.getvalue() and not err.getvalue()


SHOW_BAR = """
import sys, time
from toolkit.console import Console
console = Console()
with console.progress("publishing", 40) as bar:
    for number in range(40):
        time.sleep(float(sys.argv[1]))
        bar.advance()
        if number == 30:
            console.say("half way")
print("rich" in sys.modules, console.interactive)
"""


SHOW_RESOURCES = """
import time
from toolkit.console import Console
with Console().progress("toolkit-site-blog", 47, "resources") as bar:
    for number in range(16):
        time.sleep(0.04)
        bar.set("toolkit-site-blog: AWS::IAM::Role ReleaseNotificationsNotifyRole3757BECD")
        bar.advance()
"""


def on_a_terminal(pause: str, script: str = SHOW_BAR) -> str:
    master, slave = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", script, pause], stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    seen = b""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            piece = os.read(master, 4096)
        except OSError:
            break
        if not piece:
            break
        seen += piece
    os.close(master)
    assert process.wait(20) == 0
    return seen.decode(errors="replace")


def test_a_bar_only_for_work_that_lasts() -> None:
    quick = on_a_terminal("0")
    assert "publishing" not in quick and "half way" in quick and "False True" in quick
    slow = on_a_terminal("0.02")
    assert "publishing" in slow and "/40" in slow and "half way" in slow and "True True" in slow


def test_a_long_title_gives_way_to_the_count() -> None:
    shown = on_a_terminal("", SHOW_RESOURCES)
    assert "toolkit-site-blog: AWS::IAM::Role" in shown and "16/47" in shown


def test_no_crash_without_a_locale() -> None:
    env = {"PATH": os.environ["PATH"], "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    code = "from toolkit.console import Console; Console().say('caf\\xe9 \\u65e5'); Console().table(['\\xe9'], [['\\xfc']])"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=False)
    assert done.returncode == 0 and b"caf\\xe9" in done.stdout
