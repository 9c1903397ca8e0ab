"""What a recipe may say. The defaults are PixCon's released configuration; every field is part of the key
unless it is declared ``not_identity``."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from ground.config import Strict, later, not_identity
from ground.networks import BackboneName
from pretrain.branch_config import AnyBranch
from pretrain.consistency import check as check_branches
from pretrain.inputs import AnyInput
from pretrain.inputs import check as check_inputs
from pretrain.optim_config import AnyOptim, Sgd
from pretrain.view_config import Probability, Views


class Norm(Strict):
    """``sync``: batch norm over the images of all processes. ``shuffle``: over groups of ``group`` images, keys
    shuffled among the images of all processes (MoCo). Both see what is forwarded at once: the batch, or one of its
    ``train.accumulate`` parts."""

    kind: Literal["sync", "shuffle"] = "sync"
    group: PositiveInt = 128


class Momentum(Strict):
    """The teacher's momentum: ``ascending`` goes from ``base`` to 1 along a cosine, ``constant`` stays."""

    base: Probability = 0.99
    schedule: Literal["ascending", "constant"] = "ascending"
    average: Literal["after", "before"] = later("after")
    """Which step's momentum an average has: the step just taken (mmselfsup averages after it), or the coming one
    (SlotCon and PixPro average before its forward pass)."""


class Model(Strict):
    """Student, momentum teacher and the branches between them."""

    backbone: BackboneName = "resnet50"
    zero_residuals: bool = later(False)
    """Start every residual block as its shortcut (SlotCon, PixPro)."""
    norm: Norm = Norm()
    momentum: Momentum = Momentum()
    symmetric: bool = True
    branches: dict[str, AnyBranch]
    export: Literal["student", "teacher"] = "student"

    @model_validator(mode="before")
    @classmethod
    def _drop_removed(cls, data: object) -> object:
        """A recipe that extends another removes a branch by ``name: null``."""
        return _without_removed(data, "branches")


class Fast(Strict):
    """Faster ways to the same numbers but for their rounding, on CUDA alone: a CPU's results are the same bits
    whatever stands here. Being off is part of the key, since bits on CUDA are others then."""

    norms: bool = later(True)
    """Batch norm, ReLU and the addition of a shortcut in one pass over memory (Triton; one process)."""
    stack: bool = later(True)
    """Views of one size pass a network at once, each with batch-norm statistics of its own; needs ``norms``."""
    infonce: bool = later(True)
    """InfoNCE by a kernel that never writes a logit (Triton; with half precision; temperatures of 0.07 or more)."""
    colours: bool = later(True)
    """Photometric work of a view in at most four passes over memory (Triton)."""
    optimizer: bool = later(True)
    """SGD in one kernel; LARS, where the loss is scaled, without a wait for the device in every step."""
    recompute: bool = not_identity(True)
    """Outputs of inner norms are worked out again in backward instead of kept: the same bits, less memory."""
    graph: bool = later(True)
    """Forward and backward pass recorded as a CUDA graph (one process, losses whose host looks at no values)."""


class Train(Strict):
    """Length, batch and arithmetic."""

    epochs: PositiveInt = 800
    batch: PositiveInt = 512
    accumulate: PositiveInt = 1
    """Parts of the batch that are forwarded one after the other, to save memory. Batch norms, groups and a slot's
    negatives see one part at a time, so results are others."""
    precision: Literal["fp32", "bf16", "fp16"] = "fp16"
    channels_last: bool = True
    threads: PositiveInt = 4
    """CPU threads of the arithmetic: they change the order of summation, so they are part of the key."""
    fast: Fast = later(Fast())
    device: Literal["auto", "cpu", "cuda"] = not_identity("auto")
    workers: Annotated[int, Field(ge=0)] | Literal["auto"] = not_identity("auto")
    """Processes that cut views; 0 cuts in the training process, ``auto`` takes the cores that are ours."""
    cache: str = not_identity("off")
    """Folder for decoded images, so that each is decoded once, not every epoch; ``store`` is one in the run store."""
    decode: Literal["shown", "whole"] = not_identity("shown")
    """How much of a JPEG is decoded: what a sample's crops show, where a C compiler and libjpeg-turbo's headers are at
    hand, or all of it. The same bits."""
    log_every: PositiveInt = not_identity(20)
    checkpoint_minutes: float = not_identity(10.0, gt=0)
    snapshot_epochs: int = not_identity(0, ge=0)
    """Keep student's and teacher's backbones every so many epochs, from before the first (Figure 2); 0 keeps none."""


class PretrainConfig(Strict):
    """One recipe, resolved: everything that decides its backbone but the seed and the images."""

    recipe: str
    title: str = not_identity("")
    source: str = not_identity("")
    """Whence the settings come, in a few words."""
    version: PositiveInt = 1
    data: Literal["coco", "coco+"] = "coco"
    initial: bool = False
    """Hand over the backbone as it is initialised, without training: the floor every row is measured from."""
    inputs: dict[str, AnyInput] = later({})
    """Work on the data that has to be done before, by the role it has here."""
    views: Views
    model: Model
    optim: AnyOptim = Sgd()
    train: Train = Train()

    @model_validator(mode="before")
    @classmethod
    def _drop_removed(cls, data: object) -> object:
        """A recipe that extends another removes an input by ``name: null``."""
        return _without_removed(data, "inputs")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        batch = self.train.batch
        if batch % self.train.accumulate:
            raise ValueError(f"train.batch {batch} is not divisible by train.accumulate {self.train.accumulate}")
        if self.initial == bool(self.model.branches):
            raise ValueError("model.branches must name a loss, or `initial: true` say that nothing is trained")
        if self.initial and self.inputs:
            raise ValueError("inputs are for a recipe that trains, and `initial: true` says that nothing is trained")
        check_inputs(self.inputs)
        check_branches(self)
        return self


def _without_removed(data: object, field: str) -> object:
    """``data`` less the entries of its mapping ``field`` that are null."""
    if isinstance(data, dict) and isinstance(data.get(field), dict):
        return {**data, field: {name: value for name, value in data[field].items() if value is not None}}
    return data
