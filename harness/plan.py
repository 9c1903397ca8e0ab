"""From tables to jobs: rows × columns → fine-tunings, their pre-trainings and all that these rest on, each with its
key. Runs nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from ground.config import suggest
from ground.errors import ConfigError, DataError
from harness import datasets, imports, keys, profiles, rows
from harness.builder import Builder
from harness.datasets import Cache, Source
from harness.jobs import Job, behind, with_parents
from harness.profiles import Profile
from harness.store import Store

if TYPE_CHECKING:
    from pretrain.config import PretrainConfig
    from results.layout import Layout
    from transfer.config import TaskConfig


@dataclass(frozen=True)
class Request:
    """What a user asks for."""

    tables: tuple[str, ...]
    profile: str = "smoke"
    overrides: tuple[str, ...] = ()
    data: str | None = None
    pretrain_images: tuple[str, ...] = ()
    seed: int = 0
    pretrainings: int = 1
    """Of each recipe, with seeds from ``seed`` on."""
    recipes: tuple[str, ...] = ()
    """Only these; all if empty. ``tasks`` likewise."""
    added: tuple[str, ...] = ()
    """Recipes to show and run besides those of the tables."""
    tasks: tuple[str, ...] = ()
    store: Path = Path("runs")
    gpus: frozenset[str] | None = None
    """Kinds of job that get a GPU where they will run; None for those of this machine."""
    weights: Job | None = None
    """An import that the store may not have yet; with it, the plan is of its row and no other."""


@dataclass(frozen=True)
class Plan:
    """The jobs behind tables, parents before children."""

    layouts: tuple[Layout, ...]
    jobs: tuple[Job, ...]
    profile: Profile
    source: Source
    expected: dict[str, int]
    """Task → runs that its protocol asks for."""
    generated: bool
    """False while the scenes are not all there: then no job that reads data can be done yet."""
    changed: bool
    """Whether ``--set`` decides some result of the plan."""
    lacking: Mapping[str, DataError] = field(default_factory=dict)
    """Recipe or task that has no usable data → why. It has no jobs; the others have theirs."""
    seeds: tuple[int, ...] = (0,)
    """Of the pre-trainings."""
    brought: Mapping[str, Job] = field(default_factory=dict)
    """Name → the import of somebody's weights, of all in the store."""
    problems: tuple[str, ...] = ()
    """What of the store does not count, and why."""

    @property
    def remarks(self) -> list[str]:
        """What a reader has to know besides profile and data: settings changed by hand, seeds, what lacks or fails."""
        changes = [self.profile.changes] if self.profile.changes else []
        other = [f"seed of the pre-trainings: {self.seeds[0]}"] if self.seeds != (0,) else []
        if len(self.seeds) > 1:
            other = [f"{len(self.seeds)} pre-trainings of each recipe, seeds {self.seeds[0]} to {self.seeds[-1]}"]
        return [*changes, *self.outweighed, *other, *self.without_data, *self.problems]

    @property
    def outweighed(self) -> list[str]:
        """A line for each ``--set`` option that some of the plan's recipes or tasks do not heed."""
        own = {name for job in self.jobs for name in (job.recipe, job.task)}
        lines = []
        for option, values in self.profile.outweighed.items():
            held = ", ".join(f"{name} ({value})" for name, value in values.items() if name in own)
            if held:
                lines.append(f"--set {option} does not reach, for the profile's own values: {held}")
        return lines

    @property
    def recipes(self) -> list[str]:
        """Every row that can be run: recipes, and weights that were brought in."""
        return [*profiles.recipe_names(), *self.brought]

    @property
    def without_data(self) -> list[str]:
        """A line for each fault of the data, with the recipes and tasks that cannot run for it."""
        names: dict[str, list[str]] = {}
        for name, error in self.lacking.items():
            names.setdefault(str(error), []).append(name)
        lines = [f"no data for {', '.join(several)}: {error}" for error, several in names.items()]
        return [*lines, *([_every_fault(self.source)] if lines else [])]

    @property
    def label(self) -> str:
        """What a table calls the profile: its name, and that it was changed."""
        return f"{self.profile.name} + overrides" if self.changed else self.profile.name

    def jobs_of(self, recipe: str, task: str | None) -> list[Job]:
        """A recipe's pre-training (``task`` None) or its runs of a task."""
        return list(self._of_cell.get((recipe, task), ()))

    def behind(self, job: Job) -> list[Job]:
        """All that a job waits for, what has to be done first in front."""
        return behind(job, self._by_name)

    def with_parents(self, own: Iterable[Job]) -> list[Job]:
        """Some jobs and all that they wait for, each once, what has to be done first in front."""
        return with_parents(own, self._by_name)

    @cached_property
    def _by_name(self) -> dict[str, Job]:
        return {job.name: job for job in self.jobs}

    @cached_property
    def _of_cell(self) -> dict[tuple[str | None, str | None], list[Job]]:
        found: dict[tuple[str | None, str | None], list[Job]] = {}
        for job in self.jobs:
            found.setdefault((job.recipe, job.task), []).append(job)
        return found


