"""What the store says of a plan's jobs, and the matrix method × run that shows it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from harness import profiles
from harness.columns import aligned
from harness.jobs import KINDS, Job
from harness.plan import Plan
from harness.store import Look, Store

if TYPE_CHECKING:
    from results.layout import Layout

SIGNS = {
    "done": "✓", "running": "▶", "queued": "q", "missing": "·", "preempted": "p", "interrupted": "~", "blocked": "b",
    "failed": "✗", "stale": "o",
}  # fmt: skip
LEGEND = "  ".join(f"{sign} {state}" for state, sign in SIGNS.items())
"""Of all matrices that are shown together."""

ABSENT = "not implemented"
NO_DATA = "no data"


def absent(store: Store) -> str:
    """A line where there is nothing to read: a mistyped folder looks like one in which nothing was done."""
    if not store.root.is_dir():
        return f"{store.root}: there is no such store"
    if not any((store.root / name).is_dir() for name in (*KINDS, ".slurm", ".drivers")):
        return f"{store.root}: is no run store, or an empty one"
    return ""


def survey(store: Store, jobs: Sequence[Job]) -> dict[str, Look]:
    """Job name → its state now. Changes nothing; parents come before children in ``jobs``."""
    driven = store.driven()
    looks: dict[str, Look] = {}
    for job, look in store.looks(jobs, driven=driven):
        states = {looks[parent.name].state for parent in job.parents.values() if parent.name in looks}
        if states & {"failed", "blocked"} and look.state in {"missing", "queued", "interrupted"}:
            look = replace(look, state="blocked")
        looks[job.name] = look
    return aged(store, jobs, looks)


def aged(store: Store, jobs: Sequence[Job], looks: Mapping[str, Look]) -> dict[str, Look]:
    """``looks``, in which ``missing`` is ``stale`` for a job that an earlier version did."""
    found = dict(looks)
    for name in older(store, jobs, looks):
        if found[name].state == "missing":
            found[name] = replace(found[name], state="stale")
    return found


def counts(looks: Iterable[Look]) -> str:
    """``34 done, 2 running, 6 missing``."""
    states: Counter[str] = Counter(look.state for look in looks)
    return ", ".join(f"{states[state]} {state}" for state in SIGNS if states[state]) or "nothing"


def tally(looks: Collection[Look]) -> str:
    """``42 jobs: 34 done, 2 running, 6 missing``."""
    return f"{len(looks)} job{'' if len(looks) == 1 else 's'}: {counts(looks)}"


def older(store: Store, jobs: Sequence[Job], looks: Mapping[str, Look]) -> dict[str, list[str]]:
    """Unfinished job → a line for each run directory of the same name that another ``version`` made: of its recipe,
    task or input, or of what these rest on."""
    plan, found = {job.name: job for job in jobs}, {}
    for kind in KINDS:
        unfinished = [job for job in jobs if job.kind == kind and looks[job.name].state != "done"]
        by_stem: dict[str, list[str]] = {}
        for name in store.names(kind) if unfinished else ():
            by_stem.setdefault(name.rpartition("-")[0], []).append(name)
        for job in unfinished:
            others = [name for name in by_stem.get(job.stem, ()) if name != job.name]
            lines = [
                f"{store.root / kind / name}: {words}" for name in others if (words := _aged(store, job, name, plan))
            ]
            if lines:
                found[job.name] = lines
    return found


def stale(store: Store, jobs: Sequence[Job], looks: Mapping[str, Look]) -> list[str]:
    """The lines of ``older``."""
    return [line for lines in older(store, jobs, looks).values() for line in lines]


def _aged(store: Store, job: Job, name: str, plan: Mapping[str, Job]) -> str:
    """Which version that is not today's a run directory was made by; empty if it was by none, or rests on others."""
    other = store.written(job.kind, name)
    parents = other["parents"] if isinstance(other.get("parents"), dict) else {}
    names = {role: str(each.get("name")) for role, each in parents.items() if isinstance(each, dict)}
    if any(names[role].rpartition("-")[0] != job.parents[role].stem for role in names.keys() & job.parents.keys()):
        return ""  # of the same task and repeat, from another pre-training
    version = other.get("version")
    if not isinstance(version, int):
        return ""
    if version != job.version:
        return f"version {version} of {job.subject}, which is at {job.version} now"
    for role, parent in job.parents.items():
        if parent.name in plan and role in names and names[role] != parent.name:
            words = _aged(store, plan[parent.name], names[role], plan)
            if words:
                return words
    return ""


def problems(looks: Mapping[str, Look]) -> list[str]:
    """Files that are there but do not count."""
    return [look.problem for look in looks.values() if look.problem]


def matrix(plan: Plan, layout: Layout, store: Store, looks: Mapping[str, Look]) -> str:
    """One line a method: one sign for each job that its pre-training waits for, if any does; its pre-training; then
    one sign for each run of each task."""
    rows = [["", "stages", "pretrain", *layout.tasks]]
    recipes, tasks = plan.recipes, profiles.task_names()
    for row in layout.rows:
        own = plan.jobs_of(row.recipe, None)
        stages = [stage for job in own for stage in plan.behind(job)]
        words = _pretrained(own, store, looks) if own else "" if row.recipe in recipes else ABSENT
        cells = [
            _runs(plan.jobs_of(row.recipe, task), store, looks) if task in tasks else ABSENT for task in layout.tasks
        ]
        if row.recipe in recipes:
            lacking = [{row.recipe, task} & plan.lacking.keys() for task in layout.tasks]
            cells = [NO_DATA if lacks else cell for cell, lacks in zip(cells, lacking, strict=True)]
        rows.append([row.label, _runs(stages, store, looks), words, *cells])
    if not any(row[1] for row in rows[1:]):
        rows = [[row[0], *row[2:]] for row in rows]
    return "\n".join([layout.title, heading(plan), "", *aligned(rows)])


def heading(plan: Plan) -> str:
    """Profile, overrides and data of a plan."""
    lines = [f"profile: {plan.label}; data: {plan.source.words}", *plan.remarks]
    return "\n".join(line for line in lines if line)


def _runs(jobs: Sequence[Job], store: Store, looks: Mapping[str, Look]) -> str:
    signs = "".join(SIGNS[looks[job.name].state] for job in jobs)
    running = [_percent(store, job) for job in jobs if looks[job.name].state == "running"]
    return " ".join([signs, *(share for share in running if share)])


def _pretrained(jobs: Sequence[Job], store: Store, looks: Mapping[str, Look]) -> str:
    """A pre-training's state in words; of several a sign each."""
    return _words(jobs[0], store, looks[jobs[0].name]) if len(jobs) == 1 else _runs(jobs, store, looks)


def _words(job: Job, store: Store, look: Look) -> str:
    share = _percent(store, job) if look.state == "running" else ""
    return f"{SIGNS[look.state]} {look.state} {share}".rstrip()


def _percent(store: Store, job: Job) -> str:
    progress = store.progress(job)
    return f"{progress['step'] / progress['total']:.0%}" if progress.get("total") else ""
