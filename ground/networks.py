"""The networks both rooms know by name, for settings that must not import torch; ``ground.backbones`` builds them."""

from __future__ import annotations

from typing import Literal

BackboneName = Literal["resnet50", "resnet18", "resnet10_w32"]
