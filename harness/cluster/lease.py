"""The right to submit: one harness at a time, for the length of one pass, whichever login node it is on.

Claims as those of runs; a number is never given twice, so whoever was overtaken while its machine slept finds a higher
one, for ever, and submits nothing more. Whether a holder elsewhere is dead is not read from any clock, but seen: its
heart does not beat for a minute while somebody waits.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from harness import claims, hearts
from harness.claims import Claim
from harness.endings import End
from slurm.commands import Unavailable

RETRY_SECONDS = 0.5


@contextmanager
def held(folder: Path, seconds: float) -> Iterator[Claim | None]:
    """The lease, or None if somebody else has it for all of ``seconds``.

    Raises:
        StorageError: the claim cannot be written.
    """
    deadline, watch = time.monotonic() + seconds, hearts.Watch()
    while (claim := claims.acquire(folder, watch=watch)) is None and time.monotonic() < deadline:
        time.sleep(RETRY_SECONDS)
    if claim is None:
        yield None
        return
    _sweep(folder, claim.number)
    began = time.monotonic()
    try:
        yield claim
    finally:
        claim.end(End("done", seconds=round(time.monotonic() - began, 3)))


def _sweep(folder: Path, number: int) -> None:
    """Remove what earlier holders left."""
    for path in folder.iterdir():
        if path.stem.isdigit() and int(path.stem) < number:
            with suppress(FileNotFoundError):
                path.unlink()


def keep(claim: Claim) -> None:
    """Raises ``Unavailable`` once somebody has taken us for dead: what follows is theirs to do."""
    if not claim.holds():
        raise Unavailable(
            "lease",
            "another harness took this one for dead and goes on in its place",
            "Nothing is lost: it looks again.",
        )
