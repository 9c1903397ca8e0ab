"""Cluster profiles: what a cluster has and what a job of each kind asks of it. One YAML in ``slurm/clusters/``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from ground import catalog
from ground.config import Contradiction, Settings, Strict, read_yaml, suggest
from ground.errors import ConfigError
from ground.faults import explain

HOME = Path(__file__).parent / "clusters"
OWN = Path("clusters")
"""Folder of a user's profiles, in the working directory."""
Memory = Annotated[str, StringConstraints(pattern=r"^[1-9]\d*[KMGT]$")]
"""As Slurm writes it: ``500M``, ``64G``."""


class Resources(Strict):
    """What one job asks for. ``gpus`` in all; more than ``Cluster.gpus_per_node`` of them take several nodes. A
    pre-training has one process a GPU; without GPUs, ``processes`` of them. A fine-tuning has as many as its task says
    (``processes``, in the harness's profile), each with a GPU where ``gpus`` is 1; any other job has one."""

    gpus: NonNegativeInt = 1
    processes: PositiveInt = 1
    cpus: PositiveInt = 8
    """Of each process; ``memory`` likewise. Without ``memory`` the partition's own default holds."""
    memory: Memory | None = None
    hours: PositiveFloat = 24.0
    """Time limit. A job that needs longer goes on from its checkpoint."""
    partition: str | None = None
    """Instead of the cluster's; ``account``, ``qos``, ``constraint`` likewise."""
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None


class Kinds(Strict):
    """Resources of each kind of job."""

    prepare: Resources = Resources()
    pretrain: Resources = Resources()
    transfer: Resources = Resources()
    import_: Resources = Field(Resources(gpus=0, hours=1.0), alias="import")

    @model_validator(mode="after")
    def _only_pretraining_is_split(self) -> Self:
        """What would be asked for in vain is refused."""
        for name in ("prepare", "transfer", "import_"):
            given: Resources = getattr(self, name)
            kind = name.removesuffix("_")
            for field in ("gpus", "processes"):
                if (number := getattr(given, field)) > 1:
                    why = "a fine-tuning has as many as its task says" if kind == "transfer" else "such a job has one"
                    set_ = " and set TASK.processes (--set TASK.processes=N)" if kind == "transfer" else ""
                    raise Contradiction(f"`kinds.{kind}.{field}` = {number}: {why}", f"Write 1 here{set_}.")
        return self


class Links(Strict):
    """What GPUs send over, in gigabytes a second one way: plans alone reckon with it.

    By default four fifths of what NVIDIA's data sheets of the H100 and the DGX H100 give: NVLink 450 a GPU, eight cards
    of 400 Gb/s a node. An A100 and its DGX have 300 and 200.
    """

    gpu: PositiveFloat = 360.0
    """Of a GPU to the others of its node."""
    node: PositiveFloat = 320.0
    """Of a node to the others, all its network cards together."""


class Retries(Strict):
    """How often a job is started anew after each class of failure; null is without end. Bounded in all by
    ``Cluster.max_hours``."""

    preempted: NonNegativeInt | None = None
    timeout: NonNegativeInt | None = None
    node: NonNegativeInt | None = 5
    memory: NonNegativeInt | None = 1
    storage: NonNegativeInt | None = 3
    unknown: NonNegativeInt | None = 2
    diverged: NonNegativeInt | None = 0
    data: NonNegativeInt | None = 0
    code: NonNegativeInt | None = 0


class Keeper(Strict):
    """A small job that looks after all the others while nobody watches."""

    partition: str | None = None
    """Instead of the cluster's."""
    hours: PositiveFloat = 24.0
    """After which it takes its place in the queue anew, for as long as there is something to look after."""
    cpus: PositiveInt = 1
    memory: Memory | None = "2G"