def build(request: Request) -> Plan:
    """The plan of a request, on the data as it lies there now.

    Raises:
        ConfigError: an unknown table, profile, recipe, task or setting.
        DataError: data that was given is missing, empty or broken, so that nothing can be run.
    """
    from transfer import data

    profile, store = profiles.load(request.profile, request.overrides), Store(request.store)
    brought, problems = imports.known(store)
    if request.weights is not None:
        brought[request.weights.recipe or ""] = request.weights
    known = [*profiles.recipe_names(), *brought]
    layouts = rows.tables(request.tables) if request.weights is None else (rows.alone(request, profile),)
    tasks = _wanted("task", request.tasks, profiles.task_names(), [t for each in layouts for t in each.tasks])
    layouts = rows.of_tasks(layouts, request.tasks)
    source = datasets.choose(profile, request.data, request.pretrain_images)
    if source.spec is None:
        data.check_root(source.root)
    configs = {name: profile.task(name) for name in tasks}
    builder = Builder(profile, source, request.seed, Cache(request.store), brought, request.gpus)
    unnamed = [] if request.recipes else [name for name in brought if name not in request.added]
    evaluated = _evaluated(builder, store, unnamed, list(configs.values()))
    layouts = rows.added(layouts, request, profile, brought, evaluated)
    recipes = _wanted("recipe", request.recipes, known, [r for each in layouts for r in each.recipes])
    cells = {(r, t) for each in layouts for r in each.recipes for t in evaluated.get(r, each.tasks)}
    builders = [builder.seeded(seed) for seed in _seeds(request)]
    jobs, lacking = _jobs(builders, {r: [t for n, t in configs.items() if (r, n) in cells] for r in recipes})
    expected = {name: profile.task(name).runs for name in profiles.task_names()}
    behind_them = [job.recipe for job in jobs if job.recipe is not None]
    names = [name for name in dict.fromkeys([*recipes, *behind_them]) if name not in brought]
    resolved = {name: profile.recipe(name) for name in names}
    changed = bool(request.overrides) and _changed(profiles.load(request.profile), source, resolved, configs)
    return Plan(
        layouts,
        jobs,
        profile,
        source,
        expected,
        builder.generated,
        changed,
        lacking,
        _seeds(request),
        brought,
        problems,
    )


def _evaluated(
    builder: Builder, store: Store, names: Sequence[str], tasks: Sequence[TaskConfig]
) -> dict[str, list[str]]:
    """Of weights brought in, name → the tasks of which the store has a run of theirs: what tables show unasked.

    One of another version of the task, all else equal, counts: its row is not lost, but stale.
    """
    there, found = store.names("transfer"), dict[str, list[str]]()
    for name, task in product(names, tasks):
        probe = builder.anew()
        with suppress(DataError):  # said where the table's own jobs are made
            if any(imports.has(store, there, probe.transfer(name, task, run)) for run in range(task.runs)):
                found.setdefault(name, []).append(task.name)
    return found


def _seeds(request: Request) -> tuple[int, ...]:
    return tuple(range(request.seed, request.seed + request.pretrainings))


