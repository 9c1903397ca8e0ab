"""What a job asks of a cluster."""

from dataclasses import replace

import pytest

from ground.errors import ConfigError
from harness.cluster import needs
from slurm.cluster import Cluster, Kinds, Resources


def cluster(pretrain=None, **settings):
    kinds = Kinds(pretrain=pretrain or Resources(gpus=4, cpus=6, memory="10G", hours=1.5))
    return Cluster(description="of the tests", gpus_per_node=4, partition="gpu", kinds=kinds, **settings)


@pytest.fixture
def pretrain(planned):
    return replace(planned.jobs_of("byol", None)[0], device_class="cuda")


@pytest.fixture
def transfer(planned):
    return replace(planned.jobs_of("byol", "voc_detection")[0], device_class="cuda")


def test_a_pre_training_has_a_process_for_each_gpu_of_its_kind(pretrain):
    asked = needs.request(pretrain, cluster())
    assert (asked.nodes, asked.tasks_per_node, asked.gpus_per_node, asked.cpus_per_task) == (1, 4, 4, 6)
    assert (asked.minutes, asked.memory_mb, asked.partition) == (90, 40 * 1024, "gpu")


@pytest.mark.parametrize(("gpus", "nodes"), [(1, 1), (4, 1), (6, 2), (8, 2), (7, 7)])
def test_gpus_that_no_node_has_take_several_which_share_them_evenly(pretrain, gpus, nodes):
    asked = needs.request(pretrain, cluster(Resources(gpus=gpus)))
    assert (asked.nodes, asked.nodes * asked.tasks_per_node) == (nodes, gpus)


def test_a_fine_tuning_has_as_many_processes_as_its_task_says(transfer):
    several = replace(transfer, config={**transfer.config, "processes": 2})
    assert needs.request(transfer, cluster()).gpus_per_node == 1
    assert needs.request(several, cluster()).gpus_per_node == 2


def test_on_the_cpu_the_profile_says_how_many_processes(pretrain):
    job = replace(pretrain, device_class="cpu")
    asked = needs.request(job, cluster(Resources(gpus=4, processes=2)))
    assert (asked.gpus_per_node, asked.tasks_per_node) == (0, 2)


def test_memory_grows_with_each_time_that_it_did_not_suffice(pretrain):
    asked = needs.request(pretrain, cluster(Resources(gpus=1, memory="3000M")), memory_failures=2)
    assert asked.memory_mb == 6750


def test_a_gpu_that_the_profile_does_not_give_is_named(pretrain):
    with pytest.raises(ConfigError, match=r"gives no GPU to `pretrain`.*Set kinds\.pretrain\.gpus"):
        needs.request(pretrain, cluster(Resources(gpus=0)))


def test_kinds_that_are_given_gpus_are_known():
    assert needs.on_gpus(cluster()) == {"prepare", "pretrain", "transfer"}
    assert needs.on_gpus(Cluster(description="without")) == set()
