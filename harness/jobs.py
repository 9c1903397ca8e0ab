"""A job: one unit of work, as the plan names it and as ``job.json`` hands it to the process that does it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from ground.errors import StorageError
from harness.devices import Device

Kind = Literal["pretrain", "transfer"]


@dataclass(frozen=True)
class Job:
    """Everything a process needs to do one unit of work, and what people call it.

    Paths are where things lie at the moment; only ``key`` says what the job is.
    """

    kind: Kind
    key: str
    name: str
    """Name of its directory below ``<store>/<kind>/``."""
    recipe: str
    task: str | None
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
    parent: str | None
    """Name of the pre-training whose weights it starts from."""
    parent_key: str | None

    @property
    def title(self) -> str:
        """What a progress line calls it."""
        return f"{self.task} {self.recipe} run {self.run}" if self.kind == "transfer" else f"pretrain {self.recipe}"

    @property
    def stem(self) -> str:
        """The name without the key: what two versions of one job share."""
        return self.name.rpartition("-")[0]

    def to_json(self) -> dict[str, Any]:
        """As plain data for ``job.json``."""
        return {"schema": 1, **asdict(self)}

    @classmethod
    def from_json(cls, value: Any, where: object) -> Job:
        """The job of a ``job.json``.

        Raises:
            StorageError: it is not one.
        """
        wanted = {field.name for field in fields(cls)} | {"schema"}
        if not isinstance(value, dict) or set(value) != wanted or value["schema"] != 1:
            raise StorageError(where, "is not a job of this version of the harness", "Delete its folder and run again.")
        settings = {name: item for name, item in value.items() if name != "schema"}
        return cls(**{**settings, "overrides": tuple(settings["overrides"])})
