"""The archive keys, for commands that need no other setting."""

from __future__ import annotations

from lumen_assets.archive.keys import Keyring, parse_keyring
from lumen_assets.environment import read_secret
from lumen_assets.errors import PermanentError


def read_keyring() -> Keyring:
    """The keyring in ``LUMEN_ARCHIVE_KEY``, its file, or where AWS keeps it; no other setting is read.

    Raises:
        PermanentError: if it is not set, cannot be had, or is no keyring.
    """
    key = read_secret("LUMEN_ARCHIVE_KEY")
    if key is None:
        raise PermanentError(
            action="find",
            subject="the archive key",
            cause="none of LUMEN_ARCHIVE_KEY, LUMEN_ARCHIVE_KEY_FILE and LUMEN_ARCHIVE_KEY_AWS is set",
            error_class="configuration",
            hint="set one; `lumen key new` makes a key; the one made on first run is keys/archive.key in LUMEN_HOME",
        )
    return parse_keyring(key)
