"""From tables to jobs: rows × columns → pre-trainings and fine-tunings, each with its key. Runs nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ground.config import suggest
from ground.errors import ConfigError
from ground.seeding import derive_seed
from harness import datasets, keys, profiles
from harness.datasets import Cache, Source
from harness.jobs import Job
from harness.profiles import Profile

if TYPE_CHECKING:
    from pretrain.config import PretrainConfig
    from results.layout import Layout
    from transfer.config import TaskConfig

NOT_YET = "not generated yet"
"""Stands for the fingerprint of scenes that are still to be generated; no run has a key made with it."""


@dataclass(frozen=True)
class Request:
    """What a user asks for."""

    tables: tuple[str, ...]
    profile: str = "smoke"
    overrides: tuple[str, ...] = ()
    data: str | None = None
    pretrain_images: tuple[str, ...] = ()
    seed: int = 0
    recipes: tuple[str, ...] = ()
    """Only these; all if empty. ``tasks`` likewise."""
    tasks: tuple[str, ...] = ()
    store: Path = Path("runs")


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
    """False while the scenes are not all there: then no job can be done yet."""

    def jobs_of(self, recipe: str, task: str | None) -> list[Job]:
        """A recipe's pre-training (``task`` None) or its runs of a task."""
        return [job for job in self.jobs if job.recipe == recipe and job.task == task]


def build(request: Request) -> Plan:
    """The plan of a request, on the data as it lies there now.

    Raises:
        ConfigError: an unknown table, profile, recipe, task or setting.
        DataError: data that was given is missing, empty or broken.
    """
    from results import layout

    layouts = tuple(layout.load(table) for table in request.tables)
    profile = profiles.load(request.profile, request.overrides)
    recipes = _wanted("recipe", request.recipes, profiles.recipe_names(), [r for each in layouts for r in each.recipes])
    tasks = _wanted("task", request.tasks, profiles.task_names(), [t for each in layouts for t in each.tasks])
    source = datasets.choose(profile, request.data, request.pretrain_images)
    builder = _Builder(profile, source, request.seed, Cache(request.store))
    configs = {name: profile.task(name) for name in tasks}
    cells = {(r, t) for each in layouts for r in each.recipes for t in each.tasks}
    jobs: list[Job] = []
    for recipe in recipes:
        wanted = [task for name, task in configs.items() if (recipe, name) in cells]
        if wanted:
            parent = builder.pretrain(recipe)
            jobs.append(parent)
            jobs += [builder.transfer(parent, task, run) for task in wanted for run in range(task.runs)]
    expected = {name: profile.task(name).runs for name in profiles.task_names()}
    return Plan(layouts, tuple(jobs), profile, source, expected, builder.generated)


def _wanted(kind: str, only: Sequence[str], known: list[str], listed: Sequence[str]) -> list[str]:
    """The names in a table that exist, in its order, restricted to ``only``."""
    shown = [name for name in dict.fromkeys(listed) if name in known]
    for name in only:
        if name not in known:
            raise ConfigError(f"{kind} `{name}`", "unknown", suggest(name, known))
        if name not in shown:
            raise ConfigError(f"{kind} `{name}`", "is not in this table", suggest(name, shown))
    return [name for name in shown if name in only] if only else shown


class _Builder:
    """Makes jobs and keeps what many of them share: the fingerprints."""

    def __init__(self, profile: Profile, source: Source, seed: int, cache: Cache) -> None:
        self.profile, self.source, self.seed, self.cache = profile, source, seed, cache
        self.generated = source.complete()
        self._fingerprints: dict[object, str] = {}

    def pretrain(self, recipe: str) -> Job:
        config = self.profile.recipe(recipe)
        folders = self.source.folders(config)
        data = self._fingerprint(tuple(folders), lambda: datasets.image_fingerprint(folders, self.cache))
        key = keys.pretrain_key(config, seed=self.seed, profile=self.profile.name, data=data)
        return Job(
            kind="pretrain",
            key=key,
            name=keys.directory_name(recipe, self.source.label(config), f"s{self.seed}", key=key),
            recipe=recipe,
            task=None,
            run=None,
            seed=self.seed,
            tool=None,
            threads=config.train.threads,
            data={
                "name": self.source.words,
                "folders": [str(each.absolute()) for each in folders],
                "fingerprint": data,
            },
            parent=None,
            parent_key=None,
            **self._common(config),
        )

    def transfer(self, parent: Job, task: TaskConfig, run: int) -> Job:
        from transfer import tool as tools

        root, tool = self.source.root, tools.choose(task)
        data = self._fingerprint(task.name, lambda: datasets.task_fingerprint(task, root, self.cache))
        seed = derive_seed("transfer", task.name, run) % 2**31  # the same for every recipe; detectron2 wants 32 bits
        key = keys.transfer_key(
            task, seed=seed, run=run, profile=self.profile.name, data=data, weights=parent.key, tool=tool
        )
        return Job(
            kind="transfer",
            key=key,
            name=keys.directory_name(task.name, parent.recipe, f"r{run}", key=key),
            recipe=parent.recipe,
            task=task.name,
            run=run,
            seed=seed,
            tool=tool,
            threads=task.threads,
            data={"name": self.source.words, "root": str(root.absolute()), "fingerprint": data},
            parent=parent.name,
            parent_key=parent.key,
            **self._common(task),
        )

    def _common(self, config: PretrainConfig | TaskConfig) -> dict[str, Any]:
        return {
            "profile": self.profile.name,
            "overrides": self.profile.overrides,
            "config": config.model_dump(mode="json"),
            "version": config.version,
        }

    def _fingerprint(self, name: object, compute: Callable[[], str]) -> str:
        if name not in self._fingerprints:
            self._fingerprints[name] = compute() if self.generated else NOT_YET
        return self._fingerprints[name]
