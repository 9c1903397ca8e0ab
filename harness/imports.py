"""Weights of others in the run store: what a pre-training is to our recipes, an import is to them.

Its key is the tensors' and the network's: the same file is the same runs, whatever it is called or where it lies, and
other weights under the same name are other runs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ground.config import Settings, Strict, merge
from ground.errors import ConfigError, StorageError
from ground.networks import BackboneName
from harness import keys, profiles
from harness.jobs import Job
from harness.store import Store, read_job

if TYPE_CHECKING:
    from transfer.config import TaskConfig
    from transfer.weights import Imported

GROUP = "your weights"
"""What sets their rows apart in a table."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+-]{0,63}")


class Asked(Strict):
    """How a file of weights is to be read: arguments of `transfer.weights.imported`."""

    format: str | None = None
    prefix: str | None = None
    untrained: bool = False
    bgr: bool = False


class Weights(Strict):
    """What an import's job is made of."""

    path: str
    """Where the file lay. It may vanish once the import is done: the store has its tensors."""
    asked: Asked
    network: BackboneName
    tensors_sha256: str
    file_sha256: str
    format: str
    """What it was read as."""

    @property
    def words(self) -> str:
        """One line on where it comes from."""
        return f"{Path(self.path).name} ({self.format}, {self.network}, tensors {self.tensors_sha256[:10]})"


def check_name(name: str, store: Store) -> None:
    """A row's name is fit for a directory and no other row's of ``store``, in whatever case.

    Raises:
        ConfigError: it is not.
    """
    where = f"--name {name}"
    if not _NAME.fullmatch(name):
        raise ConfigError(where, "is no name", "Use letters, digits, `-`, `_` and `+`, at most 64.")
    taken = next((each for each in profiles.recipe_names() if each.casefold() == name.casefold()), None)
    if taken:
        raise ConfigError(where, f"`{taken}` is a recipe of the harness", f"Choose another, e.g. {name}-mine.")
    alike = next((each for each in known(store)[0] if each != name and each.casefold() == name.casefold()), None)
    if alike:
        problem = f"differs from `{alike}` in {store.root} by case alone"
        raise ConfigError(where, problem, f"Write --name {alike}, or choose another.")


def job(name: str, path: Path, asked: Asked, found: Imported) -> Job:
    """The job that brings weights into the store under a name; they have passed the gate."""
    weights = Weights(
        path=str(path.absolute()),
        asked=asked,
        network=found.network,
        tensors_sha256=found.tensors_sha256,
        file_sha256=found.file_sha256,
        format=found.format,
    )
    key = keys.import_key(network=weights.network, tensors=weights.tensors_sha256)
    return Job(
        kind="import",
        key=key,
        name=keys.directory_name(name, key=key),
        recipe=name,
        task=None,
        input=None,
        run=None,
        seed=0,
        profile="",
        overrides=(),
        tool=None,
        device_class="cpu",
        config=weights.model_dump(mode="json"),
        version=1,
        threads=1,
        data={"name": path.name, "folders": [], "fingerprint": weights.file_sha256},
        parents={},
    )


def known(store: Store) -> tuple[dict[str, Job], tuple[str, ...]]:
    """Name → its import, and a line for each that does not count."""
    found: dict[str, Job] = {}
    problems: list[str] = []
    for directory in store.names("import"):
        try:
            each = read_job(store.root / "import" / directory)
        except StorageError as error:
            problems.append(f"does not count: {error}")
            continue
        name = each.recipe or ""
        if name in found:
            both = f"{store.directory(found[name])} and {store.directory(each)}"
            problems.append(f"does not count: {both} have one name, {name}: delete the one that is not meant")
        found.setdefault(name, each)
    return found, tuple(problems)


def follow(task: TaskConfig, weights: Job) -> TaskConfig:
    """``task`` with the network that the weights are of; fine-tuned by the tool that its other rows have."""
    from transfer import tasks, tool

    network = weights.config["network"]
    settings: Settings = task.model_dump(mode="json")
    if network_of(settings) in {network, None}:
        return task
    followed = tasks.parse(merge(settings, {"model": {"backbone": network}}), f"task `{task.name}` with {network}")
    chosen = tool.choose(task)
    return followed.model_copy(update={"tool": chosen}) if chosen in followed.tools else followed


def has(store: Store, there: Sequence[str], job: Job) -> bool:
    """Whether the store has a run of ``job``, or of what it was at another version."""
    if job.name in there:
        return True
    same = {"profile": job.profile, "overrides": list(job.overrides), "data": job.data["fingerprint"]}
    for name in there:
        if name.rpartition("-")[0] == job.stem:
            other = store.written("transfer", name)
            if isinstance(other.get("data"), dict):
                other["data"] = other["data"].get("fingerprint")
            if other.get("version") != job.version and all(other.get(what) == value for what, value in same.items()):
                return True
    return False


def notes(brought: Mapping[str, Job], jobs: Sequence[Job], profile: profiles.Profile) -> list[str]:
    """What a reader has to know of rows of weights that were brought in."""
    lines = []
    for name, weights in brought.items():
        words = Weights.model_validate(weights.config).words
        lines.append(f"{name}: weights from {words}; how they were trained is not known here.")
        tasks = sorted({each.task for each in jobs if each.recipe == name and each.task})
        usual = {task: network_of(profile.task(task).model_dump(mode="json")) for task in tasks}
        odd = [task for task in tasks if usual[task] not in {weights.config["network"], None}]
        if odd:
            others = ", ".join(sorted({usual[task] or "" for task in odd}))
            network = weights.config["network"]
            lines.append(f"{name}: fine-tuned with {network} on {', '.join(odd)}, where other rows have {others}.")
    return lines


def network_of(task: Settings) -> str | None:
    """The backbone in a task's settings, if it has one."""
    model = task.get("model", {})
    return str(model["backbone"]) if "backbone" in model else None
