"""What a job is called: a hash of everything that decides its result and of nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from ground.config import digest, identity

SCHEMA = 1
"""Raised when the meaning of a key changes, which makes every run of every store anew."""
SHORT = 10
"""Hex digits of a key in a directory's name."""


def pretrain_key(config: BaseModel, *, seed: int, profile: str, data: str) -> str:
    """The key of a pre-training; ``data`` is the fingerprint of its images."""
    return _key("pretrain", config, seed=seed, profile=profile, data=data, parents={})


def transfer_key(config: BaseModel, *, seed: int, run: int, profile: str, data: str, weights: str, tool: str) -> str:
    """The key of a fine-tuning; ``weights`` is the key of the pre-training, ``tool`` who fine-tunes."""
    return _key(
        "transfer", config, seed=seed, profile=profile, data=data, parents={"weights": weights}, run=run, tool=tool
    )


def _key(kind: str, config: BaseModel, *, parents: Mapping[str, str], **rest: Any) -> str:
    return digest({"schema": SCHEMA, "kind": kind, "config": identity(config), "parents": dict(parents), **rest})


def directory_name(*parts: str, key: str) -> str:
    """A readable name with the key's beginning: ``voc_detection.pixcon-sr.r3-3f9ab2c41d``."""
    return f"{'.'.join(parts)}-{key[:SHORT]}"
