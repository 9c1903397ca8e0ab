"""A job: one unit of work, as the plan names it and as ``job.json`` hands it to the process that does it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import Any, Literal, get_args

from ground.errors import StorageError
from harness.devices import Device

Kind = Literal["prepare", "pretrain", "import", "transfer"]
KINDS: tuple[Kind, ...] = get_args(Kind)
SCHEMA = 2


@dataclass(frozen=True)
class Parent:
    """A job that another one rests on."""

    kind: Kind
    name: str
    key: str

    @property
    def stem(self) -> str:
        """As of a job."""
        return self.name.rpartition("-")[0]


@dataclass(frozen=True)
class Job:
    """Everything a process needs to do one unit of work, and what people call it.

    Paths are where things lie at the moment; only ``key`` says what the job is.
    """

    kind: Kind
    key: str
    name: str
    """Name of its directory below ``<store>/<kind>/``."""
    recipe: str | None
    """None for work that recipes share."""
    task: str | None
    input: str | None
    """What such work makes, and of what: ``selective_search coco``."""
    run: int | None
    """Index of the repeat of a fine-tuning, from 0."""
    seed: int
    profile: str
    overrides: tuple[str, ...]
    """``--set`` options that were given, for the reader; what they changed is in ``config``."""
    tool: str | None
    device_class: Device
    """What does the arithmetic."""
    config: dict[str, Any]
    """Resolved settings."""
    version: int
    threads: int
    data: dict[str, Any]
    """``name`` for people, ``fingerprint``, and where it lies: ``folders`` of images or ``root`` of data sets."""
    parents: dict[str, Parent]
    """What it rests on, by the role it has here: ``weights``, or the recipe's name for an input."""

    @property
    def title(self) -> str:
        """What a progress line calls it."""
        if self.kind == "transfer":
            return f"{self.task} {self.recipe} run {self.run}"
        other = f" seed {self.seed}" if self.kind == "pretrain" and self.seed else ""
        return f"{self.kind} {self.subject}{other}"

    @property
    def subject(self) -> str:
        """What it is about: the task, the recipe or the input that its settings are of."""
        return self.task or self.recipe or self.input or ""

    @property
    def family(self) -> tuple[str, ...]:
        """Equal for jobs that do alike work, whatever the recipe."""
        detail = self.config["kind"] if self.kind == "prepare" else self.task
        return (self.kind, detail) if detail else (self.kind,)

    @property
    def stem(self) -> str:
        """The name without the key: what two versions of one job share."""
        return self.name.rpartition("-")[0]

    def as_parent(self) -> Parent:
        """How a job that rests on this one names it."""
        return self._as_parent

    @cached_property
    def _as_parent(self) -> Parent:
        return Parent(self.kind, self.name, self.key)

    def to_json(self) -> dict[str, Any]:
        """As plain data for ``job.json``."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {"schema": SCHEMA, **values, "parents": {role: asdict(each) for role, each in self.parents.items()}}

    @classmethod
    def from_json(cls, value: Any, where: object) -> Job:
        """The job of a ``job.json``.

        Raises:
            StorageError: it is not one.
        """
        wanted = {field.name for field in fields(cls)} | {"schema"}
        if not isinstance(value, dict) or set(value) != wanted or value["schema"] != SCHEMA:
            raise StorageError(where, "is not a job of this version of the harness", "Delete its folder and run again.")
        settings = {name: item for name, item in value.items() if name != "schema"}
        parents = {role: Parent(**parent) for role, parent in settings["parents"].items()}
        return cls(**{**settings, "overrides": tuple(settings["overrides"]), "parents": parents})


class Scribe:
    """Writes jobs as ``job.json`` has them: indented JSON with sorted names, as `ground.files.write_json`.

    What thousands of jobs have in common, their settings, is put into words once.
    """

    def __init__(self) -> None:
        self._said: dict[int, tuple[object, str]] = {}

    def text(self, job: Job) -> str:
        """All of a job."""
        values = job.to_json()
        shared = {name: self._shared(values.pop(name)) for name in ("config", "data")}
        words = {name: _indented(value) for name, value in values.items()} | shared
        return "{\n" + ",\n".join(f' "{name}": {words[name]}' for name in sorted(words)) + "\n}\n"

    def _shared(self, value: dict[str, Any]) -> str:
        if id(value) not in self._said:
            self._said[id(value)] = value, _indented(value)  # keeps the value, so that its id stays its own
        return self._said[id(value)][1]


def _indented(value: object) -> str:
    """JSON as it stands in an indented mapping."""
    if isinstance(value, str | int | None):
        return json.dumps(value)
    return json.dumps(value, indent=1, sort_keys=True).replace("\n", "\n ")


def behind(job: Job, jobs: Mapping[str, Job]) -> list[Job]:
    """What ``job`` waits for among ``jobs``, directly or not: each once, what has to be done first in front."""
    return [each for each in with_parents([job], jobs) if each.name != job.name]


def with_parents(own: Iterable[Job], jobs: Mapping[str, Job]) -> list[Job]:
    """``own`` and all that they wait for among ``jobs``: each once, what has to be done first in front."""
    found: dict[str, Job] = {}

    def add(job: Job) -> None:
        if job.name not in found:
            for parent in job.parents.values():
                if parent.name in jobs:
                    add(jobs[parent.name])
            found[job.name] = job

    for job in own:
        add(job)
    return list(found.values())
