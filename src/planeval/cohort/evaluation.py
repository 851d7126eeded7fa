"""One job evaluated: rows, or the reason why there are none. Runs in the child process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from planeval.case import Case
from planeval.cohort.job import digest_of, entries_of, findings_of, inputs_of
from planeval.cohort.planfile import error_code
from planeval.cohort.protocols import protocol_of
from planeval.cohort.rows import rows_of
from planeval.dicom import FolderIndex, read_case
from planeval.errors import DataError, PlanevalError
from planeval.model import Method, Rx
from planeval.pipeline import evaluate

__all__ = ["evaluate_job"]

Json = dict[str, Any]


def evaluate_job(job: Mapping[str, Any]) -> Json:
    """Return ``{"inputs", "inputs_sha256"}`` with ``"rows"``, ``"error"`` or ``"unchanged"``.

    The same job on the same files gives the same result.
    """
    result: Json = {"case_id": job["case_id"]}
    try:
        entries = entries_of(job)
        inputs = inputs_of(entries)
        result |= {"inputs": inputs, "inputs_sha256": digest_of(inputs)}
        if result["inputs_sha256"] == job["known_inputs"]:
            return result | {"unchanged": True}
        case = _case(job, FolderIndex(entries, findings_of(job)))
    except (DataError, OSError) as error:
        return result | {"error": _failure("read", error)}
    try:
        judged = evaluate(
            case,
            protocol_of(job),
            mapping=job["mapping"],
            child_pugh=job["child_pugh"] or None,
        )
        return result | {"rows": rows_of(judged, job["dvh_step_gy"])}
    except PlanevalError as error:
        return result | {"error": _failure("evaluate", error)}


def _case(job: Mapping[str, Any], index: FolderIndex) -> Case:
    method = Method(**job["method"])
    rx = Rx(*job["rx"]) if job["rx"] else None
    data = read_case(
        index, plan=job["plan"] or None, dose=job["dose"] or None, rx=rx, method=method
    )
    return Case(data, method)


def _failure(stage: str, error: Exception) -> dict[str, str]:
    message = str(error)
    if isinstance(error, OSError):
        # the path belongs to this machine
        message = f"a file cannot be read: {error.strerror}"
    return {"stage": stage, "code": error_code(error), "message": message}
