"""The template's Lambda functions, each run by processes of its own (`worker.py`), as many at once as are called at once."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import sysconfig
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.rehearsal.template import Deployed
from tests.rehearsal.wire import Answered, Sent

WORKER = Path(__file__).with_name("worker.py")
_ARM, _RUNTIMES = ["arm64"], "python3."


@dataclass(frozen=True)
class Function:
    """A function as the template has it. `code` is the folder of its asset."""

    logical_id: str
    arn: str
    handler: str
    role: str
    environment: Mapping[str, str]
    memory: int
    timeout: int
    code: Path


def functions(stack: Deployed) -> dict[str, Function]:
    """The stack's functions, by ARN and by name."""
    found = {}
    for logical_id, given in stack.of("AWS::Lambda::Function").items():
        assert given["Runtime"].startswith(_RUNTIMES) and given["Architectures"] == _ARM, f"{logical_id} is {given['Runtime']}"
        one = Function(
            logical_id=logical_id,
            arn=stack.attribute(logical_id, "Arn"),
            handler=given["Handler"],
            role=given["Role"],
            environment=given.get("Environment", {}).get("Variables", {}),
            memory=given.get("MemorySize", 128),
            timeout=given.get("Timeout", 3),
            code=stack.asset(given["Code"]["S3Key"]),
        )
        found[one.arn] = found[stack.name(logical_id)] = one
    return found


def projects(stack: Deployed) -> dict[str, Function]:
    """The stack's CodeBuild projects that run our own code, `python3 -m lambdas.publish`, by name; not those of pipelines."""
    found = {}
    for logical_id, given in stack.of("AWS::CodeBuild::Project").items():
        if given["Source"]["Type"] == "CODEPIPELINE":
            continue
        command = json.loads(given["Source"]["BuildSpec"])["phases"]["build"]["commands"][-1]
        python, flag, module = command.split()
        assert (python, flag) == ("python3", "-m"), f"{logical_id} runs {command}"
        found[stack.name(logical_id)] = Function(
            logical_id=logical_id,
            arn=stack.attribute(logical_id, "Arn"),
            handler=f"{module}.main",
            role=given["ServiceRole"],
            environment={one["Name"]: one["Value"] for one in given["Environment"]["EnvironmentVariables"]},
            memory=0,
            timeout=given["TimeoutInMinutes"] * 60,
            code=stack.asset(given["Source"]["Location"].rpartition("/")[2]),
        )
    return found


class Process:
    """One execution environment: runs one event at a time."""

    def __init__(self, function: Function, key: str, region: str, socket: str, folder: Path) -> None:
        self.folder = folder / f"{function.logical_id}-{uuid.uuid4().hex[:8]}"
        self.folder.mkdir()
        self._log = (self.folder / "log").open("wb")
        told = [str(function.code), sysconfig.get_path("purelib"), function.handler, socket]
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(WORKER), *told],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=_environment(function, key, region, self.folder),
            text=True,
        )

    def call(self, event: Any, timeout: float) -> dict[str, Any]:
        assert self._process.stdin and self._process.stdout
        given = {"event": event, "id": str(uuid.uuid4()), "timeout": timeout}
        timer = threading.Timer(timeout, self._process.kill)
        timer.start()
        try:
            self._process.stdin.write(json.dumps(given) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except OSError:
            line = ""
        finally:
            timer.cancel()
        if not line:
            return {"error": {"errorType": "Sandbox.Timedout", "errorMessage": f"{self.log()[-2000:]}"}}
        answered: dict[str, Any] = json.loads(line)
        return answered

    def log(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._log):
            if pipe:
                # A watch may be asking it at this moment: what it was told last it never read.
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


def _environment(function: Function, key: str, region: str, folder: Path) -> dict[str, str]:
    return {
        **function.environment,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": "made-up",
        "AWS_LAMBDA_FUNCTION_NAME": function.logical_id,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "PATH": os.defpath,
        "TMPDIR": str(folder),
    }


class Functions:
    """Answers `Invoke`. `key_of` gives an access key for each role, so that the wire tells who asks."""

    def __init__(self, stack: Deployed, key_of: Callable[[str], str], socket: str, folder: Path) -> None:
        self._found, self._projects = functions(stack), projects(stack)
        self._key_of, self._region, self._socket, self._folder = key_of, stack.region, socket, folder
        self._idle: dict[str, list[Process]] = {}
        self._all: list[Process] = []
        self._lock = threading.Lock()
        self.errors: list[str] = []
        self.calls: list[tuple[str, Any, Any, float]] = []

    def with_handler(self, handler: str) -> Function:
        """The function with this handler."""
        (one,) = {it.arn: it for it in self._found.values() if it.handler == handler}.values()
        return one

    def named(self, arn: str) -> Function:
        return self._found[arn]

    def invoke(self, sent: Sent) -> Answered:
        name = unquote(urlsplit(sent.url).path.split("/")[3])
        function = self._found[name]
        answered = self.run(function, json.loads(sent.body or b"{}"))
        if "error" in answered:
            return Answered(200, {"x-amz-function-error": "Unhandled"}, json.dumps(answered["error"]).encode())
        return Answered(200, {}, json.dumps(answered["result"]).encode())

    def build(self, sent: Sent) -> Answered:
        """A build of a project, which is over when this returns: in a process of its own, with the variables of this build."""
        asked = json.loads(sent.body)
        project = self._projects[asked["projectName"]]
        more = {one["name"]: one["value"] for one in asked.get("environmentVariablesOverride", ())}
        answered = self.run(replace(project, environment={**project.environment, **more}, arn=f"{project.arn}/{uuid.uuid4()}"), {})
        if answered.get("result") != 0:
            self.errors.append(f"{project.logical_id}: {answered}")
            return Answered(400, {}, json.dumps({"__type": "BuildFailed", "message": str(answered)}).encode())
        return Answered(200, {}, json.dumps({"build": {"projectName": asked["projectName"], "buildStatus": "SUCCEEDED"}}).encode())

    def run(self, function: Function, event: Any) -> dict[str, Any]:
        """{"result": …} or {"error": {errorType, errorMessage}}."""
        process, began = self._take(function), time.time()
        answered = process.call(event, function.timeout)
        self.calls.append((function.handler, event, answered, began))
        if "error" in answered:
            self.errors.append(f"{function.handler}: {answered['error']['errorType']}: {answered['error']['errorMessage']}")
        with self._lock:
            if process.is_alive:
                self._idle.setdefault(function.arn, []).append(process)
        return answered

    def _take(self, function: Function) -> Process:
        with self._lock:
            if waiting := self._idle.get(function.arn):
                return waiting.pop()
            made = Process(function, self._key_of(function.role), self._region, self._socket, self._folder)
            self._all.append(made)
            return made

    def logs(self) -> str:
        return "".join(process.log() for process in self._all)

    def end(self) -> None:
        for process in self._all:
            process.end()
