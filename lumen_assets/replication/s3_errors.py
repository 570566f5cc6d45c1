"""What S3 and its client say went wrong, as errors of ours: whether a retry helps, and what to do.

Codes are those of "Error responses" in the Amazon S3 API reference; other services use the same ones. Provider texts
are shortened and stripped of what looks like a credential, and the original exception is not chained, because its text
is not ours to vouch for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlsplit

from botocore import exceptions
from botocore.exceptions import BotoCoreError, ClientError

from lumen_assets.errors import LumenError, PermanentError, TransientError
from lumen_assets.texts import visible

_FIX_KEYS: Final = "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile or role that the machine uses"
_FIX_TOKEN: Final = "renew the session: sign in again, or let the role's credentials refresh"  # noqa: S105 - a sentence

_PERMANENT: Final[dict[str, tuple[str, str]]] = {
    **dict.fromkeys(("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidSecurity"), ("credentials", _FIX_KEYS)),
    **dict.fromkeys(
        ("ExpiredToken", "ExpiredTokenException", "InvalidToken", "TokenRefreshRequired"), ("credentials", _FIX_TOKEN)
    ),
    **dict.fromkeys(
        ("RequestTimeTooSkewed", "RequestExpired"),
        ("clock", "set this machine's clock: S3 refuses requests that are more than 15 minutes off"),
    ),
    **dict.fromkeys(
        ("QuotaExceeded", "InsufficientStorage", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded"),
        ("quota", "free room there or raise the quota"),
    ),
    **dict.fromkeys(("NoSuchBucket", "InvalidBucketName"), ("configuration", "correct the name of the bucket")),
    **dict.fromkeys(
        ("PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"),
        ("configuration", "set the region to the bucket's"),
    ),
    "InvalidStorageClass": ("configuration", "correct the destination's storage_class"),
    "InvalidObjectState": ("configuration", "its storage class needs a restore request before it can be read"),
    "NotImplemented": ("configuration", "the service lacks something that is needed: see docs/destinations/s3.md"),
    "AllAccessDisabled": ("permission", "ask the owner of the account"),
}
_THROTTLE: Final = {
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequests",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "BandwidthLimitExceeded",
}
_NETWORK: Final = {"RequestTimeout", "BadDigest", "XAmzContentSHA256Mismatch", "IncompleteBody"}
_CONFLICT: Final = {"ConditionalRequestConflict", "OperationAborted"}

_ALLOWS: Final = {
    "PutObject": "s3:PutObject",
    "CreateMultipartUpload": "s3:PutObject",
    "UploadPart": "s3:PutObject",
    "CompleteMultipartUpload": "s3:PutObject",
    "HeadObject": "s3:GetObject",
    "GetObject": "s3:GetObject",
    "ListObjectsV2": "s3:ListBucket",
    "ListParts": "s3:ListMultipartUploadParts",
    "ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
}

_CREDENTIALS: Final = (
    exceptions.NoCredentialsError,
    exceptions.PartialCredentialsError,
    exceptions.CredentialRetrievalError,
    exceptions.TokenRetrievalError,
    exceptions.SSOError,
    exceptions.LoginError,
    exceptions.ProfileNotFound,
)
_CONNECTION: Final = (
    exceptions.ConnectionError,
    exceptions.HTTPClientError,
    exceptions.IncompleteReadError,
    OSError,
)

_LOOKS_SECRET: Final = re.compile(
    r"(?:[A-Za-z0-9/+=]|%[0-9A-Fa-f]{2}){30,}|\b(?:AKIA|ASIA)[A-Z0-9]{8,}|\b[Xx]-[Aa]mz-[\w-]+=[^&\s]+"
)


def code_of(error: Exception) -> str:
    """The service's code of an error: ``"NoSuchKey"``, or the HTTP status where it gave none; else empty."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def s3_error(error: Exception, action: str, subject: str) -> LumenError:
    """An exception of boto3, botocore or what they stand on, as one of ours."""
    if isinstance(error, ClientError):
        return _answered(error, action, subject)
    if isinstance(error, _CREDENTIALS):
        cause = "there are no usable credentials" + (f" ({type(error).__name__})" if error.args else "")
        return PermanentError(action=action, subject=subject, cause=cause, error_class="credentials", hint=_FIX_KEYS)
    if isinstance(error, exceptions.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
        return PermanentError(
            action=action,
            subject=subject,
            cause=f"the certificate of {_host(error)} cannot be verified",
            error_class="configuration",
            hint="correct endpoint_url, or give the authority's certificate in AWS_CA_BUNDLE",
        )
    if isinstance(error, exceptions.HTTPClientError) and isinstance(error.kwargs.get("error"), ValueError):
        return PermanentError(  # its text shows the value: the session token goes into a header as it is
            action=action,
            subject=subject,
            cause="a credential has characters that no HTTP header may have, such as the end of a line",
            error_class="credentials",
            hint=_FIX_KEYS,
        )
    if isinstance(error, _CONNECTION):
        return TransientError(action=action, subject=subject, cause=_broken(error), error_class="network")
    if isinstance(error, BotoCoreError):
        cause = f"{type(error).__name__}: {cleaned(str(error))}"
        return PermanentError(
            action=action,
            subject=subject,
            cause=cause,
            error_class="configuration",
            hint="correct its region and endpoint_url",
        )
    raise error


def cleaned(text: str) -> str:
    """A provider's text on one line, at most 200 characters of it, without what looks like a credential."""
    return _LOOKS_SECRET.sub("[removed]", " ".join(visible(text).split()))[:200]


def _answered(error: ClientError, action: str, subject: str) -> LumenError:
    code, metadata = code_of(error), error.response.get("ResponseMetadata", {})
    status = int(metadata.get("HTTPStatusCode") or 0)
    message = cleaned(str(error.response.get("Error", {}).get("Message", "")))
    cause = f"HTTP {status}" if code.isdigit() else f"{cleaned(code)}: {message} (HTTP {status})"
    if code in _PERMANENT:
        error_class, hint = _PERMANENT[code]
        return PermanentError(action=action, subject=subject, cause=cause, error_class=error_class, hint=hint)
    if code in _CONFLICT or code in _NETWORK or code in _THROTTLE or status == 429 or status >= 500:
        return TransientError(
            action=action,
            subject=subject,
            cause=cause,
            error_class=_transient_class(code, status),
            retry_after=_retry_after(metadata.get("HTTPHeaders", {})),
        )
    if code.startswith("KMS."):
        hint = "check sse.key_id, that the key is enabled and that its policy lets this identity use it"
        return PermanentError(action=action, subject=subject, cause=cause, error_class="configuration", hint=hint)
    if status in (401, 403):
        return PermanentError(
            action=action,
            subject=subject,
            cause=cause,
            error_class="permission",
            hint=_permission_hint(error.operation_name, cause),
        )
    return PermanentError(
        action=action,
        subject=subject,
        cause=cause,
        error_class="configuration",
        hint="the service refuses this request: check the destination's settings (storage_class, sse, lock)",
    )


def _transient_class(code: str, status: int) -> str:
    if code in _THROTTLE or status == 429:
        return "throttle"
    if code in _NETWORK:
        return "network"
    return "conflict" if code in _CONFLICT else "provider"


def _permission_hint(operation: str, cause: str) -> str:
    if "kms" in cause.lower():
        return "allow kms:GenerateDataKey and kms:Decrypt on the key"
    action = _ALLOWS.get(operation, "")
    if operation == "HeadObject":
        return (
            f"allow {action} on the objects, and s3:ListBucket on the bucket, without which what is missing is denied"
        )
    also = ", and s3:PutObjectRetention where lock is set" if action == "s3:PutObject" else ""
    return f"allow {action}{also}: see docs/destinations/s3.md" if action else "see docs/destinations/s3.md"


def _retry_after(headers: Mapping[str, Any]) -> float | None:
    """Seconds, from a ``Retry-After`` of either form (RFC 9110, 10.2.3)."""
    value = str(headers.get("retry-after") or "")
    if value.isdigit():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()) if value else None
    except (ValueError, TypeError):
        return None


def _host(error: Exception) -> str:
    url = getattr(error, "kwargs", {}).get("endpoint_url")
    return (urlsplit(str(url)).hostname if url else None) or "the service"


def _broken(error: Exception) -> str:
    match error:
        case exceptions.ConnectTimeoutError() | exceptions.EndpointConnectionError():
            return f"no connection to {_host(error)}"
        case exceptions.ReadTimeoutError():
            return "no answer in time"
        case exceptions.ProxyConnectionError():
            return "no connection to the proxy"
        case exceptions.IncompleteReadError():
            return "the answer broke off"
        case _:
            return f"the connection broke ({type(error).__name__})"
