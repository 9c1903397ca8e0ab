"""mmcv without compiled operators: a stand-in for the module ``mmcv._ext``, which mmcv-lite lacks.

mmsegmentation imports operators of ``mmcv.ops`` wherever one of its heads needs them, and those look up their compiled
halves at once. None of the networks here calls one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import NoReturn

from ground.errors import ConfigError

NAME = "mmcv._ext"


def install() -> None:
    """Have ``import mmseg.models`` work where mmcv has no compiled module; the whole mmcv is left as it is."""
    if NAME not in sys.modules and find_spec(NAME) is None:
        sys.modules[NAME] = _StandIn()


class _StandIn(ModuleType):
    """Has every operator by name; none can be called."""

    def __init__(self) -> None:
        super().__init__(NAME, "Stands in for mmcv's compiled operators.")
        self.__spec__ = ModuleSpec(NAME, None)

    def __getattr__(self, name: str) -> Callable[..., NoReturn]:
        if name.startswith("__"):
            raise AttributeError(name)

        def missing(*_arguments: object, **_keywords: object) -> NoReturn:
            problem = f"`{name}` is a compiled operator of mmcv, and mmcv-lite has none"
            raise ConfigError("mmcv", problem, "Install mmcv 2.1.0 in place of mmcv-lite (never both).")

        return missing
