"""Many plans to tables: find, choose, evaluate each in a child process, store, write.

What is in the store and was made from the same inputs with the same settings is not made again.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from planeval import __version__
from planeval.cohort.courses import Approval
from planeval.cohort.finding_plans import CohortIndex, find_plans
from planeval.cohort.job import digest_of, make_job
from planeval.cohort.outputs import software, write_outputs, write_run
from planeval.cohort.planfile import Code, CohortPlan
from planeval.cohort.protocols import asked_of, structure_names
from planeval.cohort.pseudonyms import AsTheyAre, Pseudonyms, read_key
from planeval.cohort.run import Limits, close_children
from planeval.cohort.selecting import (
    Choice,
    chosen_plans,
    mapping_for,
    read_names,
    read_selection,
)
from planeval.cohort.store import STORE_NAME, Known, Store
from planeval.cohort.submission import Progress, run_all
from planeval.errors import ReportError
from planeval.model import Method

__all__ = ["Extraction", "extract"]

_ROWS_VERSION = 2
"""Raised whenever the same inputs give other rows although planeval's version has not changed."""

_INDEX = "index"
DVH_STEP_GY = 0.5

Keeper = AsTheyAre | Pseudonyms


@dataclass(frozen=True, slots=True)
class Extraction:
    """What became of a cohort.

    ``evaluated`` plans were worked on in this run, ``kept`` ones were in the store already;
    ``succeeded`` of either have rows. ``failed`` have a line in the error ledger instead, also those
    that could not even be linked. ``left`` plans were not begun: the run was stopped, and no tables
    were written.
    """

    out: Path
    found: int
    evaluated: int
    kept: int
    succeeded: int
    failed: int
    left: int = 0

    @property
    def taken(self) -> int:
        """Plans of the cohort."""
        return self.evaluated + self.kept + self.left

    @property
    def is_complete(self) -> bool:
        """Whether every plan was worked on, so that the tables are there."""
        return self.left == 0


@dataclass(frozen=True, slots=True, eq=False)
class _Task:
    """A plan to work on: its id in the tables, and what identifies its rows.

    ``own`` is what its job says beside its files; ``known_inputs`` is the digest of stored inputs.
    """

    plan: CohortPlan
    case_id: str
    settings: str
    fingerprint: str
    anchor: str
    own: Mapping[str, Any]
    known_inputs: str = ""

    def job(self) -> dict[str, Any]:
        """Make the job, which is larger than what is known here: one at a time."""
        return make_job(self.plan, self.own, self.known_inputs)


