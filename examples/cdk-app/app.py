#!/usr/bin/env python3
"""Two sites in one stack of somebody's own: a shop on hosts of its own, and its handbook on the name that CloudFront gives it."""

import aws_cdk as cdk

from toolkit.cdk import ReleaseWorkflow, StaticSite

HOSTS = ["www.example.com", "example.com"]
# A certificate for HOSTS in us-east-1, which is where CloudFront looks for it, whatever the region of the stack.
CERTIFICATE = "arn:aws:acm:us-east-1:111122223333:certificate/0a1b2c3d-0000-4000-8000-000000000000"


class Sites(cdk.Stack):
    """Each site has a bucket, a store, a distribution and a workflow of its own; they share nothing but the stack."""

    def __init__(self, scope: cdk.App, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        shop = StaticSite(
            self,
            "Shop",
            domain_names=HOSTS,
            certificate_arn=CERTIFICATE,
            hosted_zone_id="Z0123456789EXAMPLE",
            hosted_zone_name="example.com",
            log_days=30,
        )
        releases = ReleaseWorkflow(
            self, "ShopReleases", hosting=shop, site="shop", hosts=HOSTS, canonical="www.example.com", keep=20
        )
        self.name_outputs("Shop", shop, releases)

        handbook = StaticSite(self, "Handbook", stage="development")
        releases = ReleaseWorkflow(self, "HandbookReleases", hosting=handbook, site="handbook", watch_minutes=0, preview_days=7)
        self.name_outputs("Handbook", handbook, releases)

    def name_outputs(self, prefix: str, site: StaticSite, releases: ReleaseWorkflow) -> None:
        """`ShopBucket` and so on: what [aws] outputs = "Shop" in the shop's site.toml leads to."""
        for name, output in {**site.outputs, **releases.outputs}.items():
            output.override_logical_id(prefix + name)


if __name__ == "__main__":
    app = cdk.App()
    Sites(app, "company-sites")
    app.synth()
