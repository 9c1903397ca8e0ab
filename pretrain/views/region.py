"""A part of a JPEG, decoded without the rest: ``region.c``, compiled on first use against the machine's libjpeg-turbo.

Decoding is most of what an image costs, and two crops show two thirds of it. The bits are those of the whole image,
which is tried before anything is decoded so; where they are others, or a compiler or libjpeg's headers lack, images
are decoded whole.
"""

from __future__ import annotations

import ctypes
import hashlib
import io
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from pretrain.views.boxes import Box
from pretrain.views.decoding import Pixels, Size

SOURCE = Path(__file__).with_suffix(".c")
MARGIN = 2
"""Pixels left and right of a box: one sample of colours kept at half the resolution."""
ALIGNED = 64
"""More pixels than libjpeg adds to a box: it begins with a block of 8 samples, each of which stands for 2 at most."""
SECONDS = 120.0
"""For the compiler."""
REMEDY = (
    "install a C compiler and libjpeg-turbo's headers (gcc with libjpeg62-turbo-dev, libjpeg-turbo8-dev or "
    "libjpeg-turbo-devel, or conda's libjpeg-turbo); CC='cc -I… -L…' says where they are"
)


class Missing(Exception):
    """Parts cannot be decoded here; says why."""


def why_not() -> str:
    """Why images are decoded whole on this machine; empty if they are not. ``REMEDY`` says what helps."""
    found = _library()
    return found if isinstance(found, str) else ""


def size_of(data: bytes) -> Size | None:
    """The (width, height) of a JPEG of which parts can be decoded; None for all else.

    That is one in a single scan, grey or with colours as cameras keep them, which ends as it should: others are not
    sure to have the same pixels everywhere, and what is wrong with them is found when they are decoded whole.
    """
    library = _library()
    if isinstance(library, str):
        return None
    width, height = ctypes.c_int(), ctypes.c_int()
    if not library.look(data, len(data), ctypes.byref(width), ctypes.byref(height)):
        return None
    if Image.MAX_IMAGE_PIXELS is not None and width.value * height.value > Image.MAX_IMAGE_PIXELS:
        return None  # Pillow shall warn or refuse
    return width.value, height.value


def decode(data: bytes, size: Size, box: Box) -> Pixels | None:
    """The pixels in ``box`` (x, y, w, h), which lies in the image: (h, w, 3); None if the data are at fault.

    Args:
        data: a JPEG.
        size: as ``size_of`` gave it.
        box: what is wanted.
    """
    library = _library()
    if isinstance(library, str):
        return None
    return _decode(library, data, size, box)


def _decode(library: ctypes.CDLL, data: bytes, size: Size, box: Box) -> Pixels | None:
    x, y, w, h = box
    begin, end = max(x - MARGIN, 0), min(x + w + MARGIN, size[0])
    memory = np.empty(3 * h * (end - begin + ALIGNED), np.uint8)
    left, wide = ctypes.c_int(), ctypes.c_int()
    place = ctypes.c_void_p(memory.ctypes.data)
    sides = ctypes.byref(left), ctypes.byref(wide)
    if not library.region(data, len(data), begin, y, end - begin, h, place, memory.nbytes, *sides):
        return None
    rows = memory[: 3 * h * wide.value].reshape(h, wide.value, 3)
    return rows[:, x - left.value : x - left.value + w]


@cache
def _library() -> ctypes.CDLL | str:
    """The compiled functions, or why there are none."""
    try:
        library = _typed(_load(_home() / _name()))
    except Missing as error:
        return str(error)
    except AttributeError as error:
        return f"what was compiled is something else ({error})"
    return library if _agrees(library) else "the machine's libjpeg does not give Pillow's bits"


def _home() -> Path:
    """Where what was compiled is kept, as Triton keeps its kernels."""
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dense-ssl-bench"
    except RuntimeError:
        raise Missing("there is no home folder to keep what is compiled (set XDG_CACHE_HOME)") from None


