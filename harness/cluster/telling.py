"""Whoever stays with the jobs is told what happens to them: a line for each end, one now and then for all."""

from __future__ import annotations

import sys
import time
from collections import Counter
from dataclasses import dataclass, field

from harness.cluster import outlook
from harness.cluster.driver import Driver, Pass
from harness.cluster.journal import Ending
from harness.cluster.retries import GOES_ON
from harness.cluster.survey import Standing, Survey, path_of
from harness.display import ending, numbers
from slurm.cluster import Cluster

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
        known = {each.job for each in done.judged}
        for each in done.survey.standings.values():
            before = self._states.get(each.job.name)
            together = path_of(each.job) in known and each.state in {"preempted", "interrupted"}
            if before is not None and before != each.state and not together:
                self._changed(each)
            self._states[each.job.name] = each.state
        for line in notes(done, self.driver.cluster):
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


def notes(done: Pass, cluster: Cluster) -> list[str]:
    """What a pass has found and done, and why not more."""
    lines = _ended(done, cluster)
    if done.submitted:
        jobs = sum(len(each.tasks) for each in done.submitted)
        ids = ", ".join(each.job_id or each.token for each in done.submitted[:8])
        more = f" and {len(done.submitted) - 8} more" if len(done.submitted) > 8 else ""
        lines.append(f"submitted {_count(jobs, 'job')} in {_count(len(done.submitted), 'array')}: {ids}{more}")
    if done.called_off:
        lines.append(f"called off {_count(done.called_off, 'task')} whose turn would never come")
    lines += [f"{each.token} never reached Slurm; its jobs are submitted anew" for each in done.dropped]
    lines += [f"refused: {words}" for words in dict.fromkeys(map(str, done.refused.values()))]
    return [*lines, *([done.note] if done.note else [])]


def _ended(done: Pass, cluster: Cluster) -> list[str]:
    """Starts that ended badly and are not given up, a line for each class: those that are have a line of their own."""
    standings = {path_of(each.job): each for each in done.survey.standings.values()}
    classes: dict[str, list[Ending]] = {}
    for each in done.judged:
        if standings[each.job].state not in outlook.OVER:
            classes.setdefault(each.outcome, []).append(each)
    lines = []
    for outcome, endings in classes.items():
        nodes, words = Counter(each.nodes for each in endings if each.nodes), Counter(each.words for each in endings)
        limit: int | None = getattr(cluster.retries, outcome)
        counted = (done.survey.history.counted(each.job) for each in endings)
        times = max(sum(each.outcome == outcome for each in several) for several in counted)
        again = f" ({times + 1} of {limit + 1})" if limit is not None else ""
        what = outcome if outcome in GOES_ON else f"failed ({outcome})"
        parts = [f"{len(endings)} {what}", *filter(None, [_some(nodes)]), _some(words, 1)]
        lines.append(f"{': '.join(parts)}; {'starts' if len(endings) == 1 else 'start'} again{again}")
    return lines


def _some(tally: Counter[str], most: int = 4) -> str:
    """The most frequent."""
    more = f" and {len(tally) - most} more" if len(tally) > most else ""
    return ", ".join(word for word, _ in tally.most_common(most)) + more


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
