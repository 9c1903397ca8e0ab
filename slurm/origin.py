"""Which Slurm and which user a submission is of: one store may be shared by two of either.

A queue tells of its own jobs only. What another Slurm was given, or another user gave, is not over because it is absent
there.
"""

from __future__ import annotations

import os
import pwd
import re
from dataclasses import dataclass
from functools import cache

from slurm import commands
from slurm.requests import Submission

SECONDS = 10
"""Asked of a controller that has just answered."""


@dataclass(frozen=True)
class Origin:
    """Who asks, and whom."""

    cluster: str
    """``ClusterName``; empty if Slurm does not say it."""
    uid: int

    def foreign(self, submission: Submission) -> str:
        """Whose a submission is in words, ``cluster a`` or ``user x``; empty for our own, and for one of before it was
        written down."""
        if submission.cluster and self.cluster and submission.cluster != self.cluster:
            return f"cluster {submission.cluster}"
        if submission.uid is not None and submission.uid != self.uid:
            return f"user {_name(submission.uid)}"
        return ""


def here() -> Origin:
    """Ourselves.

    Raises:
        Unavailable: the controller does not answer.
        ConfigError: there is no Slurm here.
    """
    return Origin(_cluster(*(os.environ.get(name, "") for name in commands.OURS)), os.getuid())


@cache
def _cluster(*_asked: str) -> str:
    """Asked once for each Slurm that the environment names."""
    answer = commands.run("scontrol", "show", "config", seconds=SECONDS)
    if answer.code:
        words = answer.words or answer.output.strip()
        raise commands.Unavailable("scontrol show config", f"Slurm says: {words}", "Wait until Slurm answers.")
    found = re.search(r"^ClusterName\s*=\s*(\S+)", answer.output, re.MULTILINE)
    return found[1] if found else ""


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
