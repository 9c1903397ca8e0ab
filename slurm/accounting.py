"""What sacct says of jobs that the controller has forgotten, where there is an accounting daemon and it works.

Its word counts only for a job that it calls ended: one that it believes to be pending or running, and that the
controller does not know, is a record that nobody closed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from slurm import commands
from slurm.requests import Entry, Submission
from slurm.states import phase_of

FIELDS = ("JobID", "JobName", "State", "ExitCode", "NodeList")
SECONDS = 20
"""Nothing waits for accounting as it does for the controller."""
_NAMES_AT_ONCE = 1000
_DISABLED = "accounting storage is disabled"
"""sacct's words where nobody keeps records."""
_CLOCKS = timedelta(hours=1)
"""How far the clocks of two machines may be apart."""


def ended(submissions: Sequence[Submission], seconds: float = SECONDS) -> Iterator[Entry]:
    """The tasks of ``submissions`` that ended, as far as accounting knows; nothing where it does not answer."""
    for start in range(0, len(submissions), _NAMES_AT_ONCE):
        some = submissions[start : start + _NAMES_AT_ONCE]
        since = datetime.fromtimestamp(min(each.created for each in some)) - _CLOCKS
        answer = commands.run(
            "sacct",
            "--noheader",
            "--parsable2",
            "--allocations",
            f"--starttime={since:%Y-%m-%dT%H:%M:%S}",
            f"--name={','.join(each.token for each in some)}",
            f"--format={','.join(FIELDS)}",
            seconds=min(seconds, SECONDS),
        )
        if answer.code:
            return
        for line in answer.output.splitlines():
            yield from _entries(line)


def starts(submission: Submission, seconds: float = SECONDS) -> dict[tuple[int, int], str] | None:
    """(task, how often it had been started before) → how that start ended, by accounting: ``PREEMPTED``, ``REQUEUED``,
    ``NODE_FAIL``, …; nothing where it does not answer, None where there is none. A start that it does not know to be
    over is left out.

    It keeps a record for each start of a job that Slurm has begun anew, in their order.
    """
    since = datetime.fromtimestamp(submission.created) - _CLOCKS
    answer = commands.run(
        "sacct",
        "--noheader",
        "--parsable2",
        "--allocations",
        "--duplicates",
        f"--starttime={since:%Y-%m-%dT%H:%M:%S}",
        f"--name={submission.token}",
        "--format=JobID,JobName,State,Submit",
        seconds=min(seconds, SECONDS),
    )
    if answer.code and _DISABLED in answer.error.lower():
        return None
    found: dict[int, list[tuple[str, str]]] = {}
    for line in answer.output.splitlines() if answer.code == 0 else ():
        identity, _, rest = line.partition("|")
        array, _, index = identity.partition("_")
        parts = rest.split("|")
        if index.isdigit() and array == submission.job_id and len(parts) == 3 and parts[0] == submission.token:
            found.setdefault(int(index), []).append((parts[2], parts[1].partition(" ")[0]))
    return {
        (index, number): word
        for index, records in found.items()
        for number, (_, word) in enumerate(sorted(records, key=lambda record: record[0]))
        if word == "REQUEUED" or phase_of(word) == "ended"
    }


def _entries(line: str) -> Iterator[Entry]:
    parts = line.split("|", len(FIELDS) - 1)
    if len(parts) < len(FIELDS):
        return
    identity, token, state, code, nodes = parts
    word, _, reason = state.partition(" ")  # CANCELLED by 1000
    if phase_of(word) != "ended":
        return
    for index in _indices(identity):
        yield Entry(token, index, f"{identity.partition('_')[0]}_{index}", "ended", word, reason, _named(nodes), code)


def _indices(identity: str) -> list[int]:
    """``7_4`` → 4; ``7_[1-3,5%2]`` → 1, 2, 3, 5."""
    ranges = re.findall(r"(\d+)(?:-(\d+)(?::(\d+))?)?", identity.partition("_")[2].partition("%")[0])
    found: list[int] = []
    for first, last, step in ranges:
        found += range(int(first), int(last or first) + 1, int(step or 1))
    return found


def _named(nodes: str) -> str:
    return "" if nodes in {"None assigned", "Unknown"} else nodes
