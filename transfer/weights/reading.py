"""Any weights file into memory. What kind it is, its first bytes say, not its name; nothing in it is ever executed."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError, safe_open

from ground.errors import WeightsError
from transfer.weights import numpy_pickle, torch_files
from transfer.weights.contents import Contents

_AGAIN = "Download or copy it again."
_NOT_WEIGHTS = {
    b"<": ("is a web page, not weights", "Open the link in a browser to see what it asks for, then download again."),
    b"version https://git-lfs": ("is a Git LFS pointer, not weights", "Run `git lfs pull` where it came from."),
    b"\x1f\x8b": ("is a compressed archive", "Unpack it and name the file inside."),
    b"7z\xbc\xaf": ("is a compressed archive", "Unpack it and name the file inside."),
    b"BZh": ("is a compressed archive", "Unpack it and name the file inside."),
    b"\x89HDF": ("is an HDF5 file (Keras)", "Convert it to PyTorch's names and save it as safetensors."),
    b"{": ("is a text file, not weights", "Name the file with the tensors."),
}


def read(path: Path) -> Contents:
    """Read a safetensors file, what ``torch.save`` wrote, or detectron2's pickle of numpy arrays.

    Raises:
        WeightsError: the file is missing, empty, cut short, something else, or asks for code to be run.
    """
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except FileNotFoundError:
        raise WeightsError(path, "no such file", "Correct the path.") from None
    except OSError as error:
        raise WeightsError(path, f"cannot be read ({error.strerror})", "Correct the path or its permissions.") from None
    if not head:
        raise WeightsError(path, "is empty", _AGAIN)
    if _is_safetensors(head):
        return _safetensors(path)
    if head.startswith(b"PK") or torch_files.is_legacy(head):
        return torch_files.read(path)
    if head.startswith(b"\x80"):
        return numpy_pickle.read(path)
    for start, (problem, remedy) in _NOT_WEIGHTS.items():
        if head.lstrip(b" \t\r\n\xef\xbb\xbf").startswith(start):
            raise WeightsError(path, problem, remedy)
    if not head.strip(b"\0"):
        raise WeightsError(path, "begins with zeros: a copy that was never finished", _AGAIN)
    problem = "is no weights file of a known kind (safetensors, torch.save, or detectron2's .pkl)"
    raise WeightsError(path, problem, "Save the state dict with torch.save or as safetensors.")


def _is_safetensors(head: bytes) -> bool:
    """Eight bytes of length, then JSON."""
    return len(head) > 8 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 100_000_000


def _safetensors(path: Path) -> Contents:
    try:
        with safe_open(path, framework="pt") as file:
            names = file.keys()
            return Contents("safetensors", {name: file.get_tensor(name) for name in names}, file.metadata() or {})
    except SafetensorError as error:
        raise WeightsError(path, f"is cut short or damaged ({error})", _AGAIN) from None
