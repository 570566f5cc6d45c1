"""``lumen.yaml`` and the environment, read once, as one typed, validated object. Nothing is read at import: call
``load_settings``.
"""

from lumen_assets.settings.alerts import Alerts
from lumen_assets.settings.configuration import CatchUp, Configuration, GrafanaPictures, Schedule, Sources
from lumen_assets.settings.destinations import (
    Destination,
    DropboxDestination,
    GoogleDriveDestination,
    LocalDestination,
    S3Connection,
    S3Destination,
)
from lumen_assets.settings.distribution import Distribution
from lumen_assets.settings.inputs import PrometheusLogin, S3Folder
from lumen_assets.settings.loading import Settings, default_configuration_text, load_settings
from lumen_assets.settings.retention import Hold, KeepAt, Retention
from lumen_assets.settings.servers import GrafanaServer, MailServer
from lumen_assets.settings.sources import CsvTelemetry, PrometheusTelemetry

__all__ = [
    "Alerts",
    "CatchUp",
    "Configuration",
    "CsvTelemetry",
    "Destination",
    "Distribution",
    "DropboxDestination",
    "GoogleDriveDestination",
    "GrafanaPictures",
    "GrafanaServer",
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
    "Sources",
    "default_configuration_text",
    "load_settings",
]
