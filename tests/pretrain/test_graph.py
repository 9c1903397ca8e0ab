"""Recorded steps, as far as a CPU can show: warm ones are taken as they are, and so are all if recording fails; the
others do again what was recorded, on the same memory."""

import logging
from contextlib import contextmanager

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchmarks.base import Options
from benchmarks.training import build, settings
from pretrain.branches.base import Geometry
from pretrain.model.student_teacher import StudentTeacher
from pretrain.training.graph import WARM, GraphedPass


@pytest.fixture
def refusing(monkeypatch):
    """A device on which nothing can be recorded."""

    @contextmanager
    def graph(*_, **__):
        try:
            yield
            raise RuntimeError("operation not permitted\nwhen stream is capturing")
        finally:
            raise RuntimeError("operation failed due to a previous error during capture")

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


class Tape(TorchDispatchMode):
    """In the place of a CUDA graph: the operations of a recording, to be done again into the memory that they wrote.

    A recording on a GPU changes nothing; here what it found is put back at its end.
    """

    def __init__(self):
        super().__init__()
        self.calls, self.made, self.found = [], {}, {}

    def __torch_dispatch__(self, operation, types, arguments=(), keywords=None):
        keywords = keywords or {}
        given = [leaf for leaf in tree_leaves((arguments, keywords)) if isinstance(leaf, torch.Tensor)]
        for tensor in given:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in self.made:
                self.found.setdefault(storage.data_ptr(), (storage, storage.clone()))
        result = operation(*arguments, **keywords)
        written = [leaf for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor)]
        own = {tensor.untyped_storage().data_ptr() for tensor in given}
        fresh = [tensor for tensor in written if tensor.untyped_storage().data_ptr() not in own]
        self.made |= {tensor.untyped_storage().data_ptr(): tensor for tensor in fresh}  # kept: never anyone else's
        self.calls.append((operation, arguments, keywords, fresh))
        return result

    def __exit__(self, *reason):
        super().__exit__(*reason)
        for storage, before in self.found.values():
            storage.copy_(before)

    def replay(self):
        with torch.no_grad():
            for operation, arguments, keywords, fresh in self.calls:
                result = tree_leaves(operation(*arguments, **keywords))
                if fresh:
                    results = [leaf for leaf in result if isinstance(leaf, torch.Tensor)]
                    for kept, again in zip(fresh, results, strict=True):
                        kept.copy_(again)


@pytest.fixture
def taped(monkeypatch):
    """A device that records on tape; the tapes."""
    tapes = []

    def start():
        tapes.append(Tape())
        return tapes[-1]

    for name in ("synchronize", "empty_cache", "current_stream"):
        monkeypatch.setattr(torch.cuda, name, lambda: None)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", start)
    monkeypatch.setattr(torch.cuda, "graph", lambda tape, **_: tape)
    yield tapes
    torch.use_deterministic_algorithms(False)


def eight_steps(recipe, recorded):
    """(trainer, losses and pooled features of eight steps on other views each)."""
    words = ("pretrain.train.precision=fp32", "pretrain.train.threads=1")
    config = settings(Options(size="toy", device="cpu", overrides=words), recipe, 8, torch.device("cpu"))
    made = build(config, torch.device("cpu"))
    assert made.trainer.model.capturable
    if recorded:
        made.trainer._pass = GraphedPass(made.trainer.model, made.trainer._passed)
    outcomes = []
    for step in range(8):
        batch = made.batch._each(lambda view, by=step: view.roll(by, 0))
        outcomes.append(made.trainer.step(batch, step, 99, 5))
    return made.trainer, outcomes


@pytest.mark.parametrize("recipe", ["pixcon-sr", "byol", "pixpro", "univip", "densecl", "odin"])
def test_a_replayed_pass_gives_the_bits_of_one_taken_as_it_is_and_leaves_no_result_to_be_overwritten(recipe, taped):
    (plain, expected), (graphed, got) = eight_steps(recipe, False), eight_steps(recipe, True)
    assert [len(tape.calls) > 100 for tape in taped] == [True]
    for one, other in zip(got, expected, strict=True):  # read when all steps are over
        assert {name: float(loss) for name, loss in one.losses.items()} == {
            name: float(loss) for name, loss in other.losses.items()
        }
        assert torch.equal(one.pooled, other.pooled)
    assert len({float(sum(outcome.losses.values())) for outcome in got}) == 8
    states = graphed.model.state_dict(), plain.model.state_dict()
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name
    for parameter, other in zip(graphed.model.parameters(), plain.model.parameters(), strict=True):
        assert (parameter.grad is None) == (other.grad is None)


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [("pixcon-sr", True), ("byol", True), ("pixpro", True), ("densecl", True), ("odin", True), ("slotcon", False)],
)
def test_only_recipes_that_do_not_look_at_values_are_recorded(recipe, expected, tiny):
    assert StudentTeacher(tiny(recipe).model).capturable == expected
