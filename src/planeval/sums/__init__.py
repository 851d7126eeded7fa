"""Plan sums: several plans of one patient as one case, and its dose as a file."""

from planeval.sums.export import write_dose
from planeval.sums.plans import plan_sum

__all__ = ["plan_sum", "write_dose"]
