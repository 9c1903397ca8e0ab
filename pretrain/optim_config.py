"""What a recipe may say about its optimiser and learning rate; ``pretrain.config`` takes ``AnyOptim`` from here."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PositiveFloat

from ground.config import Strict, later


class Optim(Strict):
    """What every optimiser has. Times are in epochs and may be fractions.

    ``schedule``: how often the cosine moves, and from where to where (``pretrain.training.schedule``). ``epoch`` is
    mmcv's, whose warm-up scales the cosine; ``iteration`` is SlotCon's and PixPro's, whose cosine starts where the
    warm-up ends. ``warmup_ratio``: the share of ``lr`` that step 0 gets.
    """

    lr: PositiveFloat
    momentum: float = Field(0.9, ge=0, le=1)
    weight_decay: float = Field(ge=0)
    warmup_epochs: float = Field(ge=0)
    warmup_ratio: PositiveFloat
    schedule: Literal["epoch", "iteration"]
    final_lr: float = Field(ge=0)


class Sgd(Optim):
    """SGD with weight decay on every parameter; per-epoch cosine under a per-iteration warm-up (methods.md 1.5)."""

    kind: Literal["sgd"] = later("sgd")
    lr: PositiveFloat = 0.4
    weight_decay: float = Field(1e-4, ge=0)
    warmup_epochs: float = Field(4, ge=0)
    warmup_ratio: PositiveFloat = 1e-4
    schedule: Literal["epoch", "iteration"] = later("epoch")
    final_lr: float = later(0.0, ge=0)


class Lars(Optim):
    """LARS as SlotCon and PixPro run it: biases and norms are neither decayed nor adapted (methods.md 8.3, B.5)."""

    kind: Literal["lars"]
    lr: PositiveFloat = 2.0
    weight_decay: float = Field(1e-5, ge=0)
    warmup_epochs: float = Field(5, ge=0)
    warmup_ratio: PositiveFloat = 0.01
    schedule: Literal["epoch", "iteration"] = "iteration"
    final_lr: float = Field(1e-6, ge=0)
    eta: PositiveFloat = 0.001
    """Trust coefficient: a tensor's step is this share of its norm, times the learning rate."""
    epsilon: float = Field(0.0, ge=0)
    """Added to the gradient's norm: 1e-8 in PixPro's code, nothing in SlotCon's."""


def _kind_or_sgd(settings: Any) -> Any:
    """Recipes that name no kind mean SGD, the only one there was."""
    return {"kind": "sgd", **settings} if isinstance(settings, dict) else settings


AnyOptim = Annotated[Sgd | Lars, Field(discriminator="kind"), BeforeValidator(_kind_or_sgd)]
