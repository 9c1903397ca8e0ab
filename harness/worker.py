"""In the job's own process: claim the run, check what it rests on, do it, write down what came of it.

Nothing here may influence a result: a room's ``run`` is a function of its arguments.
"""

from __future__ import annotations

import faulthandler
import hashlib
import json
import multiprocessing
import os
import random
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from ground import stopping
from ground.config import validate
from ground.errors import DataError, StorageError, UserError, WeightsError
from ground.files import storage_errors, write_json
from ground.seeding import derive_seed
from ground.stopping import Stopped
from harness import allocation, claims, datasets, devices, failures, keys, provenance, records, store
from harness.endings import End
from harness.imports import Weights
from harness.jobs import Job, Kind, Parent
from harness.progress import Progress

Outcome = Literal["done", "failed", "not mine", "stopped"]
SIGNALS = (signal.SIGUSR2, signal.SIGTERM)
"""The time limit is near; go."""
EXIT_CODES: dict[Outcome, int] = {"done": 0, "failed": 1, "not mine": 3, "stopped": 4}
"""Of the process: 0 only if the job is done, so that what Slurm starts ``afterok`` finds it so."""


def environment(threads: int) -> dict[str, str | None]:
    """Variables for a job's process: libraries read them when they are loaded. None is to be unset."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
    fixed = {"PYTHONHASHSEED": "0", "CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
    # Left over from torchrun or a batch script around the harness, these would make a job wait for others in vain.
    alone = ("WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
    return {**dict.fromkeys(names, str(threads)), **fixed, **dict.fromkeys(alone)}


def apart(threads: int) -> dict[str, str | None]:
    """`environment` of a job that is not Slurm's own: where it was started inside a job of Slurm it must not know."""
    return {**environment(threads), **dict.fromkeys(allocation.NAMES)}


def main(directory: str) -> int:
    """A job's whole process; its exit code. Its output goes to ``log.txt``; SIGTERM, and SIGUSR2 where its time is
    nearly up, ask it to leave a checkpoint and go."""
    path = Path(directory)
    log = os.open(path / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, sys.stdout.fileno())
    os.dup2(log, sys.stderr.fileno())
    faulthandler.enable()
    stopping.listen(*SIGNALS)
    # Slurm signals every process of a job. Those that read data for it must live while it finishes its step.
    os.register_at_fork(after_in_child=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS))
    try:
        return EXIT_CODES[execute(path)]
    except Stopped as reason:
        print(f"{_now()} stopped: {reason}", flush=True)
        return EXIT_CODES["stopped"]
    finally:
        for child in multiprocessing.active_children():  # deaf to SIGTERM, by which Python would end them
            child.kill()


def execute(directory: Path) -> Outcome:
    """Do the job in ``directory``, unless it is done or somebody alive has it.

    Returns:
        What the job has come to; "not mine" if somebody else is at work on it.

    Raises:
        StorageError: there is no job here, or the record cannot be written.
        Stopped: asked to stop or taken over; no record is written.
    """
    job = store.read_job(directory)
    in_slurm = allocation.here()
    claim = claims.acquire(directory / "attempts", patience=claims.DEAD_AFTER_SECONDS if in_slurm else 0.0)
    if claim is None:
        return "not mine"
    record, problem = records.read(directory, job)
    if record is not None:  # it was finished between the plan and now
        claim.release()
        return "done" if record["status"] == "done" else "failed"
    if problem:
        store.shelve(directory / "record.json", "bad")
    try:
        return _ended(lambda: _attempt(job, directory, claim), claim)
    finally:
        claim.rest()


def _ended(attempt: Callable[[], tuple[Outcome, Mapping[str, str]]], claim: claims.Claim) -> Outcome:
    """What an attempt has come to, written down as its last word."""
    began, place = time.monotonic(), allocation.here()
    slurm, restart = (place.id, place.restart) if place else ("", 0)

    def leave(**words: Any) -> End:
        seconds = round(time.monotonic() - began, 3)
        end = End(seconds=seconds, host=socket.gethostname(), slurm=slurm, restart=restart, **words)
        claim.end(end)
        return end

    try:
        outcome, error = attempt()
    except Stopped as stop:
        stopping.deafen()
        reason = str(stop)
        number = reason if reason in signal.Signals.__members__ else ""
        # Only where time was up: who was told to go was cancelled, or Slurm itself starts it anew.
        again = place if number == "SIGUSR2" else None
        end = leave(outcome="stopped", message=reason, signal=number, requeued=again is not None)
        if again and (problem := allocation.requeue(again)):
            print(f"{_now()} not requeued: {problem}", flush=True)
            claim.end(replace(end, requeued=False, message=f"{reason}; not requeued: {problem}"))
        raise
    except UserError as fault:  # of the store: there is no record
        leave(outcome="failed", kind=fault.kind, message=str(fault))
        raise
    leave(outcome=outcome, **error)
    return outcome


