"""What class of failure an exception is: what a retry may mend, and what only its user can.

``config``, ``data``, ``weights``, ``diverged`` and ``storage`` say so themselves (`ground.errors`). Of all other
exceptions ``memory``, ``node`` and ``storage`` are told by their type or their words; the rest is ``code``.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator

from ground.errors import UserError

MEMORY = (
    "defaultcpuallocator", "cannot allocate memory", "out of memory", "status_alloc_failed",
    "insufficient shared memory", "killed by signal: killed", "exited unexpectedly",
)  # fmt: skip
"""Words of torch, of the C library and, where the system killed one of its readers, of a ``DataLoader``."""
NODE = (
    "uncorrectable", "ecc error", "device is lost", "gpu is lost", "fallen off the bus", "no cuda-capable device",
    "cuda-capable device(s) is/are busy or unavailable", "cuda initialization", "cuda error: unknown error",
    "cuda driver initialization failed", "hardware stack error", "unhandled system error", "unhandled cuda error",
    "ncclsystemerror", "ncclremoteerror", "remote process exited or there was a network error", "watchdog caught",
    "connection closed by peer", "connection reset by peer", "bus error",
)  # fmt: skip
"""Words of CUDA, NCCL and gloo where a device or another process is gone."""
_STORAGE = {errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.EREMOTEIO, errno.ENODEV, errno.ENXIO}
"""What a network file system answers that has gone away."""


def classify(fault: BaseException) -> str:
    """The class of failure that ``fault``, or what it arose from, is."""
    chain = list(_chain(fault))
    if isinstance(fault, UserError):
        return fault.kind
    if any(map(_is_memory, chain)):
        return "memory"
    if any(word in str(each).lower() for each in chain for word in NODE):
        return "node"
    if any(isinstance(each, OSError) and each.errno in _STORAGE for each in chain):
        return "storage"
    return "code"


def _is_memory(fault: BaseException) -> bool:
    if isinstance(fault, MemoryError) or type(fault).__name__ == "OutOfMemoryError":  # numpy's; torch's
        return True
    if isinstance(fault, OSError) and fault.errno == errno.ENOMEM:
        return True
    return isinstance(fault, RuntimeError | OSError) and any(word in str(fault).lower() for word in MEMORY)


def _chain(fault: BaseException | None) -> Iterator[BaseException]:
    """``fault`` and what it arose from, the nearest first."""
    seen: set[int] = set()
    while fault is not None and id(fault) not in seen:
        seen.add(id(fault))
        yield fault
        fault = fault.__cause__ or (None if fault.__suppress_context__ else fault.__context__)
