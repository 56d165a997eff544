"""`StaticSite`: a site's hosting in an AWS account, made of storage, routing, delivery, logs and hosts."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import CfnOutput
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_cloudfront as cloudfront
from constructs import Construct

from toolkit.cdk import domains
from toolkit.cdk.delivery import EdgeRouting, SiteDelivery
from toolkit.cdk.domains import HostRecords
from toolkit.cdk.logs import DEFAULT_DAYS, AccessLogs
from toolkit.cdk.stages import Stage, removal_policy
from toolkit.cdk.storage import SiteStorage
from toolkit.engine.dns import address_records, has_wildcard


class StaticSite(Construct):
    """A bucket, a KeyValueStore, two functions and one distribution; after `toolkit deploy` they serve a site's channels.

    stage: "production" keeps bucket, store and logs when the stack is deleted, "development" deletes them with it.
    domain_names, certificate_arn: own hosts and a certificate of us-east-1 for them; both or none. Previews lie below
        `*.example.com`; without such a host they are links that leave a cookie.
    hosted_zone_id, hosted_zone_name: a Route 53 zone that gets the hosts' records; without it the output `Records` says which
        to make by hand.
    price_class: which of CloudFront's locations serve.
    access_logs: whether the visitors' requests are logged; who wrote to the bucket always is. log_days: how long logs are kept.
    web_acl_arn: a WAFv2 web ACL with the scope CLOUDFRONT.
    comment: shown in the CloudFront console, at most 128 characters.

    PropertyError for values that do not fit. Two sites may stand in one stack, and nothing is looked up: synth works offline.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage = "production",
        domain_names: Sequence[str] = (),
        certificate_arn: str | None = None,
        hosted_zone_id: str | None = None,
        hosted_zone_name: str | None = None,
        price_class: cloudfront.PriceClass = cloudfront.PriceClass.PRICE_CLASS_ALL,
        access_logs: bool = True,
        log_days: int = DEFAULT_DAYS,
        web_acl_arn: str | None = None,
        comment: str = "",
    ) -> None:
        super().__init__(scope, construct_id)
        domains.check_hosts(domain_names, certificate_arn, hosted_zone_id, hosted_zone_name)
        domains.check_arn("web_acl_arn", web_acl_arn, domains.WEB_ACL_PATTERN)
        policy = removal_policy(stage)
        storage = SiteStorage(self, "Storage", removal_policy=policy)
        logs = AccessLogs(self, "Logs", days=log_days, visitors=access_logs, removal_policy=policy)
        logs.take_from(storage.bucket)
        routing = EdgeRouting(self, "Routing", preview_hosts=has_wildcard(domain_names), removal_policy=policy)
        delivery = SiteDelivery(
            self,
            "Delivery",
            bucket=storage.bucket,
            routing=routing,
            price_class=price_class,
            comment=comment,
            domain_names=domain_names,
            certificate=acm.Certificate.from_certificate_arn(self, "Certificate", certificate_arn) if certificate_arn else None,
            log_bucket=logs.bucket if access_logs else None,
            web_acl_arn=web_acl_arn,
        )
        storage.allow_reads_by(delivery.distribution)
        zone = domains.hosted_zone(self, hosted_zone_id, hosted_zone_name)
        if zone:
            HostRecords(self, "Hosts", distribution=delivery.distribution, domain_names=domain_names, zone=zone)

        self.domain_names, self.access_logs, self.web_acl_arn = tuple(domain_names), access_logs, web_acl_arn
        self.removal_policy = policy
        self.bucket = storage.bucket
        self.log_bucket = logs.bucket
        self.store = routing.store
        self.distribution = delivery.distribution
        self.request_function, self.response_function = routing.request, routing.response
        self.outputs = self._outputs(by_hand=domain_names if zone is None else ())

    def _outputs(self, *, by_hand: Sequence[str]) -> dict[str, CfnOutput]:
        """What a target needs to find the site, and records that are made by hand. By name, so that a stack of one site can give
        them plain logical ids."""
        values = {
            "Bucket": (self.bucket.bucket_name, "the bucket that versions are published to"),
            "KeyValueStoreArn": (self.store.key_value_store_arn, "the store of the routing data"),
            "DistributionId": (self.distribution.distribution_id, "the distribution that visitors reach"),
            "DomainName": (self.distribution.distribution_domain_name, "the host that CloudFront gave it"),
            "RequestFunction": (self.request_function.function_name, "the function that routes requests"),
            "ResponseFunction": (self.response_function.function_name, "the function that finishes responses"),
        }
        if by_hand:
            records = address_records(by_hand, self.distribution.distribution_domain_name)
            values["Records"] = ("; ".join(records), "records to make where the DNS of the hosts is")
        outputs = Construct(self, "Outputs")
        return {name: CfnOutput(outputs, name, value=value, description=text) for name, (value, text) in values.items()}
