"""Works in processes of their own, as a loader has them: none finds its memory as another has left it."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing.connection import Connection

ENDING_SECONDS = 10.0
Turn = Callable[[], float]
"""Does a work once; mean seconds of processor time."""


@contextmanager
def forked(
    works: Mapping[str, Callable[[], object]], begin: Mapping[str, Callable[[], None]], copies: int
) -> Iterator[dict[str, Turn]]:
    """Each of ``works`` in ``copies`` forks of this process: called, all do it once at the same time.

    Args:
        works: by name.
        begin: what a process is told first, by the same names; nothing if there is none.
        copies: as many as there are cores shows a loader at work, whose processes share caches and memory.

    Raises:
        RuntimeError: a work failed, when it is called; says how.
    """
    context = multiprocessing.get_context("fork")
    started = []
    there: dict[str, Turn] = {}
    for name, work in works.items():
        pipes = []
        for _ in range(copies):
            here, its = context.Pipe()
            process = context.Process(target=_serve, args=(its, work, begin.get(name)), daemon=True)
            process.start()
            its.close()  # a process that is gone is then noticed
            started.append((process, here))
            pipes.append(here)
        there[name] = partial(_turn, name, pipes)
    try:
        yield there
    finally:
        for process, here in started:
            with suppress(OSError):  # it is gone already
                here.send(False)
            process.join(ENDING_SECONDS)
            process.terminate()


def _turn(name: str, pipes: list[Connection]) -> float:
    for pipe in pipes:
        pipe.send(True)
    seconds = []
    for pipe in pipes:
        try:
            said = pipe.recv()
        except EOFError:
            said = "its process is gone"
        if isinstance(said, str):
            raise RuntimeError(f"{name}: {said}")
        seconds.append(float(said))
    return sum(seconds) / len(seconds)


def _serve(its: Connection, work: Callable[[], object], begin: Callable[[], None] | None) -> None:
    if begin is not None:
        begin()
    while its.recv():
        began = time.process_time()
        try:
            work()
        except Exception as error:
            its.send(f"{type(error).__name__}: {error}")
        else:
            its.send(time.process_time() - began)
