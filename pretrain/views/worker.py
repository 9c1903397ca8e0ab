"""A process of the loader: what it is told when it starts."""

from __future__ import annotations

import ctypes
import gc

from ground import stopping

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""glibc's numbers of them (malloc.h)."""
KEPT, LARGEST = 256 * 1024**2, 32 * 1024**2
"""Bytes of free memory that stay a process's, and of an allocation that comes of them."""


def begin(number: int) -> None:
    """Called in each process of the loader before its first batch; changes no result.

    What was there before the process is not looked through for garbage again and again, and memory of one image is used
    for the next, not given back and had zeroed anew: together a tenth of a loader's time.
    """
    stopping.in_worker(number)
    gc.freeze()
    malloc = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc's; other systems have none
    if malloc is not None:
        malloc(TRIM_THRESHOLD, KEPT)
        malloc(MMAP_THRESHOLD, LARGEST)
