"""What every downstream task has; each kind adds its own in a module beside this one. Light: imports no torch."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from ground.config import Strict, not_identity

Fraction = Annotated[float, Field(ge=0, le=1)]
Triple = tuple[float, float, float]
Norm = Literal["BN", "SyncBN"]
"""Batch norms over a process's images, or over those of all processes."""
Waivable = Literal["batch", "norm"]
"""What a protocol asks for and a task may give up by name (`transfer.protocol`)."""


class TaskConfig(Strict):
    """One downstream task, resolved: everything a fine-tuning run does but its seed and its weights."""

    name: str
    kind: str
    """Which of the classes below it is of."""
    version: PositiveInt
    """Raised when a fix changes results."""
    runs: Annotated[int, Field(ge=1, json_schema_extra={"identity": False})]
    """Repeats the protocol asks for."""
    metrics: Annotated[tuple[str, ...], Field(json_schema_extra={"identity": False})]
    """Names of the numbers a run ends in, in percent."""
    pixel_mean: Triple
    """RGB, 0-255, as the network sees it: what is subtracted, whether or not it is the data's mean."""
    pixel_std: Triple
    precision: Literal["fp32", "bf16"]
    """Of training's forward pass; weights, losses and testing stay fp32."""
    channels_last: bool
    threads: PositiveInt
    """Of CPU arithmetic: their number changes the last bits, so it is part of the identity."""
    tool: str = not_identity("auto")
    """Which library trains. The one chosen (`transfer.tool.choose`) is part of a job's key, not this wish."""
    device: Literal["auto", "cpu", "cuda"] = not_identity("auto")
    workers: NonNegativeInt = not_identity(0)
    """Processes that read images; 0 reads in the training process."""
    checkpoint_every: PositiveInt = not_identity(1000)
    """Iterations between checkpoints."""
    processes: PositiveInt = not_identity(1)
    """That share one total batch. With synchronised batch norms the mathematics do not depend on their number; where
    they do, it is part of a job's key (`transfer.protocol.Share.identity`)."""
    waive: tuple[Waivable, ...] = not_identity(())
    """What may be given up if the processes cannot meet it. What is given up then is part of a job's key, not
    this leave."""

    @property
    @abstractmethod
    def layout(self) -> str:
        """The module of `transfer.layouts` that reads its data."""

    @property
    @abstractmethod
    def batch(self) -> int:
        """Images of one optimiser step, over all processes."""

    @property
    @abstractmethod
    def norm(self) -> Norm:
        """The batch norms that the protocol asks for."""

    @property
    @abstractmethod
    def tools(self) -> tuple[str, ...]:
        """Libraries that can run it, the preferred one first."""
