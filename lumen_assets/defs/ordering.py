"""In which order a run takes steps that could all be next."""

from __future__ import annotations

from typing import Final

LOCAL_FIRST: Final = {"dagster/priority": "1"}
"""The tag of a step on a local destination: in an in-process run, where steps take turns, it goes before those on
providers, which are 0. So a provider that is down, and waited for, does not keep the copies at hand waiting."""


def order_tags(kind: str) -> dict[str, str]:
    """The tags that order a step on a destination of this kind."""
    return LOCAL_FIRST if kind == "local" else {}
