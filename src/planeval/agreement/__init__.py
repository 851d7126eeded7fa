"""Agreement with the planning system: its DVHs beside ours, and which rule explains a difference."""

from planeval.agreement.codes import CODES
from planeval.agreement.compare import agreement_findings, agreement_rows
from planeval.agreement.exports import with_tps_dvhs

__all__ = ["CODES", "agreement_findings", "agreement_rows", "with_tps_dvhs"]
