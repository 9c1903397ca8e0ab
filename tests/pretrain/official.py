"""What the official classes of our fixtures were run on, and our model on the same.

Three training steps around a small backbone: images, parameters and queues come from torch's generator in a fixed
order, so that a fixture holds results and no inputs. The official classes ran in single precision. Ours run in double
to be compared: what is left is the official rounding, the same on every processor. In single precision both round, and
the third step of one processor differs from another's by 2e-5.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import pretrain.branches.pixel as pixel_module
from pretrain import recipes
from pretrain.branches.base import Geometry
from pretrain.branches.registry import build_branch
from pretrain.model.student_teacher import StudentTeacher
from pretrain.training.schedule import teacher_momentum

FIXTURES = Path(__file__).parent / "fixtures"
CHANNELS, OUT, QUEUE, BATCH, STEPS, SIZE, GRID = 12, 8, 16, 8, 3, 28, 7
BOXES = [(0, 0, 7, 7), (0, 0, 0, 0), (3, 0, 7, 7), (2, 3, 3, 4), (1, 1, 6, 5), (0, 4, 7, 7), (0, 0, 1, 1), (0, 0, 7, 4)]
"""In-box cells of view 1, image by image, as (x1, y1, x2, y2); those of view 2 are these in reverse order."""
HEAD = {"hidden": 10, "out": OUT}
SMALL = {
    "model": {
        "backbone": "resnet10_w32",
        "norm": {"group": 4},
        "branches": {"*": {"projector": HEAD, "predictor": HEAD, "queue": QUEUE}},
    },
    "train": {"batch": BATCH, "precision": "fp32"},
}


MATHEMATICS, ARITHMETIC = 1e-5, 1e-4
"""Tolerances of our steps in double precision (the worst is 9.3e-6) and in single (2.1e-5)."""


@dataclass
class Step:
    """What is compared of a step; see ``walk``."""

    losses: dict[str, float]
    gradients: list[Tensor]
    matches: list[Tensor]
    queues: dict[str, tuple[list[float], int]]
    student: Tensor
    teacher_in_forward: Tensor
    teacher_after_step: Tensor
    teacher_running_mean: list[float]
    momentum: float


class Backbone(nn.Module):
    """3 × 28 × 28 → 12 × 7 × 7."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, CHANNELS, 4, 4)
        self.bn = nn.BatchNorm2d(CHANNELS)

    def forward(self, images):
        return F.relu(self.bn(self.conv(images)))


def draw(seed, *shapes):
    """Normal numbers of these shapes, one after another."""
    rng = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=rng) for shape in shapes]


def images(step):
    """Both views of step ``step``: the second is half the first."""
    first, second = draw(1000 + step, *[(BATCH, 3, SIZE, SIZE)] * 2)
    return first, second * 0.5 + first * 0.5


def geometry(batch=BATCH):
    """In-box masks of a batch, from the first of ``BOXES``; the rest is not read."""
    boxes = BOXES[:batch]
    masks = torch.zeros(2, batch, GRID, GRID, dtype=torch.bool)
    for view, listed in enumerate((boxes, boxes[::-1])):
        for image, (x1, y1, x2, y2) in enumerate(listed):
            masks[view, image, y1:y2, x1:x2] = True
    nowhere = (torch.zeros(batch, 4),) * 2
    return Geometry((masks[0], masks[1]), nowhere, nowhere, (torch.zeros(batch, dtype=torch.bool),) * 2)


def build(config):
    """Our model of a recipe with the small backbone, parameters and queues drawn: (model, trained parameters)."""
    model = StudentTeacher(config.model)
    model.student, model.teacher = Backbone(), Backbone().requires_grad_(False)
    branches = {name: build_branch(CHANNELS, branch) for name, branch in config.model.branches.items()}
    model.branches = nn.ModuleDict(branches)
    nets = [model.student, *(b.projector for b in branches.values()), *(b.predictor for b in branches.values())]
    norms = {id(m.weight) for net in nets for m in net.modules() if isinstance(m, nn.BatchNorm2d)}
    trained = [parameter for net in nets for parameter in net.parameters()]
    with torch.no_grad():
        for parameter, value in zip(trained, draw(1, *[(p.numel(),) for p in trained]), strict=True):
            parameter.copy_(value.view(parameter.shape) * 0.3 + (id(parameter) in norms))
        for target, source in zip(*model.averaged(), strict=True):
            target.copy_(source)
        for branch, keys in zip(branches.values(), draw(2, *[(QUEUE, OUT)] * 2), strict=False):
            if hasattr(branch, "fresh"):
                branch.fresh.queue.keys.copy_(F.normalize(keys, dim=1))
    return model, trained


