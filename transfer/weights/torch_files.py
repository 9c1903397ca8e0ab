"""Files of ``torch.save`` through torch's own weights-only unpickler.

Training checkpoints hold more than tensors: MoCo, SlotCon and PixPro their ``argparse.Namespace``, mmengine its
``HistoryBuffer``. The unpickler refuses every class that it does not know. Here, each is replaced by a class that keeps
nothing and does nothing, by name (``torch.serialization.safe_globals``): no module of the file's choice is imported, no
function of it is found, let alone called. A file that names what runs commands is refused all the same: no checkpoint
needs it.
"""

from __future__ import annotations

import pickle
import pickletools
import re
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch.serialization import MAGIC_NUMBER, get_unsafe_globals_in_checkpoint, safe_globals

from ground.errors import WeightsError
from transfer.weights.containers import plain
from transfer.weights.contents import Contents

_AGAIN = "Download or copy it again."
_UNTRUSTED = "Do not load it anywhere; ask its authors for the tensors alone (safetensors)."
_RESAVE = "Load it where it was made and save it again with torch.save or as safetensors."
_COMMANDS = re.compile(
    r"(os|posix|nt|sys|subprocess|commands|shutil|importlib|runpy|ctypes|socket|pty|code|pickle|_pickle|dill|cloudpickle)\."
    r"|(builtins|__builtin__)\.(eval|exec|execfile|compile|open|__import__|input|breakpoint)$"
)
_KNOWN = re.compile(r"torch\.(\w+Storage|_utils\._rebuild\w+|Size|nn\.parameter\.Parameter)|collections\.OrderedDict")
"""What torch knows by itself: of that, what checkpoints name."""
_MADE_MAPPING = re.compile(r"Can only SETITEMS? for dict,.* but got <class 'transfer\.weights\.torch_files\.(.+)'>")


class Inert:
    """Stands for an object of a class that was not loaded; forgets whatever it is given."""

    def __new__(cls, *_arguments: Any) -> Any:
        """Called with whatever the file says."""
        return super().__new__(cls)

    def __setstate__(self, _state: Any) -> None:
        """No state is kept."""


class InertMapping:
    """Stands for a dictionary of a class that was not loaded: its items are kept in a plain one."""

    def __new__(cls, *_arguments: Any) -> Any:
        """A plain mapping, which the unpickler fills."""
        return OrderedDict()


def is_legacy(head: bytes) -> bool:
    """Whether a file begins as ``torch.save`` wrote them before torch 1.6."""
    return MAGIC_NUMBER.to_bytes(10, "little") in head[:32]


def read(path: Path) -> Contents:
    """A checkpoint's outermost mapping, its tensors on the CPU.

    Raises:
        WeightsError: the file is cut short, no checkpoint, a whole pickled module, or asks for code to be run.
    """
    names = _unknown_globals(path)
    bad = sorted(name for name in names if _COMMANDS.match(name))
    if bad:
        raise WeightsError(path, f"asks for `{bad[0]}`, which runs code; no weights need it", _UNTRUSTED)
    try:
        tree = plain(_load(path, names), lambda value: value)
    except pickle.UnpicklingError as error:
        problem = f"holds objects that are not read without running their code ({_reason(error)})"
        raise WeightsError(path, problem, "Load it where it was made and save its `state_dict` alone.") from error
    except Exception as error:  # torch meets broken files with anything; what it says stays in the message
        raise _broken(path, error) from error
    if isinstance(tree, Inert):
        kind = type(tree).__qualname__
        problem = f"holds a whole object of class `{kind}`, which would need its code to be run"
        raise WeightsError(path, problem, "Save its `state_dict()` instead.")
    if not isinstance(tree, Mapping):
        raise WeightsError(path, f"holds a {type(tree).__name__}, not named tensors", "Save a `state_dict()`.")
    return Contents("torch", tree, placeholders=tuple(names))


def _load(path: Path, names: list[str]) -> Any:
    """What the file holds, every class and function of ``names`` replaced.

    Which of them are dictionaries is told by torch's refusal to fill anything else; it loads again then.
    """
    mappings: set[str] = set()
    while True:
        stand_ins = [_stand_in(name, InertMapping if name in mappings else Inert) for name in names]
        try:
            with safe_globals(stand_ins):
                return torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            filled = _MADE_MAPPING.search(str(error))
            if filled is None or filled[1] in mappings:
                raise
            mappings.add(filled[1])


def _stand_in(name: str, base: type) -> Callable[..., Any] | tuple[Callable[..., Any], str]:
    return type(name, (base,), {}), name


def _unknown_globals(path: Path) -> list[str]:
    """Names of classes and functions in the file that torch does not know, read without loading any."""
    try:
        if zipfile.is_zipfile(path):
            _refuse_other_archives(path)
            return sorted(get_unsafe_globals_in_checkpoint(path))
        with path.open("rb") as file:
            return sorted(_legacy_globals(file))
    except WeightsError:
        raise
    except Exception as error:  # likewise
        raise _broken(path, error) from error


def _refuse_other_archives(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
    parts = {entry.filename.rpartition("/")[2] for entry in entries}
    if "constants.pkl" in parts:
        remedy = "Save the `state_dict()` of the module that `torch.jit.load` gives."
        raise WeightsError(path, "is a TorchScript program, not weights", remedy)
    if any(part.endswith(".npy") for part in parts):
        remedy = "Convert it to PyTorch's names and save it as safetensors."
        raise WeightsError(path, "is an archive of numpy arrays (.npz)", remedy)
    # torch.save does neither, and a small file of either kind can fill any memory.
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise WeightsError(path, "is a compressed archive, which torch.save does not write", _RESAVE)
    if sum(entry.file_size for entry in entries) > path.stat().st_size:
        raise WeightsError(path, "is an archive whose entries are larger than the file", _RESAVE)


def _legacy_globals(file: BinaryIO) -> set[str]:
    """The same for files of before torch 1.6: magic number, version and system, then the object, each a pickle."""
    found = set()
    for _ in range(4):
        for opcode, argument, _position in pickletools.genops(file):
            if opcode.name == "GLOBAL":
                module, name = str(argument).split(" ", 1)
                full = f"{module.replace('__builtin__', 'builtins')}.{name}"
                if not _KNOWN.fullmatch(full):
                    found.add(full)
    return found


def _broken(path: Path, error: Exception) -> WeightsError:
    words = "" if isinstance(error, UnicodeError) else f" ({_reason(error)})"  # of which letter, helps nobody
    return WeightsError(path, f"is cut short or no checkpoint{words}", _AGAIN)


def _reason(error: BaseException) -> str:
    """What torch says, without what it advises: to load the file without protection."""
    lines = [line.strip() for line in str(error).partition("WeightsUnpickler error:")[2].splitlines()]
    lines = [line for line in lines if line] or str(error).splitlines() or [type(error).__name__]
    return lines[0][:200]
