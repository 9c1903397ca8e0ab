"""What a cluster would refuse is refused before anything is submitted."""

from dataclasses import replace

import pytest

from ground.errors import ConfigError
from slurm.check import check
from slurm.cluster import Cluster
from slurm.commands import Unavailable
from slurm.discover import discover
from slurm.queue import look
from slurm.requests import Request

CLUSTER = Cluster(description="ours")
REQUEST = Request(nodes=1, tasks_per_node=1, gpus_per_node=0, cpus_per_task=2, minutes=60)


def asked(requests):
    """Check them as those of a pre-training."""
    check(CLUSTER, dict.fromkeys(requests, "pretrain (big.yaml, kinds.pretrain)"))


def test_each_distinct_request_is_tested_and_none_submitted(fake):
    asked([REQUEST, REQUEST, replace(REQUEST, exclude=("n1",)), replace(REQUEST, minutes=61)])
    assert len(fake.calls("sbatch")) == 2
    assert fake.jobs == []
    assert "#SBATCH --time=61\n" in (fake.state / "tested").read_text()


def test_a_partition_that_is_not_there_is_told_in_the_words_of_sbatch(fake):
    fake.steer("sbatch.instead", "echo 'allocation failure: Invalid partition name specified' >&2; exit 1")
    words = r"^pretrain \(big\.yaml, kinds\.pretrain\): 2 CPUs, 60 min, partition nope: Slurm says: .*Invalid partition"
    with pytest.raises(ConfigError, match=words):
        asked([replace(REQUEST, partition="nope")])


def test_more_hours_than_the_partition_gives_would_wait_for_ever(fake):
    asked([replace(REQUEST, minutes=60 * 60)])  # the default partition gives 60.5
    with pytest.raises(
        ConfigError, match=r"kinds\.pretrain\): 21 h are asked for, and partition gpu gives 20 h\. Lower"
    ):
        asked([replace(REQUEST, minutes=21 * 60, partition="gpu")])
    asked([replace(REQUEST, minutes=21 * 60, partition="gpu", qos="long")])
    asked([replace(REQUEST, minutes=21 * 60, partition="gpu,cpu")])


def test_a_controller_that_is_away_is_waited_for_by_whoever_submits(fake):
    fake.steer("sbatch.instead", "echo 'allocation failure: Unable to contact slurm controller' >&2; exit 1")
    asked([REQUEST, replace(REQUEST, minutes=61)])
    assert len(fake.calls("sbatch")) == 1
    fake.reset()
    fake.steer("scontrol.instead", "echo 'slurm_load_ctl_conf error: Socket timed out' >&2; exit 1")
    asked([REQUEST])
    assert len(fake.calls("scontrol")) == 1


def test_as_many_jobs_as_we_may_have_is_no_fault_either(fake):
    fake.steer("sbatch.instead", "echo 'allocation failure: AssocMaxSubmitJobLimit' >&2; exit 1")
    asked([REQUEST])
    assert len(fake.calls("sbatch")) == 1


def test_a_machine_without_slurm_is_told_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="no Slurm on this machine"):
        asked([REQUEST])


@pytest.mark.parametrize(
    "words",
    [
        "fetch_config: DNS SRV lookup failed\nsbatch: fatal: Could not establish a configuration source",
        "s_p_parse_file: cannot stat file /etc/slurm.conf: No such file or directory, retrying in 1sec up to 60sec",
    ],
)
def test_a_client_without_a_configuration_is_no_fault_of_the_profile(fake, words):
    fake.steer("sbatch.instead", f"echo 'sbatch: error: {words}' >&2; exit 1")
    with pytest.raises(ConfigError, match=r"no configuration here \(.*\)\. Is this a login node\? Set SLURM_CONF"):
        asked([REQUEST])


def test_a_configuration_that_is_not_there_is_not_waited_for(fake, monkeypatch, tmp_path):
    monkeypatch.setenv("SLURM_CONF", str(tmp_path / "slurm.conf"))
    for ask in (discover, lambda: asked([REQUEST])):
        with pytest.raises(ConfigError, match=r"slurm\.conf, and there is no such file"):
            ask()
    assert look(CLUSTER, []).problem.endswith("slurm.conf, and there is no such file")
    assert (fake.state / "calls").read_text() == ""


NO_NODES = "echo 'allocation failure: Requested node configuration is not available' >&2; exit 1"


@pytest.mark.parametrize("state", ["drained", "down*", "maint", "idle*", "draining"])
def test_nodes_that_are_away_for_a_while_are_no_fault_of_the_profile(state, fake):
    fake.steer("sbatch.instead", NO_NODES)
    shell = f"echo 'cpu*|{state}|n1'; echo 'gpu|{state}|g1'"
    fake.steer("sinfo.before", f'case "$*" in *%T*) {shell}; exit 0;; esac')
    with pytest.raises(Unavailable, match=rf"not available; of its nodes .*: n1 {state[:4]}.*The jobs wait"):
        asked([REQUEST])
    with pytest.raises(Unavailable, match="g1"):
        asked([replace(REQUEST, partition="gpu")])
    with pytest.raises(ConfigError, match=r"not available\. Mend the cluster profile"):
        asked([replace(REQUEST, partition="vip")])
    with pytest.raises(ConfigError, match="gives 20 h"):
        asked([replace(REQUEST, minutes=21 * 60, partition="gpu")])


def test_nodes_that_are_there_and_would_not_do_are(fake):
    fake.steer("sbatch.instead", NO_NODES)
    fake.steer("sinfo.before", "case \"$*\" in *%T*) echo 'cpu*|idle|n1'; echo 'gpu|drained|g1'; exit 0;; esac")
    with pytest.raises(ConfigError, match=r"not available\. Mend the cluster profile"):
        asked([REQUEST])
