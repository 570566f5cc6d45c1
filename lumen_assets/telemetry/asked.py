"""The opening comments of rows from a Prometheus: what it was asked, kept with what it answered.

    # From Prometheus at https://prometheus.example:9090, every 15s. Empty: no value, NaN or an infinity.
    # phase_diff = avg(lumen_phase_diff)
    # requests = sum(
    #    rate(http_requests_total[1m])
    #    )

The expressions are as they were asked, line breaks included: what is behind a ``#`` in PromQL ends with its line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from lumen_assets.telemetry.model import Asked

_FIRST: Final = re.compile(r"# From Prometheus(?: at (https?://[\w.:%\[\]-]+))?, every (\w+)\. ")
_QUERY: Final = re.compile(r"# (\S+) = (.*)", re.DOTALL)
_FURTHER: Final = "#    "
"""Opens the further lines of an expression; a signal's name begins with no space."""


def opening(asked: Asked) -> Iterator[str]:
    """The lines that rows open with, each with its newline, up to the header."""
    server = f" at {asked.server}" if asked.server else ""
    yield f"# From Prometheus{server}, every {asked.step}. Empty: no value, NaN or an infinity.\n"
    for name, query in asked.queries:
        first, *further = query.split("\n")
        yield f"# {name} = {first}\n"
        yield from (f"{_FURTHER}{line}\n" for line in further)


def asked_in(comments: Iterable[str]) -> Asked | None:
    """What was asked for rows, from the comments that they open with; None for rows of another origin."""
    first, *lines = (*comments, "")
    found = _FIRST.match(first)
    if not found:
        return None
    queries: list[tuple[str, str]] = []
    for line in lines:
        if queries and line.startswith(_FURTHER):
            name, expression = queries[-1]
            queries[-1] = name, f"{expression}\n{line.removeprefix(_FURTHER)}"
        elif query := _QUERY.match(line):
            queries.append((query[1], query[2]))
    return Asked(found[1] or "", found[2], tuple(queries))