def extract(
    *roots: str | Path,
    protocol: str | Path | None = None,
    out: str | Path,
    executor: Executor | None = None,
    metrics: str | Path | None = None,
    jobs: int = 1,
    resume: bool = False,
    pseudonymize: str | Path | None = None,
    select: str | Path | None = None,
    names: str | Path | None = None,
    approval: Approval = "approved",
    child_pugh: str = "",
    method: Method | None = None,
    limits: Limits | None = None,
    dvh_step_gy: float = DVH_STEP_GY,
    wide: bool = False,
    progress: Callable[[Progress], None] | None = None,
    stop: threading.Event | None = None,
) -> Extraction:
    """Evaluate the plans below some folders and write their tables into ``out``.

    Args:
        roots: folders with DICOM files in any order.
        protocol: a shipped id or a YAML file.
        out: a folder for store, tables and manifest; must not hold a cohort unless ``resume``.
        executor: where plans are worked on; without one, ``jobs`` threads of this process. The
            files must be readable there by the same paths.
        metrics: a CSV file of ``structure,metric`` lines to evaluate as well.
        jobs: plans at the same time.
        resume: go on with the cohort in ``out``: only what has changed is evaluated.
        pseudonymize: a file that holds a key; nothing written says who the patients are.
        select: an index as CSV whose ``take`` column chooses the plans.
        names: a reviewed table of names, whose ``use`` column says what an ROI is.
        approval: ``approved`` takes APPROVED plans only, ``any`` whatever is not REJECTED.
        child_pugh: class or score of every patient that the selection says nothing about.
        method: the numerical choices.
        limits: what one plan may take.
        dvh_step_gy: distance of the doses at which the DVH table has its nodes.
        wide: write one line per case with REDCap names as well.
        progress: called after every plan.
        stop: set it to end after the plans that are being worked on.

    Raises:
        UnreadableFile: a folder does not exist.
        ProtocolError: the protocol or the metrics file is not valid.
        ReportError: ``out`` cannot be used, or an option's file cannot be read.
    """
    if not dvh_step_gy > 0:
        raise ValueError(f"dvh_step_gy is {dvh_step_gy}; it must be above 0")
    started = time.time()
    keeper: Keeper = Pseudonyms(read_key(pseudonymize)) if pseudonymize else AsTheyAre()
    settings = {
        **asked_of(protocol, metrics),
        "method": (method or Method()).to_dict(),
        "dvh_step_gy": dvh_step_gy,
    }
    choices = read_selection(select) if select else None
    mapping = read_names(names) if names else {}
    folder = Path(out)
    _refuse_another(folder, resume=resume)
    index = find_plans(*roots, approval=approval)
    plans = _chosen(index, choices)
    with _store(folder, keeper) as store:
        tasks = _tasks(plans, settings, keeper, _Given(mapping, child_pugh, limits or Limits()))
        _write_ledger(store, index, [plan for plan, _choice in plans], keeper)
        todo, kept = _divided(tasks, store.known())
        with _working(executor, jobs) as workers:
            run = run_all(
                (task.job() for task in todo),
                total=len(todo),
                executor=workers,
                width=jobs,
                finish=_Finisher(store, keeper, todo),
                progress=progress,
                stop=stop or threading.Event(),
                done=kept,
            )
        store.keep_only(task.case_id for task in tasks)
        ((good, bad),) = store.query(
            "SELECT (SELECT count(*) FROM cases), (SELECT count(DISTINCT case_id) FROM errors)"
        )
        left = len(todo) - run.done
        result = Extraction(folder, len(index.plans), run.done, kept, good, bad, left)
        if result.is_complete:
            write_outputs(store, folder, _manifest(settings, keeper, result), wide=wide)
        write_run(folder, _run(result, started, run.costs))
    return result


@contextmanager
def _working(executor: Executor | None, jobs: int) -> Iterator[Executor]:
    """Give the executor, or threads of this process whose children end with the run."""
    if executor is not None:
        yield executor
        return
    threads = ThreadPoolExecutor(jobs, thread_name_prefix="plan")
    try:
        yield threads
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
        close_children()


def _refuse_another(folder: Path, *, resume: bool) -> None:
    """Refuse a folder that holds a cohort, unless it is to go on."""
    if not resume and (folder / STORE_NAME).exists():
        raise ReportError(
            f"{folder} holds a cohort already; go on with it (--resume) or choose another folder"
        )


def _store(folder: Path, keeper: Keeper) -> Store:
    """Open or make the store of a cohort."""
    path, settings = folder / STORE_NAME, {"pseudonyms": keeper.mark}
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ReportError(f"cannot write into {folder}: {error.strerror}") from None
    return Store.open(path, settings) if path.exists() else Store.create(path, settings)


def _chosen(
    index: CohortIndex, choices: Sequence[Choice] | None
) -> list[tuple[CohortPlan, Choice | None]]:
    if choices is None:
        return [(plan, None) for plan in index.plans]
    return chosen_plans(index.plans, choices)


@dataclass(frozen=True, slots=True)
class _Given:
    """What the user says about all plans."""

    names: Mapping[str, str]
    child_pugh: str
    limits: Limits


