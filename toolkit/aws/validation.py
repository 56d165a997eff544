"""The DNS records that a certificate waits for, told while CloudFormation makes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from toolkit.aws.session import STEADY, asking
from toolkit.errors import UserError

_CERTIFICATE = "AWS::CertificateManager::Certificate"


class ValidationRecords:
    """Shown the events of a stack (`cloudformation.About`): once, the records of the certificate that is being made.

    ACM knows them a few seconds after it was asked for the certificate; where it may not be asked, CloudFormation's own words do.
    """

    def __init__(self, session: Any, region: str) -> None:
        self._session, self._region = session, region
        self._arn = self._said = ""
        self._is_told = False

    def __call__(self, event: Mapping[str, Any] | None) -> str:
        if event and event["ResourceType"] == _CERTIFICATE:
            self._is_told = self._is_told or event["ResourceStatus"] != "CREATE_IN_PROGRESS"
            self._arn = event.get("PhysicalResourceId") or self._arn
            self._said = event.get("ResourceStatusReason") or self._said
        if self._is_told or not self._arn.startswith("arn:"):
            return ""
        try:
            records = self._records()
        except UserError:
            records = [self._said]
        if not records:
            return ""
        self._is_told = True
        return "\n".join(["the certificate waits for these DNS records:", *(f"  {line}" for line in records)])

    def _records(self) -> list[str]:
        with asking(self._arn, "acm:DescribeCertificate"):
            client = self._session.client("acm", region_name=self._region, config=STEADY)
            found = client.describe_certificate(CertificateArn=self._arn)["Certificate"]
        options = [it.get("ResourceRecord") for it in found.get("DomainValidationOptions", ())]
        if not options or not all(options):
            return []
        return sorted({f"{it['Name']}  {it['Type']}  {it['Value']}" for it in options})
