"""The ``archive`` asset."""

from datetime import UTC, datetime

import dagster as dg

from lumen_assets import archive as domain
from lumen_assets.archive.snapshot import require_same_telemetry, snapshot_payload
from lumen_assets.defs.failures import RETRIES, translated
from lumen_assets.defs.partitions import partition_day
from lumen_assets.defs.report import finished_report
from lumen_assets.durable import replace_bytes
from lumen_assets.late_data import inputs_of
from lumen_assets.report.numbers import numbers_of
from lumen_assets.version import git_revision, software
from lumen_assets.workspace import Workspace


def archive_asset(partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """The day's frozen archive."""

    @dg.asset(
        partitions_def=partitions,
        group_name="archive",
        kinds={"zstandard", "tink"},
        owners=["team:operators"],
        retry_policy=RETRIES,
        deps=["telemetry", "report", "report_pdf"],
    )
    def archive(context: dg.AssetExecutionContext, lumen: dg.ResourceParam[Workspace]) -> dg.MaterializeResult[None]:
        """The day's inputs, report and configuration in one encrypted, write-once file with its manifest.

        Unchanged content gives the archive that exists; changed content gives the next revision.
        """
        day = partition_day(context)
        settings = lumen.settings
        with translated(), lumen.working_on(day):
            lumen.ensure_key()
            day_slice = lumen.inputs.sliced(day)
            known_revision = 0 if lumen.has_newest(day) else lumen.bring_newest(day)
            report = finished_report(lumen, day)
            require_same_telemetry(report, day_slice)
            configuration = settings.slices_folder / f"{day}.lumen.yaml"
            replace_bytes(configuration, settings.content_configuration.encode())
            frozen = domain.freeze_day(
                snapshot_payload(
                    day=day,
                    slice_folder=day_slice.folder,
                    inputs=[item.name for item in day_slice.inputs if item.present],
                    reports_folder=settings.reports_folder,
                    configuration=configuration,
                    pictures=report.grafana.pictures,
                ),
                day=day,
                archive_folder=settings.archive_folder,
                keyring=lumen.keyring,
                level=settings.configuration.archive.level,
                threads=settings.configuration.archive.threads,
                inputs=day_slice.inputs,
                software=software(),
                git_revision=git_revision(),
                run_id=context.run.run_id,
                created_at=datetime.now(UTC),
                known_revision=known_revision,
                parents=lumen.parents_elsewhere(),
            )
            lumen.frozen_inputs.record(day, frozen.manifest.revision, inputs_of(day_slice.inputs), datetime.now(UTC))
            lumen.numbers.record(numbers_of(report))
            lumen.inputs.forget(day)
        manifest = frozen.manifest
        outcome = "frozen" if frozen.created else "unchanged, the archive that exists is kept"
        context.log.info("%s r%d: %s", day, manifest.revision, outcome)
        return dg.MaterializeResult(
            metadata={
                "revision": manifest.revision,
                "created": frozen.created,
                "path": dg.MetadataValue.path(str(frozen.archive_path)),
                "size": manifest.archive.size,
                "sha256": manifest.archive.sha256,
                "content_digest": manifest.content.digest,
                "files": manifest.content.files,
                "content_bytes": manifest.content.bytes,
                "key_id": manifest.key_id,
                "parents": dg.MetadataValue.json(list(manifest.parents)),
            }
        )

    return archive
