"""Templates as tests read them: resources by type, and intrinsic functions as the text that they will be."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# What the configurations below are given from outside. Only these may name a partition.
CERTIFICATE = "arn:aws:acm:us-east-1:111122223333:certificate/0a1b2c3d-0000-4000-8000-000000000000"
WEB_ACL = "arn:aws:wafv2:us-east-1:111122223333:global/webacl/shop/0a1b2c3d-0000-4000-8000-000000000000"
WEBHOOK = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:webhook-AbCdEf"
ALARM_TOPIC = "arn:aws:sns:us-east-1:111122223333:alarms"
CONNECTION = "arn:aws:codeconnections:eu-west-1:111122223333:connection/0a1b2c3d-0000-4000-8000-000000000000"
# Connections that were made before the service got its present name keep their ARNs.
OLD_CONNECTION = CONNECTION.replace("codeconnections", "codestar-connections")
PROVIDER = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
BUILD_SECRET = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:cms-AbCdEf"
GIVEN = (CERTIFICATE, WEB_ACL, WEBHOOK, ALARM_TOPIC, CONNECTION, OLD_CONNECTION, PROVIDER, BUILD_SECRET)


@dataclass(frozen=True)
class Template:
    """A synthesised template and where it lies."""

    path: Path
    body: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> Template:
        return cls(path, json.loads(path.read_text(encoding="utf-8")))

    def ids(self, kind: str) -> list[str]:
        """The logical ids of the resources of a type."""
        return [name for name, it in self.body["Resources"].items() if it["Type"] == kind]

    def properties(self, kind: str, within: str = "") -> dict[str, Any]:
        """Those of the only resource of a type, or of the only one whose logical id begins with `within`."""
        (found,) = [name for name in self.ids(kind) if name.startswith(within)]
        properties: dict[str, Any] = self.body["Resources"][found]["Properties"]
        return properties


def text(value: Any) -> Any:
    """A value with its intrinsic functions written as in Fn::Sub: `${Bucket.Arn}/*`. Lists and objects keep their shape."""
    if isinstance(value, list):
        return [text(item) for item in value]
    if not isinstance(value, dict):
        return value
    match value:
        case {"Ref": name}:
            return f"${{{name}}}"
        case {"Fn::GetAtt": [name, attribute]}:
            return f"${{{name}.{attribute}}}"
        case {"Fn::Sub": str(written)}:
            return written
        case {"Fn::Join": [separator, parts]}:
            return separator.join(text(part) for part in parts)
    return {key: text(item) for key, item in value.items()}
