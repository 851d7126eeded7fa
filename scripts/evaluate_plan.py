"""Evaluate one exported plan: python scripts/evaluate_plan.py EXPORT [PROTOCOL] [REPORT.html]."""

import sys

import planeval as pe


def main(export: str, protocol: str = "hcc-zhai2025", report: str = "report.html") -> int:
    case = pe.load(export)
    result = pe.evaluate(case, protocol)

    print(f"{case.patient_id}: {result.verdict}: {result.record.summary}")
    for row in result.record.flat_rows():
        outcome = row.outcome.status if row.outcome else "information"
        print(f"  {row.structure:20s} {row.metric:14s} {row.value!r:40s} {outcome}")
    for finding in result.findings:
        print(f"  {finding}")

    result.publish_html(report)
    return 0 if result.verdict in (pe.Verdict.PASS, pe.Verdict.ACCEPTABLE) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
