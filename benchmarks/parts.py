"""What a training step is made of, clocked within whole steps, and each branch by itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.base import Options, Section, Spread, say
from benchmarks.timing import clock, device_of, release, timed, wait_for
from benchmarks.training import Training, build, settings
from pretrain.branches.base import Seen
from pretrain.config import Train

BATCH = {"cuda": 128, "cpu": 8}
RECIPES = ("pixcon-sr", "slotcon", "pixpro", "densecl", "byol")
WARM = {"cuda": 6, "cpu": 1}
LOAD, STUDENT, TEACHER = "to the device, colours", "student, forth", "teacher"
BRANCHES_BACK, STUDENT_BACK = "branches, back", "student, back"
OPTIMIZER, AVERAGE = "optimiser", "teacher's average, queue"


class Clock:
    """Stretches of time by name, of the device's own work."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.stretches: list[tuple[str, Any, Any]] = []

    def now(self) -> Any:
        """A point in time: on a GPU that of the device, known when it gets there."""
        if self.device.type != "cuda":
            return clock()
        mark = torch.cuda.Event(enable_timing=True)
        mark.record()
        return mark

    def note(self, name: str, began: Any) -> None:
        """The stretch from ``began`` until now."""
        self.stretches.append((name, began, self.now()))

    def read(self) -> dict[str, float]:
        """Seconds by name since the last reading."""
        wait_for(self.device)
        found: dict[str, float] = {}
        for name, began, ended in self.stretches:
            seconds = ended - began if isinstance(began, float) else began.elapsed_time(ended) / 1000
            found[name] = found.get(name, 0.0) + seconds
        self.stretches = []
        return found

    def around(self, owner: object, method: str, name: str) -> None:
        """Note every call of a method."""
        plain = getattr(owner, method)

        def noted(*arguments: Any, **keywords: Any) -> Any:
            began = self.now()
            result = plain(*arguments, **keywords)
            self.note(name, began)
            return result

        setattr(owner, method, noted)

    def over(self, module: nn.Module, name: str) -> None:
        """Note every pass forth of a module."""
        began: list[Any] = []
        module.register_forward_pre_hook(lambda *_: began.append(self.now()))
        module.register_forward_hook(lambda *_: self.note(name, began.pop()))


def measure(options: Options) -> Section:
    """Each recipe's step in its parts."""
    device = device_of(options)
    section = options.begin("parts", "Parts of a training step", ("recipe", "batch", "part", "ms", "of the step"))
    section.notes.append(
        "Parts are clocked within whole steps that are not recorded; `alone` is a branch by itself, forth and back."
    )
    if "fast" in Train.model_fields:  # within a recorded pass there is nothing to clock
        options = replace(options, overrides=(*options.overrides, "pretrain.train.fast.graph=false"))
    names = options.recipes or (("pixcon-sr",) if options.size == "toy" else RECIPES)
    batch = options.batches[0] if options.batches else 4 if options.size == "toy" else BATCH[device.type]
    for name in names:
        say(f"parts: {name}, {batch} images")
        training = build(settings(options, name, batch, device), device)
        shares = _branches_alone(training, device, options.repeats)
        within, whole = _within(training, device, options.repeats)
        for part, seconds in {**within, **shares}.items():
            section.rows.append(_row(name, batch, part, seconds, whole))
        section.rows.append(_row(name, batch, "the step", whole, whole))
        del training
        release(device)
    return section


def _row(recipe: str, batch: int, part: str, seconds: Spread, whole: Spread) -> dict[str, Any]:
    milliseconds = Spread(tuple(1000 * value for value in seconds.values))
    share = f"{seconds.median / whole.median:.1%}"
    return {"recipe": recipe, "batch": batch, "part": part, "ms": milliseconds, "of the step": share}


def _within(training: Training, device: torch.device, repeats: int) -> tuple[dict[str, Spread], Spread]:
    """Seconds of every part, and of the step."""
    watch = Clock(device)
    _wire(training, watch)
    for _ in range(WARM[device.type]):
        training.step()
    watch.read()
    turns = []
    for _ in range(repeats):
        began = watch.now()
        training.step()
        watch.note("", began)
        turns.append(watch.read())
    whole = Spread(tuple(turn.pop("") for turn in turns))
    parts = {name: Spread(tuple(turn.get(name, 0.0) for turn in turns)) for name in turns[0]}
    rest = [step - sum(turn.values()) for step, turn in zip(whole.values, turns, strict=True)]
    return {**parts, "the rest": Spread(tuple(rest))}, whole


def _wire(training: Training, watch: Clock) -> None:
    """Have the trainer's parts noted. Going back meets the branches first, then the student: the first gradient that
    reaches the student's maps parts the two."""
    trainer = training.trainer
    model, back = trainer.model, [watch.now()]
    watch.around(trainer, "to_device", LOAD)
    watch.over(model.teacher, TEACHER)
    watch.over(model.student, STUDENT)
    for name, branch in model.branches.items():
        watch.over(branch, f"branch `{name}`, forth")

    def reached(_: Tensor) -> None:
        if len(back) == 1:
            watch.note(BRANCHES_BACK, back[0])
            back.append(watch.now())

    def watched(maps: Tensor) -> None:
        maps.register_hook(reached)

    model.student.register_forward_hook(lambda _, __, maps: watched(maps))
    model.register_forward_hook(lambda *_: back.__setitem__(slice(None), [watch.now()]))
    plain = trainer.scaler.step

    def optimise(optimizer: torch.optim.Optimizer) -> Any:
        watch.note(STUDENT_BACK, back[-1])
        began = watch.now()
        result = plain(optimizer)
        watch.note(OPTIMIZER, began)
        return result

    trainer.scaler.step = optimise  # type: ignore[method-assign]
    watch.around(model, "end_step", AVERAGE)


def _branches_alone(training: Training, device: torch.device, repeats: int) -> dict[str, Spread]:
    """Every branch on maps that lie there, forth and back to the maps."""
    trainer, config = training.trainer, training.config
    views, geometry = trainer.to_device(training.batch)
    half = config.train.precision != "fp32"
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(config.train.precision)
    with torch.no_grad(), torch.autocast(device.type, dtype=dtype, enabled=half):
        maps = {view: trainer.model.student(images) for view, images in enumerate(views)}
    found = {}
    for name, branch in trainer.model.branches.items():
        seen = Seen(views, {v: m.detach().requires_grad_() for v, m in maps.items()}, maps, geometry)

        def work(branch: nn.Module = branch, seen: Seen = seen) -> None:
            with torch.autocast(device.type, dtype=dtype, enabled=half):
                loss = branch(seen)
            loss.backward()
            branch.end_step(0)  # type: ignore[operator]

        branch.start_epoch(0)  # type: ignore[operator]
        found[f"branch `{name}` alone"] = timed(work, device, warm=WARM[device.type], passes=repeats).seconds
    trainer.optimizer.zero_grad(set_to_none=True)
    return found
