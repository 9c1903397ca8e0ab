"""The loss of every step of a run, whatever its room and tool: ``curve.csv``, by which copies of a run are told."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import IO

from ground.files import write_text

CURVE = "curve.csv"
_HEAD = "step,loss"
_LINE = re.compile(r"(\d+),([-+.\w]+)")


class Curve:
    """Lines of ``step,loss``, each written as it comes; a step done again after a resume replaces what it was."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / CURVE
        self._file: IO[str] | None = None

    def add(self, step: int, loss: float) -> None:
        """Write one step down."""
        if self._file is None:  # a run that reports no loss leaves no file
            self._file = open(self._path, "a", buffering=1, encoding="utf-8")  # noqa: SIM115
            self._file.write("\n")  # after what a killed attempt may have left half written
        self._file.write(f"{step},{float(loss)!r}\n")

    def close(self) -> str:
        """Put the steps in order, each once; the SHA-256 of the file, empty if there is none.

        A line that a killed attempt left half written does not count: its step was done again.
        """
        if self._file is not None:
            self._file.close()
            self._file = None
        if not self._path.exists():
            return ""
        steps: dict[int, str] = {}
        for line in self._path.read_text(encoding="utf-8").splitlines():
            if found := _LINE.fullmatch(line):
                steps[int(found[1])] = found[2]
        text = "".join(f"{line}\n" for line in (_HEAD, *(f"{step},{steps[step]}" for step in sorted(steps))))
        write_text(self._path, text)
        return hashlib.sha256(text.encode()).hexdigest()