def walk(recipe, enqueued, monkeypatch, seed=5, precision=torch.float64):
    """Three steps of a recipe; ``enqueued`` lists the view whose keys the queues take after each.

    ``seed`` decides the permutation of ShuffleBN: step ``i`` seeds torch's generator with ``seed + i``.
    """
    config = recipes.resolve(recipe, SMALL)
    model, trained = build(config)
    model.to(precision)
    if precision == torch.float64:
        keep_double(monkeypatch)
    optimizer = torch.optim.SGD(trained, lr=0.1, momentum=0.9, weight_decay=1e-4)
    features, matches, plain = [], [], pixel_module.match
    model.student.register_forward_hook(lambda module, given, maps: features.append(maps.requires_grad_()))
    monkeypatch.setattr(pixel_module, "match", lambda *given: matches.append(plain(*given)) or matches[-1])
    steps = []
    for number, view in enumerate(enqueued):
        torch.manual_seed(seed + number)
        features.clear()
        matches.clear()
        losses, _ = model(tuple(view.to(precision) for view in images(number)), geometry())
        optimizer.zero_grad()
        for maps in features:
            maps.retain_grad()
        sum(losses.values()).backward()
        teacher, running = flat(model.averaged()[0]), model.teacher.bn.running_mean.tolist()
        optimizer.step()
        momentum = teacher_momentum(config.model.momentum, number, STEPS)
        model.end_step(momentum, view)
        assert model.teacher.bn.running_mean.tolist() == running
        queues = {n: b.fresh.queue for n, b in model.branches.items() if hasattr(b, "fresh")}
        gradients = torch.cat([maps.grad for maps in features]).view(-1, BATCH, CHANNELS, GRID, GRID)
        steps.append(
            Step(
                losses={name: loss.item() for name, loss in losses.items()},
                gradients=list(gradients),
                matches=[found.index for found in matches],
                queues={name: (queue.keys.flatten().tolist(), int(queue.pointer)) for name, queue in queues.items()},
                student=flat(trained),
                teacher_in_forward=teacher,
                teacher_after_step=flat(model.averaged()[0]),
                teacher_running_mean=running,
                momentum=momentum,
            )
        )
    return steps


def keep_double(monkeypatch):
    """Our losses ask for single precision whatever autocast says: here for what they were given."""
    monkeypatch.setattr(Tensor, "float", lambda values: values.to(torch.float64))


def flat(parameters):
    """All of them in one vector."""
    return torch.cat([parameter.detach().flatten() for parameter in parameters])


def cases(fixture):
    """The cases of ``fixtures/<fixture>.json``."""
    return json.loads((FIXTURES / f"{fixture}.json").read_text())["cases"]


def differences(recipe, expected, monkeypatch, constant=0.0):
    """What in three steps of a recipe is not an official class's, ``expected``, in either precision: name → share.

    Shares are those of ``apart``; what is within the precision's tolerance is left out. ``constant`` is what our loss
    has and theirs lacks.
    """
    found = {}
    for precision, tolerance in ((torch.float64, MATHEMATICS), (torch.float32, ARITHMETIC)):
        with monkeypatch.context() as patched:
            views = [step.get("enqueued_view", 1) for step in expected]
            steps = walk(recipe, views, patched, precision=precision)
        for number, (ours, theirs) in enumerate(zip(steps, expected, strict=True), 1):
            for name, share in step_shares(ours, theirs, constant).items():
                if share > (MATHEMATICS if name == "momentum" else tolerance):
                    found[f"step {number}, {precision}, {name}"] = share
    return found


def step_shares(ours, theirs, constant):
    """How far each quantity of one step is from the official one: name → share, infinite for one that is lacking."""
    shares = {"momentum": apart(ours.momentum, theirs["momentum"])}
    for name in ours.losses.keys() | theirs["losses"].keys():
        both = name in ours.losses and name in theirs["losses"]
        shares[f"loss {name}"] = apart(ours.losses[name], theirs["losses"][name] + constant) if both else math.inf
    for number, (gradient, sampled) in enumerate(zip_longest(ours.gradients, theirs["gradients"])):
        shares[f"gradient {number}"] = apart_in_samples(gradient, sampled)
    if "matches" in theirs:
        shares["matches"] = 0.0 if [index.tolist() for index in ours.matches] == theirs["matches"] else math.inf
    for name, queue in (("image", "queue"), ("pixel", "queue2")):
        if queue in theirs:
            shares[f"queue of {name}"] = apart(ours.queues[name][0], theirs[queue])
            shares[f"pointer of {name}"] = apart(ours.queues[name][1], theirs["pointer"])
    shares["student"] = apart_in_samples(ours.student, theirs["student"])
    shares["teacher in forward"] = apart_in_samples(ours.teacher_in_forward, theirs["teacher_in_forward"])
    if "teacher_after_step" in theirs:
        shares["teacher after step"] = apart_in_samples(ours.teacher_after_step, theirs["teacher_after_step"])
    return shares


def apart(ours, theirs):
    """The greatest difference as a share of the greatest of ``theirs``; infinite for other shapes and no numbers."""
    ours, theirs = (torch.as_tensor(values, dtype=torch.float64).detach() for values in (ours, theirs))
    if ours.shape != theirs.shape:
        return math.inf
    difference, scale = float((ours - theirs).abs().max()), float(theirs.abs().max())
    if difference == 0:
        return 0.0
    return difference / scale if scale > 0 and math.isfinite(difference) else math.inf


def apart_in_samples(ours, theirs, every=97):
    """The same of the norm and of every ``every``-th number, whichever is further; infinite where one is lacking.

    ``theirs`` may say itself which numbers it holds.
    """
    if ours is None or theirs is None:
        return math.inf
    ours = ours.detach().double().flatten()
    return max(apart(ours.norm(), theirs["norm"]), apart(ours[:: theirs.get("every", every)], theirs["samples"]))
