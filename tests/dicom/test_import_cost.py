"""What importing the readers loads: nothing that only other parts of planeval need."""

import subprocess
import sys

HEAVY = ("scipy", "pandas", "SimpleITK", "skimage", "pydantic", "matplotlib")


def test_readers_do_not_load_heavy_packages():
    """The readers need pydicom, numpy and shapely."""
    code = "import sys, planeval.dicom; print(*sorted(m.split('.')[0] for m in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=None
    )
    assert not set(HEAVY) & set(done.stdout.split())
