"""``lumen.yaml`` and the environment, read once, as one typed, validated object.

The only reader of the environment. Nothing is read at import: call ``load_settings``.
Names of variables: see ``ENVIRONMENT``; each also works as ``NAME_FILE`` with the path of a file that holds the
value, as container secrets are mounted, and each secret as ``NAME_AWS`` with where AWS keeps it.
"""

from lumen_assets.settings.alerts import Alerts
from lumen_assets.settings.configuration import CatchUp, Configuration, Schedule
from lumen_assets.settings.destinations import (
    Destination,
    DropboxDestination,
    GoogleDriveDestination,
    LocalDestination,
    S3Connection,
    S3Destination,
)
from lumen_assets.settings.environment import ENVIRONMENT, read_secret, require_secret
from lumen_assets.settings.inputs import PrometheusLogin, S3Folder
from lumen_assets.settings.loading import MailServer, Settings, default_configuration_text, load_settings
from lumen_assets.settings.retention import Hold, KeepAt, Retention
from lumen_assets.settings.sources import CsvTelemetry, PrometheusTelemetry
from lumen_assets.settings.stored import StoredSecret

__all__ = [
    "ENVIRONMENT",
    "Alerts",
    "CatchUp",
    "Configuration",
    "CsvTelemetry",
    "Destination",
    "DropboxDestination",
    "GoogleDriveDestination",
    "Hold",
    "KeepAt",
    "LocalDestination",
    "MailServer",
    "PrometheusLogin",
    "PrometheusTelemetry",
    "Retention",
    "S3Connection",
    "S3Destination",
    "S3Folder",
    "Schedule",
    "Settings",
    "StoredSecret",
    "default_configuration_text",
    "load_settings",
    "read_secret",
    "require_secret",
]
