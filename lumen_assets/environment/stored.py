"""Secrets that are kept elsewhere and named in the environment: ``NAME_AWS``."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import SecretStr

from lumen_assets.environment.values import nothing_wrong
from lumen_assets.environment.variables import environment_value
from lumen_assets.errors import PermanentError, SettingsError

FORMS: Final = (
    "give secretsmanager:NAME, ssm:NAME or the ARN of either, with #MEMBER behind it for one member of a JSON object"
)


_ARN_PARTS: Final = {"secretsmanager": (7,), "ssm": (6, 7)}
"""Parameters may have a version behind. What ECS writes behind a secret, ``:MEMBER:STAGE:VERSION``, is not taken."""


@dataclass(frozen=True)
class Reference:
    """Where a secret is kept.

    Attributes:
        service: ``"secretsmanager"`` or ``"ssm"``.
        place: its name or ARN there.
        member: which member of a JSON object it is; None: the whole text.
    """

    service: str
    place: str
    member: str | None = None


def parse_reference(text: str) -> Reference:
    """What ``secretsmanager:lumen/prod#archive_key``, ``ssm:/lumen/archive_key`` or an ARN names.

    Raises:
        ValueError: if it is none of them.
    """
    place, sign, member = text.partition("#")
    service, _, name = place.partition(":")
    if service == "arn":
        service, name = [*place.split(":"), ""][2], place
        right = len(name.split(":")) in _ARN_PARTS.get(service, ())
    else:
        right = not name.startswith("arn:")
    if service not in _ARN_PARTS or not name or not right or text.split() != [text]:
        raise ValueError("it names no secret of AWS")
    if sign and not member:
        raise ValueError("there is nothing behind the #")
    return Reference(service, name, member or None)


class StoredSecret(SecretStr):
    """A secret that is fetched when its value is first asked for, so that loading the settings asks no service.

    Its value is that of the moment; the process keeps it from then on.

    Args:
        name: the variable that it is for.
        reference: where it is kept.
        problem_in: what is wrong with a value, with the fix; None: nothing.
    """

    def __init__(self, name: str, reference: Reference, problem_in: Callable[[str], str | None]) -> None:
        super().__init__("*")  # so that it is shown as one that is there
        self.name = name
        self._reference = reference
        self._problem_in = problem_in

    def get_secret_value(self) -> str:
        """The value.

        Raises:
            LumenError: if it cannot be had: see ``aws.fetch``.
            SettingsError: if what is kept there is no such value.
        """
        from lumen_assets.environment.aws import fetch  # Dagster and boto3, for those who need them

        reference = self._reference
        text = fetch(reference.service, reference.place, self.name).strip()
        value = text if reference.member is None else self._member(text, reference.member)
        problem = self._problem_in(value) if value else "what is kept there is empty: put the value in it"
        if problem:
            raise SettingsError(subject=f"{self.name}_AWS", problems=[f"{self.name}_AWS: {problem}"])
        return value

    def _member(self, text: str, member: str) -> str:
        try:
            fields: Any = json.loads(text)
        except ValueError:
            fields = None  # the error would have the text in it
        if not isinstance(fields, dict) or member not in fields:
            why = f"it has no member {member}" if isinstance(fields, dict) else "it is no JSON object"
            raise PermanentError(
                action="use",
                subject=f"{self.name}_AWS",
                cause=f"{self._reference.place}: {why}",
                error_class="configuration",
                hint="correct what is behind the #",
            )
        value = fields[member]
        return value.strip() if isinstance(value, str) else json.dumps(value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StoredSecret) and (self.name, self._reference) == (other.name, other._reference)

    def __hash__(self) -> int:
        return hash((self.name, self._reference))


def environment_secret(
    environ: Mapping[str, str],
    name: str,
    problems: list[str],
    problem_in: Callable[[str], str | None] = nothing_wrong,
) -> SecretStr | None:
    """``environment_value`` for a secret, which may also be one that AWS keeps, where ``NAME_AWS`` says.

    Args:
        problem_in: what is wrong with a value, with the fix; None: nothing. Asked now, or when the value is fetched.
    """
    kept = environ.get(f"{name}_AWS")
    if not kept:
        value = environment_value(environ, name, problems)
        problem = problem_in(value) if value else None
        if problem:
            problems.append(f"{name}: {problem}")
        return SecretStr(value) if value and not problem else None
    for other in (name, f"{name}_FILE"):
        if environ.get(other):
            problems.append(f"{name}: set twice, as {other} and as {name}_AWS: unset one of them")
            return None
    try:
        return StoredSecret(name, parse_reference(kept), problem_in)
    except ValueError as error:  # what stands there may be the secret itself
        problems.append(f"{name}_AWS: {error}: {FORMS}")
        return None
