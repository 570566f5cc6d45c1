"""Whether each replica can be restored, proven by reading it."""

from lumen_assets.verification.attestation import Attestation, Attested, attest
from lumen_assets.verification.drill import Drill
from lumen_assets.verification.repair import Repair, RepairOutcome, repair_replica
from lumen_assets.verification.rollback import restore_command
from lumen_assets.verification.verdicts import Finding, Level, Verdict, Verification
from lumen_assets.verification.verify import Unpacked, read_manifest, read_removal, unreachable, verify_replica

__all__ = [
    "Attestation",
    "Attested",
    "Drill",
    "Finding",
    "Level",
    "Repair",
    "RepairOutcome",
    "Unpacked",
    "Verdict",
    "Verification",
    "attest",
    "read_manifest",
    "read_removal",
    "repair_replica",
    "restore_command",
    "unreachable",
    "verify_replica",
]
