"""Synthesis asks nobody: it works where there is no network at all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.gates import offline

CONNECT = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=1)"


def test_the_stacks_are_made_without_a_network(cdk: None, tmp_path: Path) -> None:
    assert offline.synthesise(tmp_path).clock > 0
    assert not (tmp_path / "cdk.context.json").exists(), "nothing was looked up"


def test_the_network_is_cut_where_that_is_said() -> None:
    if not offline.prefix():
        pytest.skip("this machine allows no network namespace; proxies lead nowhere instead")
    done = subprocess.run([*offline.prefix(), sys.executable, "-c", CONNECT], capture_output=True, text=True, check=False)
    assert "Network is unreachable" in done.stderr
