"""The functions and the distribution that they are for."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cdk.templates import WEB_ACL, Template, text
from toolkit.edgecode import edge_code
from toolkit.engine.limits import FUNCTION_BYTES
from toolkit.paths import resource

STORE = "SiteRoutingStore817D757E"
FUNCTIONS = {"Request": "viewer_request.js", "Response": "viewer_response.js"}
# The managed policy CachingDisabled (developer guide, "Use managed cache policies").
NOTHING_CACHED = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"


DISTRIBUTION = "AWS::CloudFront::Distribution"


def distribution(template: Template) -> dict[str, Any]:
    config: dict[str, Any] = text(template.properties("AWS::CloudFront::Distribution"))["DistributionConfig"]
    return config


@pytest.mark.parametrize(("part", "file"), FUNCTIONS.items())
def test_a_function_is_the_code_that_runs_locally_and_reads_the_store(plain: Template, part: str, file: str) -> None:
    function = text(plain.properties("AWS::CloudFront::Function", f"SiteRouting{part}"))
    assert function["FunctionCode"] == edge_code(resource("functions") / "edge" / file)
    assert len(function["FunctionCode"].encode()) <= FUNCTION_BYTES == 10_240
    assert function["FunctionConfig"] == {
        "Comment": file,
        "KeyValueStoreAssociations": [{"KeyValueStoreARN": f"${{{STORE}.Arn}}"}],
        "Runtime": "cloudfront-js-2.0",
    }
    assert function["AutoPublish"] is True


def test_the_distribution_runs_both_functions(plain: Template) -> None:
    behavior = distribution(plain)["DefaultCacheBehavior"]
    (request,), (response,) = ([it for it in plain.ids("AWS::CloudFront::Function") if part in it] for part in FUNCTIONS)
    assert behavior["FunctionAssociations"] == [
        {"EventType": "viewer-request", "FunctionARN": f"${{{request}.FunctionARN}}"},
        {"EventType": "viewer-response", "FunctionARN": f"${{{response}.FunctionARN}}"},
    ]


def test_how_visitors_reach_it(plain: Template) -> None:
    config = distribution(plain)
    behavior = config["DefaultCacheBehavior"]
    assert (config["Enabled"], config["HttpVersion"], config["IPV6Enabled"]) == (True, "http2and3", True)
    assert (behavior["ViewerProtocolPolicy"], behavior["Compress"]) == ("redirect-to-https", True)
    assert behavior["CachedMethods"] == ["GET", "HEAD"]
    assert sorted(behavior["AllowedMethods"]) == ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]
    assert config["Comment"] == "toolkit: plain"


def test_nothing_answers_instead_of_the_functions(plain: Template) -> None:
    assert not {"DefaultRootObject", "CustomErrorResponses", "OriginGroups"} & set(distribution(plain))
    assert [it["PathPattern"] for it in distribution(plain)["CacheBehaviors"]] == ["/_preview/*"]


def test_a_link_to_a_preview_is_answered_by_a_function_of_its_own(plain: Template) -> None:
    (behavior,) = distribution(plain)["CacheBehaviors"]
    (preview,) = [it for it in plain.ids("AWS::CloudFront::Function") if "Preview" in it]
    assert behavior["FunctionAssociations"] == [
        {"EventType": "viewer-request", "FunctionARN": f"${{{preview}.FunctionARN}}"},
    ]
    # What is cached would leave nobody a cookie; without TLS no browser takes it.
    assert (behavior["CachePolicyId"], behavior["ViewerProtocolPolicy"]) == (NOTHING_CACHED, "redirect-to-https")
    assert behavior["AllowedMethods"] == ["GET", "HEAD"]
    assert behavior["TargetOriginId"] == distribution(plain)["DefaultCacheBehavior"]["TargetOriginId"]
    function = text(plain.properties("AWS::CloudFront::Function", preview))
    assert function["FunctionCode"] == edge_code(resource("functions") / "edge" / "preview.js")
    assert "KeyValueStoreAssociations" not in function["FunctionConfig"], "it reads nothing"
    assert function["AutoPublish"] is True


def test_links_are_there_where_previews_have_no_hosts(templates: dict[str, Template]) -> None:
    by_link = {name for name, it in templates.items() if _has_link(it)}
    sites = {name for name, it in templates.items() if it.ids("AWS::CloudFront::Distribution")}
    assert sites - by_link == {"wildcard"}
    (one, two) = (templates["pair"].body["Resources"][name]["Properties"] for name in templates["pair"].ids(DISTRIBUTION))
    assert ("CacheBehaviors" in one["DistributionConfig"], "CacheBehaviors" in two["DistributionConfig"]) == (False, True)


def _has_link(template: Template) -> bool:
    configs = [template.body["Resources"][name]["Properties"]["DistributionConfig"] for name in template.ids(DISTRIBUTION)]
    functions = [name for name in template.ids("AWS::CloudFront::Function") if "RoutingPreview" in name]
    assert len(functions) == len([it for it in configs if "CacheBehaviors" in it])
    return bool(functions)


def test_the_only_origin_is_the_private_bucket(plain: Template) -> None:
    (origin,) = distribution(plain)["Origins"]
    (control,) = plain.ids("AWS::CloudFront::OriginAccessControl")
    assert origin["DomainName"] == "${SiteStorageBucket5BDB9672.RegionalDomainName}"
    assert origin["OriginAccessControlId"] == f"${{{control}.Id}}"
    assert origin["S3OriginConfig"] == {"OriginAccessIdentity": ""}
    settings = plain.properties("AWS::CloudFront::OriginAccessControl")["OriginAccessControlConfig"]
    kind, behavior, protocol = (settings[it] for it in ("OriginAccessControlOriginType", "SigningBehavior", "SigningProtocol"))
    assert (kind, behavior, protocol) == ("s3", "always", "sigv4")


def test_the_cache_key_is_path_query_and_what_the_function_adds_and_nothing_is_kept_that_does_not_say_so(plain: Template) -> None:
    policy = plain.properties("AWS::CloudFront::CachePolicy")["CachePolicyConfig"]
    assert (policy["MinTTL"], policy["DefaultTTL"], policy["MaxTTL"]) == (0, 0, 31_536_000)
    assert policy["ParametersInCacheKeyAndForwardedToOrigin"] == {
        "CookiesConfig": {"CookieBehavior": "none"},
        "EnableAcceptEncodingBrotli": True,
        "EnableAcceptEncodingGzip": True,
        "HeadersConfig": {"HeaderBehavior": "whitelist", "Headers": ["x-key"]},
        "QueryStringsConfig": {"QueryStringBehavior": "all"},
    }
    (used,) = plain.ids("AWS::CloudFront::CachePolicy")
    assert distribution(plain)["DefaultCacheBehavior"]["CachePolicyId"] == f"${{{used}}}"


def test_the_functions_learn_country_and_scheme_and_origins_nothing_that_changes_what_s3_answers(plain: Template) -> None:
    policy = plain.properties("AWS::CloudFront::OriginRequestPolicy")["OriginRequestPolicyConfig"]
    assert policy["HeadersConfig"] == {
        "HeaderBehavior": "whitelist",
        "Headers": [
            *("CloudFront-Viewer-Country", "CloudFront-Forwarded-Proto"),
            *("Accept", "Accept-Language", "Content-Type", "Origin", "Referer", "User-Agent"),
        ],
    }
    assert policy["CookiesConfig"] == {"CookieBehavior": "all"}
    assert policy["QueryStringsConfig"] == {"QueryStringBehavior": "all"}
    (used,) = plain.ids("AWS::CloudFront::OriginRequestPolicy")
    assert distribution(plain)["DefaultCacheBehavior"]["OriginRequestPolicyId"] == f"${{{used}}}"


def test_a_web_acl_and_a_price_class_are_passed_on(templates: dict[str, Template]) -> None:
    assert distribution(templates["given"])["WebACLId"] == WEB_ACL
    assert "WebACLId" not in distribution(templates["plain"])
    assert distribution(templates["bare"])["PriceClass"] == "PriceClass_100"
    assert distribution(templates["plain"])["PriceClass"] == "PriceClass_All"


def test_names_that_an_account_has_once_hold_the_region_and_fit(templates: dict[str, Template]) -> None:
    """Of stores, functions, policies and access controls; 64 characters is the least that any of them may have."""
    for template in templates.values():
        kinds = [kind for kind in _kinds(template) if kind.startswith("AWS::CloudFront::") and not kind.endswith("Distribution")]
        names = [name for kind in kinds for name in _names(template, kind)]
        assert len(names) == len(set(names))
        assert all(name.startswith("${AWS::Region}-") for name in names)
        assert all(len(name.replace("${AWS::Region}", "ap-southeast-99")) <= 64 for name in names)


def _kinds(template: Template) -> set[str]:
    return {it["Type"] for it in template.body["Resources"].values()}


def _names(template: Template, kind: str) -> list[str]:
    found = [text(template.body["Resources"][name]["Properties"]) for name in template.ids(kind)]
    return [it.get("Name") or next(inner["Name"] for key, inner in it.items() if key.endswith("Config")) for it in found]
