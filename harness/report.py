"""``harness report``: everything that the store knows of some tables, on one page."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ground.errors import ConfigError
from harness import aging, charts, commands, status, tabulate
from harness import plan as planning
from harness.jobs import Job
from harness.plan import Plan
from harness.store import BACKBONE, Look, Store

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from results.report.page import Failure, Picture, Report, Work
    from results.table import Table

TAIL = 40
"""Lines of a log that are shown."""
KINDS = {"transfer": "fine-tuning", "pretrain": "pre-training", "prepare": "preparation", "import": "import"}
DRAWN = {
    "figure1": (
        "Self-attention maps",
        "Cosine similarity of every cell with the marked pixel's, stretched for each map.",
    ),
    "figure2": (
        "Weakest matches over a training",
        "The five matches of lowest similarity among cells that both views show.",
    ),
}
"""Figures that take a computation of their own, shown where they lie beside the page with their numbers."""


def show_report(options: Namespace) -> int:
    """Write the page and say where.

    Raises:
        ConfigError: the page's name is not one of HTML.
    """
    from ground.files import write_text
    from results.report import page

    if options.out.suffix not in {".html", ".htm"}:
        raise ConfigError(f"--out {options.out}", "is no HTML page", "Name it e.g. out/report.html.")
    write_text(options.out, page.render(gather(options)))
    print(options.out)
    return 0


def gather(options: Namespace) -> Report:
    """All that the page shows. Without tables in the options: every table that has a run, else the first."""
    from results import layout
    from results.judgement import judge
    from results.report import page

    chosen = bool(options.tables)
    options.tables = options.tables or layout.names()
    plan, store = planning.build(commands.request(options)), Store(Path(options.store))
    looks = status.survey(store, plan.jobs)
    tables, unmade = _tables(plan, store, looks)
    if not chosen:
        tables = [table for table in tables if _begun(table)] or tables[:1]
    tables = [judge(table) if _compared(table) else table for table in tables]
    behind = _behind(plan, tables)
    marks = [*(f"does not count: {line}" for line in status.problems(looks))]
    marks += [f"stale: {line}" for line in status.stale(store, behind, looks)]
    marks += [f"older code: {line}" for line in aging.lines((job, looks[job.name]) for job in behind)]
    return page.Report(
        title=f"Dense self-supervised pre-training: {_names(tables)}",
        profile=plan.label,
        data=plan.source.words,
        remarks=plan.remarks,
        tables=tables,
        unmade=unmade,
        judged=[judged for table in tables if (judged := page.judged(table))],
        pictures=[*_charts(plan, store, looks, tables), *_drawn(options.out.parent, plan)],
        failures=[failure for job in behind if (failure := _failure(store, job, looks[job.name]))],
        works=[_work(store, job, looks[job.name]) for job in behind],
        marks=marks,
    )


def _tables(plan: Plan, store: Store, looks: Mapping[str, Look]) -> tuple[list[Table], list[tuple[str, str]]]:
    """The tables; and of those that cannot be made, title and why, so that the others are shown none the less."""
    from results.runs import RunsError

    made: list[Table] = []
    unmade = []
    for layout in plan.layouts:
        try:
            made += tabulate.filled(replace(plan, layouts=(layout,)), store, looks)
        except RunsError as error:
            unmade.append((layout.title, str(error)))
    return made, unmade


def _names(tables: Sequence[Table]) -> str:
    """``Table 1``, ``Tables 1, 2 and 7``, ``Table 1, Mine``."""
    numbers = [str(table.number) for table in tables if table.number]
    if len(numbers) == len(tables) > 1:
        return f"Tables {', '.join(numbers[:-1])} and {numbers[-1]}"
    return ", ".join(f"Table {table.number}" if table.number else table.title for table in tables) or "no table"


def _begun(table: Table) -> bool:
    states = {run.state for line in table.lines for cell in line.cells for run in cell.runs}
    return bool(states - {"missing", "no data"})


def _compared(table: Table) -> bool:
    """Whether there is something to judge: finished runs of two methods, or of one that the paper has, too."""
    done = [line for line in table.lines if any(cell.n for cell in line.cells)]
    return len(done) > 1 or any(cell.n and cell.published for line in done for cell in line.cells)


def _behind(plan: Plan, tables: Sequence[Table]) -> list[Job]:
    """The jobs behind the tables, what has to be done first in front."""
    cells = {(line.row.recipe, column.task) for table in tables for line in table.lines for column in table.columns}
    own = [job for job in plan.jobs if (job.recipe, job.task) in cells]
    needed = {each.name for each in plan.with_parents(own)}
    return [job for job in plan.jobs if job.name in needed]


def _charts(plan: Plan, store: Store, looks: Mapping[str, Look], tables: Sequence[Table]) -> list[Picture]:
    """What can be drawn of finished runs."""
    if not any(cell.n for table in tables for line in table.lines for cell in line.cells):
        return []
    words = "Colour: place between a column's least and greatest mean. Numbers: mean ± standard deviation over runs."
    pictures = [_picture("Method × task", words, charts.heatmap(list(tables)))]
    pictures += [drawn for table in tables if (drawn := _differences(table))]
    words = "Pale: single steps. Bands: from the least to the greatest of the runs, whose number stands in brackets."
    with suppress(ConfigError):  # runs without curves: what was brought in, and initial weights
        pictures.append(_picture("Learning curves", words, charts.curves(plan, store, dict(looks))))
    return pictures


def _differences(table: Table) -> Picture | None:
    """The forest plot of a table in which two methods have runs."""
    try:
        what = f"{table.title}: differences from a baseline"
        words = "Points, with 95 % intervals: thick for one difference, thin for all of a panel together."
        return _picture(what, words, charts.forest([table], None))
    except ConfigError:
        return None


def _picture(title: str, words: str, drawing: AbstractContextManager[Figure]) -> Picture:
    from results.figures import page
    from results.report.page import Picture

    with drawing as drawn:
        return Picture(title, words, "svg", page.encoded(drawn, "svg"))


def _drawn(folder: Path, plan: Plan) -> list[Picture]:
    """The figures beside the page that are of this plan's profile and data, as their numbers say."""
    from results.report.page import Picture

    found = []
    for name, (title, words) in DRAWN.items():
        path, rests_on = folder / f"{name}.png", _rests_on(folder / f"{name}.json")
        if path.is_file() and rests_on == (plan.label, plan.source.words):
            caption = f"{words} Profile {plan.label}, data {plan.source.words}."
            found.append(Picture(title, caption, "png", path.read_bytes()))
    return found


