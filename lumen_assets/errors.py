"""The whole error tree.

Permanence is a type, not a message: code that decides whether to retry looks at the class, and people
read in the message what was attempted, on what, why it failed and whether trying again helps. No message
ever holds a secret.

    LumenError
    ├── TransientError    network, throttle, provider: trying again helps
    ├── PermanentError    credentials, permission, quota, configuration, input: it does not
    │   └── SettingsError a wrong setting, found at start
    └── IntegrityError    digest mismatch, conflict, forgery: never retried, never overwritten
"""

from __future__ import annotations

from typing import ClassVar


class LumenError(Exception):
    """An operation of ours that failed, said so that an operator can act on it.

    Args:
        action: what was attempted, as a verb phrase: ``"read"``, ``"freeze"``.
        subject: on what: a path, a day, a destination's object. Never a secret.
        cause: why it failed.
        error_class: a short stable word for grouping: ``"network"``, ``"quota"``, ``"input"``.
        hint: what to do about it, one sentence, if there is something.
    """

    retry_helps: ClassVar[bool] = False

    def __init__(self, *, action: str, subject: str, cause: str, error_class: str, hint: str = "") -> None:
        self.action = action
        self.subject = subject
        self.cause = cause
        self.error_class = error_class
        self.hint = hint
        super().__init__(str(self))

    def __str__(self) -> str:
        retry = "Trying again may help." if self.retry_helps else "Trying again does not help."
        parts = [f"could not {self.action} {self.subject}: {self.cause.rstrip('.')}."]
        if self.hint:
            parts.append(f"{self.hint.rstrip('.')}.")
        return " ".join([*parts, retry])


class TransientError(LumenError):
    """The cause is expected to pass: network, throttling, a provider's fault.

    Args:
        retry_after: seconds the provider asked us to wait, if it did.
    """

    retry_helps = True

    def __init__(
        self,
        *,
        action: str,
        subject: str,
        cause: str,
        error_class: str,
        hint: str = "",
        retry_after: float | None = None,
    ) -> None:
        self.retry_after = retry_after
        super().__init__(action=action, subject=subject, cause=cause, error_class=error_class, hint=hint)


class PermanentError(LumenError):
    """Somebody has to change something first: credentials, permission, quota, configuration, input."""


class SettingsError(PermanentError):
    """One or more settings are wrong; each problem names the setting, what is wrong and the fix."""

    def __init__(self, *, subject: str, problems: list[str]) -> None:
        self.problems = problems
        super().__init__(
            action="load",
            subject=subject,
            cause="; ".join(problems),
            error_class="configuration",
        )

    def __str__(self) -> str:
        return "\n".join([f"could not load {self.subject}:", *(f"  - {p}" for p in self.problems)])


class IntegrityError(LumenError):
    """Bytes are not what they must be. Nothing is deleted or overwritten because of it."""
