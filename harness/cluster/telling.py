"""Whoever stays with the jobs is told what happens to them: a line for each end, one now and then for all."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field

from harness.cluster import outlook
from harness.cluster.driver import Driver, Pass
from harness.cluster.survey import Standing, Survey
from harness.display import ending, numbers

LINE_SECONDS = 60.0
SHOWN = 8
"""Jobs at work whose progress is told."""


@dataclass
class Teller:
    """Says on stderr what a pass has found that is new."""

    driver: Driver
    _states: dict[str, str] = field(default_factory=dict)
    _said: str = ""
    _shown: float = field(default_factory=time.monotonic)

    def told(self, done: Pass) -> None:
        """After each pass."""
        for each in done.survey.standings.values():
            before = self._states.get(each.job.name)
            if before is not None and before != each.state:
                self._changed(each)
            self._states[each.job.name] = each.state
        for line in notes(done):
            self._say(line)
        self._all(done.survey)

    def _changed(self, each: Standing) -> None:
        if each.state == "done":
            self._say(ending(each.job, each.look))
        elif each.state in {"failed", "preempted", "interrupted"}:
            self._say(f"{each.state}  {each.job.title}: {each.why}")
        elif each.state == "running":
            self._say(f"start  {each.job.title}{each.where}")

    def _all(self, survey: Survey) -> None:
        """The line for all: when something has changed, or a while has passed."""
        words, late = (
            f"{outlook.counts(survey)} {survey.queue.reachable}",
            time.monotonic() - self._shown > LINE_SECONDS,
        )
        if words != self._said or late:
            self._said, self._shown = words, time.monotonic()
            driver = self.driver
            self._say(outlook.line(survey, driver.store, driver.cluster, driver.estimates))
        if late:
            at_work = [each.job for each in survey.standings.values() if each.state == "running"]
            for job in at_work[:SHOWN]:
                self._say(f"  {job.title}: {numbers(self.driver.store.progress(job))}")

    @staticmethod
    def _say(words: str) -> None:
        print(f"[{time.strftime('%H:%M:%S')}] {words}", file=sys.stderr, flush=True)


def notes(done: Pass) -> list[str]:
    """What a pass has done, and why not more."""
    lines = []
    if done.submitted:
        jobs = sum(len(each.tasks) for each in done.submitted)
        ids = ", ".join(each.job_id or each.token for each in done.submitted[:8])
        more = f" and {len(done.submitted) - 8} more" if len(done.submitted) > 8 else ""
        lines.append(f"submitted {jobs} jobs in {len(done.submitted)} arrays: {ids}{more}")
    if done.called_off:
        lines.append(f"called off {done.called_off} tasks whose turn would never come")
    lines += [f"{each.token} never reached Slurm; its jobs are submitted anew" for each in done.dropped]
    lines += [f"refused: {words}" for words in dict.fromkeys(map(str, done.refused.values()))]
    return [*lines, *([done.note] if done.note else [])]
