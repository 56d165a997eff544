"""What visitors reach: the routing data, the two functions that read it, and one distribution before the site's bucket."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Aws, Duration, Names, RemovalPolicy
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_cloudfront_origins as origins
from aws_cdk import aws_s3 as s3
from constructs import Construct

from toolkit.cdk.errors import PropertyError
from toolkit.cdk.logs import EDGE_PREFIX
from toolkit.edgecode import edge_code
from toolkit.engine.limits import FUNCTION_BYTES
from toolkit.paths import resource

# Where a preview has no host: the link that leaves a cookie, and the one that takes it back.
PREVIEW_PATHS = "/_preview/*"
# The functions see a CloudFront-* header only where the cache policy or the origin request policy names it
# (docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/adding-cloudfront-headers.html), and in the cache policy each country
# would have a cache of its own. So the origin is told too; S3 makes nothing of it. (F19)
HEADERS_FOR_FUNCTIONS = ("CloudFront-Viewer-Country", "CloudFront-Forwarded-Proto")
# What viewer_request.js sets for an address elsewhere, and takes away from every request for a blob.
KEY_HEADER = "x-key"
# Ten are the most that a policy may name.
HEADERS_FOR_ORIGINS = ("Accept", "Accept-Language", "Content-Type", "Origin", "Referer", "User-Agent")


class EdgeRouting(Construct):
    """The KeyValueStore and the functions `request` and `response`, which are the files of functions/edge/ as they run locally.

    `preview_link` is the function behind PREVIEW_PATHS, None where previews have hosts of their own.
    The store is as lasting as the bucket: who serves which version is written there first.
    PropertyError when a function is larger than CloudFront takes.
    """

    def __init__(self, scope: Construct, construct_id: str, *, preview_hosts: bool, removal_policy: RemovalPolicy) -> None:
        super().__init__(scope, construct_id)
        self.store = cloudfront.KeyValueStore(self, "Store", key_value_store_name=_name(self, "store"), comment="routing data")
        self.store.apply_removal_policy(removal_policy)
        self.request = self._function("Request", "viewer_request.js", self.store)
        self.response = self._function("Response", "viewer_response.js", self.store)
        self.preview_link = None if preview_hosts else self._function("Preview", "preview.js")

    def _function(self, construct_id: str, file: str, store: cloudfront.IKeyValueStore | None = None) -> cloudfront.Function:
        code = edge_code(resource("functions") / "edge" / file)
        size = len(code.encode())
        if size > FUNCTION_BYTES:
            raise PropertyError(f"{file} has {size:,} bytes, CloudFront takes {FUNCTION_BYTES:,}", "make it smaller")
        return cloudfront.Function(
            self,
            construct_id,
            function_name=_name(self, construct_id.lower()),
            code=cloudfront.FunctionCode.from_inline(code),
            runtime=cloudfront.FunctionRuntime.JS_2_0,
            key_value_store=store,
            comment=file,
        )


class SiteDelivery(Construct):
    """One distribution: HTTP/2 and 3, IPv6, compression, HTTPS; the functions decide everything else.

    No default root object and no custom error pages: they would answer instead of the functions.
    The edge keeps a blob as long as its `s-maxage` says.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        bucket: s3.IBucket,
        routing: EdgeRouting,
        price_class: cloudfront.PriceClass,
        comment: str,
        domain_names: Sequence[str],
        certificate: acm.ICertificate | None,
        log_bucket: s3.IBucket | None,
        web_acl_arn: str | None,
    ) -> None:
        super().__init__(scope, construct_id)
        control = cloudfront.S3OriginAccessControl(
            self, "Access", origin_access_control_name=_name(self, "access"), signing=cloudfront.Signing.SIGV4_ALWAYS
        )
        # Not with_origin_access_control: it would let the distribution read the whole bucket.
        origin = origins.S3BucketOrigin.with_bucket_defaults(bucket, origin_access_control_id=control.origin_access_control_id)
        self.distribution = cloudfront.Distribution(
            self,
            "Distribution",
            default_behavior=self._behavior(origin, routing),
            additional_behaviors=self._links(origin, routing.preview_link) if routing.preview_link else None,
            comment=comment or None,
            http_version=cloudfront.HttpVersion.HTTP2_AND_3,
            enable_ipv6=True,
            price_class=price_class,
            # CloudFront leaves no choice for its own domain names.
            minimum_protocol_version=cloudfront.SecurityPolicyProtocol.TLS_V1_2_2021 if certificate else None,
            domain_names=list(domain_names) or None,
            certificate=certificate,
            web_acl_id=web_acl_arn,
            enable_logging=log_bucket is not None,
            log_bucket=log_bucket,
            log_file_prefix=EDGE_PREFIX if log_bucket else None,
        )

    def _behavior(self, origin: cloudfront.IOrigin, routing: EdgeRouting) -> cloudfront.BehaviorOptions:
        events = cloudfront.FunctionEventType
        functions = ((routing.request, events.VIEWER_REQUEST), (routing.response, events.VIEWER_RESPONSE))
        return cloudfront.BehaviorOptions(
            origin=origin,
            compress=True,
            # For addresses that a rule leads elsewhere; of the site's own the function answers all but GET and HEAD itself.
            allowed_methods=cloudfront.AllowedMethods.ALLOW_ALL,
            cached_methods=cloudfront.CachedMethods.CACHE_GET_HEAD,
            viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.REDIRECT_TO_HTTPS,
            cache_policy=self._cache_policy(),
            origin_request_policy=self._origin_request_policy(),
            function_associations=[cloudfront.FunctionAssociation(function=it, event_type=event) for it, event in functions],
        )

    def _links(self, origin: cloudfront.IOrigin, function: cloudfront.IFunction) -> dict[str, cloudfront.BehaviorOptions]:
        """What answers links to previews; its function answers all of them, so that the origin is only there for the form."""
        asked = cloudfront.FunctionEventType.VIEWER_REQUEST
        behavior = cloudfront.BehaviorOptions(
            origin=origin,
            allowed_methods=cloudfront.AllowedMethods.ALLOW_GET_HEAD,
            viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.REDIRECT_TO_HTTPS,
            cache_policy=cloudfront.CachePolicy.CACHING_DISABLED,
            function_associations=[cloudfront.FunctionAssociation(function=function, event_type=asked)],
        )
        return {PREVIEW_PATHS: behavior}

    def _cache_policy(self) -> cloudfront.CachePolicy:
        """By path and query. Of a blob the path says everything: for it the request function takes the query away first, so that it
        neither splits the cache nor reaches S3, where a signed request may choose its answer's content type
        (docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html, "Overriding response header values").

        What says nothing of its lifetime is kept for no time: every blob says it. Even so CloudFront gives requests with one key
        that wait at the same time one answer, and keeps errors for ten seconds
        (docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/RequestAndResponseBehaviorCustomOrigin.html), and which origin
        a request goes to is not known to be in the key. So of an address elsewhere the function puts all that it was asked
        with, and where it leads, into a header that is.
        """
        return cloudfront.CachePolicy(
            self,
            "Cache",
            cache_policy_name=_name(self, "cache"),
            comment="by path, and by all of the request where a rule leads elsewhere",
            min_ttl=Duration.seconds(0),
            default_ttl=Duration.seconds(0),
            max_ttl=Duration.days(365),
            query_string_behavior=cloudfront.CacheQueryStringBehavior.all(),
            cookie_behavior=cloudfront.CacheCookieBehavior.none(),
            header_behavior=cloudfront.CacheHeaderBehavior.allow_list(KEY_HEADER),
            enable_accept_encoding_gzip=True,
            enable_accept_encoding_brotli=True,
        )

    def _origin_request_policy(self) -> cloudfront.OriginRequestPolicy:
        """What an origin hears beside path and query. S3 makes nothing of it; headers whose names begin with x-amz- would change
        its answers, so they are named one by one. Authorization cannot be (F26)."""
        return cloudfront.OriginRequestPolicy(
            self,
            "Ask",
            origin_request_policy_name=_name(self, "ask"),
            comment="what the functions need, and what other origins are told",
            query_string_behavior=cloudfront.OriginRequestQueryStringBehavior.all(),
            cookie_behavior=cloudfront.OriginRequestCookieBehavior.all(),
            header_behavior=cloudfront.OriginRequestHeaderBehavior.allow_list(*HEADERS_FOR_FUNCTIONS, *HEADERS_FOR_ORIGINS),
        )


def _name(scope: Construct, what: str) -> str:
    """A name of at most 64 characters that no other stack of the account has: the same one may stand in several regions."""
    unique = Names.unique_resource_name(scope, max_length=38, separator="-", allowed_special_characters="-")
    return f"{Aws.REGION}-{unique}-{what}"