class Cluster(Strict):
    """One cluster."""

    description: str
    executor: Literal["slurm", "local", "debug"] = "slurm"
    """``slurm``: sbatch. ``local``: processes of this machine. ``debug``: in this process, one job after the other."""
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    gpus_per_node: NonNegativeInt = 0
    gpu_request: Literal["gpus-per-node", "gres"] = "gpus-per-node"
    """Which option of sbatch asks for GPUs."""
    gpu_type: str | None = None
    """E.g. ``a100``: asked for as ``a100:8``."""
    gpus: PositiveInt | None = None
    """Of the whole cluster that one user may expect to have at once: what plans are simulated with."""
    links: Links = Links()
    kinds: Kinds = Kinds()
    setup: tuple[str, ...] = ()
    """Lines of shell before the job: ``module load …``, ``source …``."""
    options: dict[str, str | int | bool] = Field(default_factory=dict)
    """Further options of sbatch, by their long name; ``true`` for one without a value."""
    accounting: bool = True
    """Whether sacct is asked about jobs that the controller has forgotten. Where it does not answer nothing is lost."""
    warning_seconds: PositiveInt = 120
    """How long before the time limit a job is told to leave a checkpoint; half of the shortest limit at most."""
    max_array: PositiveInt | None = None
    """Largest array index + 1; asked of ``scontrol`` where null."""
    max_jobs: PositiveInt | None = None
    """Jobs of ours in the queue at once; without, all that there are."""
    retries: Retries = Retries()
    max_hours: PositiveFloat | None = None
    """Hours of a job over all its attempts, after which it is given up; without, four times its time limit."""
    memory_factor: PositiveFloat = 1.5
    """What a job that ran out of memory asks for next time, in shares of what it had."""
    memory_per_node: Memory | None = None
    """What a node has for jobs: more is never asked for after a job ran out of memory. Null: as ``memory_factor`` says,
    until Slurm refuses."""
    poll_seconds: PositiveFloat = 30.0
    """How often the queue is looked at."""
    keeper: Keeper | None = None
    """Submitted by ``harness run --detach``. Null where compute nodes may not call sbatch."""

    @field_validator("options")
    @classmethod
    def _leave_ours(cls, options: dict[str, str | int | bool]) -> dict[str, str | int | bool]:
        """Options that have a field of their own, or that only whoever submits can know, are not for profiles."""
        wrong: list[tuple[str, str]] = []
        for name in options:
            if name.strip("-").replace("_", "-") in _OURS:
                wrong.append((f"`{name}` is not set here", _OURS[name.strip("-").replace("_", "-")]))
            elif name.startswith("-") or len(name) == 1:
                wrong.append((f"`{name}` is no long name", "Write it out, without dashes: `mail-type: END`."))
        if wrong:
            problems, remedies = zip(*wrong, strict=True)
            raise Contradiction("; ".join(problems), " ".join(dict.fromkeys(remedies)))
        return options

    @model_validator(mode="after")
    def _warn_in_time(self) -> Self:
        """A job that is warned as soon as it starts would be requeued for ever, and never get anywhere."""
        if self.executor != "slurm":
            return self
        limits = {f"kinds.{field.alias or name}.hours": getattr(self.kinds, name).hours for name, field in _KINDS}
        if self.keeper is not None:
            limits["keeper.hours"] = self.keeper.hours
        seconds = {name: math.ceil(hours * 60) * 60 for name, hours in limits.items()}  # Slurm counts minutes
        short = {name: lasts for name, lasts in seconds.items() if 2 * self.warning_seconds > lasts}
        if short:
            which = ", ".join(f"`{name}` = {limits[name]:g} ({lasts} s)" for name, lasts in short.items())
            problem = f"`warning_seconds` = {self.warning_seconds} is more than half of {which}"
            remedy = (
                f"Set warning_seconds to {min(short.values()) // 2} or less, or {', '.join(short)} to more than it is."
            )
            raise Contradiction(problem, remedy)
        return self


_KINDS = tuple(Kinds.model_fields.items())
_ITS_OWN = dict.fromkeys(
    ("array", "dependency", "error", "job-name", "open-mode", "output", "parsable", "requeue", "no-requeue", "wrap"),
    "Delete it: the harness sets it for each array.",
)
_FIELDS = {
    **dict.fromkeys(("partition", "account", "qos", "constraint"), "Use the profile's field of this name."),
    **dict.fromkeys(("gpus", "gpus-per-node", "gpus-per-task"), "Use gpus_per_node, gpu_type and kinds.<kind>.gpus."),
    **dict.fromkeys(("nodes", "ntasks", "ntasks-per-node"), "Use gpus_per_node and kinds.<kind>.gpus or .processes."),
    "cpus-per-task": "Use kinds.<kind>.cpus.",
    "mem": "Use kinds.<kind>.memory.",
    "signal": "Use warning_seconds.",
    "time": "Use kinds.<kind>.hours.",
}
_OURS = {**_ITS_OWN, **_FIELDS}


def names() -> list[str]:
    """Every cluster profile, sorted: ours, those of packages, and those in ``clusters/`` of the working directory."""
    return sorted({*catalog.catalog("clusters", HOME), *_own()})


def source(name: str) -> Path:
    """The file of a cluster profile, by its name or as a path.

    Raises:
        ConfigError: there is none, or there are two of this name.
    """
    if name.endswith((".yaml", ".yml")):
        return Path(name)
    own, others = _own(), catalog.catalog("clusters", HOME)
    if name in own and name in others:
        raise ConfigError(own[name], f"there is another cluster `{name}`: {others[name]}", "Rename the file.")
    if name not in own and name not in others:
        remedy = f"{suggest(name, names())} `harness cluster init` writes a profile of the Slurm that you are on."
        raise ConfigError(f"--cluster {name}", "there is no such cluster", remedy)
    return own.get(name) or others[name]


def _own() -> dict[str, Path]:
    return {path.stem: path for path in OWN.glob("*.yaml")}


def load(name: str) -> Cluster:
    """A cluster profile by name or by the path of a YAML file.

    Raises:
        ConfigError: no such profile, or a field that does not fit.
    """
    path = source(name)
    if path.parent == HOME:
        return _whole(catalog.read("clusters", HOME, name), f"cluster `{name}`")
    return _whole(read_yaml(path), str(path))


def _whole(settings: Settings, where: str) -> Cluster:
    """Settings as a profile; all that does not fit is told, for somebody has just written it."""
    try:
        return Cluster.model_validate(settings)
    except ValidationError as error:
        told = [explain(Cluster, settings, each) for each in error.errors(include_url=False)]
    if len(told) == 1:
        raise ConfigError(where, *told[0])
    each = [f"({number}) {problem.rstrip('.')}. {remedy}" for number, (problem, remedy) in enumerate(told, 1)]
    raise ConfigError(where, f"{len(told)} mistakes: {' '.join(each)}", "Mend them all.")
