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


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("time", "kinds.<kind>.hours"),
        ("job_name", "Delete it"),
        ("--mail-type", "without dashes"),
        ("p", "Write it"),
    ],
)
def test_options_that_are_not_for_profiles_are_refused(name, remedy, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(f"description: ours\noptions: {{{name}: 3}}\n")
    with pytest.raises(ConfigError, match=remedy):
        cluster.load(str(path))


def test_an_option_without_a_value_is_true(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("description: ours\noptions: {exclusive: true, nice: 5, mail-type: END}\n")
    assert cluster.load(str(path)).options == {"exclusive": True, "nice": 5, "mail-type": "END"}


@pytest.mark.parametrize(
    ("kind", "remedy"),
    [("transfer: {gpus: 4}", "Write 1 here and set TASK.processes"), ("prepare: {processes: 2}", "Write 1 here")],
)
def test_only_a_pre_training_is_split_as_the_profile_says(tmp_path, kind, remedy):
    path = tmp_path / "mine.yaml"
    path.write_text(f"description: ours\nkinds: {{pretrain: {{gpus: 4, processes: 2}}, {kind}}}\n")
    with pytest.raises(ConfigError, match=remedy):
        cluster.load(str(path))


@pytest.mark.parametrize(
    ("profile", "field"),
    [
        ("kinds: {pretrain: {hours: 0.02}}", "kinds.pretrain.hours"),
        ("kinds: {import: {hours: 0.05}}", "kinds.import.hours"),
        ("keeper: {hours: 0.02}", "keeper.hours"),
        ("warning_seconds: 1801", "kinds.import.hours"),
    ],
)
def test_a_warning_that_would_come_as_soon_as_a_job_starts_is_refused(tmp_path, profile, field):
    path = tmp_path / "mine.yaml"
    path.write_text(f"description: ours\n{profile}\n")
    with pytest.raises(ConfigError, match=f"warning_seconds.*{field}.*Set warning_seconds to"):
        cluster.load(str(path))
    path.write_text(f"description: ours\nexecutor: local\n{profile}\n")
    assert cluster.load(str(path)).executor == "local"  # nobody warns there
