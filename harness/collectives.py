"""How long GPUs take to reduce or gather something, by NCCL's own model of itself: latency + bytes / bandwidth.

Algorithms and protocols are NCCL's, and so are the constants (github.com/NVIDIA/nccl, src/graph/tuning.cc, 2.28: the
tables ``baseLatencies`` and ``hwLatencies``, the steps and ratios of ``ncclTopoTuneModel``); LL128, NVLS and PAT, which
need a certain fabric, are left out, so small messages are if anything a little faster than this.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, log2
from typing import Literal

Algorithm = Literal["ring", "tree"]


@dataclass(frozen=True)
class Protocol:
    """Seconds before the first byte, and of each hop within a node and between nodes; share of the bandwidth."""

    base: float
    within: float
    between: float
    share: float
    posting: float = 0.0
    """Of a ring's hop where there is a network: what the host takes to post it."""


PROTOCOLS: dict[Algorithm, tuple[Protocol, ...]] = {
    "ring": (Protocol(6.6e-6, 0.6e-6, 2.7e-6, 0.5, 1e-6), Protocol(8.4e-6, 3.4e-6, 14e-6, 1.0, 3e-6)),
    "tree": (Protocol(6.8e-6, 0.6e-6, 5.0e-6, 0.92 / 3.8), Protocol(8.4e-6, 4.0e-6, 14e-6, 0.92)),
}
"""LL (8 bytes of data with 8 of a flag) and Simple."""


@dataclass(frozen=True)
class Fabric:
    """GPUs in nodes. Bandwidths in bytes a second, one way."""

    gpus: int
    per_node: int
    within: float
    """Of a GPU to the others of its node."""
    between: float
    """Of a node to the others, all its cards together."""

    @property
    def nodes(self) -> int:
        """How many nodes hold the GPUs."""
        return -(-self.gpus // self.per_node)

    @property
    def bandwidth(self) -> float:
        """What a ring through all GPUs carries: its narrowest place."""
        return self.within if self.nodes == 1 else min(self.within, self.between)

    def all_reduce(self, size: float) -> float:
        """Seconds until ``size`` bytes of every GPU are summed on every GPU."""
        steps = 2 * (self.gpus - 1)
        ring = self._ring(size, steps, 2 * (self.nodes - 1), self.gpus / steps if steps else inf)
        return min(ring, self._tree(size)) if steps else 0.0

    def all_gather(self, size: float) -> float:
        """Seconds until every GPU holds ``size`` bytes, of which each had its share."""
        steps = self.gpus - 1
        return self._ring(size, steps, self.nodes - 1, self.gpus / steps) if steps else 0.0

    def _ring(self, size: float, steps: int, hops: int, ratio: float) -> float:
        """Args:
        steps: of the ring, ``hops`` of them between nodes.
        ratio: bytes that are reduced or gathered, to those that pass a link.
        """
        times = []
        for each in PROTOCOLS["ring"]:
            within = max(each.within, each.posting if self.nodes > 1 else 0.0)
            latency = each.base + (steps - hops) * within + hops * each.between
            times.append(latency + size / (self.bandwidth * each.share * ratio))
        return min(times)

    def _tree(self, size: float) -> float:
        depth = log2(self.nodes) if self.nodes > 1 else 0.0
        inside = min(self.gpus, self.per_node) - 1
        return min(
            each.base + 2 * (inside * each.within + depth * each.between) + size / (self.bandwidth * each.share / 2)
            for each in PROTOCOLS["tree"]
        )
