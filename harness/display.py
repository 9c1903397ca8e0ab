"""Progress for people: bars on a terminal, a line now and then where there is none. Everything goes to stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any

from ground.progress import Report
from harness.estimate import Estimates, duration
from harness.jobs import Job
from harness.reconcile import Listener, Running
from harness.schedule import wall_clock
from harness.store import Look

LINE_SECONDS = 15.0
BAR_SECONDS = 0.5
BAR_WIDTH = 12


@dataclass
class Overall:
    """How far a whole plan is, jobs weighted by how long they take."""

    jobs: Sequence[Job]
    estimates: Estimates
    workers: int

    def measure(self, running: Sequence[Running], left: Sequence[Job]) -> tuple[float, float]:
        """Share that is done, in [0, 1], and seconds to go."""
        projected = _projections(running)
        believed = {}
        for job in self.jobs:
            alike = projected.get(job.family, ())
            guess = median(alike) if alike and not self.estimates.measured(job) else self.estimates.seconds(job)
            believed[job.name] = max(guess, 1e-3)
        to_go = {job.name: believed[job.name] for job in left}
        for each in running:
            spent, ahead = each.progress.get("seconds", 0.0), each.progress.get("left")
            to_go[each.job.name] = ahead if ahead is not None else max(believed[each.job.name] - spent, 0.0)
            believed[each.job.name] = spent + to_go[each.job.name] or believed[each.job.name]
        return 1 - sum(to_go.values()) / sum(believed.values()), wall_clock(left, to_go, self.workers)


def _projections(running: Sequence[Running]) -> dict[tuple[str, ...], list[float]]:
    """By family, how long running jobs will have taken at their pace: better than a guess for those to come."""
    projected: dict[tuple[str, ...], list[float]] = {}
    for each in running:
        if each.progress.get("left") is not None:
            seconds = each.progress["seconds"] + each.progress["left"]
            projected.setdefault(each.job.family, []).append(seconds)
    return projected


def numbers(progress: Mapping[str, Any]) -> str:
    """``120/300  412 images/s  waits for images 3%  loss 3.214`` of a job's progress."""
    if not progress.get("total"):
        return "starting"
    words = [f"{progress['step']}/{progress['total']}"]
    if ahead := progress.get("left"):
        words.append(f"{duration(ahead)} to go")
    shown = {name.replace("_per_second", "/s").replace("_", " "): each for name, each in progress["numbers"].items()}
    for name in sorted(shown, key=lambda name: not _of_pace(name)):  # a narrow terminal cuts the end off
        words.append(_number(name, shown[name]))
    return "  ".join(words)


def _of_pace(name: str) -> bool:
    return name.endswith("/s") or name.startswith("waits for")


def _number(name: str, value: float) -> str:
    if name.endswith("/s"):
        return f"{value:.0f} {name}"
    return f"{name} {value:.0%}" if name.startswith("waits for") else f"{name} {value:.4g}"


class Plain:
    """One line at the start and end of each job and, every 15 s, one for all that run."""

    def __init__(self, overall: Overall) -> None:
        self._overall, self._shown = overall, time.monotonic()
        self._running: Sequence[Running] = ()
        self._left: Sequence[Job] = overall.jobs

    def started(self, job: Job, starts: int) -> None:
        """See ``Listener``."""
        self._say(f"start  {job.title}" + (f" (start {starts}: the last one was interrupted)" if starts > 1 else ""))

    def ended(self, job: Job, look: Look) -> None:
        """See ``Listener``."""
        self._running = [each for each in self._running if each.job.name != job.name]
        self._left = [each for each in self._left if each.name != job.name]
        self._say(ending(job, look))

    def tick(self, running: Sequence[Running], left: Sequence[Job]) -> None:
        """See ``Listener``."""
        self._running, self._left = running, left
        if time.monotonic() - self._shown >= LINE_SECONDS:
            jobs = "; ".join(f"{each.job.title}: {numbers(each.progress)}" for each in running)
            self._say(f"{jobs or 'waiting'}")

    def stopping(self) -> None:
        """See ``Listener``."""
        self._say("stopping; what is done is kept")

    def _say(self, words: str) -> None:
        self._shown = time.monotonic()
        share, seconds = self._overall.measure(self._running, self._left)
        jobs = f"{len(self._overall.jobs) - len(self._left)}/{len(self._overall.jobs)} jobs"
        print(f"[{share:4.0%}, {jobs}, {duration(seconds)} to go] {words}", file=sys.stderr, flush=True)