def _rests_on(path: Path) -> tuple[str, str] | None:
    """Profile and data of a figure; None where nothing says them."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return str(told["profile"]), str(told["data"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _failure(store: Store, job: Job, look: Look) -> Failure | None:
    from results.report.page import Failure

    if look.state not in {"failed", "interrupted"}:
        return None
    path = store.log(job)
    try:
        tail = "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL:])
    except OSError as error:
        tail = f"(no log: {error.strerror})"
    reason = look.reason if look.state == "failed" else "interrupted; the next run goes on from its checkpoint"
    return Failure(job.title, reason, str(path), tail)


def _work(store: Store, job: Job, look: Look) -> Work:
    from results.report.page import Work

    record: dict[str, Any] = look.record or {}
    code, host = record.get("code") or {}, record.get("host") or {}
    revision = str(code.get("revision", ""))[:10] + ("+" if code.get("dirty") else "")
    return Work(
        title=job.title,
        kind=KINDS[job.kind],
        state=look.state,
        seed=job.seed,
        key=job.key,
        folder=str(store.directory(job)),
        metrics=record.get("metrics", {}),
        seconds=look.seconds if record else None,
        finished=str(record.get("timings", {}).get("finished", ""))[:19].replace("T", " "),
        device=str(record.get("device", "")),
        host=", ".join(str(host[name]) for name in ("name", "cpu") if host.get(name)),
        tool=str(record.get("tool") or ""),
        code=revision,
        data=job.data["fingerprint"][:10] if job.data["fingerprint"] else "",
        weights=str(record.get("outputs", {}).get(BACKBONE, "")),
    )
