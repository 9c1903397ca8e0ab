"""What a job is made of once its process is set up: last checks, then its room, with what it rests on.

Nothing here may influence a result: a room's ``run`` is a function of its arguments.
"""

from __future__ import annotations

import hashlib
import random
import sys
from collections.abc import Mapping
from pathlib import Path

from ground.config import validate
from ground.errors import DataError, StorageError, UserError, WeightsError
from ground.progress import Report
from ground.seeding import derive_seed
from harness import datasets, devices, keys, records, store
from harness.imports import Weights
from harness.jobs import Job, Kind, Parent


def do(job: Job, directory: Path, report: Report) -> Mapping[str, float]:
    """Check what the job rests on, then let its room do it; returns the metrics."""
    kinds = {"prepare": _prepare, "pretrain": _pretrain, "import": _import, "transfer": _transfer}
    return kinds[job.kind](job, directory, report)


def _prepare(job: Job, directory: Path, report: Report) -> Mapping[str, float]:
    from pretrain import inputs

    config = inputs.resolve(job.config, directory / "job.json")
    folders, data = _images(job, directory)
    key = keys.prepare_key(config, seed=job.seed, data=data, device=job.device_class, parents=parent_keys(job))
    parents = _ready(job, key, directory)
    from pretrain import prepare

    _seed(job)
    return prepare.run(config, seed=job.seed, inputs=parents, folders=folders, out=directory, report=report)


def _pretrain(job: Job, directory: Path, report: Report) -> Mapping[str, float]:
    from pretrain.config import PretrainConfig

    recipe = validate(PretrainConfig, job.config, directory / "job.json")
    folders, data = ([], "") if recipe.initial else _images(job, directory)
    key = keys.pretrain_key(
        recipe, seed=job.seed, profile=job.profile, data=data, device=job.device_class, parents=parent_keys(job)
    )
    parents = _ready(job, key, directory)
    from pretrain import run as pretraining

    _seed(job)
    return pretraining.run(
        recipe, seed=job.seed, folders=folders, out=directory, report=report, inputs=parents,
        cache=directory.parent.parent / ".cache" / "images",
    )  # fmt: skip


def _import(job: Job, directory: Path, report: Report) -> Mapping[str, float]:
    weights = validate(Weights, job.config, directory / "job.json")
    _ready(job, keys.import_key(network=weights.network, tensors=weights.tensors_sha256), directory)
    from transfer.weights import imported, write

    path = Path(weights.path)
    found = imported(path, **weights.asked.model_dump())
    if found.tensors_sha256 != weights.tensors_sha256:
        problem = f"does not hold the weights of {job.recipe} any more"
        raise WeightsError(path, problem, "Evaluate it under a name of its own.")
    write(found, directory / store.BACKBONE)
    report(1, 1)
    return {}


def _transfer(job: Job, directory: Path, report: Report) -> Mapping[str, float]:
    from transfer import protocol, tasks

    task, tool, root = tasks.parse(job.config, directory / "job.json"), job.tool or "", Path(job.data["root"])
    data = datasets.recheck_task(task, root, job.data["fingerprint"], cache_of(directory))
    key = keys.transfer_key(
        task,
        seed=job.seed,
        run=job.run or 0,
        profile=job.profile,
        data=data,
        weights=job.parents["weights"].key,
        tool=tool,
        device=job.device_class,
        given_up=protocol.share(task, tool=tool, device=job.device_class).identity,
    )
    weights = _ready(job, key, directory)["weights"] / store.BACKBONE
    from transfer import run as transferring

    _seed(job)
    return transferring.run(task, tool=tool, seed=job.seed, weights=weights, data=root, out=directory, report=report)


def _images(job: Job, directory: Path) -> tuple[list[Path], str]:
    """The image folders of a job and the fingerprint that they have now."""
    folders = [Path(folder) for folder in job.data["folders"]]
    return folders, datasets.recheck_images(folders, job.data["fingerprint"], cache_of(directory))


def _ready(job: Job, key: str, directory: Path) -> dict[str, Path]:
    """Last checks before a room is loaded: the key, the device, the parents; gives the parents' directories by role."""
    if key != job.key:
        raise StorageError(directory / "job.json", "its settings do not give its key", "Run again: it is written anew.")
    devices.hold_to(job.device_class)
    home = store.Store(directory.parent.parent)
    for parent in job.parents.values():
        _check_outputs(home.directory(parent), parent)
    return {role: home.directory(parent) for role, parent in job.parents.items()}


def parent_keys(job: Job) -> dict[str, str]:
    """The keys of what a job rests on, by role."""
    return {role: parent.key for role, parent in job.parents.items()}


def tool_of(job: Job) -> str | None:
    """The tool with its version."""
    if job.tool is None:
        return None
    from transfer import tool

    return tool.version(job.tool)


def cache_of(directory: Path) -> datasets.Cache:
    """Fingerprints of data that the store of a run's directory keeps."""
    return datasets.Cache(directory.parent.parent)


def _check_outputs(directory: Path, parent: Parent) -> None:
    """A parent is finished and has left the very files that its record names."""
    fault = _FAULTS[parent.kind]
    record, problem = records.read(directory, parent)
    if record is None or record["status"] != "done":
        raise fault(directory, problem or f"is not a finished {parent.kind} job", "Run again with --rerun retry.")
    remedy = "Run again with --rerun retry: it is made once more."
    for name, expected in record["outputs"].items():
        if not (directory / name).exists():
            raise fault(directory / name, "is gone", remedy)
        if sha256(directory / name) != expected:
            raise fault(directory / name, "is not the file that its record names", f"Delete it. {remedy}")


_FAULTS: dict[Kind, type[UserError]] = {"prepare": DataError, "pretrain": WeightsError, "import": WeightsError}
"""What is at fault when the files of a parent are."""


def _seed(job: Job) -> None:
    """Seed the global generators of the libraries that the room has loaded, should it have forgotten one."""
    seed = derive_seed("job", job.kind, job.seed)
    random.seed(seed)
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed(seed % 2**32)
    if torch := sys.modules.get("torch"):
        torch.manual_seed(seed)


def hashes(directory: Path) -> dict[str, str]:
    """SHA-256 of every file that the room left, but its checkpoints."""
    files = [
        path
        for path in sorted(directory.iterdir())
        if path.is_file() and not path.name.startswith((".", "record.json."))
    ]
    return {path.name: sha256(path) for path in files if path.name not in store.OURS and path.stem != "checkpoint"}


def sha256(path: Path) -> str:
    """The hash (hex) of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
