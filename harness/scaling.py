"""From one GPU to many: a step of a pre-training played with all that its processes send each other.

Two clocks: the GPU's arithmetic, and the one channel on which collectives go one after the other. A batch norm waits
for its statistics; gradients go in buckets while the backward pass goes on, and only what is left at its end is waited
for. Not in it: that GPUs wait for the slowest of them, and that sending slows arithmetic down.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.collectives import Fabric
from harness.throughput import Pace

if TYPE_CHECKING:
    from pretrain.traffic import Layer, Traffic

FIRST_BUCKET, BUCKET = 2**20, 25 * 2**20
"""Bytes after which DistributedDataParallel sends gradients off (torch's defaults)."""
REST = 0.1
"""Share of a step's arithmetic in losses, optimiser and teacher, behind the backward pass. A guess."""
FLOAT = 4


@dataclass(frozen=True)
class Step:
    """Seconds of one step on each of several GPUs, and what it waits for."""

    gpus: int
    batch: int
    """Of all."""
    arithmetic: float
    norms: float = 0.0
    gathers: float = 0.0
    gradients: float = 0.0
    """What of sending them did not happen behind the backward pass."""
    loading: float = 0.0
    """Waiting for images."""

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.arithmetic + self.norms + self.gathers + self.gradients + self.loading

    @property
    def images_per_second(self) -> float:
        """Of all GPUs."""
        return self.batch / self.seconds


def step(traffic: Traffic, pace: Pace, batch: int, fabric: Fabric, loaded: float | None = None) -> Step:
    """One step of ``batch`` images on all GPUs of ``fabric`` together.

    Args:
        loaded: images a second that the input pipeline has ready for each GPU; without, it never holds up.
    """
    share = batch / fabric.gpus
    arithmetic = pace.seconds(share)
    played = _Clock(fabric, arithmetic * (1 - REST) / _work(traffic))
    if fabric.gpus > 1:
        _forward(played, traffic, batch)
        _backward(played, traffic)
    found = Step(fabric.gpus, batch, arithmetic, played.norms, played.gathers, played.exposed)
    late = share / loaded - found.seconds if loaded else 0.0
    return Step(fabric.gpus, batch, arithmetic, found.norms, found.gathers, found.gradients, max(late, 0.0))


def efficiency(several: Step, one: Step) -> float:
    """Images a second and GPU, in shares of those of one GPU."""
    return several.images_per_second / (several.gpus * one.images_per_second)


def _work(traffic: Traffic) -> float:
    """Multiplications of an image, weighted by how long they take: going back is twice going forth."""
    backbone = sum(layer.work for layer in traffic.backbone)
    heads = 3 * sum(layer.work for layer in traffic.heads) + sum(layer.work for layer in traffic.targets)
    return backbone * (3 * sum(traffic.student) + sum(traffic.teacher)) + traffic.directions * heads


@dataclass
class _Clock:
    """Where arithmetic and channel are, in seconds from the beginning of the step."""

    fabric: Fabric
    pace: float
    """Seconds of a unit of work."""
    now: float = 0.0
    channel: float = 0.0
    norms: float = 0.0
    gathers: float = 0.0
    exposed: float = 0.0
    bucket: float = 0.0
    limit: int = field(default=FIRST_BUCKET)

    def work(self, units: float) -> None:
        """The GPU computes."""
        self.now += units * self.pace

    def wait(self, seconds: float) -> float:
        """It waits for a collective, behind all that are on their way; how long."""
        self.channel = max(self.now, self.channel) + seconds
        waited, self.now = self.channel - self.now, self.channel
        return waited

    def send(self, gradients: float, last: bool = False) -> None:
        """Gradients are ready; the bucket goes off once it is full, and nobody waits."""
        self.bucket += gradients
        if self.bucket and (last or self.bucket >= self.limit):
            self.channel = max(self.now, self.channel) + self.fabric.all_reduce(self.bucket)
            self.bucket, self.limit = 0.0, BUCKET


def _forward(clock: _Clock, traffic: Traffic, batch: int) -> None:
    for area in (*traffic.student, *traffic.teacher):
        _pass(clock, traffic.backbone, area, traffic.synchronised)
    for _ in range(traffic.directions):
        _pass(clock, (*traffic.heads, *traffic.targets), 1.0, True)
    for each in traffic.gatherings:
        for _ in range(each.times):
            clock.gathers += clock.wait(clock.fabric.all_gather(each.bytes_per_image * batch))


def _pass(clock: _Clock, layers: Iterable[Layer], area: float, synchronised: bool) -> None:
    """Forward: torch's SyncBatchNorm gathers mean, inverse deviation and count of every process."""
    for layer in layers:
        clock.work(layer.work * area)
        if layer.norm and synchronised:
            size = FLOAT * (2 * layer.norm + 1) * clock.fabric.gpus
            clock.norms += clock.wait(clock.fabric.all_gather(size))


def _backward(clock: _Clock, traffic: Traffic) -> None:
    """The last view that was forwarded first; gradients are whole once the first view is through, and then go off."""
    turns = [(traffic.heads, 1.0, True, left) for left in reversed(range(traffic.directions))]
    turns += [(traffic.backbone, area, traffic.synchronised, left) for left, area in _counted_down(traffic.student)]
    for layers, area, synchronised, left in turns:
        for layer in reversed(layers):
            clock.work(2 * layer.work * area)
            if layer.norm and synchronised:
                clock.norms += clock.wait(clock.fabric.all_reduce(FLOAT * 2 * layer.norm))
            if not left:
                clock.send(FLOAT * layer.parameters)
    clock.send(0.0, last=True)
    clock.exposed = max(clock.channel - clock.now, 0.0)


def _counted_down(areas: tuple[float, ...]) -> list[tuple[int, float]]:
    return list(reversed(list(enumerate(areas))))
