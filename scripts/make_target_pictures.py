"""Make the pictures of the README's targets section: python scripts/make_target_pictures.py.

``docs/targets.png``: CTV and PTV of the shipped liver case in three planes, beside what they were made
from. ``docs/targets-motion.png``: IGTV, ITV and PTV of the same case over its three phases.
"""

import sys
from pathlib import Path

import planeval as pe

ROOT = Path(__file__).parents[1]
CASE = ROOT / "test_data" / "hepatic-pvtt"


def main(out: str = str(ROOT / "docs")) -> int:
    case = pe.load(CASE, need_dose=False)
    inputs = {
        name: case.structure(roi)
        for name, roi in (("gtv", "GTV"), ("thrombus", "PVTT"), ("vessel", "V_Portal"))
    }
    image = case.image.grid if case.image else None
    crop = case.structure("Liver | V_Portal")
    by_margin = pe.targets.TargetRequest(
        "hepatic", inputs, crop=crop, ptv_lengths={"cranio_caudal": 10}, image=image
    )
    phases = tuple(
        pe.targets.Phase(name, {"gtv": case.structure(name)}) for name in ("GTV_T00", "GTV_T50")
    )
    by_itv = pe.targets.TargetRequest(
        "hepatic", inputs, crop=crop, phases=phases, rigid=True, image=image,
        ptv_by=pe.targets.PtvBy.ITV, setup_mm=5.0,
    )  # fmt: skip
    picture = pe.report.target_picture.write_target_picture
    for name, request in (("targets.png", by_margin), ("targets-motion.png", by_itv)):
        made = pe.targets.make_targets(request)
        picture(Path(out) / name, case, made.structures[::-1], list(inputs.values()))
        print(name, ", ".join(f"{each.name} {each.volume_cc:.1f} cc" for each in made.structures))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