def _tasks(
    plans: Sequence[tuple[CohortPlan, Choice | None]],
    settings: Mapping[str, Any],
    keeper: Keeper,
    given: _Given,
) -> list[_Task]:
    """Return what is to be known of every plan that is taken."""
    known = structure_names(settings)
    all_plans = [plan for plan, _choice in plans]
    by_patient: dict[str, list[CohortPlan]] = {}
    for plan in all_plans:
        by_patient.setdefault(plan.patient_id, []).append(plan)
    tasks = []
    for plan, choice in plans:
        if not plan.is_taken:
            continue
        rx = choice.rx if choice else None
        own = {
            **settings,
            "mapping": mapping_for(plan, given.names, known),
            "child_pugh": (choice.child_pugh if choice else "") or given.child_pugh,
            "rx": [rx.total_gy, rx.fractions] if rx else None,
        }
        anchor = keeper.anchor(plan, by_patient[plan.patient_id])
        about = [own, __version__, _ROWS_VERSION, keeper.mark, anchor]
        findings = [str(finding) for finding in plan.findings]
        own = {**own, "limits": _limits(given.limits)}
        tasks.append(
            _Task(
                plan, keeper.case_id(plan), _blind(keeper, digest_of([*about, findings])),
                _blind(keeper, _fingerprint(plan)), anchor, own,
            )
        )  # fmt: skip
    return tasks


def _limits(limits: Limits) -> dict[str, float]:
    return {"seconds": limits.seconds, "memory_mb": limits.memory_mb}


def _fingerprint(plan: CohortPlan) -> str:
    """Return a digest of path, size and time of every file of a plan; '' where one is gone."""
    found = []
    try:
        for entry in plan.entries:
            status = entry.path.stat()
            found.append((str(entry.path.resolve()), status.st_size, status.st_mtime_ns))
    except OSError:
        return ""
    return digest_of(found)


def _blind(keeper: Keeper, digest: str) -> str:
    """Make a digest of paths useless to who has not the key."""
    return hashlib.sha256(f"{keeper.mark} {digest}".encode()).hexdigest()


def _divided(tasks: Iterable[_Task], known: Mapping[str, Known]) -> tuple[list[_Task], int]:
    """Return the plans to work on, and how many need no work.

    Where only the files' places or times differ, the job knows the digest of its old inputs, so
    that the process which reads the files can say that they are the same.
    """
    todo, kept = [], 0
    for task in tasks:
        old = known.get(task.case_id)
        if old and old.is_final and old.settings == task.settings:
            if task.fingerprint and old.fingerprint == task.fingerprint:
                kept += 1
                continue
            task = replace(task, known_inputs=old.inputs)  # noqa: PLW2901
        todo.append(task)
    return todo, kept


class _Finisher:
    """Stores the result of a job; the one place that writes rows."""

    def __init__(self, store: Store, keeper: Keeper, tasks: Iterable[_Task]) -> None:
        self._store = store
        self._keeper = keeper
        self._tasks = {task.plan.case_id: task for task in tasks}

    def __call__(self, result: Mapping[str, Any]) -> bool:
        """Store a result; whether the plan has rows."""
        task = self._tasks[result["case_id"]]
        if result.get("unchanged"):
            self._store.touch(task.case_id, task.fingerprint)
            return True
        rows = dict(result.get("rows") or {})
        error = result.get("error")
        if error:
            rows["errors"] = [{key: error.get(key) for key in _ERROR_KEYS}]
        shown = self._keeper.rows(task.plan, rows, task.anchor)
        inputs = [
            (kind, self._keeper.uid(uid) if isinstance(self._keeper, Pseudonyms) else uid, digest)
            for kind, uid, digest in result.get("inputs", ())
        ]
        known = Known(
            task.settings,
            result.get("inputs_sha256", ""),
            task.fingerprint,
            is_final=not error or error["stage"] == "read" or (error["code"] != "defect"
            and error["stage"] != "process"),
        )  # fmt: skip
        for case in shown.get("cases", ()):
            case["course_id"] = self._keeper.course_id(task.plan)
            case["inputs_sha256"] = known.inputs
        self._store.put(task.case_id, known, self._signed(task, shown), inputs=inputs)
        self._keep_trace(error)
        return not error

    def _signed(
        self, task: _Task, tables: Mapping[str, list[dict[str, Any]]]
    ) -> dict[str, list[dict[str, Any]]]:
        """Return the rows with who they are about and in which order."""
        who = {
            "case_id": task.case_id,
            "patient_id": self._keeper.patient_id(task.plan.patient_id),
        }
        return {
            name: [{**row, **who, "seq": number} for number, row in enumerate(rows)]
            for name, rows in tables.items()
        }

    def _keep_trace(self, error: Mapping[str, Any] | None) -> None:
        if error and error.get("traceback"):
            folder = self._store.path.parent / "tracebacks"
            folder.mkdir(exist_ok=True)
            path = folder / f"{error['traceback_id']}.txt"
            path.write_text(error["traceback"], encoding="utf-8", newline="\n")


