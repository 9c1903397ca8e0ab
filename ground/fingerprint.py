"""What a data set is, in one hash: names and sizes of its files, contents of its small index files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path


def fingerprint(root: Path, files: Iterable[Path], contents: Iterable[Path] = ()) -> str:
    """SHA-256 (hex) over sorted (path below ``root``, size) of ``files`` and the bytes of ``contents``.

    Pixels are not read: 118,287 images would take minutes. A changed image of the same size goes
    unseen here; ``harness data check --full`` decodes every one.
    """
    summary = hashlib.sha256()
    for name, size in sorted((path.relative_to(root).as_posix(), path.stat().st_size) for path in files):
        summary.update(f"{name}\0{size}\n".encode())
    for path in sorted(contents):
        summary.update(
            f"{path.relative_to(root).as_posix()}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode()
        )
    return summary.hexdigest()
