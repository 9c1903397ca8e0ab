"""A ``map`` over processes, for work on many files that is a function of each file alone."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

Map = Callable[[Callable[[Any], Any], Sequence[Any]], Iterable[Any]]
CHUNK = 16


@contextmanager
def mapped(workers: int) -> Iterator[Map]:
    """A ``map`` over ``workers`` processes, or over none if there is one; answers come in order.

    They are spawned: a fork would copy threads that draw the progress.
    """
    if workers == 1:
        yield map
        return
    # Ctrl-C reaches the whole group: a worker it stopped in the middle of an answer would be waited for without end.
    ignore = partial(signal.signal, signal.SIGINT, signal.SIG_IGN)
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"), initializer=ignore)
    try:
        yield partial(pool.map, chunksize=CHUNK)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
