"""What computes."""

from __future__ import annotations

import torch

from ground.errors import ConfigError


def choose(wanted: str, field: str) -> torch.device:
    """The device asked for (``auto``, ``cpu`` or ``cuda``) in the setting ``field``; a GPU if there is one.

    Raises:
        ConfigError: CUDA was asked for and is absent.
    """
    if wanted == "cuda" and not torch.cuda.is_available():
        raise ConfigError(field, "`cuda` is not available", f"Use {field}=auto or mend the driver.")
    return torch.device("cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu")
