"""What a checkpoint says of the run that wrote it: a repeat must never go on from another's."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from ground.config import digest, identity
from ground.errors import WeightsError
from transfer.config import TaskConfig
from transfer.protocol import Share


class Facts:
    """Task, seed, settings and weights of one run, as a part of its checkpoint that is compared when it is loaded.

    Args:
        where: the checkpoint, or the folder of several, for the error.
        config: the task.
        seed: the run's.
        weights: the pre-trained backbone's file.
        share: how several processes meet the protocol, where there can be several.
    """

    def __init__(self, where: Path, config: TaskConfig, seed: int, weights: Path, share: Share | None = None) -> None:
        with open(weights, "rb") as file:
            backbone = hashlib.file_digest(file, "sha256").hexdigest()
        settings = digest([identity(config), share.identity if share else {}])
        self.where = where
        self.facts: dict[str, str | int] = {
            "task": config.name, "seed": seed, "settings": settings, "weights": backbone,
        }  # fmt: skip

    def state_dict(self) -> dict[str, Any]:
        """The facts, plain values."""
        return self.facts

    def load_state_dict(self, written: object) -> None:
        """Compare with those of the file.

        Raises:
            WeightsError: they differ; names the first that does. Or there are none.
        """
        remedy = "Give every run a folder of its own, or delete what is there to start this one anew."
        if not isinstance(written, dict):
            raise WeightsError(self.where, "does not say which run it is of: another version wrote it", remedy)
        for name, mine in self.facts.items():
            if written.get(name) != mine:
                problem = f"holds another run's checkpoint: its {name} is {written.get(name)}, this run's is {mine}"
                raise WeightsError(self.where, problem, remedy)
