"""A cluster profile that does not fit says all that is wrong with it at once."""

import pytest

from ground.errors import ConfigError
from slurm import cluster as clusters


@pytest.fixture
def said(tmp_path):
    """``said(text)``: the words on a profile that does not fit."""

    def said(text):
        path = tmp_path / "site.yaml"
        path.write_text(f"description: a site\n{text}")
        with pytest.raises(ConfigError) as caught:
            clusters.load(str(path))
        assert str(caught.value).startswith(f"{path}: ")
        return str(caught.value)

    return said


def test_every_field_at_fault_is_named_with_its_remedy(said):
    words = said("partitoin: gpu\nkinds: {pretrain: {hours: -1, memory: 64}}\noptions: {time: 5, mem: 4G, J: x}\n")
    assert "5 mistakes" not in words
    assert "4 mistakes: (1) " in words
    assert "unknown field `partitoin`. Did you mean `partition`?" in words
    assert "field `kinds.pretrain.hours` = -1" in words
    assert "field `kinds.pretrain.memory` = 64" in words
    assert "`time` is not set here; `mem` is not set here; `J` is no long name" in words
    assert "Use kinds.<kind>.hours. Use kinds.<kind>.memory. Write it out" in words


def test_one_mistake_is_told_as_before(said):
    assert said("partitoin: gpu\n").endswith("unknown field `partitoin`. Did you mean `partition`?")


def test_all_limits_that_the_warning_does_not_fit_are_named(said):
    words = said("warning_seconds: 1801\nkinds: {import: {hours: 1}, transfer: {hours: 0.5}}\n")
    assert "`kinds.transfer.hours` = 0.5 (1800 s)" in words
    assert "`kinds.import.hours` = 1 (3600 s)" in words
    assert "Set warning_seconds to 900 or less" in words
