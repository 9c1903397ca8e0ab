"""detectron2's ``.pkl`` of numpy arrays through an unpickler that admits these and plain containers alone.

Not even numpy's own functions are called as the file says: ``numpy.dtype`` believes any state that a pickle hands it.
What a file names is a class of this module, which checks what it is given and keeps the bytes.
"""

from __future__ import annotations

import math
import pickle
import re
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ground.errors import WeightsError
from transfer.weights.containers import plain
from transfer.weights.contents import Contents

_AGAIN = "Download or copy it again."


class _Type:
    """``numpy.dtype``: a plain number's."""

    def __init__(self, code: str, *_flags: Any) -> None:
        if not re.fullmatch(r"[<>|=]?([fiu][1248]|b1)", code):
            raise _Refused(f"numpy.dtype({code!r})")
        self.numpy = np.dtype(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        order = state[1]
        self.numpy = self.numpy.newbyteorder(order if order in "<>" else "=")


class _Array:
    """``numpy.ndarray``, made empty and filled by its state, or of shape, type and bytes at once."""

    def __init__(self, shape: Any = (0,), kind: Any = None, content: Any = b"") -> None:
        self.array = np.zeros(0)
        if isinstance(kind, _Type | str):
            self._fill(shape, kind if isinstance(kind, _Type) else _Type(kind), "C", content)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _version, shape, kind, fortran, content = state
        # What Python 2 wrote comes as text, a character a byte.
        self._fill(
            shape, kind, "F" if fortran else "C", content.encode("latin1") if isinstance(content, str) else content
        )

    def _fill(self, shape: tuple[int, ...], kind: _Type, order: Any, content: Any) -> None:
        if len(content) != math.prod(shape) * kind.numpy.itemsize:
            raise ValueError(f"{len(content)} bytes for an array of shape {shape}")
        self.array = np.frombuffer(content, kind.numpy).reshape(shape, order=order)


class _Empty(_Array):
    """``_reconstruct(ndarray, (0,), b'b')``: an array whose state follows."""

    def __init__(self, *_arguments: Any) -> None:
        super().__init__()


class _FromBuffer(_Array):
    """``_frombuffer(bytes, dtype, shape, order)``, of pickle protocol 5."""

    def __init__(self, content: Any, kind: _Type, shape: tuple[int, ...], order: str) -> None:
        super().__init__()
        self._fill(shape, kind, order, content)


class _Scalar(_Array):
    """``scalar(dtype, bytes)``."""

    def __init__(self, kind: _Type, content: Any) -> None:
        super().__init__()
        self._fill((), kind, "C", content.encode("latin1") if isinstance(content, str) else content)


class _Bytes:
    """``bytes``, ``bytearray`` and ``_codecs.encode(text, 'latin1')``, which is how protocol 2 has them."""

    def __new__(cls, content: Any = b"", encoding: str = "latin1", *_errors: Any) -> Any:
        """Bytes that are in the file: no other codec, and no number of zeros."""
        if not isinstance(content, bytes | str) or encoding not in ("latin1", "latin-1"):
            raise _Refused(f"bytes of {type(content).__name__} in {encoding}")
        return content.encode("latin1") if isinstance(content, str) else content

    def __setstate__(self, _state: Any) -> None:
        """Without it, a file could set attributes of this class."""


_ADMITTED: dict[str, Any] = {
    "numpy.ndarray": _Array,
    "numpy.dtype": _Type,
    "builtins.bytearray": _Bytes,
    "builtins.bytes": _Bytes,
    "_codecs.encode": _Bytes,
    "collections.OrderedDict": OrderedDict,
    **{f"numpy.{core}.multiarray._reconstruct": _Empty for core in ("core", "_core")},
    **{f"numpy.{core}.multiarray.scalar": _Scalar for core in ("core", "_core")},
    **{f"numpy.{core}.numeric._frombuffer": _FromBuffer for core in ("core", "_core")},
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
        arrays: dict[int, int] = {}
        tree = plain(tree, lambda value: _unwrapped(value, arrays))
    except _Refused as error:
        problem = f"asks for `{error}`: a pickle is read only if it holds numpy arrays and plain containers"
        remedy = "If you trust it, load it where it was made and save its tensors with torch.save or as safetensors."
        raise WeightsError(path, problem, remedy) from None
    except Exception as error:  # a broken pickle can fail in any of its operations, with any error
        raise WeightsError(path, f"is cut short or damaged ({error or type(error).__name__})", _AGAIN) from error
    if sum(arrays.values()) > path.stat().st_size:
        problem = f"is smaller than its {len(arrays)} arrays: they share their bytes"
        raise WeightsError(path, problem, "Save every array with bytes of its own.")
    if not isinstance(tree, Mapping):
        raise WeightsError(path, f"holds a {type(tree).__name__}, not named arrays", "Name another file.")
    return Contents("pickle", tree)


def _unwrapped(value: Any, sizes: dict[int, int]) -> Any:
    """The array for what stands for one; its bytes are noted."""
    if not isinstance(value, _Array):
        return value
    sizes[id(value.array)] = value.array.nbytes
    return value.array
