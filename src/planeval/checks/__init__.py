"""Plan sanity checks: what is wrong with a plan as exported, whatever any protocol says.

:func:`plan_checks` runs them all on a case; :data:`CODES` lists every finding they can make.
"""

from planeval.checks.codes import CODES
from planeval.checks.run import NO_CHECKS, PlanChecks, header_findings, plan_checks

__all__ = ["CODES", "NO_CHECKS", "PlanChecks", "header_findings", "plan_checks"]
