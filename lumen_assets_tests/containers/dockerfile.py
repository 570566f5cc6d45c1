"""What the Dockerfile says, read from it."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
DOCKERFILE = REPOSITORY / "Dockerfile"


def instructions() -> list[tuple[str, str]]:
    """Each instruction and the rest of it, on one line."""
    text = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", DOCKERFILE.read_text(), flags=re.M))
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in text.splitlines() if line.strip()]


def last_stage() -> dict[str, str]:
    """The settings of what is left in the end, by instruction."""
    found = instructions()
    begin = max(index for index, (word, _) in enumerate(found) if word == "FROM")
    return {word: rest for word, rest in found[begin:] if word not in ("RUN", "COPY")}


def environment() -> dict[str, str]:
    """The image's variables."""
    return dict(part.split("=", 1) for part in shlex.split(last_stage()["ENV"]))
