"""From the destinations in the settings to their stores."""

from __future__ import annotations

from lumen_assets.replication.local import LocalStore
from lumen_assets.replication.retrying import RetryingStore
from lumen_assets.replication.sessions import UploadSessions
from lumen_assets.replication.store import Store
from lumen_assets.settings import (
    Destination,
    DropboxDestination,
    GoogleDriveDestination,
    LocalDestination,
    S3Destination,
    Settings,
)


def open_stores(settings: Settings) -> dict[str, Store]:
    """A store a configured destination, by name, in the settings' order. Nothing is connected yet."""
    return {
        name: _open(name, destination, settings) for name, destination in settings.configuration.destinations.items()
    }


def _open(name: str, destination: Destination, settings: Settings) -> Store:
    """The store of one destination; its provider's SDK is imported only here, because each takes its time."""
    sessions = UploadSessions(settings.sessions_folder / name)
    match destination:
        case LocalDestination():
            folder = settings.local_path(destination)
            return LocalStore(name, folder, create=not destination.path.expanduser().is_absolute())
        case S3Destination():
            from lumen_assets.replication.s3 import S3Store

            return RetryingStore(S3Store(name, destination, sessions))
        case GoogleDriveDestination():
            from lumen_assets.replication.gdrive import GoogleDriveStore

            return RetryingStore(GoogleDriveStore(name, destination, settings.gdrive_token, sessions))
        case DropboxDestination():
            from lumen_assets.replication.dropbox import DropboxStore

            return RetryingStore(DropboxStore(name, destination, settings.dropbox_token, sessions))
