"""A site's own hosts: certificate, aliases, records, and what is refused before anything is deployed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cdk.configs import SITES
from tests.cdk.templates import CERTIFICATE, WEB_ACL, Template, text
from toolkit.errors import UserError

HOSTS = ["www.example.com", "example.com"]


def viewer_certificate(arn: str) -> dict[str, str]:
    return {"AcmCertificateArn": arn, "MinimumProtocolVersion": "TLSv1.2_2021", "SslSupportMethod": "sni-only"}


def test_the_certificate_s_arn_is_a_parameter_of_the_site_s_stack(templates: dict[str, Template]) -> None:
    hosts = templates["hosts"]
    config = text(hosts.properties("AWS::CloudFront::Distribution"))["DistributionConfig"]
    assert config["Aliases"] == HOSTS
    assert config["ViewerCertificate"] == viewer_certificate("${CertificateArn}")
    parameter = hosts.body["Parameters"]["CertificateArn"]
    assert parameter["Type"] == "String" and ":acm:us-east-1:" in parameter["AllowedPattern"] and "Default" not in parameter


def test_the_certificate_names_every_host_and_is_validated_in_the_zone(templates: dict[str, Template]) -> None:
    template = templates["certificate"]
    found = text(template.properties("AWS::CertificateManager::Certificate"))
    assert (found["DomainName"], found["SubjectAlternativeNames"]) == ("www.example.com", ["example.com"])
    assert found["ValidationMethod"] == "DNS"
    assert found["DomainValidationOptions"] == [{"DomainName": host, "HostedZoneId": "Z0123456789"} for host in HOSTS]
    (certificate,) = template.ids("AWS::CertificateManager::Certificate")
    assert template.body["Outputs"]["CertificateArn"]["Value"] == {"Ref": certificate}
    assert set(template.body["Resources"]) == {certificate}, "no custom resources"


def test_each_host_has_an_address_record_of_either_kind(templates: dict[str, Template]) -> None:
    hosts = templates["hosts"]
    (distribution,) = hosts.ids("AWS::CloudFront::Distribution")
    records = [text(hosts.body["Resources"][name]["Properties"]) for name in hosts.ids("AWS::Route53::RecordSet")]
    assert {(it["Name"], it["Type"]) for it in records} == {(f"{host}.", kind) for host in HOSTS for kind in ("A", "AAAA")}
    assert {it["AliasTarget"]["DNSName"] for it in records} == {f"${{{distribution}.DomainName}}"}
    assert {it["HostedZoneId"] for it in records} == {"Z0123456789"}


def test_a_wildcard_is_a_host_like_others_for_certificate_and_dns(templates: dict[str, Template]) -> None:
    config = templates["wildcard"].properties("AWS::CloudFront::Distribution")["DistributionConfig"]
    assert config["Aliases"] == ["example.com", "*.example.com"]
    found = templates["certificate-wildcard"].properties("AWS::CertificateManager::Certificate")
    assert (found["DomainName"], found["SubjectAlternativeNames"]) == ("example.com", ["*.example.com"])
    template = templates["wildcard"]
    records = [text(template.body["Resources"][name]["Properties"]) for name in template.ids("AWS::Route53::RecordSet")]
    names = {(it["Name"], it["Type"]) for it in records}
    assert names == {(f"{host}.", kind) for host in ("example.com", "*.example.com") for kind in ("A", "AAAA")}


def test_without_a_zone_the_records_are_said(templates: dict[str, Template]) -> None:
    said = {name: templates[name].body["Outputs"].get("Records") for name in SITES}
    assert {name for name, output in said.items() if output} == {"printed", "given", "full"}
    (distribution,) = templates["printed"].ids("AWS::CloudFront::Distribution")
    line = f"www.example.net  CNAME (ALIAS or ANAME for a zone's own name)  ${{{distribution}.DomainName}}"
    assert text(said["printed"]["Value"]) == line  # type: ignore[index]
    assert len(text(said["full"]["Value"]).split("; ")) == 2  # type: ignore[index]


def test_a_certificate_that_is_there_needs_no_stack_and_no_parameter(templates: dict[str, Template]) -> None:
    given = templates["given"]
    config = given.properties("AWS::CloudFront::Distribution")["DistributionConfig"]
    assert config["ViewerCertificate"] == viewer_certificate(CERTIFICATE)
    assert "CertificateArn" not in given.body["Parameters"]
    assert not given.ids("AWS::Route53::RecordSet"), "without a zone the records are made by hand"


def test_without_hosts_there_is_no_certificate(plain: Template) -> None:
    config = plain.properties("AWS::CloudFront::Distribution")["DistributionConfig"]
    assert not {"Aliases", "ViewerCertificate"} & set(config)


@pytest.mark.parametrize(
    ("properties", "what"),
    [
        ({"domain_names": HOSTS}, "domain_names is given without certificate_arn"),
        ({"certificate_arn": CERTIFICATE}, "certificate_arn is given without domain_names"),
        ({"domain_names": HOSTS, "certificate_arn": CERTIFICATE.replace("us-east-1", "eu-west-1")}, "which CloudFront cannot use"),
        ({"domain_names": HOSTS, "certificate_arn": CERTIFICATE, "hosted_zone_id": "Z1"}, "hosted_zone_id and hosted_zone_name"),
        (
            {
                "domain_names": ["www.example.com", "www.badexample.org"],
                "certificate_arn": CERTIFICATE,
                "hosted_zone_id": "Z1",
                "hosted_zone_name": "example.com",
            },
            "www.badexample.org is not in the hosted zone example.com",
        ),
        ({"hosted_zone_id": "Z1", "hosted_zone_name": "example.com"}, "given without hosts"),
        ({"web_acl_arn": WEB_ACL.replace("global", "regional")}, "which CloudFront cannot use"),
        ({"web_acl_arn": "0a1b2c3d"}, "web_acl_arn is '0a1b2c3d'"),
        ({"stage": "prod"}, "'prod' is not a stage"),
        ({"log_days": 0}, "cannot be kept for 0 days"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_does(cdk: None, properties: dict[str, Any], what: str) -> None:
    from aws_cdk import App, Stack

    from toolkit.cdk import StaticSite

    with pytest.raises(UserError) as caught:
        StaticSite(Stack(App(), "stack"), "Site", **properties)
    assert what in caught.value.what
    assert caught.value.__notes__ == [f"fix: {caught.value.fix}"], "a traceback shows notes only"


def test_a_host_of_a_zone_with_a_similar_name_is_outside(cdk: None) -> None:
    from toolkit.cdk.domains import check_hosts

    check_hosts(["example.com", "*.example.com", "a.b.example.com"], CERTIFICATE, "Z1", "example.com")
    with pytest.raises(UserError, match=r"notexample\.com is not in the hosted zone example\.com"):
        check_hosts(["notexample.com"], CERTIFICATE, "Z1", "example.com")
