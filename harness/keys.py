"""What a job is called: a hash of everything that decides its result and of nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from pydantic import BaseModel

from ground.config import Settings, canonical, digest, identity

SCHEMA = 1
"""Raised when the meaning of a key changes, which makes every run of every store anew."""
SHORT = 10
"""Hex digits of a key in a directory's name."""


class Decisive(Settings):
    """Settings that decide a result; nobody changes them."""

    @cached_property
    def text(self) -> str:
        """As a key has them: worked out once for thousands of jobs."""
        return canonical(self)


def settings(config: BaseModel | Decisive) -> Decisive:
    """The settings that decide a result. A recipe that trains nothing (``initial``) has few of them.

    What this gave is given back as it is: a plan of thousands of jobs asks once for each of a few configs.
    """
    if isinstance(config, Decisive):
        return config
    whole = identity(config)
    if not whole.get("initial"):
        return Decisive(whole)
    return Decisive(
        {
            **{name: whole[name] for name in ("recipe", "version", "initial")},
            "model": {name: whole["model"][name] for name in ("backbone", "zero_residuals") if name in whole["model"]},
            "train": {"threads": whole["train"]["threads"]},
        }
    )


def prepare_key(config: BaseModel | Decisive, *, seed: int, data: str, device: str, parents: Mapping[str, str]) -> str:
    """The key of work that recipes share; ``parents`` holds the keys of what it rests on, by role.

    No profile is in it: its settings say all, and what takes days is worth sharing between scales.
    """
    return _key("prepare", settings(config), seed=seed, data=data, device=device, parents=parents)


def pretrain_key(
    config: BaseModel | Decisive,
    *,
    seed: int,
    profile: str,
    data: str,
    device: str,
    parents: Mapping[str, str] | None = None,
) -> str:
    """The key of a pre-training; ``data`` is the fingerprint of its images, ``device`` the class of what computes,
    ``parents`` the keys of its inputs by role.

    Initial weights are drawn on the CPU from no image, so none of them counts for a recipe that trains nothing.
    """
    parts = settings(config)
    images = {"data": ""} if parts.get("initial") else {"data": data, "device": device}
    return _key("pretrain", parts, seed=seed, profile=profile, parents=parents or {}, **images)


def import_key(*, network: str, tensors: str) -> str:
    """The key of somebody's weights: what they are, not what they are called or where they lie."""
    return digest({"schema": SCHEMA, "kind": "import", "network": network, "tensors": tensors})


def transfer_key(
    config: BaseModel | Decisive,
    *,
    seed: int,
    run: int,
    profile: str,
    data: str,
    weights: str,
    tool: str,
    device: str,
    given_up: Mapping[str, Any] | None = None,
) -> str:
    """The key of a fine-tuning; ``weights`` is the key of the pre-training, ``tool`` who fine-tunes, ``given_up`` what
    of the protocol is not met (`transfer.protocol.Share.identity`)."""
    rest = {"seed": seed, "run": run, "profile": profile, "data": data, "tool": tool, "device": device}
    return _key("transfer", settings(config), parents={"weights": weights}, **rest, **(given_up or {}))


def _key(kind: str, config: Decisive, *, parents: Mapping[str, str], **rest: Any) -> str:
    """The digest of all parts; ``config`` is first in the order of their names, so its text need not be made anew."""
    others = {"schema": SCHEMA, "kind": kind, "parents": dict(parents), **rest}
    assert min(others) > "config"
    text = f'{{"config":{config.text},{canonical(others)[1:]}'
    return hashlib.sha256(text.encode()).hexdigest()


def directory_name(*parts: str, key: str) -> str:
    """A readable name with the key's beginning: ``voc_detection.pixcon-sr.r3-3f9ab2c41d``."""
    return f"{'.'.join(parts)}-{key[:SHORT]}"
