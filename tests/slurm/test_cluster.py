"""Cluster profiles."""

import pytest

from ground.errors import ConfigError
from slurm import cluster


@pytest.mark.parametrize("name", cluster.names())
def test_every_profile_is_sound(name):
    assert cluster.load(name).description


def test_a_typo_is_named_with_the_nearest_field(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("description: ours\npartitoin: gpu\n")
    with pytest.raises(ConfigError, match="partition"):
        cluster.load(str(path))


def test_the_kind_import_is_written_as_the_harness_calls_it(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("description: ours\nkinds: {import: {hours: 2}, pretrain: {gpus: 8, hours: 48}}\n")
    kinds = cluster.load(str(path)).kinds
    assert (kinds.import_.hours, kinds.pretrain.gpus) == (2, 8)
