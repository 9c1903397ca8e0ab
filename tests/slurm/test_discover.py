"""What a Slurm says of itself, and the profile drafted from it."""

import pytest
import yaml

from slurm.cluster import Cluster
from slurm.discover import Nodes, discover, hours
from slurm.draft import draft, line


def test_partitions_are_told_with_their_nodes(fake):
    site = discover()
    assert (site.name, site.version, [each.name for each in site.partitions]) == ("fake", "22.05.8", ["cpu", "gpu"])
    cpu, gpu = site.partitions
    assert (cpu.default, cpu.hours, cpu.gpus, cpu.preempt) == (True, 60.5, 0, "OFF")
    assert (gpu.default, gpu.hours, gpu.gpus, gpu.preempt) == (False, 20.0, 52, "REQUEUE")
    assert gpu.typical == Nodes(9, 128, 1000000, 4, "a100")


def test_the_partition_with_gpus_is_chosen_though_it_is_not_the_default(fake):
    assert discover().best().name == "gpu"


def test_the_draft_is_a_profile_for_the_partition(fake):
    site = discover()
    profile = Cluster.model_validate(yaml.safe_load(draft(site, site.best())))
    assert (profile.partition, profile.gpus_per_node, profile.gpu_type, profile.accounting) == ("gpu", 4, "a100", True)
    assert profile.memory_per_node == "1000000M"
    pretrain = profile.kinds.pretrain
    assert (pretrain.gpus, pretrain.cpus, pretrain.memory, pretrain.hours) == (4, 32, "219G", 20.0)
    assert (profile.kinds.transfer.gpus, profile.kinds.import_.gpus) == (1, 0)


def test_the_draft_for_a_partition_without_gpus_asks_for_none(fake):
    site = discover()
    profile = Cluster.model_validate(yaml.safe_load(draft(site, site.partitions[0])))
    kinds = (profile.kinds.prepare, profile.kinds.pretrain, profile.kinds.transfer, profile.kinds.import_)
    assert [kind.gpus for kind in kinds] == [0, 0, 0, 0]
    assert (profile.gpus_per_node, profile.kinds.pretrain.hours) == (0, 24.0)


def test_a_partition_for_short_jobs_alone_gets_a_warning_that_fits(fake):
    fake.steer("sinfo.instead", "echo 'short|2|8|1000|(null)'; exit 0")
    fake.steer("scontrol.after", "echo 'PartitionName=short MaxTime=00:03:00 Default=YES State=UP'")
    site = discover()
    profile = Cluster.model_validate(yaml.safe_load(draft(site, site.best())))
    assert (profile.kinds.pretrain.hours, profile.warning_seconds) == (0.05, 90)


def test_a_line_says_what_a_user_has_to_know(fake):
    assert line(discover().partitions[1]) == (
        "gpu: at most 20 h; 2 nodes of 128 CPUs, 977 GiB, 8 GPUs (a100), 9 nodes of 128 CPUs, 977 GiB, 4 GPUs (a100); "
        "jobs may be pre-empted (REQUEUE)"
    )


def test_a_name_that_yaml_would_misread_is_quoted(fake):
    fake.steer("sinfo.instead", "echo '1080|2|8|1000|gpu:2'; exit 0")
    fake.steer("scontrol.after", "echo 'PartitionName=1080 MaxTime=UNLIMITED Default=YES State=UP'")
    site = discover()
    assert Cluster.model_validate(yaml.safe_load(draft(site, site.best()))).partition == "1080"


@pytest.mark.parametrize(
    ("text", "expected"), [("UNLIMITED", None), ("NONE", None), ("00:30:00", 0.5), ("1-00:00:00", 24.0)]
)
def test_time_limits_are_read(text, expected):
    assert hours(text) == expected
