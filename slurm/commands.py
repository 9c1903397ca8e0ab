"""Slurm's commands, each with a time limit, and what their words mean.

A controller that hangs must not hang us, and what the shell around us holds must not change what we ask: variables of a
job that we were started in (``SLURM_*``) and defaults of a user (``SBATCH_*``, ``SQUEUE_*``) stronger than a batch
script's own lines are left out of the environment.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
from dataclasses import dataclass

from ground.errors import ConfigError, UserError

SECONDS = 60
"""How long a command may take. Slurm's own limit, for one message, is ten seconds unless the site says otherwise."""
OURS = ("SLURM_CONF", "SLURM_CLUSTERS", "SLURM_JWT")
"""Variables that say where Slurm is, and nothing of a job."""
_FOREIGN = ("SLURM_", "SLURMD_", "SRUN_", "SBATCH_", "SQUEUE_", "SACCT_", "SINFO_", "SCANCEL_", "SUBMITIT_")

UNCLEAR = re.compile(r"timed? ?out|zero bytes|unexpected message|no answer", re.IGNORECASE)
"""After such words nobody knows whether the controller has taken a job."""
_AWAY = re.compile(
    r"contact slurm controller|connect|temporarily unable|standby mode|communication|authentication|munge",
    re.IGNORECASE,
)
_UNCONFIGURED = re.compile(r"cannot stat file|DNS SRV lookup|configuration source", re.IGNORECASE)
_FULL = re.compile(
    r"SubmitJob"
)  # QOSMaxSubmitJobPerUserLimit, AssocGrpSubmitJobsLimit, …; others are of one job's size
_PARENT = re.compile(r"dependency problem", re.IGNORECASE)


class Unavailable(UserError):
    """Slurm does not answer, or does not take a job now that it may take later. What was asked for may be right."""

    kind = "cluster"


@dataclass(frozen=True)
class Answer:
    """What a command said."""

    code: int
    output: str
    error: str

    @property
    def words(self) -> str:
        """Its complaint on one line, without the command's name before each part."""
        lines = [re.sub(r"^\w+: (error: |fatal: )?", "", line.strip()) for line in self.error.splitlines()]
        return "; ".join(line for line in lines if line and not line.startswith("Try "))


def run(*command: str, text: str = "", seconds: float = SECONDS) -> Answer:
    """Run one of Slurm's commands with ``text`` as its input.

    Raises:
        ConfigError: there is no such command here.
    """
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=environment(),
            start_new_session=True,  # a site's wrapper is ended with what it started; Ctrl-C is for us alone
        )
    except FileNotFoundError as error:
        raise _absent(command[0]) from error
    with process:
        try:
            output, words = process.communicate(text, seconds)
        except BaseException as error:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            return Answer(124, "", f"no answer from {command[0]} within {seconds:g} seconds")
    return Answer(process.returncode, output, words)


def require(*names: str) -> None:
    """Raises ``ConfigError`` unless these commands are here."""
    for name in names:
        if shutil.which(name) is None:
            raise _absent(name)


def unconfigured() -> str:
    """Why Slurm's commands can know of no cluster; empty if they may. They themselves wait a minute for the file."""
    named = os.environ.get("SLURM_CONF", "")
    return f"SLURM_CONF is {named}, and there is no such file" if named and not os.path.exists(named) else ""


def require_configuration() -> None:
    """Raises ``ConfigError`` if Slurm's commands would wait in vain for their configuration."""
    if words := unconfigured():
        raise _bare(words)


def _bare(words: str) -> ConfigError:
    problem = f"Slurm's client has no configuration here ({words})"
    return ConfigError("slurm.conf", problem, "Is this a login node? Set SLURM_CONF.")


def _absent(name: str) -> ConfigError:
    problem = "there is no Slurm on this machine: the command is not on PATH"
    return ConfigError(name, problem, "Run on a login node of the cluster, or with `--cluster local`.")


def environment() -> dict[str, str]:
    """Ours, less what would change the meaning of a command; arrays are told whole."""
    kept = {name: value for name, value in os.environ.items() if name in OURS or not name.startswith(_FOREIGN)}
    return {**kept, "SLURM_BITSTR_LEN": "0"}


def away(words: str) -> bool:
    """Whether words are those of a controller that did not answer."""
    return bool(UNCLEAR.search(words) or _AWAY.search(words)) and not _UNCONFIGURED.search(words)


def full(words: str) -> bool:
    """Whether words say that we have as many jobs as we may have."""
    return bool(_FULL.search(words))


def complaint(where: str, words: str, remedy: str) -> UserError:
    """The error that Slurm's words mean.

    Returns:
        Unavailable: no controller, a queue that is full for us, a parent that is no longer known.
        ConfigError: what was asked for cannot be had, or Slurm's commands do not know of any cluster.
    """
    if _UNCONFIGURED.search(words):
        return _bare(words)
    problem = f"Slurm says: {words or 'nothing'}"
    if away(words):
        return Unavailable(where, problem, "Wait until Slurm answers (`sinfo`) and run again: nothing is lost.")
    if full(words):
        return Unavailable(where, problem, "Wait until some of your jobs have ended, or set `max_jobs` in the profile.")
    if _PARENT.search(words):
        return Unavailable(where, problem, "Run again: what the job waited for has ended.")
    return ConfigError(where, problem, remedy)
