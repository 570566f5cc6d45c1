"""Secrets that AWS keeps, in Secrets Manager or the Parameter Store of Systems Manager, by way of dagster-aws.

Its clients serve; its resources do not: they put every value into the process's environment while they fetch, where the
processes that are started meanwhile inherit it (dagster-aws 0.29.27, ``SecretsManagerSecretsResource.fetch_secrets``).

Nothing here is imported, and no service asked, before a secret is needed. Of what AWS says only
the code is repeated, and its exceptions are not chained: their texts are not ours to vouch for.
"""

from __future__ import annotations

import logging
from contextlib import closing
from queue import Empty, SimpleQueue
from threading import Thread, get_ident
from typing import Any, Final

from lumen_assets.errors import LumenError, PermanentError, TransientError

SERVICES: Final = {"secretsmanager": "AWS Secrets Manager", "ssm": "the Parameter Store of AWS"}

ATTEMPTS: Final = 3
"""Of boto3's own, with its waits between them."""

SECONDS: Final = 20.0
"""For one secret. The clients of dagster-aws wait a minute for a connection, and again for an answer, each attempt."""

_THROTTLE: Final = {"ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded"}
_MISSING: Final = {"ResourceNotFoundException", "ParameterNotFound", "ParameterVersionNotFound"}
_DENIED: Final = {"AccessDeniedException", "AccessDenied", "DecryptionFailure", "InvalidKeyId"}
_CREDENTIALS: Final = {
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "ExpiredTokenException",
    "ExpiredToken",
    "MissingAuthenticationTokenException",
    "IncompleteSignature",
}
_ACTION: Final = {"secretsmanager": "secretsmanager:GetSecretValue", "ssm": "ssm:GetParameters"}
_FIX_CREDENTIALS: Final = (
    "give this machine a role, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY that are valid, and set its clock"
)

_kept: dict[tuple[str, str], str] = {}


def fetch(service: str, place: str, name: str) -> str:
    """The text that AWS keeps at ``place``; asked for once a process.

    Args:
        service: one of ``SERVICES``.
        place: name or ARN of a secret or a parameter.
        name: the variable that it is for, for messages.

    Raises:
        TransientError: if the service does not answer, throttles or fails.
        PermanentError: if there are no credentials, they do not allow it, or there is no such text.
    """
    if (service, place) not in _kept:
        _kept[service, place] = _ask(service, place, f"{name}, {place} in {SERVICES[service]}")
    return _kept[service, place]


def _ask(service: str, place: str, subject: str) -> str:
    ask = {"secretsmanager": _secret, "ssm": _parameter}[service]
    region = place.split(":")[3] if place.startswith("arn:") else None
    answers: SimpleQueue[str | LumenError | None] = SimpleQueue()

    def answer() -> None:
        logger, unlogged = logging.getLogger("botocore.parsers"), _Unlogged()
        logger.addFilter(unlogged)
        try:
            answers.put(ask(place, region))
        except Exception as error:  # whatever it is, somebody waits for it
            answers.put(_translated(error, service, subject))
        finally:
            logger.removeFilter(unlogged)

    Thread(target=answer, name=f"fetch from {service}", daemon=True).start()
    try:
        answered = answers.get(timeout=SECONDS)
    except Empty:
        answered = _network(subject, f"no answer within {SECONDS:g} s")
    if isinstance(answered, LumenError):
        raise answered
    if answered is None:
        raise _wrong(subject, "it is binary", hint="keep it as text")
    return answered


class _Unlogged(logging.Filter):
    """Keeps whole answers, which botocore shows to those who debug it, out of the log: those of this thread."""

    def __init__(self) -> None:
        super().__init__()
        self._thread = get_ident()

    def filter(self, record: logging.LogRecord) -> bool:
        return record.thread != self._thread


def _secret(place: str, region: str | None) -> str | None:
    from dagster_aws.secretsmanager.secrets import construct_secretsmanager_client

    with closing(construct_secretsmanager_client(max_attempts=ATTEMPTS, region_name=region)) as client:
        text: str | None = client.get_secret_value(SecretId=place).get("SecretString")
        return text


def _parameter(place: str, region: str | None) -> str:
    from dagster_aws.ssm.parameters import construct_ssm_client, get_parameters_by_name

    with closing(construct_ssm_client(max_attempts=ATTEMPTS, region_name=region)) as client:
        values = get_parameters_by_name(client, [place], with_decryption=True)
    if not values:  # AWS answers with those that there are
        raise KeyError(place)
    return next(iter(values.values()))


def _translated(error: Exception, service: str, subject: str) -> LumenError:
    from botocore import exceptions

    if isinstance(error, KeyError):
        return _missing(subject)
    if isinstance(error, exceptions.ClientError):
        return _answered(error, service, subject)
    if isinstance(error, exceptions.NoRegionError):
        return _wrong(subject, "no region is set", hint="set AWS_DEFAULT_REGION, or give its ARN")
    if isinstance(error, (exceptions.ConnectionError, exceptions.HTTPClientError, OSError)):
        return _network(subject, f"{SERVICES[service]} was not reached ({type(error).__name__})")
    if isinstance(error, exceptions.BotoCoreError):  # nothing in the chain, a profile or a role that does not work
        return _no_credentials(subject, type(error).__name__)
    return _wrong(subject, f"unexpected {type(error).__name__}", hint="please report it")


def _answered(error: Any, service: str, subject: str) -> LumenError:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0)
    cause = f"{code if code.isidentifier() else 'an answer without a code'} (HTTP {status})"
    if code in _THROTTLE or status == 429:
        return TransientError(action="fetch", subject=subject, cause=cause, error_class="throttle")
    if status >= 500:
        return TransientError(action="fetch", subject=subject, cause=cause, error_class="provider")
    if code in _MISSING:
        return _missing(subject)
    if code in _CREDENTIALS:
        return _no_credentials(subject, cause)
    if code in _DENIED or status in (401, 403):
        hint = (
            f"allow {_ACTION[service]} on it, and kms:Decrypt on its key where that is one of your own: docs/secrets.md"
        )
        return PermanentError(action="fetch", subject=subject, cause=cause, error_class="permission", hint=hint)
    return _wrong(subject, cause, hint="see that it has a value and is not about to be deleted")


def _missing(subject: str) -> LumenError:
    return _wrong(subject, "there is none of that name in this account and region", hint="correct the name")


def _wrong(subject: str, cause: str, *, hint: str) -> LumenError:
    return PermanentError(action="fetch", subject=subject, cause=cause, error_class="configuration", hint=hint)


def _no_credentials(subject: str, cause: str) -> LumenError:
    return PermanentError(
        action="fetch", subject=subject, cause=cause, error_class="credentials", hint=_FIX_CREDENTIALS
    )


def _network(subject: str, cause: str) -> LumenError:
    return TransientError(action="fetch", subject=subject, cause=cause, error_class="network")
