"""The cluster of these tests is what it says: nodes apart from each other, and nothing left behind."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pocket_cluster
import pytest


@pytest.fixture(scope="module")
def cluster(pocket):
    return pocket()


def test_two_nodes_are_two_hosts(cluster):
    assert sorted(cluster.run("srun", "--nodes=2", "hostname").split()) == sorted(cluster.nodes)


def test_processes_of_one_node_are_not_seen_on_another(cluster):
    spaces = cluster.run("srun", "--nodes=2", "readlink", "/proc/self/ns/pid").split()
    assert len({*spaces, os.readlink("/proc/self/ns/pid")}) == 3


def test_a_node_that_dies_takes_its_jobs_along_and_comes_back(cluster):
    node = cluster.nodes[0]
    sleeping = f"{600 + time.time() % 1:.6f}"
    cluster.run("sbatch", f"--nodelist={node}", "--output=/dev/null", f"--wrap=sleep {sleeping}")
    cluster.wait_until(lambda: _running(sleeping))
    cluster.kill_node(node)
    cluster.wait_until(lambda: not _running(sleeping))
    cluster.run("scontrol", "update", f"nodename={node}", "state=down", "reason=its plug was pulled")
    cluster.start_node(node)
    cluster.wait_until(lambda: _running(sleeping))
    cluster.run("scancel", "--user=root")
    cluster.wait_until(lambda: not _running(sleeping))
    cluster.wait_until(lambda: cluster.node_states() == ["idle", "idle"])
    assert cluster.run("squeue", "--noheader") == ""


def test_a_cluster_dies_with_whoever_started_it(cluster, tmp_path):
    """Also where nobody could clean up: the process is killed."""
    script = Path(__file__).with_name("pocket_cluster.py")
    with subprocess.Popen([sys.executable, script, tmp_path, "sleep", "600"], stdout=subprocess.PIPE) as process:
        process.stdout.readline()  # of sinfo: it runs
        ours = f"SLURM_CONF={tmp_path}/slurm.conf"
        assert len(_with_environment(ours)) > 5
        process.kill()
        cluster.wait_until(lambda: not _with_environment(ours, but="sleep"))
        for pid in _with_environment(ours):
            os.kill(pid, 9)


def _processes(file):
    for process in Path("/proc").glob("[0-9]*"):
        try:
            yield int(process.name), (process / "comm").read_text().strip(), (process / file).read_bytes()
        except OSError:
            continue


def _running(name):
    return any(text.split(b"\0")[1:2] == [name.encode()] for _, _, text in _processes("cmdline"))


def _with_environment(assignment, but=""):
    return [pid for pid, comm, text in _processes("environ") if assignment.encode() in text and comm != but]


def test_a_machine_without_slurm_is_told_what_it_lacks(monkeypatch):
    monkeypatch.setattr(pocket_cluster.shutil, "which", lambda name, path: None)
    assert pocket_cluster.lacking() == "a real Slurm needs the Debian packages munge, slurm-wlm, util-linux"
    assert "mariadb-server" in pocket_cluster.lacking(accounting=True)


def test_accounting_remembers_a_job(pocket):
    accounted = pocket(nodes=1, accounting=True)
    job = accounted.run("sbatch", "--parsable", "--output=/dev/null", "--wrap=exit 3").strip()
    line = accounted.wait_until(lambda: accounted.run("sacct", "-nXP", "-j", job, "-o", "State,ExitCode", "-s", "F"))
    assert line == "FAILED|3:0\n"
    accounted.stop_accounting()
    assert accounted.call("sacct", "-j", job).returncode != 0
