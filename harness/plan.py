"""From tables to jobs: rows × columns → pre-trainings and fine-tunings, each with its key. Runs nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ground.config import suggest
from ground.errors import ConfigError
from ground.seeding import derive_seed
from harness import datasets, devices, keys, profiles
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
    added: tuple[str, ...] = ()
    """Recipes to show and run besides those of the tables."""
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
    """False while the scenes are not all there: then no job that reads data can be done yet."""
    changed: bool
    """Whether ``--set`` decides some result of the plan."""

    @property
    def label(self) -> str:
        """What a table calls the profile: its name, and that it was changed."""
        return f"{self.profile.name} + overrides" if self.changed else self.profile.name

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

    profile = profiles.load(request.profile, request.overrides)
    layouts = _with_rows(tuple(layout.load(table) for table in request.tables), request, profile)
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
    resolved = {name: profile.recipe(name) for name in recipes}
    changed = bool(request.overrides) and _changed(profiles.load(request.profile), source, resolved, configs)
    return Plan(layouts, tuple(jobs), profile, source, expected, builder.generated, changed)


def _with_rows(layouts: tuple[Layout, ...], request: Request, profile: Profile) -> tuple[Layout, ...]:
    """``layouts`` with the rows asked for: one more for a recipe that none has; with ``--only`` no others."""
    from results.layout import Row

    listed, known = {recipe for each in layouts for recipe in each.recipes}, profiles.recipe_names()
    names = [name for name in dict.fromkeys((*request.added, *request.recipes)) if name not in listed]
    for name in names:
        if name not in known:
            raise ConfigError(f"recipe `{name}`", "unknown", suggest(name, known))
    added = tuple(Row(label=profile.recipe(name).title or name, recipe=name, group="added") for name in names)
    kept = {*request.recipes, *request.added} if request.recipes else {*listed, *names}
    return tuple(
        each.model_copy(update={"rows": tuple(row for row in (*each.rows, *added) if row.recipe in kept)})
        for each in layouts
    )


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


class _Builder:
    """Makes jobs and keeps what many of them share: the fingerprints."""

    def __init__(self, profile: Profile, source: Source, seed: int, cache: Cache) -> None:
        self.profile, self.source, self.seed, self.cache = profile, source, seed, cache
        self.generated = source.complete()
        self._fingerprints: dict[object, str] = {}

    def pretrain(self, recipe: str) -> Job:
        config = self.profile.recipe(recipe)
        folders = [] if config.initial else self.source.folders(config)
        data = self._images(folders) if folders else ""
        device = devices.choose(config.train.device)
        key = keys.pretrain_key(config, seed=self.seed, profile=self.profile.name, data=data, device=device)
        learns_from = () if config.initial else (self.source.label(config),)
        return Job(
            kind="pretrain",
            key=key,
            name=keys.directory_name(recipe, *learns_from, f"s{self.seed}", key=key),
            recipe=recipe,
            task=None,
            run=None,
            seed=self.seed,
            tool=None,
            device_class=device,
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

        root, tool, device = self.source.root, tools.choose(task), devices.choose(task.device)
        data = self._fingerprint(task.name, lambda: datasets.task_fingerprint(task, root, self.cache))
        seed = derive_seed("transfer", task.name, run) % 2**31  # the same for every recipe; detectron2 wants 32 bits
        key = keys.transfer_key(
            task,
            seed=seed,
            run=run,
            profile=self.profile.name,
            data=data,
            weights=parent.key,
            tool=tool,
            device=device,
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
            device_class=device,
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

    def _images(self, folders: list[Path]) -> str:
        return self._fingerprint(tuple(folders), lambda: datasets.image_fingerprint(folders, self.cache))

    def _fingerprint(self, name: object, compute: Callable[[], str]) -> str:
        if name not in self._fingerprints:
            self._fingerprints[name] = compute() if self.generated else NOT_YET
        return self._fingerprints[name]
