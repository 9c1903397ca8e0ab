"""Errors a user can mend: each is one line that names the place and the remedy."""

from __future__ import annotations

from typing import ClassVar


class UserError(Exception):
    """A fault in what the user gave us.

    Args:
        where: the file, field or option at fault, as the user knows it.
        problem: what is wrong with it.
        remedy: what to do about it.

    ``kind`` is the failure class written into a run's record.
    """

    kind: ClassVar[str] = "user"

    def __init__(self, where: object, problem: str, remedy: str) -> None:
        super().__init__(where, problem, remedy)
        self.where, self.problem, self.remedy = str(where), problem, remedy

    def __str__(self) -> str:
        line = f"{self.where}: {self.problem.rstrip('.')}. {self.remedy}"
        return " ".join(line.split())


class ConfigError(UserError):
    """A setting that does not exist or has a value that cannot be used."""

    kind = "config"


class DataError(UserError):
    """A data set that is missing, empty, broken or not what its layout promises."""

    kind = "data"


class WeightsError(UserError):
    """A checkpoint that is broken or does not fit the network it is meant for."""

    kind = "weights"


class DivergedError(UserError):
    """Training met a value that is not finite."""

    kind = "diverged"


class StorageError(UserError):
    """The disk is full, read-only or gone."""

    kind = "storage"


class NodeError(UserError):
    """The machine that a job came to lacks what it was given there: another one may have it."""

    kind = "node"
