"""How every figure looks, and how it is written: the same bytes for the same numbers."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ground.errors import ConfigError
from ground.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMN = 6.9
"""Width of a page of two columns, in inches."""
INK, SOFT, RULE = "#1a1a1a", "#6b6b6b", "#d4d4d4"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#7a5195", "#5c5c5c")
"""Told apart by most colour-blind eyes (Okabe and Ito), yellow replaced: it is lost on white."""
FORMATS = ("png", "pdf", "svg")
DPI = 200
_STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 7.5,
    "axes.titlesize": 8.0,
    "axes.labelsize": 7.5,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 7.0,
    "ytick.labelsize": 7.0,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 7.0,
    "lines.linewidth": 1.2,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "pdf.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "dense-ssl-bench",
}


@contextmanager
def figure(width: float, height: float) -> Iterator[Figure]:
    """An empty figure of ``width`` × ``height`` inches in our style, drawn without a display."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE):  # type: ignore[arg-type]
        drawn = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
        FigureCanvasAgg(drawn)
        yield drawn


def encoded(drawn: Figure, format: str) -> bytes:
    """The figure as a PNG, PDF or SVG, without the time of its making."""
    nothing = {"png": {"Software": None}, "pdf": {"CreationDate": None, "Producer": None}, "svg": {"Date": None}}
    whole = io.BytesIO()
    drawn.savefig(whole, format=format, dpi=DPI, bbox_inches="tight", pad_inches=0.04, metadata=nothing[format])
    return whole.getvalue()


def format_of(path: Path) -> str:
    """The format that a file's suffix names.

    Raises:
        ConfigError: it names none.
    """
    format = path.suffix.removeprefix(".")
    if format not in FORMATS:
        known = ", ".join(f".{each}" for each in FORMATS)
        raise ConfigError(f"--out {path}", "the file's suffix names no format of figures", f"Use one of {known}.")
    return format


def write(drawn: Figure, paths: list[Path]) -> None:
    """Write the figure to each path, in the format of its suffix; a file is replaced whole.

    Raises:
        ConfigError: a suffix names no format.
        StorageError: the disk is full or not writable.
    """
    for path, format in [(path, format_of(path)) for path in paths]:
        with atomic_path(path) as temporary:
            temporary.write_bytes(encoded(drawn, format))
