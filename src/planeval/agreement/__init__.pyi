from .codes import CODES as CODES
from .compare import agreement_findings as agreement_findings
from .compare import agreement_rows as agreement_rows
from .exports import with_tps_dvhs as with_tps_dvhs
