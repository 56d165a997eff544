"""What can be said of a site's hosting in AWS before and while it runs: `engine.advice.Advisor` for an account."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from toolkit.aws import doctor_account, doctor_domains
from toolkit.aws.dns import Lookup, lookup
from toolkit.aws.doctor import Examination, Patient, examine
from toolkit.aws.doctor_tools import Tools
from toolkit.aws.session import session
from toolkit.engine.advice import Finding, SiteFacts

Connect = Callable[[str, str], Any]


class AwsAdvisor:
    """`facts` is what site.toml says; `connect` and `lookup` reach AWS and DNS, `tools` looks at this machine."""

    def __init__(self, facts: SiteFacts, tools: Tools, *, connect: Connect = session, lookup: Lookup = lookup) -> None:
        self._facts, self._tools, self._connect, self._lookup = facts, tools, connect, lookup

    def doctor(self) -> Sequence[Finding]:
        """Needs: sts:GetCallerIdentity and the actions named here, all of them reading only."""
        tools, account, domains = self._tools, doctor_account, doctor_domains
        first = [
            Examination("Node.js", tools.check_node),
            Examination("CDK", tools.check_cdk),
            Examination("awscrt", tools.check_awscrt),
            Examination("bundle", tools.check_bundle),
            Examination("region", account.region),
            Examination("credentials", account.credentials, "sts:GetCallerIdentity"),
            Examination("DNS", domains.delegation),
            Examination("CAA", domains.caa),
        ]
        then = [
            Examination("region opt-in", account.opted_in, "account:GetRegionOptStatus"),
            Examination("bootstrap", account.bootstrap, "ssm:GetParameter"),
            Examination("stacks", account.stacks, "cloudformation:DescribeStacks"),
            Examination("zone", domains.zone_delegation, "route53:GetHostedZone"),
            Examination("hosts", domains.aliases, "cloudfront:ListDistributions and cloudfront:ListConflictingAliases"),
            Examination("certificate", domains.certificate, "acm:DescribeCertificate and cloudformation:DescribeStackResources"),
            Examination("quotas", account.quotas, "cloudfront:List* and servicequotas:ListServiceQuotas"),
        ]
        return examine(Patient(self._facts, self._connect, self._lookup), first, then)
