"""Random draws as functions of named axes, never of a counter, a worker or a rank."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def derive_seed(*axes: str | int) -> int:
    """A seed in [0, 2**63) that depends on every axis and on nothing else.

    Axes are named by position and value, ``derive_seed("view", seed, epoch, index)``: adding a
    method, a worker or a rank shifts nobody's draws. SHA-256 keeps neighbouring axes independent.
    """
    text = "\x1f".join(f"{type(axis).__name__}:{axis}" for axis in axes)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(*axes: str | int) -> np.random.Generator:
    """A NumPy generator (Philox, counter-based: cheap to make by the million) for these axes."""
    import numpy as np

    return np.random.Generator(np.random.Philox(key=derive_seed(*axes)))
