"""Encrypted, write-once archives: made, proven, read back. The format is in ``docs/format.md``."""

from lumen_assets.archive.create import CreatedArchive, create_archive
from lumen_assets.archive.digests import Digests, DigestTaker, digest_file
from lumen_assets.archive.extract import extract_stream
from lumen_assets.archive.freeze import FrozenDay, freeze_day, load_frozen, newest, revisions
from lumen_assets.archive.index import IndexEntry, heads, newest_revisions, read_index, refresh_index
from lumen_assets.archive.keys import (
    Key,
    Keyring,
    load_or_create_key_file,
    new_key_text,
    parse_keyring,
    tink_keyset_json,
)
from lumen_assets.archive.layout import (
    MANIFEST_NAME,
    REMOVAL_NAME,
    archive_name,
    parse_archive_key,
    parse_manifest_key,
    revision_prefix,
)
from lumen_assets.archive.manifest import Manifest, associated_data
from lumen_assets.archive.payload import content_digest_of, members_of, scan_folder
from lumen_assets.archive.ranged import ExtractedPaths, FileRange, RangedReader, extract_paths
from lumen_assets.archive.read import ArchiveContents, verify_stream
from lumen_assets.archive.removal import Removal

__all__ = [
    "MANIFEST_NAME",
    "REMOVAL_NAME",
    "ArchiveContents",
    "CreatedArchive",
    "DigestTaker",
    "Digests",
    "ExtractedPaths",
    "FileRange",
    "FrozenDay",
    "IndexEntry",
    "Key",
    "Keyring",
    "Manifest",
    "RangedReader",
    "Removal",
    "archive_name",
    "associated_data",
    "content_digest_of",
    "create_archive",
    "digest_file",
    "extract_paths",
    "extract_stream",
    "freeze_day",
    "heads",
    "load_frozen",
    "load_or_create_key_file",
    "members_of",
    "new_key_text",
    "newest",
    "newest_revisions",
    "parse_archive_key",
    "parse_keyring",
    "parse_manifest_key",
    "read_index",
    "refresh_index",
    "revision_prefix",
    "revisions",
    "scan_folder",
    "tink_keyset_json",
    "verify_stream",
]
