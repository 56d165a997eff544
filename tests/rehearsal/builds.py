"""CodeBuild: a project's own build spec and environment, run by the local build runner on the source artifact.

What the build reads and writes goes out with the project's role: the artifacts, the cache, the log, parameters. A cache's files
stay on this machine; what S3 holds under the cache's key stands for them, and who may not read it has no cache. (F55)
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import stat
import threading
import uuid
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from tests.rehearsal.aws import PlayedAws
from tests.rehearsal.executions import ActionFailed, Turn
from tests.rehearsal.iam import Call, Caller
from tests.rehearsal.template import Deployed
from tests.rehearsal.wire import TLS
from toolkit.builds.runner import BuildFailed, run_build
from toolkit.builds.spec import parse_spec
from toolkit.errors import UserError

_CODEBUILD = "codebuild.amazonaws.com"


@dataclass(frozen=True)
class Build:
    """One build: `says` is how it ended, "" when it succeeded."""

    project: str
    log: str
    environment: Mapping[str, str]
    secrets: tuple[str, ...]
    had_cache: bool
    says: str = ""


class Builds:
    """Plays CodeBuild actions with the projects of a stack."""

    def __init__(self, stack: Deployed, aws: PlayedAws, folder: Path) -> None:
        self._aws, self._folder, self._region = aws, folder, stack.region
        found = stack.of("AWS::CodeBuild::Project").items()
        self._projects = {stack.name(name): (stack.attribute(name, "Arn"), given) for name, given in found}
        self._lock = threading.Lock()
        self.done: list[Build] = []

    def parameters(self) -> Iterator[tuple[str, str]]:
        """Variables that come from Parameter Store, with the names of their parameters."""
        for _, project in self._projects.values():
            for one in project["Environment"].get("EnvironmentVariables", ()):
                if one.get("Type") == "PARAMETER_STORE":
                    yield one["Name"], one["Value"]

    def __call__(self, turn: Turn) -> None:
        name = turn.run.configuration["ProjectName"]
        arn, project = self._projects[name]
        for action in ("codebuild:StartBuild", "codebuild:BatchGetBuilds"):
            if not self._aws.policies.allow(Caller(arn=turn.run.action.role), Call(action, arn, TLS)):
                raise ActionFailed(f"{turn.run.action.role} may not {action} on {arn}")
        assert project["Source"]["Type"] == project["Artifacts"]["Type"] == "CODEPIPELINE", f"{name} is not for a pipeline"
        assert not project["Environment"].get("PrivilegedMode"), f"{name} is privileged"
        done = _Run(self._aws, self._region, name, project, turn, self._folder).run()
        with self._lock:
            self.done.append(done)
        if done.says:
            raise ActionFailed(done.says)


class _Run:
    def __init__(self, aws: PlayedAws, region: str, name: str, project: Mapping[str, Any], turn: Turn, folder: Path) -> None:
        self._aws, self._region, self._name, self._project, self._turn = aws, region, name, project, turn
        self._session = aws.session_of(project["ServiceRole"], _CODEBUILD)
        self.id = uuid.uuid4().hex[:12]
        self._cache = self._cache_key()
        # Builds lie beside the cache that they share, as the local runner wants it.
        self._beside = folder / hashlib.sha256(str(self._cache or name).encode()).hexdigest()[:12]
        self._folder = self._beside / self.id
        self._secrets: dict[str, str] = {}
        self._environment: dict[str, str] = {}
        self._had_cache = False

    def run(self) -> Build:
        log = self._beside / f"{self.id}.log"
        says = ""
        try:
            self._may_log()
            self._read_environment()
            self._build(log)
        except BuildFailed as error:
            # As CodeBuild puts it into the action's error.
            says = (
                f"Build terminated with state: FAILED. Phase: {error.phase.upper()}, Code: COMMAND_EXECUTION_ERROR, "
                f"Message: Error while executing command: {error.command}. Reason: exit status {error.code}"
            )
        except (UserError, ClientError) as error:
            says = f"Build terminated with state: FAILED. {error}"
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)
        text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
        return Build(self._name, text, self._environment, tuple(self._secrets), self._had_cache, says)

    def _build(self, log: Path) -> None:
        source = self._folder / "src"
        (input_name,) = self._turn.run.action.inputs
        bucket, key = self._turn.execution.artifacts[input_name]
        _unpack(self._s3().get_object(Bucket=bucket, Key=key)["Body"].read(), source)
        self._restore_cache()
        inline = str(self._project["Source"].get("BuildSpec") or "buildspec.yml")
        is_file = "\n" not in inline and not inline.lstrip().startswith("{")
        path = source / inline if is_file else source / "buildspec.yml"
        spec = parse_spec(path.read_bytes() if is_file else inline.encode(), path)
        result = run_build(
            spec,
            source,
            env=self._environment,
            secrets=self._secrets,
            cache=self._beside / "cache",
            log=log,
            echo=lambda line: None,
            commit=self._turn.execution.variables.get("Source.CommitId", ""),
            timeout=float(self._project["TimeoutInMinutes"]) * 60,
        )
        self._save_cache()
        (output,) = self._turn.run.action.outputs
        bucket, key = self._turn.place(output)
        self._s3().put_object(Bucket=bucket, Key=key, Body=_packed(result.output))

    def _s3(self) -> Any:
        return self._session.client("s3")

    def _may_log(self) -> None:
        group = self._project["LogsConfig"]["CloudWatchLogs"]["GroupName"]
        stream = f"arn:aws:logs:{self._region}:123456789012:log-group:{group}:log-stream:{self.id}"
        for action in ("logs:CreateLogStream", "logs:PutLogEvents"):
            role = self._project["ServiceRole"]
            if not self._aws.policies.allow(Caller(arn=role), Call(action, stream, TLS)):
                raise UserError(f"{role} may not {action} on {stream}", "")

    def _read_environment(self) -> None:
        given = list(self._project["Environment"].get("EnvironmentVariables", ()))
        more = json.loads(self._turn.run.configuration.get("EnvironmentVariables", "[]"))
        given += [{"Name": one["name"], "Value": one["value"], "Type": one.get("type", "PLAINTEXT")} for one in more]
        for one in given:
            match one.get("Type", "PLAINTEXT"):
                case "PLAINTEXT":
                    self._environment[one["Name"]] = one["Value"]
                case "PARAMETER_STORE":
                    self._secrets[one["Name"]] = self._parameter(one["Value"])
                case "SECRETS_MANAGER":
                    found = self._session.client("secretsmanager").get_secret_value(SecretId=one["Value"])
                    self._secrets[one["Name"]] = found["SecretString"]
        execution = self._turn.execution
        self._environment |= {
            "CODEBUILD_BUILD_ID": f"{self._name}:{self.id}",
            "CODEBUILD_INITIATOR": f"codepipeline/{execution.pipeline.name}",
        }

    def _parameter(self, name: str) -> str:
        found = self._session.client("ssm").get_parameters(Names=[name], WithDecryption=True)
        if not found["Parameters"]:
            raise UserError(f"the parameter {name} does not exist", "")
        return str(found["Parameters"][0]["Value"])

    def _cache_key(self) -> tuple[str, str] | None:
        cache = self._project.get("Cache", {"Type": "NO_CACHE"})
        if cache["Type"] != "S3":
            return None
        bucket, _, prefix = cache["Location"].partition("/")
        return bucket, f"{prefix}/cache"

    def _restore_cache(self) -> None:
        """Look for it as the role may: where nothing was kept yet there is nothing to read."""
        if self._cache is None:
            return
        bucket, key = self._cache
        found = self._s3().list_objects_v2(Bucket=bucket, Prefix=key)
        if found["KeyCount"]:
            self._had_cache = bool(self._s3().get_object(Bucket=bucket, Key=key)["Body"].read())

    def _save_cache(self) -> None:
        if self._cache is not None:
            bucket, key = self._cache
            self._s3().put_object(Bucket=bucket, Key=key, Body=str(self._beside / "cache").encode())


def _unpack(body: bytes, folder: Path) -> None:
    """As `unzip` would, with the bits that make a file executable."""
    folder.mkdir(parents=True)
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        for info in archive.infolist():
            path = Path(archive.extract(info, folder))
            if not info.is_dir() and stat.S_IMODE(info.external_attr >> 16) & stat.S_IXUSR:
                path.chmod(0o755)


def _packed(folder: Path) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder).as_posix())
    return content.getvalue()
