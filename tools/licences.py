"""Writes ``docs/licences.md``: every package of the lock with its licence; ``make licences`` calls it.

    python tools/licences.py            # write it
    python tools/licences.py --check    # exit 1 where it is not what would be written

What a package says of itself is read from where it is installed. The row of one that says nothing, or that the lock
has for other systems alone, is kept as somebody wrote it.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path("docs/licences.md")
LOCKS = {"runtime": "runtime", "fleet": "several machines", "dev": "tests"}
UNKNOWN = "?"


def packages() -> dict[str, str]:
    """What each package of the lock is for, by name: the first of ``LOCKS`` that it is in."""
    found: dict[str, str] = {}
    for lock, use in LOCKS.items():
        text = Path(f"requirements/{lock}.txt").read_text(encoding="utf-8")
        for name in re.findall(r"^([a-z0-9.-]+)==", text, re.MULTILINE):
            found.setdefault(name, use)
    return found


def installed() -> dict[str, str]:
    """The licence of every package that is installed and says one, by name."""
    command = [sys.executable, "-m", "piplicenses", "--python", sys.executable, "--from=mixed", "--with-system"]
    output = subprocess.run([*command, "--format=json"], capture_output=True, check=True).stdout  # noqa: S603
    rows = [row for row in json.loads(output) if row["License"] != "UNKNOWN"]
    return {_normal(row["Name"]): " ".join(row["License"].split()) for row in rows}


def written() -> dict[str, str]:
    """The licences that the page has, by package."""
    text = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    return dict(re.findall(r"^\| ([^ |]+) \| ([^|]+) \| [^|]+ \|$", text, re.MULTILINE))


def page() -> str:
    """The page as it should be."""
    licences = {**written(), **installed()}
    head, rows = PAGE.read_text(encoding="utf-8").partition("| package |")[0], packages()
    lines = [f"| {name} | {licences.get(name, UNKNOWN)} | {rows[name]} |" for name in sorted(rows)]
    return head + "\n".join(["| package | licence | for |", "|---|---|---|", *lines]) + "\n"


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def main(arguments: list[str]) -> int:
    """Write the page, or say what is wrong with it."""
    right = page()
    if "--check" not in arguments:
        PAGE.write_text(right, encoding="utf-8")
    elif PAGE.read_text(encoding="utf-8") != right:
        print(f"{PAGE} is not what the lock says: run `make licences` and look at what is new")
        return 1
    unknown = [line for line in right.splitlines() if f"| {UNKNOWN} |" in line]
    print("\n".join(f"nobody knows the licence: {line}" for line in unknown), end="\n" if unknown else "")
    return 1 if unknown else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
