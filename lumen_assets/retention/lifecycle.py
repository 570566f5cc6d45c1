"""The S3 lifecycle that goes with retention: what a bucket clears up by itself."""

from __future__ import annotations

from typing import Any, Final

from lumen_assets.settings import Configuration, S3Destination

_UNFINISHED_DAYS: Final = 7
"""An upload that was interrupted goes on where it stopped; after a week nobody comes back to it."""

_TO_HEAL: Final = 30
"""Days that remain to bring a version back after its loss was found."""


def lifecycles(configuration: Configuration) -> dict[str, Any]:
    """A lifecycle configuration, as ``PutBucketLifecycleConfiguration`` takes it, for each S3 destination by name.

    No rule ends a current version: a lifecycle knows ages only, neither weeks and months nor verdicts nor holds, and
    manifests stay for ever. In a bucket with versions what retention removed, or somebody else deleted, is no longer
    current; it ends when it has been so for longer than it takes to find a loss by reading everything, and never before
    Object Lock lets it (https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-managing.html).
    """
    return {
        name: _lifecycle(destination, configuration.verify.full_read_days)
        for name, destination in configuration.destinations.items()
        if isinstance(destination, S3Destination)
    }


def _lifecycle(destination: S3Destination, full_read_days: int) -> dict[str, Any]:
    prefix = destination.prefix.strip("/")
    where = {"Filter": {"Prefix": f"{prefix}/" if prefix else ""}, "Status": "Enabled"}
    locked = destination.lock.days if destination.lock else 0
    return {
        "Rules": [
            {
                "ID": "lumen-unfinished-uploads",
                **where,
                "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": _UNFINISHED_DAYS},
            },
            {
                "ID": "lumen-versions-no-longer-current",
                **where,
                "NoncurrentVersionExpiration": {"NoncurrentDays": max(full_read_days + _TO_HEAL, locked)},
                "Expiration": {"ExpiredObjectDeleteMarker": True},
            },
        ]
    }
