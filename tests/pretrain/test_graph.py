"""Recorded steps, as far as a CPU can show: warm ones are taken as they are, and so are all if recording fails."""

import logging
from contextlib import contextmanager

import pytest
import torch

from pretrain.branches.base import Geometry
from pretrain.model.student_teacher import StudentTeacher
from pretrain.training.graph import WARM, GraphedPass


@pytest.fixture
def refusing(monkeypatch):
    """A device on which nothing can be recorded."""

    @contextmanager
    def graph(*_, **__):
        yield
        raise RuntimeError("operation not permitted\nwhen stream is capturing")

    for name in ("synchronize", "empty_cache", "current_stream", "CUDAGraph"):
        monkeypatch.setattr(torch.cuda, name, lambda: None)
    monkeypatch.setattr(torch.cuda, "set_stream", lambda stream: None)
    monkeypatch.setattr(torch.cuda, "graph", graph)


def test_a_pass_that_cannot_be_recorded_is_taken_as_it_is_and_leaves_its_keys_once(tiny, refusing, caplog):
    model = StudentTeacher(tiny("pixcon-sr", {"views": {"size": 32}}).model)
    views = tuple(torch.randn(8, 3, 32, 32) for _ in range(2))
    mask, box = torch.zeros(8, 1, 1, dtype=torch.bool), torch.tensor([[0.0, 0, 9, 9]]).repeat(8, 1)
    geometry = Geometry((mask, mask), (box, box), (box, box), (mask[:, 0, 0], mask[:, 0, 0]))

    def work(views, geometry):
        losses, pooled = model(views, geometry)
        sum(losses.values()).backward()
        return losses, pooled

    graphed = GraphedPass(model, work)
    pointers = []
    with caplog.at_level(logging.WARNING):
        for _ in range(WARM + 3):
            model.zero_grad(set_to_none=True)
            assert torch.isfinite(graphed(views, geometry)[1]).all()
            model.end_step(0.9, 0)
            pointers.append(int(model.branches["pixel"].fresh.queue.pointer))
    assert pointers == [8 * step % 32 for step in range(1, WARM + 4)]
    assert [record.getMessage() for record in caplog.records] == [
        "steps are not recorded as a CUDA graph, and slower: operation not permitted"
    ]


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [("pixcon-sr", True), ("byol", True), ("pixpro", True), ("densecl", False), ("odin", False), ("slotcon", False)],
)
def test_only_recipes_that_neither_draw_nor_look_are_recorded(recipe, expected, tiny):
    assert StudentTeacher(tiny(recipe).model).capturable == expected
