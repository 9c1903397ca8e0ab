"""Reading generated files with suspicion: whatever is wrong becomes one line that names the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from ground.errors import DataError


def fault(path: Path, problem: str) -> DataError:
    """What to raise for a file that disagrees."""
    return DataError(path, problem, "Delete the folder of the scenes and generate them again.")


def require(holds: bool | np.bool_, path: Path, problem: str) -> None:
    """Raise a fault unless something ``holds``."""
    if not holds:
        raise fault(path, problem)


def read_image(path: Path, modes: tuple[str, ...], shape: tuple[int, int] | None = None) -> NDArray[Any]:
    """A whole decoded image in one of the PIL ``modes``, of height and width ``shape`` if given.

    Raises:
        DataError: the file is missing, truncated, not an image, or of another mode or shape.
    """
    try:
        with Image.open(path) as image:
            array, mode = np.asarray(image), image.mode
    except FileNotFoundError:
        raise fault(path, "is missing") from None
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise fault(path, f"does not decode ({error})") from None
    require(mode in modes, path, f"has mode {mode}, not {' or '.join(modes)}")
    if shape is not None:
        require(array.shape[:2] == shape, path, f"is {array.shape[:2]} pixels high and wide, not {shape}")
    return array


def read_json(path: Path, fields: set[str]) -> dict[str, Any]:
    """The mapping in a JSON file, which has at least ``fields``.

    Raises:
        DataError: the file is missing, not JSON, or has another content.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise fault(path, "is missing") from None
    except ValueError as error:
        raise fault(path, f"is not JSON ({error})") from None
    sound = isinstance(content, dict) and content.keys() >= fields
    require(sound, path, f"does not have the fields {', '.join(sorted(fields))}")
    return dict(content)


def require_folder(folder: Path, expected: set[str]) -> None:
    """Raise a fault unless ``folder`` holds exactly the ``expected`` file names."""
    found = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    missing, foreign = sorted(expected - found), sorted(found - expected)
    require(not missing, folder / "".join(missing[:1]), f"is missing ({len(missing)} such)")
    require(not foreign, folder / "".join(foreign[:1]), f"does not belong here ({len(foreign)} such)")
