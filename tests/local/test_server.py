"""The server's life: one per root, found again, stopped, and never confused with anything else."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.local.serving import Client
from toolkit.errors import UserError
from toolkit.local import server
from toolkit.local.embedded import listen
from toolkit.local.objects import FolderObjects

FOREGROUND = """
    import sys
    from pathlib import Path
    from toolkit.local import server
    functions = Path(sys.argv[2])
    sys.exit(server.run(Path(sys.argv[1]), port=0, functions=functions, on_ready=lambda info: print(info.port, flush=True)))
"""

PASS_ON = """
async function handler(event) { event.request.uri = '/site/blobs' + event.request.uri; return event.request; }
"""


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    root = tmp_path / "root"
    yield root
    server.stop(root)


@pytest.fixture
def functions(tmp_path: Path) -> Path:
    folder = tmp_path / "functions"
    folder.mkdir()
    (folder / "viewer_request.js").write_text(PASS_ON)
    (folder / "viewer_response.js").write_text("function handler(event) { return event.response; }")
    return folder


def is_ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def wait_until_ended(pid: int, seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not is_ended(pid):
        assert time.monotonic() < deadline, f"{pid} goes on"
        time.sleep(0.01)


def test_start_find_stop(root: Path) -> None:
    assert server.running(root) is None
    assert server.stop(root) is False
    info = server.start_background(root, port=0)
    assert info.port > 0
    assert json.loads((root / "server.json").read_text())["pid"] == info.pid
    assert server.running(root) == info
    assert Client(info).get("/").status == 404
    assert server.stop(root) is True
    wait_until_ended(info.pid)
    assert server.running(root) is None
    assert server.stop(root) is False


def test_a_port_in_use_is_named_before_anything_starts(root: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        for start in (server.start_background, server.run):
            with pytest.raises(UserError) as caught:
                start(root, "127.0.0.1", port)
            assert caught.value.what == f"port {port} on 127.0.0.1 is in use by another program"
            assert "--port" in caught.value.fix
    assert not (root / "server.json").exists()


def test_nobody_shares_the_servers_port(root: Path) -> None:
    info = server.start_background(root, port=0)
    with pytest.raises(UserError, match="in use"):
        listen("127.0.0.1", info.port)
    with socket.socket() as rude, pytest.raises(OSError):
        rude.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        rude.bind(("127.0.0.1", info.port))


@pytest.mark.parametrize(
    ("host", "port", "what"),
    [
        ("256.256.256.256", 0, "is not an address"),
        ("127.0.0.1", 99999, "99999 is not a port"),
        ("127.0.0.1", -1, "-1 is not a port"),
    ],
)
def test_an_address_to_refuse(root: Path, host: str, port: int, what: str) -> None:
    with pytest.raises(UserError, match=what):
        server.start_background(root, host, port)


def test_one_server_a_root(root: Path) -> None:
    info = server.start_background(root, port=0)
    for start in (server.start_background, server.run):
        with pytest.raises(UserError, match=rf"runs already on port {info.port} \(pid {info.pid}\)"):
            start(root, "127.0.0.1", 0)
    assert server.running(root) == info


def test_a_killed_server_is_not_running_and_its_port_is_free(root: Path) -> None:
    info = server.start_background(root, port=0)
    os.kill(info.pid, signal.SIGKILL)
    wait_until_ended(info.pid)
    assert (root / "server.json").exists()
    assert server.running(root) is None
    again = server.start_background(root, port=info.port)
    assert (again.port, again.pid != info.pid) == (info.port, True)


def test_a_process_id_that_was_given_out_again_is_left_alone(root: Path) -> None:
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        root.mkdir()
        record = {"pid": bystander.pid, "host": "127.0.0.1", "port": 1, "started": 0.0}
        (root / "server.json").write_text(json.dumps(record))
        assert server.running(root) is None
        assert server.stop(root) is False
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


@pytest.mark.parametrize("record", ["", "{", "[]", '{"pid": 1}', '{"pid": 1, "host": "x", "port": 1, "started": 1, "more": 1}'])
def test_a_damaged_record_is_no_server(root: Path, record: str) -> None:
    root.mkdir()
    (root / "server.json").write_text(record)
    assert server.running(root) is None
    info = server.start_background(root, port=0)
    assert server.running(root) == info


def test_a_server_outlives_who_started_it(root: Path) -> None:
    code = "from toolkit.local import server; import pathlib, sys; server.start_background(pathlib.Path(sys.argv[1]), port=0)"
    subprocess.run([sys.executable, "-c", code, root], check=True, timeout=60)
    info = server.running(root)
    assert info is not None
    assert Client(info).get("/").status == 404


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_in_the_foreground(root: Path, functions: Path, sent: signal.Signals, code: int) -> None:
    root.mkdir()
    command = [sys.executable, "-c", textwrap.dedent(FOREGROUND), root, functions]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    port = int(process.stdout.readline())
    info = server.running(root)
    assert info is not None
    assert (info.port, info.pid) == (port, process.pid)
    process.send_signal(sent)
    said = process.communicate(timeout=30)
    assert (process.returncode, said) == (code, ("", ""))
    assert server.running(root) is None


def test_what_is_under_way_is_finished_before_the_end(root: Path, functions: Path) -> None:
    body = b"x" * 20_000_000
    FolderObjects(root).put("site/blobs/film", body, {"content-type": "video/mp4"})
    info = server.start_background(root, port=0, functions=functions)
    with Client(info).connect() as connection:
        connection.sendall(b"GET /film HTTP/1.1\r\nHost: a\r\n\r\n")
        received = len(connection.recv(1000))
        os.kill(info.pid, signal.SIGTERM)
        while chunk := connection.recv(1 << 20):
            received += len(chunk)
    assert received > len(body)
    wait_until_ended(info.pid)


def test_a_visitor_who_stopped_reading_does_not_hold_the_server(root: Path, functions: Path) -> None:
    FolderObjects(root).put("site/blobs/film", b"x" * 20_000_000, {"content-type": "video/mp4"})
    info = server.start_background(root, port=0, functions=functions)
    with Client(info).connect() as connection:
        connection.sendall(b"GET /film HTTP/1.1\r\nHost: a\r\n\r\n")
        connection.recv(1000)
        os.kill(info.pid, signal.SIGTERM)
        time.sleep(0.2)
        assert not is_ended(info.pid)
        os.kill(info.pid, signal.SIGTERM)  # a second time: now
        wait_until_ended(info.pid, 4)


def test_a_server_that_cannot_start_says_why(root: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"viewer_request\.js cannot be read") as caught:
        server.start_background(root, port=0, functions=tmp_path / "nowhere")
    assert str(root / "server.log") in caught.value.fix
    assert server.running(root) is None
    server.start_background(root, port=0)


@pytest.mark.parametrize("host", ["localhost", "::1"])
def test_other_names_of_this_machine(root: Path, host: str) -> None:
    try:
        info = server.start_background(root, host, 0)
    except UserError:
        pytest.skip(f"this machine has no {host}")
    assert server.running(root) == info


def test_a_symlink_to_the_root_is_the_same_root(root: Path, tmp_path: Path) -> None:
    info = server.start_background(root, port=0)
    (tmp_path / "link").symlink_to(root)
    assert server.running(tmp_path / "link") == info
