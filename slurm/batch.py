"""What sbatch gets: submitit's text for an array, with our own command and what surrounds it.

submitit's executor names a job's work by a pickle that it renames once sbatch has returned. Ours finds it by token and
array index, in a file that was there before, so it does not matter what becomes of the submitter.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from submitit.core.utils import FailedSubmissionError
from submitit.slurm.slurm import SlurmExecutor

from ground import stopping
from slurm.cluster import Cluster
from slurm.requests import Request, Submission
from slurm.tokens import Call

GUARD = """\
trap : TERM USR2  # the job's processes are told; this script lives on to say how they ended
say_how_it_ended() {
  code=$?
  ended="$token/ended-$SLURM_ARRAY_TASK_ID-${SLURM_RESTART_COUNT:-0}"
  echo "$code $SECONDS $SLURM_JOB_NODELIST" > "$ended.part" && mv "$ended.part" "$ended"
  exit "$code"
}
trap say_how_it_ended EXIT
id_of_token() { cat "$token/id" 2>/dev/null; }
if [ ! -d "$token" ]; then  # swept, or a node without the store: there is no place for a word
  trap - EXIT; echo "$token is not there on $(hostname)" >&2; exit 75
fi
if [ -z "$(id_of_token)" ]; then
  echo "$SLURM_ARRAY_JOB_ID" > "$token/.id-$SLURM_JOB_ID" && ln "$token/.id-$SLURM_JOB_ID" "$token/id" 2>/dev/null
  rm -f "$token/.id-$SLURM_JOB_ID"
fi
case "$(id_of_token)" in
  "$SLURM_ARRAY_JOB_ID") ;;
  "") echo "$token cannot be read or written on $(hostname)" >&2; exit 75 ;;
  *) trap - EXIT; exit 3 ;;  # given up, or another job has this token: its files are not ours
esac"""


class Batch(SlurmExecutor):
    """The batch script of one submission."""

    def __init__(self, folder: Path, cluster: Cluster, submission: Submission, call: Call) -> None:
        super().__init__(folder, python=f"{shlex.quote(sys.executable)} -P")
        request = submission.request
        options: dict[str, str | int | bool] = {
            **cluster.options,
            "requeue": True,
            "signal": f"USR2@{cluster.warning_seconds}",
        }
        if request.exclude and "exclude" in options:
            options["exclude"] = ",".join([str(options["exclude"]), *request.exclude])
        environment = {stopping.WARNING: str(cluster.warning_seconds), **call.environment}
        self.update_parameters(
            **asked(cluster, request),
            job_name=submission.token,
            comment=comment(submission),
            dependency=f"afterok:{':'.join(submission.after)}" if submission.after else None,
            stderr_to_stdout=True,
            array_parallelism=len(submission.tasks),
            wckey=None,
            setup=[f"token={shlex.quote(str(folder))}", GUARD, *cluster.setup, *exports(environment)],
            srun_args=srun(request),
            additional_parameters=options,
        )
        self.parameters["map_count"] = len(submission.tasks)

    @classmethod
    def affinity(cls) -> int:
        """A script can be shown where there is no Slurm."""
        return 2

    @property
    def _submitit_command_str(self) -> str:
        return f"{self.python} -u -m slurm.entry {shlex.quote(str(self.folder))}"

    def text(self) -> str:
        """The script."""
        return str(self._make_submission_file_text(self._submitit_command_str, "")) + "\n"

    def id_in(self, words: str) -> str | None:
        """The job's id in what sbatch said."""
        try:
            return str(self._get_job_id_from_submission_command(words))
        except FailedSubmissionError:
            return None


def asked(cluster: Cluster, request: Request) -> dict[str, Any]:
    """A request in submitit's words."""
    gpus = f"{cluster.gpu_type}:{request.gpus_per_node}" if cluster.gpu_type else str(request.gpus_per_node)
    name = "gres" if cluster.gpu_request == "gres" else "gpus_per_node"
    return {
        "nodes": request.nodes,
        "ntasks_per_node": request.tasks_per_node,
        "cpus_per_task": request.cpus_per_task,
        "time": request.minutes,
        "mem": None if request.memory_mb is None else f"{request.memory_mb}M",
        "partition": request.partition,
        "account": request.account,
        "qos": request.qos,
        "constraint": request.constraint,
        "exclude": ",".join(request.exclude) or None,
        name: (f"gpu:{gpus}" if name == "gres" else gpus) if request.gpus_per_node else None,
    }


def srun(request: Request) -> list[str]:
    """Options of srun. It no longer takes the CPUs of a process from the batch job, and it may not start the processes
    with less of an environment than that has; where one process fails the others have nobody to wait for."""
    return ["--export=ALL", f"--cpus-per-task={request.cpus_per_task}", "--kill-on-bad-exit=1", "--open-mode=append"]


def comment(submission: Submission) -> str:
    """What a human sees of an array in the queue."""
    more = f" and {len(submission.tasks) - 1} more" if len(submission.tasks) > 1 else ""
    return f"harness: {submission.tasks[0].name}{more}"


def exports(environment: Mapping[str, str | None]) -> list[str]:
    """Lines of shell that lay ``environment`` over the job's own."""
    return [
        f"unset {name}" if value is None else f"export {name}={shlex.quote(value)}"
        for name, value in environment.items()
    ]
