"""Tar as POSIX.1-2001 (pax) has it, and of that only what an archive needs: regular files and folders.

Written so that the same members always give the same bytes. Read strictly: whatever an archive of ours cannot hold
(links, devices, sparse files, GNU extensions, global headers) is refused, not skipped.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NoReturn

from lumen_assets.archive.stream import fail

BLOCK: Final = 512
END: Final = bytes(2 * BLOCK)
_MAX_OCTAL: Final = 8**11 - 1
_MAX_PAX: Final = 64 << 10
_MAX_SIZE: Final = 1 << 62
MAX_MTIME: Final = 1 << 40
"""Seconds either way of 1970 that a time may have: 35,000 years."""
_REFUSED: Final = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a character device",
    b"4": "a block device",
    b"6": "a FIFO",
    b"7": "a contiguous file",
    b"g": "a global header",
    b"L": "a GNU long name",
    b"K": "a GNU long link",
    b"S": "a sparse file",
}


@dataclass(frozen=True, slots=True)
class Member:
    """A file or folder in a tar stream.

    Attributes:
        name: path with ``/``, without one at the end.
        is_folder: a folder, else a regular file.
        size: content bytes; 0 for a folder.
        mode: 0o644 or 0o755.
        mtime: seconds since 1970-01-01 UTC.
    """

    name: str
    is_folder: bool
    size: int
    mode: int
    mtime: int


def padding(size: int) -> int:
    """How many zero bytes follow ``size`` bytes of content."""
    return -size % BLOCK


def header_bytes(member: Member) -> bytes:
    """The blocks before a member's content: a pax header where the ustar one cannot say it, and the ustar one."""
    name = member.name + "/" * member.is_folder
    records: dict[str, str] = {}
    if len(name.encode()) > 100 or not name.isascii():
        records["path"] = name
    if not 0 <= member.mtime <= _MAX_OCTAL:
        records["mtime"] = str(member.mtime)
    if member.size > _MAX_OCTAL:
        records["size"] = str(member.size)
    kind = b"5" if member.is_folder else b"0"
    short = name.encode("ascii", "replace")[:100]
    mtime = member.mtime if "mtime" not in records else 0
    size = member.size if "size" not in records else 0
    ustar = _ustar(short, kind, size=size, mode=member.mode, mtime=mtime)
    if not records:
        return ustar
    body = b"".join(_pax_record(key, records[key]) for key in sorted(records))
    pax = _ustar(b"PaxHeader", b"x", size=len(body), mode=0o644, mtime=mtime)
    return pax + body + bytes(padding(len(body))) + ustar


def read_member(read: Callable[[int], bytes], name: str) -> tuple[Member, int] | None:
    """The next member, and how many header bytes it had; None at the end of the tar stream.

    Args:
        read: gives exactly the number of bytes asked for, or raises.
        name: what to call the archive in errors.

    Raises:
        IntegrityError: if something else than a regular file or folder comes.
    """
    block = read(BLOCK)
    if not any(block):
        if any(read(BLOCK)):
            fail(name, "its tar stream has a lone zero block", "tar")
        return None
    used = BLOCK
    records: dict[str, str] = {}
    if _kind(block, name) == b"x":
        size = _number(block, 124, 12, name)
        if size > _MAX_PAX:
            fail(name, f"a pax header of {size} bytes", "tar")
        body = read(size + padding(size))
        records = _pax_records(body[:size], name)
        block = read(BLOCK)
        used += len(body) + BLOCK
        if _kind(block, name) == b"x":
            fail(name, "two pax headers for one member", "tar")
    return _member(block, records, name), used


def _ustar(short: bytes, kind: bytes, *, size: int, mode: int, mtime: int) -> bytes:
    fields = [
        short.ljust(100, b"\0"),
        b"%07o\0" % mode,
        b"%07o\0" % 0,
        b"%07o\0" % 0,
        b"%011o\0" % size,
        b"%011o\0" % mtime,
        b" " * 8,
        kind,
        bytes(100),
        b"ustar\0" + b"00",
        bytes(32),
        bytes(32),
        b"%07o\0" % 0,
        b"%07o\0" % 0,
        bytes(155),
        bytes(12),
    ]
    block = b"".join(fields)
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def _pax_record(key: str, value: str) -> bytes:
    """``LENGTH KEY=VALUE\\n``, where the length counts its own digits."""
    rest = f" {key}={value}\n".encode()
    length = len(rest) + 1
    while length != len(rest) + len(str(length)):
        length = len(rest) + len(str(length))
    return str(length).encode() + rest


def _kind(block: bytes, name: str) -> bytes:
    if sum(block) - sum(block[148:156]) + 8 * 0x20 != _number(block, 148, 8, name):
        fail(name, "the checksum of a tar header is wrong", "tar")
    if block[257:265] != b"ustar\x0000":
        fail(name, "its tar stream is not in POSIX pax form", "tar")
    return block[156:157]


def _member(block: bytes, records: dict[str, str], name: str) -> Member:
    kind = _kind(block, name)
    path = records.get("path") or _path(block, name)
    if kind not in (b"0", b"5"):
        fail(name, f"it holds {_REFUSED.get(kind, 'an unknown kind of member')}: {path!r}", "refused")
    is_folder = kind == b"5"
    if is_folder:
        path = path.removesuffix("/")
    size = int(records["size"]) if "size" in records else _number(block, 124, 12, name)
    mtime = int(records["mtime"]) if "mtime" in records else _number(block, 136, 12, name)
    mode = _number(block, 100, 8, name)
    if size > (0 if is_folder else _MAX_SIZE):
        fail(name, f"{path!r} declares {size} bytes", "refused")
    if abs(mtime) > MAX_MTIME:
        fail(name, f"{path!r} has an impossible time", "refused")
    if mode not in (0o644, 0o755):
        fail(name, f"{path!r} has the mode {mode:o}", "refused")
    return Member(name=path, is_folder=is_folder, size=size, mode=mode, mtime=mtime)


def _path(block: bytes, name: str) -> str:
    short, prefix = (field.split(b"\0", 1)[0] for field in (block[:100], block[345:500]))
    try:
        return ((prefix + b"/" if prefix else b"") + short).decode()
    except UnicodeDecodeError:
        fail(name, "a member's name is not UTF-8", "tar")


def _number(block: bytes, start: int, width: int, name: str) -> int:
    field = block[start : start + width].strip(b"\0 ")
    if not re.fullmatch(rb"[0-7]+", field):
        fail(name, "a number in a tar header is not octal", "tar")
    return int(field, 8)


def _pax_records(body: bytes, name: str) -> dict[str, str]:
    records: dict[str, str] = {}
    while body:
        match = re.match(rb"([1-9][0-9]{0,5}) (path|mtime|size)=", body)
        length = int(match[1]) if match else 0
        if match is None or not match.end() < length <= len(body) or body[length - 1 : length] != b"\n":
            _fail_pax(name)
        key = match[2].decode()
        try:
            value = body[match.end() : length - 1].decode()
        except UnicodeDecodeError:
            _fail_pax(name)
        form = {"path": r"[^\0]+", "mtime": r"-?\d{1,18}", "size": r"\d{1,19}"}[key]
        if key in records or not re.fullmatch(form, value, re.ASCII | re.DOTALL):
            _fail_pax(name)
        records[key] = value
        body = body[length:]
    return records


def _fail_pax(name: str) -> NoReturn:
    fail(name, "a pax header holds something else than one path, mtime and size each", "tar")
