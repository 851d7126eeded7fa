"""DVH exports beside a case: patient, plan, names, findings, and every door they enter by."""

import json

import numpy as np
import pytest
from tests.checks.good_plan import write_good
from tests.files.test_eclipse_dvh import block, export

import planeval as pe
from planeval import cli
from planeval.errors import AmbiguousSelection, InconsistentCase


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_good(tmp_path_factory.mktemp("case"))


def text_of(case, name="PTV", *, patient="P1", plan="PLAN", scale=1.0, exported=None):
    """An export of our own curve of a structure, in cGy and percent."""
    dvh = case.dvh(name)
    doses = np.arange(0, float(dvh.dose_gy[-1]) * scale + 0.1, 0.05)
    shares = [dvh.v(gy=max(d, 0.0) / scale, unit="%").value for d in doses]
    rows = [(f"{100 * d:g}", f"{d:g}", f"{v:g}") for d, v in zip(doses, shares, strict=True)]
    stated = block(
        exported or name,
        rows=rows,
        plan=plan,
        volume=f"Volume [cc]: {dvh.total_cc:.1f}",
        doses=f"Mean Dose [cGy]: {100 * dvh.mean().value * scale:.1f}",
    )
    return export(stated, plan=plan).replace(": 17", f": {patient}")


def written(tmp_path, text):
    path = tmp_path / "dvh.txt"
    path.write_text(text, encoding="utf-8")
    return path


def test_an_export_is_compared_in_the_evaluation(folder, tmp_path):
    """Its curve agrees with ours, and its file is among the sources with a digest."""
    path = written(tmp_path, text_of(pe.load(folder)))
    record = pe.evaluate(pe.load(folder, tps_dvhs=[path]), "hcc-zhai2025").record
    (row,) = record.agreement
    assert (row.structure, row.state.value) == ("PTV", "agrees")
    (source,) = [each for each in record.provenance.sources if each.kind == "TPS-DVH"]
    assert (source.file, len(source.digest)) == ("dvh.txt", 64)


def test_an_export_that_differs_needs_attention(folder, tmp_path):
    """5 % less dose: a warning on page one."""
    path = written(tmp_path, text_of(pe.load(folder), scale=0.95))
    record = pe.evaluate(pe.load(folder, tps_dvhs=[path]), "hcc-zhai2025").record
    assert "tps-dvh-differs" in [line.code for line in record.attention]


def test_names_may_differ_in_case_and_blanks(folder, tmp_path):
    """One structure fits: it is taken under the case's name."""
    path = written(tmp_path, export(block("SPINAL CORD")).replace(": 17", ": P1"))
    (dvh,) = pe.load(folder, tps_dvhs=[path]).data.tps_dvhs
    assert (dvh.structure, dvh.includes) == ("SpinalCord", ("SpinalCord",))


def test_another_patient_is_refused_unless_accepted(folder, tmp_path):
    """Accepting makes it an error on page one."""
    path = written(tmp_path, text_of(pe.load(folder), patient="P2"))
    with pytest.raises(InconsistentCase, match=r"dvh\.txt is of patient 'P2', the case of 'P1'"):
        pe.load(folder, tps_dvhs=[path])
    case = pe.load(folder, tps_dvhs=[path], accept_mismatch=True)
    (found,) = [each for each in case.findings if each.code == "tps-export-other-patient"]
    assert found.severity is pe.Severity.ERROR


def test_another_plan_name_is_told_and_several_plans_must_be_chosen(folder, tmp_path):
    """One other plan: a warning. Two: the case's own, or a refusal that lists them."""
    case = pe.load(folder)
    other = pe.with_tps_dvhs(case, written(tmp_path, text_of(case, plan="OLD")))
    assert "tps-export-other-plan" in [each.code for each in other.findings]
    both = export(block("PTV", plan="PLAN"), block("PTV", plan="OLD")).replace(": 17", ": P1")
    (dvh,) = pe.with_tps_dvhs(case, written(tmp_path, both)).data.tps_dvhs
    assert dvh.structure == "PTV"
    strange = both.replace("Plan: PLAN", "Plan: NEW")
    with pytest.raises(AmbiguousSelection, match="NEW, OLD"):
        pe.with_tps_dvhs(case, written(tmp_path, strange))
    chosen = pe.with_tps_dvhs(case, written(tmp_path, strange), plan="OLD")
    assert len(chosen.data.tps_dvhs) == 1


def test_the_command_line_compares(folder, tmp_path, capsys):
    """Dvh shows a table and has it in its JSON; evaluate takes the option as well."""
    path = written(tmp_path, text_of(pe.load(folder)))
    assert cli.main(["dvh", str(folder), "-s", "PTV", "--tps-dvh", str(path)]) == 0
    assert "Planning system / planeval" in capsys.readouterr().out
    assert cli.main(["dvh", str(folder), "-s", "PTV", "--tps-dvh", str(path), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["agreement"]
    assert row["state"] == "agrees"
    assert cli.main(["dvh", str(folder), "--tps-dvh", str(tmp_path / "no.txt")]) == 4
    assert "no.txt" in capsys.readouterr().err


def test_reports_show_the_comparison_folded(folder, tmp_path):
    """Both numbers, the difference, and what differs first."""
    case = pe.load(folder)
    text = text_of(case, scale=0.95) + "\n" + block("Nowhere", plan="PLAN")
    case = pe.with_tps_dvhs(case, written(tmp_path, text))
    result = pe.evaluate(case, "hcc-zhai2025")
    result.publish_html(tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    section = page.split('id="agreement-title"')[1].split("</section>")[0]
    assert "<details>" in section
    assert section.index("PTV") < section.index("Nowhere is not a structure of this case")
    assert "unexplained" in section
    curves = pe.report.agreement.reference_curves(case)
    assert [each.structure for each in curves] == ["PTV", "Nowhere"]
    assert curves[0].volume_cc[0] == pytest.approx(case.dvh("PTV").total_cc, abs=0.06)
