"""What botocore reports, as the engine and the person at the terminal understand it."""

from __future__ import annotations

from botocore import exceptions as aws

from toolkit.errors import INSTALL_AWS, Unavailable, UserError

_MISSING = (
    aws.NoCredentialsError,
    aws.PartialCredentialsError,
    aws.CredentialRetrievalError,
    aws.ProfileNotFound,
    aws.NoAuthTokenError,
    aws.SSOTokenLoadError,
    aws.TokenRetrievalError,
    aws.UnauthorizedSSOTokenError,
)
_UNSENT = (aws.EndpointConnectionError, aws.ConnectTimeoutError, aws.ProxyConnectionError)
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}
_UNKNOWN = {
    "AuthFailure",
    "IncompleteSignature",
    "IncompleteSignatureException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "InvalidToken",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
_THROTTLED = {
    "LimitExceededException",
    "RequestLimitExceeded",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
}


class NothingDone(Unavailable):
    """AWS turned the request away unread, or it never got there: the same request may be sent again."""


def status(error: aws.ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def code(error: aws.ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def answered(error: aws.ClientError, where: str, action: str) -> Exception | None:
    """The engine's error for an answer that means the same in all of AWS, None for one that only its service explains.

    `action` is what a policy would allow, such as `s3:PutObject`.
    """
    if code(error) in _EXPIRED:
        return UserError(f"{where}: the AWS credentials have expired", "sign in again (`aws sso login`), or set new ones")
    if code(error) in _UNKNOWN:
        return UserError(
            f"{where}: AWS does not accept the credentials ({code(error)})",
            "check the profile, the keys and this machine's clock; for an assumed role, set AWS_STS_REGIONAL_ENDPOINTS=regional",
        )
    if status(error) == 403 or code(error).startswith("AccessDenied"):
        return UserError(f"{where}: these AWS credentials may not do that", f"allow them {action} there")
    if status(error) == 429 or code(error) in _THROTTLED:
        return NothingDone(f"{where}: {code(error)}")
    if status(error) >= 500:
        return Unavailable(f"{where}: {code(error)}")
    return None


def unanswered(error: aws.BotoCoreError, where: str) -> Exception:
    """The engine's error for a request that got no answer, or was never sent."""
    if isinstance(error, _MISSING):
        return UserError(f"{where}: no AWS credentials ({error})", "run `aws configure` or `aws sso login`, or set AWS_PROFILE")
    if isinstance(error, aws.MissingDependencyException):
        return UserError(f"{where}: requests cannot be signed without awscrt", INSTALL_AWS)
    if isinstance(error, aws.EndpointProviderError | aws.NoRegionError | aws.ParamValidationError):
        return UserError(f"{where}: {error}", "check the region and the names that the target was set up with")
    if isinstance(error, _UNSENT):
        return NothingDone(f"{where}: {error}")
    return Unavailable(f"{where}: {error}")
