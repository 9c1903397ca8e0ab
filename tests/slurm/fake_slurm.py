"""A Slurm of small scripts, started by tests/slurm/conftest.py: fake_slurm.py COMMAND ARGUMENTS.

Jobs are lines of a JSON file. ``sbatch`` adds one, ``squeue`` and ``sacct`` show them, ``scancel`` marks them.
"""

import json
import os
import re
import sys
from pathlib import Path

STATE = Path(os.environ["FAKE_SLURM"])
CONFIG = """\
Configuration data as of 2026-11-26T14:00:00
AccountingStorageType   = accounting_storage/slurmdbd
ClusterName             = fake
KillWait                = 30 sec
MaxArraySize            = 4
PreemptMode             = REQUEUE
PreemptType             = preempt/qos
SLURM_VERSION           = 22.05.8
"""
PARTITIONS = """\
PartitionName=cpu AllowGroups=ALL AllowAccounts=ALL Default=YES MaxTime=2-12:30:00 PreemptMode=OFF State=UP
PartitionName=gpu AllowGroups=ALL AllowAccounts=ALL Default=NO MaxTime=20:00:00 PreemptMode=REQUEUE State=UP
PartitionName=vip AllowGroups=ALL AllowAccounts=rich Default=NO MaxTime=UNLIMITED PreemptMode=OFF State=UP
"""


def main(command, arguments):
    jobs = json.loads((STATE / "jobs.json").read_text())
    said = globals()[command](jobs, arguments)
    part = STATE / f"jobs.{os.getpid()}"
    part.write_text(json.dumps(jobs))
    part.replace(STATE / "jobs.json")
    sys.stdout.write(said)


def sbatch(jobs, arguments):
    if "--test-only" in arguments:
        (STATE / "tested").write_text(sys.stdin.read())
        return ""
    text = Path(arguments[-1]).read_text()
    name, last = (re.search(pattern, text)[1] for pattern in (r"--job-name=(\S+)", r"--array=0-(\d+)"))
    identity = 100 + len({job["id"].partition("_")[0] for job in jobs})
    for index in range(int(last) + 1):
        jobs.append({"id": f"{identity}_{index}", "name": name, "state": "PENDING", "queued": True})
    return f"Submitted batch job {identity}\n"


def squeue(jobs, arguments):
    fields = {"JobArrayID": "id", "Name": "name", "State": "state", "exit_code": "status", "Reason": "reason"}
    fields |= {"restartcnt": "restarts", "NodeList": "nodes"}
    wanted = [each.split(":")[0] for each in arguments[-1].partition("=")[2].split(",")]
    shown = [job for job in jobs if job["queued"]]
    return "".join("".join(f"{job.get(fields[field], '')}|" for field in wanted) + "\n" for job in shown)


def sacct(jobs, arguments):
    names = next(each for each in arguments if each.startswith("--name=")).partition("=")[2].split(",")
    shown = [job for job in jobs if job["name"] in names and "accounted" in job]
    return "".join(f"{job['id']}|{job['name']}|{job['accounted']}|{job.get('code', '0:0')}|n1\n" for job in shown)


def scancel(jobs, arguments):
    for job in jobs:
        if job["id"] in arguments or job["id"].partition("_")[0] in arguments:
            job.update(state="CANCELLED")
    return ""


def scontrol(jobs, arguments):
    return PARTITIONS if "partition" in arguments else CONFIG


def sinfo(jobs, arguments):
    return "cpu*|8|64|256000|(null)\ngpu|2|128|1000000|gpu:a100:8(S:0-1)\ngpu|9|128+|1000000|gpu:a100:4,shard:8\n"


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
