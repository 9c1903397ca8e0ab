"""What has been judged about a store's submissions, a line each: what Slurm forgets after minutes is kept here.

Written by whoever holds the lease, read by everybody; a line that was cut short by a crash counts for nothing and is
judged again.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ground.files import storage_errors
from harness.cluster.failures import Outcome

_ONE_NODE = re.compile(r"[\w.-]+")
BAD_NODE_SECONDS = 24 * 3600.0
"""How long a node is left alone after a job failed for it."""


@dataclass(frozen=True)
class Ending:
    """How one task of a submission ended."""

    token: str
    index: int
    job: str
    """``kind/directory`` of its run."""
    outcome: Outcome
    words: str
    at: float
    """When it was judged, in seconds since 1970."""
    nodes: str = ""
    step: int = 0
    """How far its job said to be by then."""
    restart: int | None = None
    """Of a start that ended while its task went on, because Slurm itself began it anew: how often it had before."""


@dataclass
class History:
    """The journal, read."""

    endings: dict[str, list[Ending]] = field(default_factory=dict)
    """By job, the oldest first."""
    closed: set[tuple[str, int]] = field(default_factory=set)
    """Tasks (token, index) that have ended."""
    cancelled: dict[str, float] = field(default_factory=dict)
    """Job → when ``harness cancel`` took it back last."""
    pardoned: dict[str, float] = field(default_factory=dict)
    """Job → since when its failures count."""
    refused: dict[str, tuple[float, str]] = field(default_factory=dict)
    """Job → when Slurm did not take it, and its words."""
    worked: dict[str, float] = field(default_factory=dict)
    """Job → seconds that it had been at work by its own report when it was last pardoned."""

    def counted(self, job: str) -> list[Ending]:
        """The endings of a job that bear on whether it is started again."""
        since = self.pardoned.get(job, 0.0)
        return [each for each in self.endings.get(job, ()) if each.at > since]

    def knows(self, ending: Ending) -> bool:
        """Whether this start was written down already."""
        place = (ending.token, ending.index, ending.restart)
        return any((each.token, each.index, each.restart) == place for each in self.endings.get(ending.job, ()))

    def bad_nodes(self) -> dict[str, str]:
        """Node → the last job that failed for it, of the last 24 hours. Of several nodes nobody knows which it was."""
        found, now = {}, time.time()
        for endings in self.endings.values():
            for each in endings:
                if each.outcome == "node" and _ONE_NODE.fullmatch(each.nodes) and now - each.at < BAD_NODE_SECONDS:
                    found[each.nodes] = f"{each.job}: {each.words}"
        return found

    def add(self, ending: Ending) -> None:
        """One more."""
        self.endings.setdefault(ending.job, []).append(ending)
        if ending.restart is None:
            self.closed.add((ending.token, ending.index))


class Journal:
    """The file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> History:
        """All that it says.

        Raises:
            StorageError: it cannot be read.
        """
        history = History()
        with storage_errors(self._path):
            try:
                text = self._path.read_text(encoding="utf-8")
            except FileNotFoundError:
                return history
        for line in text.splitlines():
            try:
                _take(history, json.loads(line))
            except (ValueError, TypeError, KeyError):
                continue
        return history

    def ended(self, endings: Sequence[Ending]) -> None:
        """Write endings down.

        Raises:
            StorageError: the file cannot be written.
        """
        self._append({"what": "ended", **asdict(each)} for each in endings)

    def note(self, what: str, jobs: Iterable[str]) -> None:
        """Jobs are ``cancelled`` now."""
        now = time.time()
        self._append({"what": what, "job": job, "at": now} for job in jobs)

    def refused(self, words: Mapping[str, str]) -> None:
        """Slurm does not take jobs now: job → why."""
        now = time.time()
        self._append({"what": "refused", "job": job, "at": now, "words": why} for job, why in words.items())

    def pardoned(self, worked: Mapping[str, float]) -> None:
        """From now on the failures of jobs count anew, and their hours: job → seconds at work so far."""
        now = time.time()
        self._append({"what": "pardoned", "job": job, "at": now, "worked": had} for job, had in worked.items())

    def _append(self, lines: Iterable[dict[str, Any]]) -> None:
        text = "".join(f"{json.dumps(line)}\n" for line in lines)
        if not text:
            return
        with storage_errors(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with open(self._path, "a", encoding="utf-8") as file:
                file.write(f"\n{text}")  # a line that a crash left half written ends here
                file.flush()
                os.fsync(file.fileno())


def _take(history: History, line: dict[str, Any]) -> None:
    what = line.pop("what")
    if what == "ended":
        history.add(Ending(**line))
    elif what == "refused":
        history.refused[line["job"]] = float(line["at"]), str(line["words"])
    else:
        times = {"cancelled": history.cancelled, "pardoned": history.pardoned}[what]
        times[line["job"]] = max(float(line["at"]), times.get(line["job"], 0.0))
        if what == "pardoned":
            history.worked[line["job"]] = float(line.get("worked", 0.0))
