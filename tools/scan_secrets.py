"""Looks for secrets in what is, or could be, committed; ``make secrets`` calls it.

    python tools/scan_secrets.py            # exit 1 and the places, where there is one that is not known
    python tools/scan_secrets.py --known    # after you looked at each: they are none, and known from now on

What detect-secrets takes for secrets and is none, test values and digests for the most part, is known in
``.secrets.baseline``, by file and digest: lines may move.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from detect_secrets.core import baseline
from detect_secrets.core.secrets_collection import SecretsCollection
from detect_secrets.settings import get_settings

BASELINE = ".secrets.baseline"

_DIGEST_OF_A_PACKAGE = re.compile(r"\s*--hash=sha256:[0-9a-f]{64}( \\)?\s*")
_HINTS = ("pass", "pwd", "secret", "key", "token", "contrase", "begin", "@")
_LONG_WORD = re.compile(r"[\w+/=.-]{16,}")
_DIGIT = re.compile(r"\d")


def holds_none(line: str) -> bool:
    """A filter of detect-secrets: whether no detector can find anything in the line.

    Each needs a long word with a digit in it, an address with a user, or a telling word. Asking all of them, and the
    other filters, about every line took 19 s of processor time, and takes 3 s so.
    """
    if _DIGEST_OF_A_PACKAGE.fullmatch(line):
        return True
    lowered = line.lower()
    return not any(hint in lowered for hint in _HINTS) and not any(map(_DIGIT.search, _LONG_WORD.findall(line)))


def main(arguments: list[str]) -> int:
    """Scan the repository of the working folder."""
    stored = json.loads(Path(BASELINE).read_text(encoding="utf-8"))
    known = baseline.load(stored)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        capture_output=True,
        text=True,
        check=True,
    )
    found, settings = SecretsCollection(), get_settings()
    others = dict(settings.filters)
    settings.filters.clear()
    settings.filters.update({f"{Path(__file__).stem}.holds_none": {}, **others})  # in this order
    for name in sorted(listed.stdout.split("\0")):
        if name and name != BASELINE and Path(name).is_file():
            found.scan_file(name)
    if "--known" in arguments:
        stored["results"] = found.json()
        Path(BASELINE).write_text(json.dumps(stored, indent=2) + "\n", encoding="utf-8")
        return 0
    new = [(name, secret) for name, secret in found - known]
    for name, secret in new:
        print(f"{name}:{secret.line_number}: {secret.type}")
    if new:
        print("Take it out and change it wherever it is valid. If it is none: python tools/scan_secrets.py --known")
    return 1 if new else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
