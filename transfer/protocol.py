"""What each of several processes does for a task's protocol, and whether they can meet it. Light: imports no torch.

The protocol names the total batch; a process's share follows from how many there are. With one total batch and batch
norms over all of it the mathematics do not depend on their number, so that is no part of a job's key. What cannot be
met is refused when the job is planned, unless the task gives it up by name (``waive``): then it runs, its key says so,
and so does the table.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Literal

from ground.errors import ConfigError
from transfer.config import Norm, TaskConfig, Waivable

SEVERAL = frozenset({"detectron2", "mmsegmentation"})
"""Tools whose adapter trains in several processes; whoever teaches one adds it here."""


@dataclass(frozen=True)
class Share:
    """What one process of a fine-tuning does."""

    processes: int
    batch: int
    """Images of one step in this process."""
    norm: Norm
    """What to build. In one process a plain batch norm sees the whole batch: it is the synchronised one."""
    given_up: dict[Waivable, str]
    """What the protocol asks for and does not get: which, and in words for a table."""

    @property
    def identity(self) -> dict[str, Any]:
        """What belongs into a job's key: nothing where the number of processes does not matter; else it, and what is
        given up."""
        apart = self.processes > 1 and self.norm == "BN"
        processes = {"processes": self.processes} if apart or self.given_up else {}
        return {**processes, **({"given_up": sorted(self.given_up)} if self.given_up else {})}


def share(config: TaskConfig, *, tool: str, device: Literal["cpu", "cuda"]) -> Share:
    """One process's share of the task.

    Raises:
        ConfigError: the processes asked for cannot meet the protocol and the task does not give it up by name.
    """
    where, processes = f"task `{config.name}`", config.processes
    if processes > 1 and tool not in SEVERAL:
        problem = f"field `processes` = {processes}: {tool} trains in one process here"
        others = [name for name in config.tools if name in SEVERAL]
        remedy = f"Set `processes: 1`{f', or `tool: {others[0]}`' if others else ''}."
        raise ConfigError(where, problem, remedy)
    given_up: dict[Waivable, str] = {}
    each, rest = divmod(config.batch, processes)
    if each == 0:
        problem = f"field `processes` = {processes}: the batch has {config.batch} images, too few for one each"
        raise ConfigError(where, problem, f"Set `processes` to {config.batch} or fewer.")
    if rest:
        problem = f"field `processes` = {processes}: the batch of {config.batch} images does not divide by it"
        _refuse(config, "batch", problem, f"Set `processes` to one of {_divisors(config.batch)}")
        given_up["batch"] = f"{config.name} with batches of {each * processes} images instead of {config.batch}"
    norm = config.norm if processes > 1 else "BN"
    if norm == "SyncBN" and device == "cpu":
        problem = f"field `model.norm` = SyncBN: {processes} processes on the CPU have no batch norm in common"
        _refuse(config, "norm", problem, "Set `processes: 1`, or train on GPUs")
        norm = "BN"
        given_up["norm"] = f"{config.name} with batch norms over {each} images instead of {config.batch}"
    return Share(processes, each, norm, given_up)


def _refuse(config: TaskConfig, name: Waivable, problem: str, remedy: str) -> None:
    if name not in config.waive:
        also = f"or give it up by name, which the table will say: `waive: [{name}]`."
        raise ConfigError(f"task `{config.name}`", problem, f"{remedy}, {also}")


def _divisors(batch: int) -> str:
    return ", ".join(str(number) for number in range(1, batch + 1) if batch % number == 0)


def check_launch(config: TaskConfig) -> None:
    """The launcher's environment (torchrun's words) describes the processes that the task was planned for.

    Raises:
        ConfigError: it describes another number of them, or no whole description.
    """
    world = _number("WORLD_SIZE", "1")
    if world != config.processes:
        problem = f"{world} processes were started, and task `{config.name}` was planned for {config.processes}"
        raise ConfigError("WORLD_SIZE", problem, f"Start as many, or set `processes: {world}`.")
    if world == 1:
        return
    for name, most in (("RANK", world), ("LOCAL_RANK", world)):
        if not 0 <= _number(name, "") < most:
            raise ConfigError(name, f"`{os.environ[name]}` is none of 0 to {most - 1}", "Start by torchrun.")


def _number(name: str, otherwise: str) -> int:
    text = os.environ.get(name, otherwise)
    if not text.isdecimal():
        raise ConfigError(name, f"`{text}` is no number", "Start by torchrun, or unset it for one process.")
    return int(text)