_ERROR_KEYS = ("stage", "code", "message", "traceback_id")


def _write_ledger(
    store: Store, index: CohortIndex, plans: Sequence[CohortPlan], keeper: Keeper
) -> None:
    """Write the list of all plans, and the errors of the index: nothing is left out silently."""
    listed: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    seen: dict[str, int] = {}
    for plan in plans:
        who = {
            "case_id": keeper.case_id(plan),
            "patient_id": keeper.patient_id(plan.patient_id),
        }
        number = seen[plan.case_id] = seen.get(plan.case_id, -1) + 1
        row = _plan_row(plan)
        problem = {"stage": _INDEX, "code": plan.problem_code, "message": plan.reason}
        tables = {"plans": [row], "errors": [problem]}
        shown = keeper.rows(plan, tables, keeper.anchor(plan, plans))
        course = keeper.course_id(plan)
        listed.append({**shown["plans"][0], **who, "seq": number, "course_id": course})
        if plan.code in (Code.PROBLEM, Code.SAME_UID, Code.TIED):
            code = plan.problem_code or plan.code.value
            errors.append({**shown["errors"][0], **who, "code": code})
    errors += [
        {"stage": _INDEX, "code": f.code, "message": keeper.text_without_case(f.message)}
        for f in index.findings
        if f.code == "unreadable-file"
    ]
    store.replace_table("plans", listed)
    store.replace_errors(_INDEX, errors)


def _plan_row(plan: CohortPlan) -> dict[str, Any]:
    return {
        "is_taken": plan.is_taken,
        "code": plan.code.value,
        "reason": plan.reason or None,
        "plan_uid": plan.plan_uid or None,
        "plan_label": plan.label or None,
        "plan_date": plan.date or None,
        "approval": plan.approval or None,
        "intent": plan.intent or None,
        "fractions": plan.fractions,
        "targets": "; ".join(f"{name} {gy:g} Gy" for name, gy in plan.targets) or None,
        "doses": plan.count("RTDOSE"),
        "image_slices": plan.count("CT"),
    }


def _manifest(settings: Mapping[str, Any], keeper: Keeper, result: Extraction) -> dict[str, Any]:
    """Return what the tables depend on: neither clock nor place nor machine."""
    return {
        "schema": "planeval.cohort/1",
        "software": software(),
        "protocol": settings["protocol_id"],
        "protocol_sha256": settings["protocol_sha256"],
        "metrics": [{"structure": name, "metric": text} for name, text in settings["metrics"]],
        "method": settings["method"],
        "dvh_step_gy": settings["dvh_step_gy"],
        "pseudonymised": isinstance(keeper, Pseudonyms),
        "plans_found": result.found,
        "plans_taken": result.taken,
        "plans_failed": result.failed,
        "dose": "planned dose, as exported; not the dose that was delivered",
    }


def _run(
    result: Extraction, started: float, costs: Sequence[Mapping[str, float]]
) -> dict[str, Any]:
    """Return what belongs to this run and not to its result."""
    seconds = time.time() - started
    each = sorted(cost["seconds"] for cost in costs)
    cpu = sum(cost["cpu_seconds"] for cost in costs)
    return {
        "schema": "planeval.cohort-run/1",
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(started)),
        "seconds": round(seconds, 3),
        "evaluated": result.evaluated,
        "kept": result.kept,
        "failed": result.failed,
        "left": result.left,
        "plans_per_minute": round(60 * result.evaluated / seconds, 2) if seconds else None,
        "median_plan_seconds": round(each[len(each) // 2], 3) if each else None,
        "mean_plan_cpu_seconds": round(cpu / len(each), 3) if each else None,
        "peak_worker_mb": round(max((cost["peak_mb"] for cost in costs), default=0.0), 1),
    }