class Bars:
    """A bar for the plan and one for each running job; ends of jobs scroll by above them."""

    def __init__(self, overall: Overall, progress: Any) -> None:
        self._overall, self._progress, self._drawn = overall, progress, 0.0
        self._total = progress.add_task("all jobs", total=1.0, words="")
        self._title_width = max((len(job.title) for job in overall.jobs), default=0)
        self._tasks: dict[str, Any] = {}

    def started(self, job: Job, starts: int) -> None:
        """See ``Listener``."""
        if starts > 1:
            self._progress.console.print(f"start {starts} of {job.title}: the last one was interrupted", markup=False)

    def ended(self, job: Job, look: Look) -> None:
        """See ``Listener``."""
        self._progress.console.print(ending(job, look), markup=False, highlight=False)

    def tick(self, running: Sequence[Running], left: Sequence[Job]) -> None:
        """See ``Listener``."""
        if time.monotonic() - self._drawn < BAR_SECONDS:
            return
        self._drawn = time.monotonic()
        share, seconds = self._overall.measure(running, left)
        finished = len(self._overall.jobs) - len(left)
        words = f"{share:.0%}  {finished}/{len(self._overall.jobs)} jobs  {duration(seconds)} to go"
        self._progress.update(self._total, completed=share, words=words)
        for name in set(self._tasks) - {each.job.name for each in running}:
            self._progress.remove_task(self._tasks.pop(name))
        for each in running:
            if each.job.name not in self._tasks:
                self._tasks[each.job.name] = self._progress.add_task(each.job.title, total=None, words="")
            words = ("(another harness)  " if each.elsewhere else "") + numbers(each.progress)
            step, total = each.progress.get("step", 0), each.progress.get("total") or None
            # A narrow terminal loses numbers from the end, never the job's name, its bar or the time to go.
            room = max(self._progress.console.width - self._title_width - BAR_WIDTH - 3, 12)
            self._progress.update(self._tasks[each.job.name], completed=step, total=total, words=words[:room])

    def stopping(self) -> None:
        """See ``Listener``."""
        self._progress.console.print("stopping; what is done is kept (Ctrl-C again leaves at once)")


def ending(job: Job, look: Look) -> str:
    """A line on how a job ended."""
    if look.state == "done":
        metrics = [f"{name} {value:.4g}" for name, value in (look.record or {})["metrics"].items()]
        warning = [f"WARNING: {look.collapse}"] if look.collapse else []
        return "  ".join([f"done   {job.title}", duration(look.seconds), *metrics, *warning])
    return f"{look.state}  {job.title}: {look.reason}"


@contextmanager
def listener(overall: Overall) -> Iterator[Listener]:
    """Who shows a plan's progress: bars on a terminal, lines elsewhere."""
    if not sys.stderr.isatty():
        yield Plain(overall)
        return
    with _progress() as progress:
        yield Bars(overall, progress)


@contextmanager
def reporter(title: str) -> Iterator[Report]:
    """A report for one long piece of work in this process."""
    if sys.stderr.isatty():
        with _progress() as progress:
            task = progress.add_task(title, total=None, words="")

            def draw(step: int, total: int, **_numbers: float) -> None:
                progress.update(task, completed=step, total=total, words=f"{step}/{total}")

            yield draw
        return
    shown, began = 0.0, time.monotonic()

    def say(step: int, total: int, **_numbers: float) -> None:
        nonlocal shown
        if time.monotonic() - shown >= LINE_SECONDS or step == total:
            shown = time.monotonic()
            left = (shown - began) / step * (total - step) if step else 0.0
            ahead = f", {duration(left)} to go" if left >= 1 else ""
            print(f"[{step / max(total, 1):4.0%}{ahead}] {title} {step}/{total}", file=sys.stderr, flush=True)

    yield say


def _progress() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn
    from rich.table import Column

    columns = (
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
        BarColumn(BAR_WIDTH, table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[words]}", markup=False, table_column=Column(no_wrap=True)),
    )
    return Progress(*columns, console=Console(stderr=True), transient=True)
