"""detectron2's ``.pkl`` of numpy arrays through an unpickler that admits these and plain containers alone."""

from __future__ import annotations

import codecs
import pickle
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ground.errors import WeightsError
from transfer.weights.contents import Contents

_AGAIN = "Download or copy it again."


class _FromBuffer:
    """numpy's way back from pickle protocol 5. An object, as a pickle may set attributes of a Python function."""

    __slots__ = ()

    def __call__(self, buffer: bytes, dtype: np.dtype[Any], shape: tuple[int, ...], order: Any) -> Any:
        return np.frombuffer(buffer, dtype=dtype).reshape(shape, order=order)


_RECONSTRUCT, _SCALAR = (np.zeros(1).__reduce__()[0], np.float32(0).__reduce__()[0])
_ADMITTED: dict[str, Any] = {
    "numpy.ndarray": np.ndarray,
    "numpy.dtype": np.dtype,
    "builtins.bytearray": bytearray,
    "builtins.bytes": bytes,
    "_codecs.encode": codecs.encode,
    "collections.OrderedDict": OrderedDict,
    **{f"numpy.{core}.multiarray._reconstruct": _RECONSTRUCT for core in ("core", "_core")},
    **{f"numpy.{core}.multiarray.scalar": _SCALAR for core in ("core", "_core")},
    **{f"numpy.{core}.numeric._frombuffer": _FromBuffer() for core in ("core", "_core")},
}


class _Refused(pickle.UnpicklingError):
    """The pickle asks for something else; its name is the message."""


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """What the pickle may use, by its full name; nothing is imported."""
        wanted = f"{module}.{name}"
        if wanted not in _ADMITTED:
            raise _Refused(wanted)
        return _ADMITTED[wanted]

    def persistent_load(self, pid: Any) -> Any:
        """Objects kept elsewhere are none of ours."""
        raise _Refused(f"persistent object {pid}")


def read(path: Path) -> Contents:
    """The outermost mapping of a pickle of numpy arrays.

    Raises:
        WeightsError: it is cut short, holds something else, or asks for code to be run.
    """
    try:
        with path.open("rb") as file:
            tree = _ArraysOnly(file, encoding="latin1").load()  # as detectron2 reads Caffe2's, from Python 2
    except _Refused as error:
        problem = f"asks for `{error}`: a pickle is read only if it holds numpy arrays and plain containers"
        remedy = "If you trust it, load it where it was made and save its tensors with torch.save or as safetensors."
        raise WeightsError(path, problem, remedy) from None
    # A broken pickle can fail in any of its operations.
    except (
        pickle.UnpicklingError,
        EOFError,
        LookupError,
        ValueError,
        TypeError,
        AttributeError,
        OverflowError,
    ) as error:
        raise WeightsError(path, f"is cut short or damaged ({error or type(error).__name__})", _AGAIN) from None
    if not isinstance(tree, Mapping):
        raise WeightsError(path, f"holds a {type(tree).__name__}, not named arrays", "Name another file.")
    return Contents("pickle", tree)
