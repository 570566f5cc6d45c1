from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumen_assets.archive.tar import END, Member, header_bytes, padding, read_member
from lumen_assets.errors import IntegrityError

letters = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=90)
members = st.builds(
    Member,
    name=st.lists(letters, min_size=1, max_size=5).map("/".join),
    is_folder=st.just(value=False),
    size=st.one_of(st.integers(0, 2000), st.sampled_from([8**11 - 1, 8**11, 1 << 40])),
    mode=st.sampled_from([0o644, 0o755]),
    mtime=st.one_of(st.integers(-(2**35), 2**35), st.sampled_from([0, -1, 8**11 - 1, 8**11])),
)


def read(data: bytes) -> Member | None:
    source = io.BytesIO(data)

    def take(size: int) -> bytes:
        part = source.read(size)
        assert len(part) == size
        return part

    found = read_member(take, "x")
    return found[0] if found else None


@given(members)
def test_what_is_written_is_read(member: Member) -> None:
    assert len(header_bytes(member)) % 512 == 0
    assert read(header_bytes(member)) == member


@given(members)
def test_python_reads_the_same(member: Member) -> None:
    source = io.BytesIO(header_bytes(member) + END)
    with tarfile.open(fileobj=source, mode="r:", encoding="utf-8") as opened:
        found = opened.next()
    assert found is not None
    assert found.isreg()
    assert (found.name, found.size, found.mode, found.mtime) == (member.name, member.size, member.mode, member.mtime)


@given(members)
def test_we_read_what_python_writes(member: Member) -> None:
    info = tarfile.TarInfo(member.name)
    info.size, info.mode, info.mtime = member.size, member.mode, member.mtime
    assert read(info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")) == member


@given(st.binary(min_size=512, max_size=2048))
def test_noise_is_refused_in_our_words(data: bytes) -> None:
    with pytest.raises(IntegrityError):
        read(data[:512].replace(b"\0", b"x") + bytes(4096))


@pytest.mark.parametrize(
    "record",
    [b"path=a\n", b"8 path=a\n", b"999 path=a\n", b"10 path=\n", b"14 linkpath=a\n", b"10 path=\0\n", b"11 mtime=x\n"],
)
def test_pax_records_that_lie_are_refused(record: bytes) -> None:
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, len(record)
    pax = info.tobuf(tarfile.USTAR_FORMAT) + record + bytes(padding(len(record)))
    with pytest.raises(IntegrityError, match="pax header"):
        read(pax + header_bytes(Member(name="a", is_folder=False, size=0, mode=0o644, mtime=0)))
