from .codes import CODES as CODES
from .run import NO_CHECKS as NO_CHECKS
from .run import PlanChecks as PlanChecks
from .run import header_findings as header_findings
from .run import plan_checks as plan_checks