def _jobs(
    builders: Sequence[Builder], wanted: Mapping[str, list[TaskConfig]]
) -> tuple[tuple[Job, ...], dict[str, DataError]]:
    """The jobs behind recipes and the tasks wanted of each, and the recipes and tasks whose data lack.

    ``builders``: one for each seed of the pre-trainings; they share their jobs.

    Raises:
        DataError: no job is left, or none that learns from images where some should.
    """
    builder = builders[0]
    tasks_without: dict[str, DataError] = {}
    recipes_without: dict[str, DataError] = {}
    for task in {task.name: task for tasks in wanted.values() for task in tasks}.values():
        try:
            builder.labels(task)
        except DataError as error:
            tasks_without[task.name] = error
    for recipe, tasks in wanted.items():
        usable = [task for task in tasks if task.name not in tasks_without]
        try:
            for task in usable:
                for each, run in product(builders, range(task.runs)):
                    each.transfer(recipe, task, run)
        except DataError as error:
            recipes_without[recipe] = error
    asked_for = [job for job in builder.jobs.values() if job.kind == "transfer"]
    needed = {each.name: each for each in with_parents(asked_for, builder.jobs)}
    if tasks_without and not needed:
        raise _first(tasks_without, builder.source)
    if recipes_without and not any(job.data["folders"] for job in needed.values() if job.kind == "pretrain"):
        raise _first(recipes_without, builder.source)  # a table of what learns from nothing is none
    # What was made for a recipe before its data turned out to lack is left out, unless another rests on it.
    return tuple(job for job in builder.jobs.values() if job.name in needed), tasks_without | recipes_without


def pretrainings(request: Request, recipes: Sequence[str]) -> Plan:
    """The plan of pre-trainings alone, and of all that they rest on; the request's tables do not count.

    Raises:
        ConfigError: an unknown profile, recipe or setting.
        DataError: data that was given is missing, empty or broken.
    """
    profile = profiles.load(request.profile, request.overrides)
    source = datasets.choose(profile, request.data, request.pretrain_images)
    builder = Builder(profile, source, request.seed, Cache(request.store), gpus=request.gpus)
    for recipe in _wanted("recipe", recipes, profiles.recipe_names(), recipes):
        builder.pretrain(recipe)
    jobs = tuple(builder.jobs.values())
    resolved = {job.recipe: profile.recipe(job.recipe) for job in jobs if job.recipe is not None}
    changed = bool(request.overrides) and _changed(profiles.load(request.profile), source, resolved, {})
    return Plan((), jobs, profile, source, {}, builder.generated, changed, seeds=(request.seed,))


def _first(lacking: Mapping[str, DataError], source: Source) -> DataError:
    """The first fault, and how to see the others."""
    first = next(iter(lacking.values()))
    return DataError(first.where, first.problem, f"{first.remedy} {_every_fault(source)}")


def _every_fault(source: Source) -> str:
    return f"`harness data check {source.root}` names every fault."


def _changed(
    plain: Profile, source: Source, recipes: Mapping[str, PretrainConfig], tasks: Mapping[str, TaskConfig]
) -> bool:
    """Whether some setting that decides a result is not the one of ``plain``, the profile without ``--set``."""
    try:
        before = [plain.recipe(name) for name in recipes] + [plain.task(name) for name in tasks]
        scenes = None if source.spec is None else plain.scene_spec()
    except ConfigError:  # the profile is of use only with its overrides
        return True
    after = [*recipes.values(), *tasks.values()]
    same = all(keys.settings(one) == keys.settings(other) for one, other in zip(before, after, strict=True))
    return not same or (scenes is not None and scenes != source.spec)


def _wanted(kind: str, only: Sequence[str], known: list[str], listed: Sequence[str]) -> list[str]:
    """The names in a table that exist, in its order, restricted to ``only``."""
    shown = [name for name in dict.fromkeys(listed) if name in known]
    for name in only:
        if name not in known:
            raise ConfigError(f"{kind} `{name}`", "unknown", suggest(name, known))
        if name not in shown:
            raise ConfigError(f"{kind} `{name}`", "is not in this table", suggest(name, shown))
    return [name for name in shown if name in only] if only else shown