def _attempt(job: Job, directory: Path, claim: claims.Claim) -> tuple[Outcome, Mapping[str, str]]:
    """Do the job and write its record; how it went, and the class and the words of a failure."""
    print(f"{_now()} attempt {claim.number}: {job.title} (seed {job.seed}, pid {os.getpid()})", flush=True)
    started, progress = _now(), Progress(directory, claim)
    metrics: Mapping[str, float] = {}
    error: dict[str, str] | None = None
    try:
        with storage_errors(directory):
            metrics = _work(job, directory, progress)
    except UserError as fault:
        error = {"kind": fault.kind, "message": str(fault)}
        if fault.kind == "data":  # a file mended in place changes no folder's time: the next plan looks anew
            _cache(directory).clear()
    except Exception as fault:
        traceback.print_exc()
        if reason := stopping.pending():  # a reader of its data, or another process, was quicker to go
            raise Stopped(reason) from fault
        error = {"kind": failures.classify(fault), "message": "".join(traceback.format_exception_only(fault)).strip()}
    if error:
        print(f"{_now()} failed: {error['kind']}: {error['message']}", flush=True)
    progress.show()
    if not claim.holds():
        raise Stopped("another process has taken the job over")
    with storage_errors(directory):
        curve = progress.curve.close()
    status: Outcome = "failed" if error else "done"
    record = {
        "schema": records.SCHEMA,
        "status": status,
        **{name: value for name, value in job.to_json().items() if name != "schema"},
        "tool": _tool(job),
        "parents": _keys(job),
        "metrics": {name: float(value) for name, value in metrics.items()},
        "curve": curve,
        "outputs": {} if error else _hashes(directory),
        "timings": {
            "started": started, "finished": _now(), "seconds": round(progress.seconds(), 3), "attempts": claim.number
        },
        "host": provenance.host(),
        "device": provenance.device(job.threads),
        "processes": int(os.environ.get("WORLD_SIZE", "1")),
        "versions": provenance.versions(),
        "code": provenance.code(),
        "error": error,
    }  # fmt: skip
    write_json(directory / "record.json", {**record, "digest": provenance.signed(record)})
    print(f"{_now()} {status} after {progress.seconds():.1f} s {json.dumps(record['metrics'])}", flush=True)
    return status, error or {}


def _work(job: Job, directory: Path, progress: Progress) -> Mapping[str, float]:
    """Check what the job rests on, then let its room do it; returns the metrics."""
    kinds = {"prepare": _prepare, "pretrain": _pretrain, "import": _import, "transfer": _transfer}
    return kinds[job.kind](job, directory, progress)


def _prepare(job: Job, directory: Path, progress: Progress) -> Mapping[str, float]:
    from pretrain import inputs

    config = inputs.resolve(job.config, directory / "job.json")
    folders, data = _images(job, directory)
    key = keys.prepare_key(config, seed=job.seed, data=data, device=job.device_class, parents=_keys(job))
    parents = _ready(job, key, directory)
    from pretrain import prepare

    _seed(job)
    return prepare.run(config, seed=job.seed, inputs=parents, folders=folders, out=directory, report=progress)


def _pretrain(job: Job, directory: Path, progress: Progress) -> Mapping[str, float]:
    from pretrain.config import PretrainConfig

    recipe = validate(PretrainConfig, job.config, directory / "job.json")
    folders, data = ([], "") if recipe.initial else _images(job, directory)
    key = keys.pretrain_key(
        recipe, seed=job.seed, profile=job.profile, data=data, device=job.device_class, parents=_keys(job)
    )
    parents = _ready(job, key, directory)
    from pretrain import run as pretraining

    _seed(job)
    return pretraining.run(
        recipe, seed=job.seed, folders=folders, out=directory, report=progress, inputs=parents,
        cache=directory.parent.parent / ".cache" / "images",
    )  # fmt: skip


def _import(job: Job, directory: Path, progress: Progress) -> Mapping[str, float]:
    weights = validate(Weights, job.config, directory / "job.json")
    _ready(job, keys.import_key(network=weights.network, tensors=weights.tensors_sha256), directory)
    from transfer.weights import imported, write

    path = Path(weights.path)
    found = imported(path, **weights.asked.model_dump())
    if found.tensors_sha256 != weights.tensors_sha256:
        problem = f"does not hold the weights of {job.recipe} any more"
        raise WeightsError(path, problem, "Evaluate it under a name of its own.")
    write(found, directory / store.BACKBONE)
    progress(1, 1)
    return {}


def _transfer(job: Job, directory: Path, progress: Progress) -> Mapping[str, float]:
    from transfer import protocol, tasks

    task, tool, root = tasks.parse(job.config, directory / "job.json"), job.tool or "", Path(job.data["root"])
    data = datasets.recheck_task(task, root, job.data["fingerprint"], _cache(directory))
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
    return transferring.run(task, tool=tool, seed=job.seed, weights=weights, data=root, out=directory, report=progress)


def _images(job: Job, directory: Path) -> tuple[list[Path], str]:
    """The image folders of a job and the fingerprint that they have now."""
    folders = [Path(folder) for folder in job.data["folders"]]
    return folders, datasets.recheck_images(folders, job.data["fingerprint"], _cache(directory))


def _ready(job: Job, key: str, directory: Path) -> dict[str, Path]:
    """Last checks before a room is loaded: the key, the device, the parents; gives the parents' directories by role."""
    if key != job.key:
        raise StorageError(directory / "job.json", "its settings do not give its key", "Run again: it is written anew.")
    devices.hold_to(job.device_class)
    home = store.Store(directory.parent.parent)
    for parent in job.parents.values():
        _check_outputs(home.directory(parent), parent)
    return {role: home.directory(parent) for role, parent in job.parents.items()}


def _keys(job: Job) -> dict[str, str]:
    """The keys of what a job rests on, by role."""
    return {role: parent.key for role, parent in job.parents.items()}


def _tool(job: Job) -> str | None:
    """The tool with its version."""
    if job.tool is None:
        return None
    from transfer import tool

    return tool.version(job.tool)


def _cache(directory: Path) -> datasets.Cache:
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


def _hashes(directory: Path) -> dict[str, str]:
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


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
