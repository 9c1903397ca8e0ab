"""From finished runs to a printed table."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ground.errors import ConfigError
from harness import aging, departures, imports, profiles, status
from harness import plan as planning
from harness.commands import request
from harness.jobs import Job
from harness.plan import Plan
from harness.store import Look, Store

if TYPE_CHECKING:
    from results.layout import Layout
    from results.runs import Run
    from results.table import Table

CLASSES = "iou.json"
"""What a segmentation leaves of each class."""
SUFFIXES = {".txt": "text", ".md": "markdown", ".csv": "csv", ".tex": "latex", ".html": "html", ".json": "json"}


def show_table(options: Namespace) -> int:
    """The table, filled from the finished runs."""
    from ground.files import write_text
    from results.render import together

    plan, store = planning.build(request(options)), Store(Path(options.store))
    built = [shown(table, options) for table in filled(plan, store, status.survey(store, plan.jobs))]
    texts = {path: together(options.format or _format(path), built) for path in options.out}
    if words := status.absent(store):
        print(words, file=sys.stderr)
    for path, text in texts.items():
        write_text(path, text)
    if not options.out:
        print(together(options.format or "text", built), end="")
    return 0


def shown(table: Table, options: Namespace) -> Table:
    """A table with what the options want beside its numbers.

    Raises:
        ConfigError: a baseline that is no row, a margin that is not positive, or either without the statistics.
    """
    from results.judgement import judge

    if options.std is not None:
        table = replace(table, deviations=options.std)
    if options.compare == "statistics":
        return judge(table, options.baseline, options.margin)
    for name in ("baseline", "margin"):
        if getattr(options, name) is not None:
            raise ConfigError(f"--{name}", "is of use to the statistics alone", "Add --compare statistics.")
    return replace(table, compare=options.compare)


def filled(plan: Plan, store: Store, looks: Mapping[str, Look]) -> list[Table]:
    """The plan's tables, filled from the finished runs.

    Raises:
        RunsError: runs that must not share a table.
    """
    from results import table as tables

    seeds = {job.name: job.seed for job in plan.jobs if job.kind != "transfer"}
    tuned = [job for job in plan.jobs if job.kind == "transfer"]
    runs = [observation(plan, store, job, looks[job.name], seeds[job.parents["weights"].name]) for job in tuned]
    runs += without_data(plan)
    return [
        tables.build(
            layout,
            runs,
            expected=plan.expected,
            known_recipes=plan.recipes,
            known_tasks=profiles.task_names(),
            profile=plan.label,
            data=plan.source.words,
            deviations=departures.found(plan, store),
            overrides=plan.profile.overrides if plan.changed else (),
            notes=[
                *plan.remarks,
                *quarantined(looks),
                *brought(plan, layout),
                *collapses(plan, looks, layout.recipes),
                *older_code(plan, looks, layout.recipes, layout.tasks),
            ],
        )
        for layout in plan.layouts
    ]


def quarantined(looks: Mapping[str, Look]) -> list[str]:
    """A line for each record that is there and broken: it counts for nothing, and its run is done again."""
    return [f"Does not count: {problem}. Run again." for problem in status.problems(looks)]


def brought(plan: Plan, layout: Layout) -> list[str]:
    """Notes on the rows of a table whose weights were brought in."""
    own = {name: job for name, job in plan.brought.items() if name in layout.recipes}
    return imports.notes(own, [job for job in plan.jobs if job.task in layout.tasks], plan.profile)


def without_data(plan: Plan) -> list[Run]:
    """One run that says so for each cell that has no data."""
    from results.runs import Run

    cells = {(recipe, task) for each in plan.layouts for recipe in each.recipes for task in each.tasks}
    return [
        Run(recipe, task, 0, "no data", {}, path="", key="", profile=plan.label, data="", tool="")
        for recipe, task in sorted(cells)
        if {recipe, task} & plan.lacking.keys()
    ]


def collapses(plan: Plan, looks: Mapping[str, Look], recipes: Collection[str]) -> list[str]:
    """A line for each pre-training behind a table, directly or not, that ended with one feature for all images."""
    own = [job for recipe in recipes for job in plan.jobs_of(recipe, None)]
    pretrained = [job for job in plan.with_parents(own) if job.kind == "pretrain"]
    return [f"{job.recipe}: {words}." for job in pretrained if (words := looks[job.name].collapse)]


def older_code(plan: Plan, looks: Mapping[str, Look], recipes: Collection[str], tasks: Collection[str]) -> list[str]:
    """A line for each kind of run behind a table whose code is not today's."""
    own = [job for recipe in recipes for task in tasks for job in plan.jobs_of(recipe, task)]
    return [f"Older code: {line}." for line in aging.lines((job, looks[job.name]) for job in plan.with_parents(own))]


def _format(path: Path) -> str:
    if path.suffix not in SUFFIXES:
        known = ", ".join(SUFFIXES)
        raise ConfigError(f"--out {path}", "the file's suffix names no format", f"Use one of {known}, or say --format.")
    return SUFFIXES[path.suffix]


def observation(plan: Plan, store: Store, job: Job, look: Look, pretraining: int) -> Run:
    """A fine-tuning as the table's statistics want it; ``pretraining`` is the seed of what it starts from."""
    from results.runs import Run

    done = look.record if look.state == "done" else None
    cpu = str(done["host"].get("cpu", "")) if done else ""
    return Run(
        recipe=job.recipe or "",
        task=job.task or "",
        run=job.run or 0,
        state=look.state,
        metrics=done["metrics"] if done else {},
        path=str(store.directory(job)),
        key=job.key,
        profile=plan.label,
        data=f"{job.data['name']} {job.data['fingerprint'][:10]}",
        tool=str(done["tool"]) if done else "",
        device=job.device_class,
        hardware=cpu if job.device_class == "cpu" else str(done["device"]) if done else "",
        versions={name: str(version) for name, version in done["versions"].items()} if done else {},
        pretraining=pretraining,
        seed=job.seed,
        curve=str(done.get("curve", "")) if done else "",
        constant=done is not None and _constant(store, job, done),
        failure=look.error_kind if look.state == "failed" else "",
    )


def _constant(store: Store, job: Job, record: Mapping[str, Any]) -> bool:
    """Whether one class everywhere would do as well as a segmentation: it is right in that class alone, and every pixel
    is labelled so, by it or in truth."""
    if CLASSES not in record["outputs"]:
        return False
    try:
        told = json.loads((store.directory(job) / CLASSES).read_text(encoding="utf-8"))
        right = [each for each in told if each["intersection"] > 0]
        others = sum(each["union"] for each in told if each["intersection"] == 0)
        return len(right) == 1 and bool(right[0]["union"] == right[0]["intersection"] + others)
    except (OSError, ValueError, KeyError, TypeError):  # gone or broken: `why --verify` says so
        return False
