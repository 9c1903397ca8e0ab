"""Makes the jobs of a plan, each with its key and after all that it rests on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ground.config import Contradiction, Settings
from ground.errors import ConfigError
from ground.seeding import derive_seed
from harness import datasets, devices, imports, keys
from harness.datasets import Cache, Source
from harness.devices import Device, Wanted
from harness.jobs import Job, Kind
from harness.profiles import Profile

if TYPE_CHECKING:
    from pretrain.config import PretrainConfig
    from pretrain.inputs import Input
    from transfer.config import TaskConfig
    from transfer.protocol import Share

NOT_YET = "not generated yet"
"""Stands for the fingerprint of scenes that are still to be generated; no run has a key made with it."""


@dataclass
class Known:
    """What the builders of a plan share: worked out once for jobs by the thousand."""

    fingerprints: dict[object, str] = field(default_factory=dict)
    recipes: dict[str, PretrainConfig] = field(default_factory=dict)
    processes: dict[tuple[str, str], tuple[str, Device, Share]] = field(default_factory=dict)
    configs: dict[int, Resolved] = field(default_factory=dict)
    followed: dict[tuple[int, str], TaskConfig] = field(default_factory=dict)
    data: dict[object, dict[str, Any]] = field(default_factory=dict)
    """What jobs say of the data they read, by task or by folders."""


@dataclass(frozen=True)
class Resolved:
    """A config as keys and jobs have it."""

    config: PretrainConfig | TaskConfig | Input
    """Kept, so that its id stays its own."""
    decisive: keys.Decisive
    plain: Settings
    """One for all its jobs; nobody changes it."""


class Builder:
    """Makes jobs, each once and what it rests on before it, and keeps what many of them share: the fingerprints."""

    def __init__(
        self,
        profile: Profile,
        source: Source,
        seed: int,
        cache: Cache,
        brought: Mapping[str, Job] | None = None,
        gpus: frozenset[str] | None = None,
    ) -> None:
        self.profile, self.source, self.seed, self.cache, self.gpus = profile, source, seed, cache, gpus
        self.brought = brought or {}
        self.generated = source.complete()
        self.jobs: dict[str, Job] = {}
        self._pretrained: dict[str, Job] = {}
        self._begun: list[str] = []
        self._known = Known()
        self._words = source.words

    def anew(self) -> Builder:
        """One that has made no job yet, and knows what this one knows."""
        other = Builder(self.profile, self.source, self.seed, self.cache, self.brought, self.gpus)
        other._known = self._known
        return other

    def seeded(self, seed: int) -> Builder:
        """One that adds to the same jobs, with pre-trainings of another seed."""
        other = self.anew()
        other.seed, other.jobs = seed, self.jobs
        return other

    def transfer(self, recipe: str, task: TaskConfig, run: int) -> Job:
        """One fine-tuning of a recipe or of weights that were brought in, with the network that these are of.

        Raises:
            ConfigError: no tool can run it, or its processes cannot meet its protocol.
        """
        weights = self.pretrain(recipe)
        if weights.kind == "import":
            task = self._followed(task, weights)
        tool, device, share = self._process(task, weights.name if weights.kind == "import" else "")
        data = self._labelled(task)
        seed = derive_seed("transfer", task.name, run) % 2**31  # the same for every recipe; detectron2 wants 32 bits
        key = keys.transfer_key(
            self._resolved(task).decisive,
            seed=seed,
            run=run,
            profile=self.profile.name,
            data=data["fingerprint"],
            weights=weights.key,
            tool=tool,
            device=device,
            given_up=share.identity,
        )
        return self._add(
            task,
            kind="transfer",
            key=key,
            name=keys.directory_name(task.name, recipe, f"r{run}", key=key),
            recipe=recipe,
            task=task.name,
            run=run,
            seed=seed,
            tool=tool,
            device_class=device,
            threads=task.threads,
            data=data,
            parents={"weights": weights},
        )

    def _resolved(self, config: PretrainConfig | TaskConfig | Input) -> Resolved:
        if id(config) not in self._known.configs:
            found = Resolved(config, keys.settings(config), config.model_dump(mode="json"))
            self._known.configs[id(config)] = found
        return self._known.configs[id(config)]

    def _followed(self, task: TaskConfig, weights: Job) -> TaskConfig:
        """A task with the network of weights that were brought in."""
        name = id(task), str(weights.config["network"])
        if name not in self._known.followed:
            self._resolved(task)  # keeps it
            self._known.followed[name] = imports.follow(task, weights)
        return self._known.followed[name]

    def _labelled(self, task: TaskConfig) -> dict[str, Any]:
        """What a fine-tuning says of its data."""
        if task.name not in self._known.data:
            root = str(self.source.root.absolute())
            self._known.data[task.name] = {"name": self._words, "root": root, "fingerprint": self.labels(task)}
        return self._known.data[task.name]

    def _process(self, task: TaskConfig, network: str) -> tuple[str, Device, Share]:
        """Tool, device and share of the protocol of a task's processes; ``network``: whose it follows, if another's."""
        from transfer import protocol
        from transfer import tool as tools

        processes = self._known.processes
        if (task.name, network) not in processes:
            tool, device = tools.choose(task), self._device("transfer", task.device)
            share = protocol.share(task, tool=tool, device=device)
            processes[task.name, network] = tool, device, share
        return processes[task.name, network]

    def _device(self, kind: Kind, wanted: Wanted) -> Device:
        return devices.choose(wanted, None if self.gpus is None else kind in self.gpus)

    def _recipe(self, name: str) -> PretrainConfig:
        if name not in self._known.recipes:
            self._known.recipes[name] = self.profile.recipe(name)
        return self._known.recipes[name]

    def labels(self, task: TaskConfig) -> str:
        """The fingerprint of a task's data.

        Raises:
            DataError: it is missing or broken.
        """
        return self._fingerprint(task.name, lambda: datasets.task_fingerprint(task, self.source.root, self.cache))

    def pretrain(self, recipe: str) -> Job:
        """A recipe's pre-training and, before it, all that it rests on; of weights brought in, their import.

        Raises:
            ConfigError: it rests on itself.
            DataError: the images of one of these are missing.
        """
        if recipe in self.brought:
            brought = self.brought[recipe]
            return self.jobs.setdefault(brought.name, brought)
        if recipe not in self._pretrained:
            circle = [*self._begun, recipe]
            if recipe in self._begun:
                raise ConfigError(f"recipe `{recipe}`", f"rests on itself: {' → '.join(circle)}", "Break the circle.")
            self._begun.append(recipe)
            try:
                self._pretrained[recipe] = self._pretrain(recipe)
            finally:
                self._begun.pop()
        return self._pretrained[recipe]

    def _pretrain(self, recipe: str) -> Job:
        config = self._recipe(recipe)
        data = self._pictures(None if config.initial else config)
        parents = {role: self._prepare(role, config) for role in config.inputs}
        device = self._device("pretrain", _trains_on(config))
        key = keys.pretrain_key(
            self._resolved(config).decisive,
            seed=self.seed,
            profile=self.profile.name,
            data=data["fingerprint"],
            device=device,
            parents=_keys(parents),
        )
        learns_from = () if config.initial else (self.source.label(config),)
        return self._add(
            config,
            kind="pretrain",
            key=key,
            name=keys.directory_name(recipe, *learns_from, f"s{self.seed}", key=key),
            recipe=recipe,
            seed=self.seed,
            device_class=device,
            threads=config.train.threads,
            data=data,
            parents=parents,
        )

    def _prepare(self, role: str, recipe: PretrainConfig) -> Job:
        """The work behind one of a recipe's inputs and, before it, all that this rests on.

        Its seed is nobody's but its own: no two pre-trainings of one recipe need other regions.

        Raises:
            ConfigError: it cannot use the pre-training that it names.
        """
        config = recipe.inputs[role]
        self._check_pretrained(role, recipe)
        data, device = self._pictures(recipe), self._device("prepare", _device(config, recipe))
        seed = derive_seed("prepare", config.kind) % 2**31
        parents = {needed: self._prepare(needed, recipe) for needed in config.needs}
        parents |= {needed: self.pretrain(name) for needed, name in config.pretrained.items()}
        decisive = self._resolved(config).decisive
        key = keys.prepare_key(decisive, seed=seed, data=data["fingerprint"], device=device, parents=_keys(parents))
        of = list(config.pretrained.values()) or [self.source.label(recipe)]
        return self._add(
            config,
            kind="prepare",
            key=key,
            name=keys.directory_name(config.kind, *of, key=key),
            input=" ".join((config.kind, *of)),
            seed=seed,
            device_class=device,
            threads=config.threads,
            data=data,
            parents=parents,
        )

    def _check_pretrained(self, role: str, recipe: PretrainConfig) -> None:
        """Whether a recipe's input can use the pre-trainings it names: known now, before any of them is spent."""
        config = recipe.inputs[role]
        for needed, name in config.pretrained.items():
            try:
                config.check_pretrained(needed, self._recipe(name), recipe.data)
            except Contradiction as error:
                raise ConfigError(f"recipe `{recipe.recipe}`", f"inputs.{role}.{error}", error.remedy) from None

    def _add(self, config: PretrainConfig | TaskConfig | Input, parents: dict[str, Job], **fields: Any) -> Job:
        """A job with these fields, unless it is there: whoever asks for the same work shares it."""
        job = Job(
            **{
                **dict.fromkeys(("recipe", "task", "input", "run", "tool")),
                **fields,
                "profile": self.profile.name,
                "overrides": self.profile.overrides,
                "config": self._resolved(config).plain,
                "version": config.version,
                "parents": {role: parent.as_parent() for role, parent in parents.items()},
            }
        )
        return self.jobs.setdefault(job.name, job)

    def _pictures(self, config: PretrainConfig | None) -> dict[str, Any]:
        """What a job says of the images that a recipe learns from; None for none."""
        name = None if config is None else ("images of", config.data)
        if name not in self._known.data:
            folders = [] if config is None else self.source.folders(config)
            self._known.data[name] = {
                "name": self._words,
                "folders": [str(each.absolute()) for each in folders],
                "fingerprint": self._images(folders) if folders else "",
            }
        return self._known.data[name]

    def _images(self, folders: list[Path]) -> str:
        return self._fingerprint(tuple(folders), lambda: datasets.image_fingerprint(folders, self.cache))

    def _fingerprint(self, name: object, compute: Callable[[], str]) -> str:
        fingerprints = self._known.fingerprints
        if name not in fingerprints:
            fingerprints[name] = compute() if self.generated else NOT_YET
        return fingerprints[name]


def _keys(parents: Mapping[str, Job]) -> dict[str, str]:
    return {role: parent.key for role, parent in parents.items()}


def _trains_on(config: PretrainConfig) -> Wanted:
    """What a pre-training asks for; one that only draws initial weights has no use for a GPU."""
    return "cpu" if config.initial and config.train.device == "auto" else config.train.device


def _device(config: Input, recipe: PretrainConfig) -> Wanted:
    """What an input asks for, and where it does not mind what its recipe asks for."""
    return recipe.train.device if config.device == "auto" else config.device
