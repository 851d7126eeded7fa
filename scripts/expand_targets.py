"""GTV to CTV to PTV for one exported case: python scripts/expand_targets.py EXPORT OUT_FOLDER."""

import sys
from pathlib import Path

import planeval as pe


def main(export: str, out: str) -> int:
    case = pe.load(export, need_dose=False)
    gtv, thrombus, vessel = (case.structure(name) for name in ("GTV", "PVTT", "V_Portal"))

    # One margin, clipped to the liver and its vessel, away from the duodenum. The GTV is never cut.
    shell = pe.expand(
        gtv,
        5,
        clip_to=case.structure("Liver | V_Portal"),
        avoid=case.structure("Duodenum"),
        gap_mm=3,
    )
    lumen = pe.vessel_part(vessel, thrombus, 15)
    print(f"shell {shell.volume_cc:.1f} cc: {shell.expression}")
    print(f"lumen {lumen.volume_cc:.1f} cc: {lumen.expression}")

    # The whole way by rule: the same steps, accounted for in cc, drawn on the CT slices.
    targets = pe.targets.make_targets(
        pe.targets.TargetRequest(
            rule="hepatic",
            inputs={"gtv": gtv, "thrombus": thrombus, "vessel": vessel},
            crop=case.structure("Liver | V_Portal"),
            avoid=(pe.targets.Avoid(case.structure("Duodenum"), 3.0),),
            ptv_lengths={"axial": 5, "cranio_caudal": 10},
            image=case.image.grid if case.image else None,
        )
    )
    for step in targets.steps:
        print(f"  {step.rule:8s} {step.make:12s} {step.volume_cc:7.2f} cc  {step.text}")
        for removal in step.removals:
            print(f"  {'':21s} {removal.cc:7.2f} cc removed: {removal.by}")

    # How far the tumour moves on the 4D-CT, and the margin that follows on each side.
    phases = {name: case.structure(name) for name in ("GTV", "GTV_T00", "GTV_T50")}
    motion = pe.targets.measure_motion(phases)
    for axis in motion.axes:
        print(f"  {axis.axis:20s} {axis.peak_to_peak_mm:4.1f} mm peak to peak")
    print("  motion margin:", {side: round(mm, 1) for side, mm in motion.margins_mm().items()})

    # For the planning system: a new structure set in the same study and frame of reference.
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    written = pe.write_structures(folder / "RS_targets.dcm", targets.structures, like=case)
    for finding in (*targets.findings, *motion.findings, *written.findings):
        print(f"  {finding}")
    print(f"written: {written.path} ({len(written.structures)} structures)")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
