"""What importing the readers loads: nothing that only other parts of planeval need."""

import subprocess
import sys

import pytest

HEAVY = ("scipy", "pandas", "SimpleITK", "skimage", "pydantic", "matplotlib")


@pytest.mark.parametrize("module", ["planeval.dicom", "planeval.report.dose_table"])
def test_what_a_dvh_needs_loads_no_heavy_packages(module):
    """The readers need pydicom, numpy and shapely; the table of `planeval dvh` rich."""
    code = f"import sys, {module}; print(*sorted(m.split('.')[0] for m in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=None
    )
    assert not set(HEAVY) & set(done.stdout.split())
