"""Finished runs whose code has changed since: no reason to throw them away, and one to know of."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from harness import provenance
from harness.jobs import Job
from harness.store import Look

_PRETRAIN, _TRANSFER = ("ground", "pretrain"), ("ground", "transfer")
ROOMS = {"transfer": _TRANSFER, "import": _TRANSFER, "pretrain": _PRETRAIN, "prepare": _PRETRAIN}
"""Folders of the source that a kind of job runs."""


def lines(looks: Iterable[tuple[Job, Look]]) -> list[str]:
    """A line for each kind of work and revision whose code is not today's.

    A change that alters results raises a ``version``, which makes other jobs; such a line says that code changed and
    no version did, or that nobody can know what ran.
    """
    found: dict[tuple[str, str, bool], list[Job]] = {}
    for job, look in looks:
        code = (look.record or {}).get("code") or {}
        if look.state == "done" and code.get("revision"):
            found.setdefault((job.kind, str(code["revision"]), bool(code.get("dirty"))), []).append(job)
    said = []
    for (kind, revision, dirty), jobs in found.items():
        if words := _words(revision, ROOMS[kind], dirty):
            whose = jobs[0].title if len(jobs) == 1 else f"{len(jobs)} {kind} runs"
            said.append(f"{whose} ran revision {revision[:10]}{words}")
    return said


def _words(revision: str, folders: tuple[str, ...], dirty: bool) -> str:
    changed = _changed(revision, folders)
    said = [" with uncommitted changes"] if dirty else []
    if changed is None:
        said += [", which this repository does not have"] if provenance.code() else []
    elif changed:
        files = f"{changed} source file{'s' if changed > 1 else ''} of {' and '.join(folders)}"
        said.append(f"; {files} {'are' if changed > 1 else 'is'} different now")
    return "".join(said)


@cache
def _changed(revision: str, folders: tuple[str, ...]) -> int | None:
    return provenance.changed(revision, folders)
