"""Requests a second and p99 of the local edge beside `wrangler pages dev`, `serve` and Caddy on the same site (make bench-serve).

Stages: 200 pages of 2 to 30 KB in a scratch folder → the toolkit publishes them, the others serve the folder → every page of every
server is compared byte by byte → rounds of wrk, one server after the other in each round, so that a noisy neighbour meets them all
→ medians. wrangler and serve come from npm into the scratch folder. The local edge runs both routing functions on every request;
Caddy knows no rules, no 404 page and no versions: it is the ceiling, not a rival.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path

from tests.bench.common import BenchError, Toolkit, child, free_port, machine, need, output_of, scratch, write_pages

HERE = Path(__file__).parent
NPM = {"wrangler": "wrangler@4", "serve": "serve@14"}
NAMES = ("toolkit", "wrangler", "serve", "caddy")
CONNECTIONS = 32


@dataclass
class Server:
    """One that runs: where it listens, the host to name, and what each round measured."""

    name: str
    version: str
    port: int
    host: str
    rates: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    failed: int = 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5, help="how long wrk loads each server in each round")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES)
    args = parser.parse_args()
    try:
        with scratch() as folder:
            measure(folder, args.only, args.rounds, args.seconds)
    except BenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def measure(folder: Path, names: Sequence[str], rounds: int, seconds: int) -> None:
    need("wrk", "apt install wrk")
    site = folder / "site"
    paths = write_pages(site)
    (folder / "paths.txt").write_text("\n".join(paths) + "\n")
    about = machine()
    with ExitStack() as stack:
        servers = [stack.enter_context(_START[name](folder, site)) for name in names]
        for server in servers:
            compare(server, site, paths)
        for number in range(rounds):
            for server in servers:
                load(server, folder, seconds)
            print(f"round {number + 1} of {rounds} done", file=sys.stderr)
    report(servers, about, rounds, seconds)
    if any(server.failed for server in servers):
        raise BenchError("some requests failed: see the table")


def compare(server: Server, site: Path, paths: Sequence[str]) -> None:
    """Every page must be there, whole, and without a redirect: otherwise the figures compare different work."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=30)
    for path in paths:
        connection.request("GET", path, headers={"Host": server.host})
        response = connection.getresponse()
        body = response.read()
        if response.status != 200 or body != (site / path.strip("/") / "index.html").read_bytes():
            raise BenchError(f"{server.name} answers {path} with {response.status} and {len(body)} bytes: not the page")
    connection.close()


def load(server: Server, folder: Path, seconds: int) -> None:
    command = ["wrk", "-t2", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "10s", "-s", HERE / "walk.lua"]
    target = [f"http://127.0.0.1:{server.port}", "--", folder / "paths.txt", server.host]
    done = subprocess.run(list(map(str, [*command, *target])), capture_output=True, text=True, check=False)
    try:
        figures = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError) as error:
        raise BenchError(f"wrk failed on {server.name}: {done.stdout[-500:]} {done.stderr[-500:]}") from error
    server.rates.append(figures["requests"] / figures["seconds"])
    server.p50.append(figures["p50"])
    server.p99.append(figures["p99"])
    server.failed += figures["failed"]


def report(servers: Sequence[Server], about: str, rounds: int, seconds: int) -> None:
    first = servers[0]
    print(f"\n200 pages of 2 to 30 KB, wrk with {CONNECTIONS} connections, {rounds} interleaved rounds of {seconds} s; medians")
    print(f"{about}\n")
    print(f"{'server':<34}{'requests/s':>12}{'(range)':>18}{'p50 ms':>9}{'p99 ms':>9}{'ratio':>9}{'failed':>9}")
    for server in servers:
        rate = statistics.median(server.rates)
        spread = f"{min(server.rates):,.0f} to {max(server.rates):,.0f}"
        times = f"{statistics.median(server.p50):>9.2f}{statistics.median(server.p99):>9.2f}"
        name = f"{server.name} {server.version}"
        print(f"{name[:33]:<34}{rate:>12,.0f}{spread:>18}{times}{ratio(server, first):>9.2f}{server.failed:>9}")
    for server in servers[1:]:
        print(f"{first.name} answers {ratio(first, server):.2f} times as many requests as {server.name}")


def ratio(one: Server, other: Server) -> float:
    """The median of the ratios within each round: what slows a whole round down slows both."""
    return statistics.median(mine / theirs for mine, theirs in zip(one.rates, other.rates, strict=True))


@contextmanager
def _toolkit(folder: Path, site: Path) -> Iterator[Server]:
    toolkit = Toolkit(folder)
    toolkit("deploy", str(site), "--site", "bench", cwd=folder)
    with toolkit.served() as port:
        version = output_of(sys.executable, "-m", "toolkit", "--version").split()[-1]
        yield Server("toolkit", version, port, f"bench.localhost:{port}")


@contextmanager
def _wrangler(folder: Path, site: Path) -> Iterator[Server]:
    program, port = npm(folder, "wrangler"), free_port()
    # The date only has to be one that the bundled runtime knows; without it wrangler asks for today's.
    command = [program, "pages", "dev", site, "--ip", "127.0.0.1", "--port", str(port), "--compatibility-date", "2025-06-01"]
    with child([*command, "--log-level", "error"], folder / "npm", _environment(folder), port, 120):
        yield Server("wrangler pages dev", npm_version(folder, "wrangler"), port, f"127.0.0.1:{port}")


@contextmanager
def _serve(folder: Path, site: Path) -> Iterator[Server]:
    program, port = npm(folder, "serve"), free_port()
    command = [program, "--no-request-logging", "--listen", f"tcp://127.0.0.1:{port}", site]
    with child(command, folder / "npm", _environment(folder), port):
        yield Server("serve", npm_version(folder, "serve"), port, f"127.0.0.1:{port}")


@contextmanager
def _caddy(folder: Path, site: Path) -> Iterator[Server]:
    program, port = need("caddy", "apt install caddy, or leave it out: --only toolkit wrangler serve"), free_port()
    command = [program, "file-server", "--root", site, "--listen", f"127.0.0.1:{port}"]
    with child(command, folder, _environment(folder), port):
        yield Server("caddy", output_of(program, "version"), port, f"127.0.0.1:{port}")


_START = {"toolkit": _toolkit, "wrangler": _wrangler, "serve": _serve, "caddy": _caddy}


def npm(folder: Path, name: str) -> Path:
    """A program of npm's, installed below `folder` at its pinned major."""
    home = folder / "npm"
    home.mkdir(exist_ok=True)
    command = [
        need("npm", "install Node.js"),
        "install",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
        "--prefix",
        home,
        NPM[name],
    ]
    done = subprocess.run(list(map(str, command)), cwd=home, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchError(f"npm install {NPM[name]} failed: {done.stderr.strip()[-1000:]}")
    return home / "node_modules" / ".bin" / name


def npm_version(folder: Path, name: str) -> str:
    return str(json.loads((folder / "npm" / "node_modules" / name / "package.json").read_text())["version"])


def _environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder), "WRANGLER_SEND_METRICS": "false", "CI": "1"}


if __name__ == "__main__":
    raise SystemExit(main())