def _name() -> str:
    try:
        source = SOURCE.read_bytes()
    except OSError as error:
        raise Missing(f"{SOURCE} cannot be read ({error.strerror})") from None
    made_of = hashlib.sha256(source + " ".join((*_compiler(), platform.machine())).encode())
    return f"region-{made_of.hexdigest()[:16]}.so"


def _compiler() -> list[str]:
    """As the environment says; an environment of conda's has headers and libraries of its own."""
    try:
        command = shlex.split(os.environ.get("CC", "")) or ["cc"]
    except ValueError as error:
        raise Missing(f"CC is no command ({error})") from None
    own = Path(sys.prefix)
    if not (own / "include" / "jpeglib.h").exists():
        return command
    return [*command, f"-I{own / 'include'}", f"-L{own / 'lib'}", f"-Wl,-rpath,{own / 'lib'}"]


def _load(path: Path) -> ctypes.CDLL:
    """The library at ``path``, made first if it is not there or is another system's."""
    for made in (False, True):
        if made:
            _compile(path)
        try:
            if path.exists():
                return ctypes.CDLL(str(path))
        except OSError as error:
            if made:
                raise Missing(f"what was compiled does not load ({error})") from None
    raise Missing(f"{path} went while it was loaded")


def _compile(path: Path) -> None:
    compiler = _compiler()
    if shutil.which(compiler[0]) is None:
        raise Missing(f"there is no C compiler ({compiler[0]})")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:  # others may do the same at the same time
            made = Path(folder) / path.name
            command = [*compiler, "-O2", "-shared", "-fPIC", str(SOURCE), "-o", str(made), "-ljpeg"]
            done = subprocess.run(
                command, capture_output=True, text=True, errors="replace", timeout=SECONDS, check=False
            )
            if done.returncode:
                lines = [line for line in done.stderr.splitlines() if line.strip()]
                said = next((line for line in lines if "error" in line), lines[0] if lines else "it says nothing")
                raise Missing(f"{compiler[0]} cannot compile for libjpeg-turbo ({said[:200]})")
            os.replace(made, path)
    except (OSError, subprocess.SubprocessError) as error:
        raise Missing(f"compiling fails ({error})") from None


def _typed(library: ctypes.CDLL) -> ctypes.CDLL:
    number, pointer = ctypes.c_int, ctypes.POINTER(ctypes.c_int)
    library.look.argtypes = [ctypes.c_char_p, ctypes.c_size_t, pointer, pointer]
    library.region.argtypes = [
        *(ctypes.c_char_p, ctypes.c_size_t, number, number, number, number, ctypes.c_void_p, ctypes.c_size_t),
        *(pointer, pointer),
    ]
    return library


def _agrees(library: ctypes.CDLL) -> bool:
    """Whether parts have Pillow's bits: of noise, in each way to keep colours, at the edges and within, and of grey."""
    noise = np.random.default_rng(0).integers(0, 256, (83, 117, 3), dtype=np.uint8)
    boxes = ((0, 0, 117, 83), (1, 1, 9, 9), (15, 17, 33, 31), (63, 40, 54, 43), (47, 33, 1, 1), (0, 82, 117, 1))
    kinds = [(95, 0, "RGB", 0), (85, 1, "RGB", 3), (50, 2, "RGB", 0), (75, 0, "L", 0)]
    for quality, subsampling, mode, restart in kinds:
        file = io.BytesIO()
        picture = Image.fromarray(noise).convert(mode)
        picture.save(file, "JPEG", quality=quality, subsampling=subsampling, restart_marker_blocks=restart)
        whole = np.asarray(Image.open(file).convert("RGB"))
        for x, y, w, h in boxes:
            part = _decode(library, file.getvalue(), (117, 83), (x, y, w, h))
            if part is None or not np.array_equal(part, whole[y : y + h, x : x + w]):
                return False
    return True
