"""How long jobs take: measured where a like job was measured, otherwise as the profile believes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from statistics import median

from ground.errors import StorageError
from harness.imports import network_of
from harness.jobs import Job
from harness.profiles import Seconds
from harness.store import Store, read_job

INITIAL_SECONDS = 5.0
"""Of a job that trains nothing."""
ENOUGH = 20
"""So many runs of a task tell how long one takes: no more are looked for."""


class Estimates:
    """Seconds a job takes, better with every finished one."""

    def __init__(self, believed: Seconds) -> None:
        self._believed = believed
        self._measured: dict[tuple[str | None, ...], list[float]] = {}
        self._ratios: dict[str | None, dict[str, list[float]]] = {}
        """Of measured to believed seconds, by network and task."""
        self._stretches: dict[str | None, float] = {}

    def add(self, job: Job, seconds: float) -> None:
        """Learn how long a finished job took."""
        for group in _groups(job):
            self._measured.setdefault(group, []).append(seconds)
        if job.task and (guess := self._believed.tasks.get(job.task)):
            network = network_of(job.config)
            self._ratios.setdefault(network, {}).setdefault(job.task, []).append(seconds / guess)
            self._stretches.pop(network, None)

    def seconds(self, job: Job) -> float:
        """The median of the most similar finished jobs; without one, the profile's guess. One for a task is stretched
        as this machine stretched those for other tasks."""
        for group in _groups(job):
            if group in self._measured:
                return median(self._measured[group])
        if trains_nothing(job):
            return INITIAL_SECONDS
        believed: float = getattr(self._believed, job.kind)
        guess = self._believed.tasks.get(job.task or "")
        return believed if guess is None else guess * self._stretch(job)

    def _stretch(self, job: Job) -> float:
        """How often as long as believed fine-tunings of a network took, each task counting once."""
        network = network_of(job.config)
        if network not in self._stretches:  # asked for 100,000 jobs, and the same until one more is measured
            ratios = self._ratios.get(network, {})
            self._stretches[network] = median(map(median, ratios.values())) if ratios else 1.0
        return self._stretches[network]

    def measured(self, job: Job) -> bool:
        """Whether ``seconds`` rests on a measurement, or there is next to nothing to measure."""
        return trains_nothing(job) or any(group in self._measured for group in _groups(job))

    def source(self, job: Job) -> str:
        """In a few words, what the seconds of one job rest on; empty where it trains nothing."""
        if trains_nothing(job):
            return ""
        for group, whose in zip(_groups(job), ("", " of others"), strict=True):
            if group in self._measured:
                number = len(self._measured[group])
                return f"{number} finished run{'s' * (number > 1)}{whose}"
        stretch = self._stretch(job) if job.task and job.task in self._believed.tasks else 1.0
        return "guess" if stretch == 1.0 else f"guess x {stretch:.2g}, as other tasks took"

    def basis(self, jobs: Collection[Job]) -> str:
        """In words, what the seconds of ``jobs`` rest on."""
        telling = [job for job in jobs if not trains_nothing(job)]
        measured = {job.name for job in telling if self.measured(job)}
        if len(measured) == len(telling):
            return "measured"
        known = dict.fromkeys(job.task or job.kind for job in telling if job.name in measured)
        return f"partly the profile's guess; measured: {', '.join(known)}" if known else "the profile's guess"


def learn(estimates: Estimates, store: Store, jobs: Collection[Job]) -> None:
    """Add the store's finished fine-tunings of tasks that ``jobs`` have and nothing measured: of whatever recipe, with
    the same profile, settings and sort of device."""
    own = {job.name for job in jobs}
    alike = {job.task: job for job in jobs if job.kind == "transfer" and not estimates.measured(job)}
    found: Counter[str] = Counter()
    for name in store.names("transfer") if alike else ():
        task = name.partition(".")[0]
        if task not in alike or name in own or found[task] == ENOUGH:
            continue
        try:
            other = read_job(store.root / "transfer" / name)
        except StorageError:  # it counts for nothing anywhere; what it lacks is said where it is wanted
            continue
        look = store.look(other) if _pace(other) == _pace(alike[task]) else None
        if look is not None and look.state == "done":
            estimates.add(other, look.seconds)
            found[task] += 1


def _pace(job: Job) -> tuple[object, ...]:
    """What decides how long a fine-tuning takes: equal for all repeats and recipes."""
    return job.task, job.profile, job.device_class, {name: v for name, v in job.config.items() if name != "runs"}


def trains_nothing(job: Job) -> bool:
    """Whether a job only writes weights down, initial ones or a file's: it tells nothing of those that train."""
    return job.kind == "import" or bool(job.config.get("initial"))


def _groups(job: Job) -> list[tuple[str | None, ...]]:
    """What a job is alike to, from most to least."""
    if trains_nothing(job):
        return [("initial", job.recipe)]
    family = (*job.family, network_of(job.config)) if job.kind == "transfer" else job.family
    return [(*family, job.recipe or job.input), family]


def duration(seconds: float) -> str:
    """``2 h 05 min``, ``3 min 20 s``, ``12 s``, ``0.4 s``."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    if whole >= 60:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole} s" if seconds >= 10 else f"{seconds:.1f} s"
