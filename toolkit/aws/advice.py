"""What can be said of a site's hosting in AWS before and while it runs: `engine.advice.Advisor` for an account."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from toolkit.aws import (
    cost,
    doctor_account,
    doctor_domains,
    doctor_identity,
    doctor_pipeline,
    doctor_uploads,
    outputs,
    permissions,
    verify,
    verify_answers,
    verify_pipeline,
    verify_stores,
)
from toolkit.aws.dns import Lookup, lookup
from toolkit.aws.doctor import Examination, Patient, examine
from toolkit.aws.doctor_tools import Tools
from toolkit.aws.objects import S3Objects
from toolkit.aws.routes import KeyValueRoutes
from toolkit.aws.session import check, session
from toolkit.aws.web import Fetch, fetch
from toolkit.engine.advice import Bill, Check, Finding, Policy, SiteFacts, Traffic
from toolkit.errors import UserError

Connect = Callable[[str, str], Any]


class AwsAdvisor:
    """`facts` is what site.toml says; `connect`, `lookup`, `fetch` reach AWS, DNS and the site; `tools` looks at this machine."""

    def __init__(
        self, facts: SiteFacts, tools: Tools, *, connect: Connect = session, lookup: Lookup = lookup, fetch: Fetch = fetch
    ) -> None:
        self._facts, self._tools = facts, tools
        self._connect, self._lookup, self._fetch = connect, lookup, fetch

    def doctor(self) -> Sequence[Finding]:
        """Needs: sts:GetCallerIdentity and the actions named here, all of them reading only."""
        tools, account, domains, pipeline = self._tools, doctor_account, doctor_domains, doctor_pipeline
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
            Examination("connection", pipeline.connection, "codeconnections:GetConnection"),
            Examination(
                "uploads",
                doctor_uploads.bucket,
                "s3:ListBucket, s3:GetBucketVersioning, s3:GetBucketNotification and s3:GetEncryptionConfiguration",
            ),
            Examination("uploads", doctor_uploads.rule, "events:ListRuleNamesByTarget and events:DescribeRule"),
            Examination("secrets", pipeline.secrets, "ssm:DescribeParameters and secretsmanager:DescribeSecret"),
            Examination("GitHub", doctor_identity.provider, "iam:ListOpenIDConnectProviders"),
            Examination("builds", pipeline.capacity, "servicequotas:ListServiceQuotas"),
            Examination("pipelines", pipeline.executions, f"codepipeline:{' and codepipeline:'.join(pipeline.RUNS)}"),
        ]
        return examine(Patient(self._facts, self._connect, self._lookup), first, then)

    def verify(self, *, seconds: float) -> Iterator[Check]:
        facts = self._facts
        if not facts.site:
            raise UserError("there is no site here to try", "run it where its site.toml is, or name it with --site")
        made = self._connect(facts.region, facts.profile)
        check(made)
        found = outputs.find(made, facts.site_stack, facts.outputs)
        hosting = verify.Hosting(
            site=facts.site,
            domain=found["DomainName"],
            bucket=found["Bucket"],
            region=made.region_name,
            objects=S3Objects(made, found["Bucket"]),
            routes=KeyValueRoutes(made, found["KeyValueStoreArn"]),
            fetch=self._fetch,
            distribution=found["DistributionId"],
            hosts=facts.hosts,
            pipelines=outputs.pipelines(found),
            session=made,
        )
        trials = (*verify_stores.TRIALS, *verify_pipeline.TRIALS, *verify_answers.TRIALS)
        return verify.verify(hosting, trials, seconds=seconds)

    def permissions(self, step: str, *, boundary: str = "", account: str = "*") -> Sequence[Policy]:
        return permissions.policies(step, self._facts, account, boundary)

    def cost(self, traffic: Traffic) -> Bill:
        return cost.bill(self._facts, traffic)
