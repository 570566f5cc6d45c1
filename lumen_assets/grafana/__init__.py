"""Pictures of a day from Grafana: asked for, looked at before they count, and taken once."""

from lumen_assets.grafana.kept import kept_pictures, read_record, write_record
from lumen_assets.grafana.taking import Taken, picture_path, take_pictures

__all__ = ["Taken", "kept_pictures", "picture_path", "read_record", "take_pictures", "write_record"]
