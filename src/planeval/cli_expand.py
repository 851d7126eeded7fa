"""``planeval expand``: targets by a rule, as RTSTRUCT, tables, masks and a picture."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

import planeval as pe

__all__ = ["expand"]

QUALIFIER = "^Expand"
"""Ends the name of a target that the case has already (TG-263: a custom qualifier follows a ^)."""

STRUCTURE_FILE = "RS_planeval.dcm"
SIDE_LETTERS = {
    "L": "left", "R": "right", "A": "anterior", "P": "posterior", "S": "superior", "I": "inferior",
}  # fmt: skip
_SIDE = re.compile(r"(LR|AP|SI|[LRAPSI])\s*=?\s*([0-9]+(?:\.[0-9]+)?)(?:\s*mm)?")

Command = Callable[..., Any]


def _options(command: Command) -> Command:
    """Declare the options, in the order in which ``--help`` shows them."""
    name = "STRUCTURE"
    options = [
        click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path)),
        click.option("--rule", required=True, help="hepatic, metastasis, or a rule file (YAML)."),
        click.option("--gtv", required=True, metavar=name, help='A name or an expression: "A | B".'),
        click.option("--thrombus", metavar=name, help="Tumour thrombus in the vessel."),
        click.option("--vessel", metavar=name,
                     help="Lumen of the vessel that holds thrombus. Without it the thrombus is "
                     "continued straight, which is an assumption."),
        click.option("--vessel-has-thrombus", is_flag=True,
                     help="State that the vessel holds thrombus within the GTV."),
        click.option("--crop", metavar=name, help='Keep the CTV shell inside, e.g. "Liver | V_Portal".'),
        click.option("--avoid", multiple=True, metavar="STRUCTURE[:MM]",
                     help="Keep the CTV shell out of an organ, with a gap in mm."),
        click.option("--length", "lengths", multiple=True, metavar="NAME=MM",
                     help="A length of the rule, e.g. along_vessel=12."),
        click.option("--ptv-margin", metavar="MM|SIDES",
                     help='5, or by side: "LR 5, AP 5, SI 12". Without SI: 15 mm, with a warning.'),
        click.option("--ptv-avoid", multiple=True, metavar="STRUCTURE[:MM]",
                     help="Make PTV_Eval outside an organ; the PTV stays."),
        click.option("--ptv-crop", metavar=name, help="Make PTV_Eval inside; the PTV stays."),
        click.option("--phase", "phases", multiple=True, metavar="[FILE::]STRUCTURE",
                     help="The GTV on another phase of the 4D-CT; several times."),
        click.option("--phase-thrombus", multiple=True, metavar="[FILE::]STRUCTURE",
                     help="Its thrombus, in the order of --phase."),
        click.option("--phase-vessel", multiple=True, metavar="[FILE::]STRUCTURE",
                     help="Its vessel, in the order of --phase."),
        click.option("--rigid-phases", is_flag=True,
                     help="Let thrombus and vessel move with the GTV where a phase has none."),
        click.option("--ptv-by", type=click.Choice(["margin", "itv", "motion"]),
                     help="PTV = CTV + margin, ITV + set-up margin, or CTV + measured motion."),
        click.option("--setup-margin", metavar="MM|SIDES", help="Set-up margin, as --ptv-margin."),
        click.option("--van-herk", type=(float, float, float), metavar="S s sp",
                     help="Set-up errors (SD in mm) for van Herk's formula instead."),
        click.option("--fx", type=click.IntRange(1, 200), help="Fractions, for --van-herk."),
        click.option("--structures", help="Choose the structure set by UID, label or path."),
        click.option("--accept-mismatch", is_flag=True,
                     help="Go on although a plan there refers to another structure set."),
        click.option("--out", type=click.Path(path_type=Path, file_okay=False),
                     help="Folder to write to; without it the steps are only shown."),
        click.option("--with-originals", is_flag=True,
                     help="Write the structures of the case into the file as well."),
        click.option("--xor", is_flag=True, help="CLOSEDPLANAR_XOR contours instead of keyholes."),
        click.option("--short-names", is_flag=True, help="Names of 16 characters, TG-263 form."),
        click.option("--label", default="planeval", show_default=True, help="StructureSetLabel."),
        click.option("--masks", type=click.Choice(["nii.gz", "nrrd"]),
                     help="Also write masks on the CT grid."),
        click.option("--json", "as_json", is_flag=True, help="Print expansion.json, nothing else."),
    ]  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@_options
def expand(paths: tuple[Path, ...], out: Path | None, as_json: bool, **given: Any) -> int:
    """Make CTV and PTV from a GTV by a rule, and write them for the planning system."""
    if out is not None and (out / STRUCTURE_FILE).exists():
        raise pe.errors.ReportError(
            f"{STRUCTURE_FILE} exists in {out} and is not overwritten; choose another folder"
        )
    case = pe.load(
        *paths,
        structures=given["structures"],
        need_dose=False,
        accept_mismatch=given["accept_mismatch"],
    )
    request = _request(case, given)
    try:
        targets = pe.targets.make_targets(request)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    targets = _named_beside(case, targets)
    record = pe.targets.record_of(targets, case)
    if out is not None:
        record = _write(out, case, targets, request, given)
    if as_json:
        click.echo(record.to_json(), nl=False)
    else:
        pe.report.terminal.show(
            pe.report.target_table.target_table(record),
            width=None if sys.stdout.isatty() else 120,
        )
        click.echo(f"written to {out}" if out else "nothing written; give --out", err=True)
    return 0


def _request(case: pe.Case, given: Mapping[str, Any]) -> Any:
    """The options as one request."""
    names = ("gtv", "thrombus", "vessel")
    inputs = {name: case.structure(given[name]) for name in names if given[name]}
    phases = _phases(case, given)
    by = given["ptv_by"]
    if phases and by is None:
        raise click.UsageError("--phase: say how the PTV uses the phases with --ptv-by itv|motion")
    errors = given["van_herk"]
    if given["fx"] and not errors:
        raise click.UsageError("--fx goes with --van-herk")
    targets = pe.targets
    return targets.TargetRequest(
        rule=given["rule"],
        inputs=inputs,
        lengths=_lengths(given["lengths"]),
        facts=("vessel_has_thrombus",) if given["vessel_has_thrombus"] else (),
        crop=_optional(case, given["crop"]),
        avoid=_avoided(case, given["avoid"]),
        phases=phases,
        rigid=given["rigid_phases"],
        ptv_by=targets.PtvBy(by or "margin"),
        ptv_lengths=_ptv_lengths(given["ptv_margin"]),
        setup_mm=_setup(given["setup_margin"]),
        errors=_errors(errors, given["fx"]),
        ptv_avoid=_avoided(case, given["ptv_avoid"]),
        ptv_crop=_optional(case, given["ptv_crop"]),
        image=case.image.grid if case.image else None,
    )


def _errors(numbers: tuple[float, float, float] | None, fractions: int | None) -> Any:
    """The --van-herk option as errors, None without it."""
    if numbers is None:
        return None
    systematic, random, penumbra = numbers
    return pe.targets.Errors(systematic, random, penumbra, fractions)


def _optional(case: pe.Case, text: str | None) -> pe.Structure | None:
    return case.structure(text) if text else None


def _avoided(case: pe.Case, texts: Sequence[str]) -> tuple[Any, ...]:
    """``Duodenum:3`` as an organ and its gap; a name may hold colons."""
    found = []
    for text in texts:
        name, separator, number = text.rpartition(":")
        if text in case.structures:
            separator = ""
        try:
            gap = float(number) if separator else None
        except ValueError:
            gap = None
        found.append(
            pe.targets.Avoid(case.structure(text), 0.0)
            if gap is None
            else pe.targets.Avoid(case.structure(name), gap)
        )
    return tuple(found)


def _lengths(pairs: Sequence[str]) -> dict[str, float]:
    lengths: dict[str, float] = {}
    for pair in pairs:
        name, separator, number = pair.partition("=")
        try:
            value = float(number)
        except ValueError:
            separator = ""
        if not separator or name.strip() in lengths:
            raise click.UsageError(f"--length {pair!r}: write NAME=MM once, as in along_vessel=12")
        lengths[name.strip()] = value
    return lengths


def _sides(option: str, text: str) -> dict[str, float]:
    """``5`` or ``LR 5, AP 5, SI 12`` as margins by side; only sides that are named."""
    try:
        return dict.fromkeys(SIDE_LETTERS.values(), float(text))
    except ValueError:
        sides: dict[str, float] = {}
    for part in text.strip("[] ").split(","):
        match = _SIDE.fullmatch(part.strip())
        named = [SIDE_LETTERS[letter] for letter in match[1]] if match else []
        if match is None or any(side in sides for side in named):
            raise click.UsageError(
                f"{option} {text!r}: write mm for all sides, or each side once, as in "
                '"LR 5, AP 5, SI 12"'
            )
        sides |= dict.fromkeys(named, float(match[2]))
    return sides


def _ptv_lengths(text: str | None) -> dict[str, Any]:
    """The PTV's margins as lengths of the PTV rule; what is not given is the rule's default."""
    if text is None:
        return {}
    sides = _sides("--ptv-margin", text)
    defaults = pe.targets.load_rule("ptv").file.lengths
    lengths: dict[str, Any] = {}
    for name, own in (
        ("axial", ("left", "right", "anterior", "posterior")),
        ("cranio_caudal", ("superior", "inferior")),
    ):
        named = [side for side in own if side in sides]
        if name == "cranio_caudal" and len(named) == 1:
            raise click.UsageError("--ptv-margin: give both S and I (or SI), or neither")
        if named:
            lengths[name] = {side: sides.get(side, defaults[name].mm) for side in own}
    return lengths


def _setup(text: str | None) -> dict[str, float] | None:
    if text is None:
        return None
    sides = _sides("--setup-margin", text)
    missing = [letter for letter, side in SIDE_LETTERS.items() if side not in sides]
    if missing:
        raise click.UsageError(f"--setup-margin {text!r} says nothing about {', '.join(missing)}")
    return sides


def _phases(case: pe.Case, given: Mapping[str, Any]) -> tuple[Any, ...]:
    """The phases, each with the inputs that were named for it, in order."""
    known: dict[str, pe.Case] = {}
    phases = []
    for option in ("phase_thrombus", "phase_vessel"):
        if given[option] and len(given[option]) != len(given["phases"]):
            spelled = option.replace("_", "-")
            raise click.UsageError(f"--{spelled} stands once for each --phase, in the same order")
    for index, text in enumerate(given["phases"]):
        inputs = {"gtv": _of_phase(case, text, known)}
        for name in ("thrombus", "vessel"):
            if given[f"phase_{name}"]:
                inputs[name] = _of_phase(case, given[f"phase_{name}"][index], known)
        phases.append(pe.targets.Phase(inputs["gtv"].name, inputs))
    return tuple(phases)


def _of_phase(case: pe.Case, text: str, known: dict[str, pe.Case]) -> pe.Structure:
    """A structure of the case, or of another RTSTRUCT as FILE::STRUCTURE."""
    file, separator, name = text.partition("::")
    if not separator or not Path(file).exists():
        return case.structure(text)
    if file not in known:
        known[file] = pe.load(file, need_dose=False)
        if known[file].patient_id != case.patient_id:
            raise pe.errors.InconsistentCase(
                f"{Path(file).name} is of patient {known[file].patient_id!r}, the case of "
                f"{case.patient_id!r}"
            )
    found = known[file].structure(name)
    return replace(found, name=f"{found.name} ({Path(file).stem})")


def _named_beside(case: pe.Case, targets: Any) -> Any:
    """Give a target whose name the case has already a name of its own, and say so."""
    taken = {name.casefold() for name in (*case.structures, *case.data.unusable)}
    renamed, findings = [], []
    for structure in targets.structures:
        name = structure.name
        if name.casefold() in taken:
            name = f"{structure.name}{QUALIFIER}"
            message = f"the case has a {structure.name!r}; the new one is called {name!r}"
            findings.append(
                pe.Finding("target-name-taken", pe.Severity.INFO, message, structure.name)
            )
        renamed.append(replace(structure, name=name))
    return replace(targets, structures=tuple(renamed), findings=(*targets.findings, *findings))


def _write(out: Path, case: pe.Case, targets: Any, request: Any, given: Mapping[str, Any]) -> Any:
    """Write everything into the folder and return the record of it."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise pe.errors.ReportError(f"cannot write into {out}: {error.strerror}") from None
    rules = ", ".join(f"{rule.id} {rule.file.version}" for rule in targets.rules)
    written = pe.write_structures(
        out / STRUCTURE_FILE,
        targets.structures,
        like=case,
        with_originals=given["with_originals"],
        xor=given["xor"],
        short_names=given["short_names"],
        label=given["label"],
        description=f"Target rules: {rules}.",
    )
    record = pe.targets.record_of(targets, case, written)
    texts = {
        "expansion.json": record.to_json(),
        "steps.csv": pe.report.target_table.steps_csv(record),
    }
    try:
        for name, text in texts.items():
            (out / name).write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise pe.errors.ReportError(f"cannot write into {out}: {error.strerror}") from None
    organs = [avoid.structure for avoid in (*request.avoid, *request.ptv_avoid)]
    beside = [*request.inputs.values(), *organs]
    pe.report.target_picture.write_target_picture(
        out / "preview.png", case, targets.structures[::-1], list(dict.fromkeys(beside))
    )
    if given["masks"]:
        _write_masks(out / "masks", case, targets, given["masks"])
    return record


def _write_masks(folder: Path, case: pe.Case, targets: Any, suffix: str) -> None:
    if case.image is None:
        raise pe.errors.MissingElement("masks lie on the CT grid, and the case has no CT")
    folder.mkdir(exist_ok=True)
    for structure in targets.structures:
        name = pe.report.text.file_name(structure.name)
        pe.files.write_mask(folder / f"{name}.{suffix}", structure, case.image.grid)
