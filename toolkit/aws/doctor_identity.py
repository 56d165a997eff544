"""Whether GitHub Actions of the site's repository can take its role: the account's identity provider, of which IAM allows one."""

from __future__ import annotations

from collections.abc import Iterator

from toolkit.aws.doctor import Patient, fine, wrong
from toolkit.aws.doctor_account import describe_stack
from toolkit.engine.advice import Finding
from toolkit.engine.pipelines import GITHUB_ISSUER as ISSUER


def provider(patient: Patient) -> Iterator[Finding]:
    """A second provider for GitHub is refused by IAM, and with it the whole stack; one that site.toml names has to be there."""
    facts = patient.facts.pipelines
    if not facts.deploy_role:
        return
    listed = patient.client("iam").list_open_id_connect_providers()["OpenIDConnectProviderList"]
    there = [item["Arn"] for item in listed if item["Arn"].endswith(f":oidc-provider/{ISSUER}")]
    if facts.oidc_provider_arn:
        if facts.oidc_provider_arn in there:
            yield fine(facts.oidc_provider_arn)
            return
        made = f"aws iam create-open-id-connect-provider --url https://{ISSUER} --client-id-list sts.amazonaws.com"
        yield wrong(f"there is no identity provider {facts.oidc_provider_arn}", f"make it: {made}; or correct oidc_provider_arn")
    elif there and not _is_own(patient):
        fix = f'say oidc_provider_arn = "{there[0]}" in [aws.github]'
        yield wrong("this account has an identity provider for GitHub already, and IAM allows no second one", fix)
    else:
        yield fine("the site's stack has the identity provider" if there else "`toolkit up` makes the identity provider")


def _is_own(patient: Patient) -> bool:
    """Whether the provider that is there is one that the site's stack made."""
    name = patient.facts.site_stack
    if describe_stack(patient, name, patient.region) is None:
        return False
    listed = patient.client("cloudformation").describe_stack_resources(StackName=name)["StackResources"]
    return any(item["ResourceType"] == "AWS::IAM::OIDCProvider" for item in listed)
