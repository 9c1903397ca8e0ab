"""A step's forward and backward pass recorded once as a CUDA graph: the host starts it with one call."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor

from pretrain.branches.base import Geometry
from pretrain.model.student_teacher import StudentTeacher

log = logging.getLogger(__name__)
Passed = tuple[dict[str, Tensor], Tensor]
"""Losses by branch, and the student's pooled features."""
WARM = 3
"""Steps that are taken as they are: kernels are compiled and chosen in them."""


class GraphedPass:
    """``forward and backward`` of a batch: as it is for the first steps, from then on replayed.

    Replaying runs the kernels that were recorded, on the same memory. What is returned, and the gradients, are
    overwritten by the next call. What cannot be recorded is taken as it is, with a warning: the numbers are the same.

    Args:
        model: whose parameters get gradients; its branches are all ``capturable``.
        work: the pass, without any wait for the device and any look at a tensor's values; what it draws is given to it.
    """

    def __init__(self, model: StudentTeacher, work: Callable[[tuple[Tensor, ...], Geometry], Passed]) -> None:
        self._model, self._work = model, work
        self._graph: torch.cuda.CUDAGraph | None = None
        self._calls = 0

    def __call__(self, views: tuple[Tensor, ...], geometry: Geometry) -> Passed:
        """The pass on a batch of always the same shapes; gradients must have been set to none."""
        self._calls += 1
        if self._calls == WARM + 1:
            self._record(views, geometry)
        if self._graph is None:
            return self._work(views, geometry)
        for kept, given in zip(_tensors(self._views, self._geometry), _tensors(views, geometry), strict=True):
            kept.copy_(given, non_blocking=True)
        self._graph.replay()
        for parameter, gradient in self._gradients:
            parameter.grad = gradient
        for put_back in self._put_back:
            put_back()
        return self._passed

    def _record(self, views: tuple[Tensor, ...], geometry: Geometry) -> None:
        given = tuple(torch.empty_like(view) for view in views), _like(geometry)
        torch.cuda.synchronize()
        gc.collect()
        torch.cuda.empty_cache()  # the recording has a pool of its own
        graph, stream, before = torch.cuda.CUDAGraph(), torch.cuda.current_stream(), self._model.remembered()
        try:
            # Other threads, the loader's that pins memory, may go on with what a recording forbids.
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                passed = self._work(*given)
        except RuntimeError as error:
            # What ends a recording that has failed raises for itself: the cause is what it found.
            cause = str(error.__context__ or error).partition("\n")[0]
            log.warning("steps are not recorded as a CUDA graph, and slower: %s", cause)
            torch.cuda.set_stream(stream)
            for put_back in before:
                put_back()
            self._model.zero_grad(set_to_none=True)
            return
        self._gradients = [(parameter, parameter.grad) for parameter in self._model.parameters()]
        self._put_back = self._model.remembered()
        self._graph, self._passed = graph, passed
        self._views, self._geometry = given


def _tensors(views: tuple[Tensor, ...], geometry: Geometry) -> Iterator[Tensor]:
    yield from views
    for field in fields(geometry):
        yield from getattr(geometry, field.name)


def _like(geometry: Geometry) -> Geometry:
    values: dict[str, Any] = {
        field.name: tuple(torch.zeros_like(value) for value in getattr(geometry, field.name))
        for field in fields(geometry)
    }
    return Geometry(**values)
