"""The bag around the payload: BagIt 1.0 (RFC 8493), with SHA-256 and nothing optional but bag-info.txt."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterable, Mapping
from typing import Final

from lumen_assets.archive.names import path_problem
from lumen_assets.archive.stream import fail
from lumen_assets.errors import PermanentError

BAGIT: Final = "bagit.txt"
BAG_INFO: Final = "bag-info.txt"
MANIFEST: Final = "manifest-sha256.txt"
TAG_MANIFEST: Final = "tagmanifest-sha256.txt"
DATA: Final = "data"
DECLARATION: Final = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
OXUM: Final = "Payload-Oxum"
MAX_TAG_FILE: Final = 1 << 20
"""Bytes of a tag file other than the payload's manifest, which grows with the payload."""


def bag_info_bytes(info: Mapping[str, str], *, size: int, files: int) -> bytes:
    """``bag-info.txt``: the given labels and Payload-Oxum, sorted by label.

    Raises:
        PermanentError: if a label or value cannot stand on a line.
    """
    lines = {**info, OXUM: f"{size}.{files}"}
    for label, value in lines.items():
        if not re.fullmatch(r"[^\s:][^:\r\n]*", label) or len(value.splitlines()) > 1 or value != value.strip():
            raise PermanentError(
                action="describe",
                subject="the bag",
                cause=f"the label {label!r} or its value does not fit on one line",
                error_class="input",
            )
    data = "".join(f"{label}: {lines[label]}\n" for label in sorted(lines)).encode()
    if len(data) > MAX_TAG_FILE:
        raise PermanentError(
            action="describe", subject="the bag", cause=f"{BAG_INFO} has {len(data)} bytes", error_class="input"
        )
    return data


def manifest_bytes(digests: Mapping[str, str]) -> bytes:
    """A manifest of SHA-256 digests by path, sorted by the bytes of the path: what ``sha256sum -c`` reads."""
    return b"".join(manifest_line(path, digests[path]) for path in sorted(digests, key=lambda path: path.encode()))


def manifest_line(path: str, digest: str) -> bytes:
    """The line of a file in a manifest."""
    return f"{digest}  {_escape(path)}\n".encode()


def payload_digests(manifest: bytes, name: str) -> dict[str, str]:
    """SHA-256 of every payload file, by its path under ``data/``."""
    listed = parse_manifest(manifest, MANIFEST, name)
    return {path.removeprefix(f"{DATA}/"): digest for path, digest in listed.items()}


def tag_files(info: bytes, manifest: bytes) -> bytes:
    """``tagmanifest-sha256.txt`` over the other three tag files."""
    return manifest_bytes(
        {name: sha256(data) for name, data in ((BAG_INFO, info), (BAGIT, DECLARATION), (MANIFEST, manifest))}
    )


def parse_manifest(data: bytes, file: str, name: str) -> dict[str, str]:
    """SHA-256 by path.

    Args:
        file: which manifest it is, for errors.
        name: what to call the archive in errors.

    Raises:
        IntegrityError: if a line is not one, or a path stands there twice.
    """
    digests: dict[str, str] = {}
    for number, encoded in enumerate(io.BytesIO(data), 1):
        try:
            line = encoded.decode()
        except UnicodeDecodeError:
            fail(name, f"{file} is not UTF-8", "bag")
        if line[-1] != "\n":
            fail(name, f"{file} does not end with a line end", "bag")
        match = re.fullmatch(r"([0-9a-f]{64})  ([^\r]+)", line[:-1])
        path = _unescape(match[2]) if match else ""
        if match is None or path in digests or path_problem(path):
            fail(name, f"line {number} of {file} is not a digest and a path, each path once", "bag")
        digests[path] = match[1]
    return digests


def parse_bag_info(data: bytes, name: str) -> dict[str, str]:
    """Values of ``bag-info.txt`` by label."""
    try:
        lines = data.decode().split("\n")
    except UnicodeDecodeError:
        fail(name, f"{BAG_INFO} is not UTF-8", "bag")
    if lines.pop():
        fail(name, f"{BAG_INFO} does not end with a line end", "bag")
    pairs = [line.split(": ", 1) for line in lines]
    if any(len(pair) != 2 for pair in pairs):
        fail(name, f"{BAG_INFO} has a line that is not a label and a value", "bag")
    return {label: value for label, value in pairs}  # noqa: C416 - pairs are lists


def compare(found: Mapping[str, str], listed: Mapping[str, str], file: str, name: str) -> None:
    """Files against a manifest, both ways.

    Raises:
        IntegrityError: naming the first few files that are missing, extra or different.
    """
    different = [path for path in found if path in listed and found[path] != listed[path]]
    problems = [
        _some(different, f"differ from {file}"),
        _some([path for path in listed if path not in found], f"are in {file} only"),
        _some([path for path in found if path not in listed], f"are not in {file}"),
    ]
    if any(problems):
        fail(name, "; ".join(problem for problem in problems if problem), "digest")


def sha256(data: bytes) -> str:
    """SHA-256 in lower-case hex."""
    return hashlib.sha256(data).hexdigest()


def _some(paths: Iterable[str], what: str) -> str:
    listed = sorted(paths)
    if not listed:
        return ""
    more = f" and {len(listed) - 3} more" if len(listed) > 3 else ""
    return f"files that {what}: {', '.join(map(repr, listed[:3]))}{more}"


def _escape(path: str) -> str:
    """RFC 8493, 2.1.3: CR, LF and % are written as %XX.

    A % is, though, left alone where decoding would not touch it: `sha256sum -c` and bagit-python decode no %25, so
    that ``50%25.csv`` would be a missing file to them, and ``50%.csv`` is one name to every reader.
    """
    return re.sub("%(?=0[Aa]|0[Dd]|25)", "%25", path).replace("\r", "%0D").replace("\n", "%0A")


def _unescape(path: str) -> str:
    return re.sub("%(0[Aa]|0[Dd]|25)", lambda match: chr(int(match[1], 16)), path)
