"""Cores that are ours: the least that anybody leaves us."""

import pytest

from ground import cores


@pytest.fixture(autouse=True)
def machine(monkeypatch, tmp_path):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(16)), raising=False)
    monkeypatch.setattr(cores, "QUOTA", tmp_path / "cpu.max")
    for name in ("SLURM_CPUS_PER_TASK", "LOCAL_WORLD_SIZE", cores.JOBS_AT_ONCE):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("quota", "slurm", "expected"),
    [("", "", 16), ("max 100000", "", 16), ("350000 100000", "", 4), ("50000 100000", "", 1), ("", "6", 6),
     ("200000 100000", "6", 2), ("", "64", 16), ("odd", "none", 16)],
)  # fmt: skip
def test_cores_are_the_least_of_affinity_quota_and_slurm(monkeypatch, quota, slurm, expected):
    cores.QUOTA.write_text(quota)
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", slurm)
    assert cores.usable() == expected


def test_processes_and_jobs_on_one_machine_share(monkeypatch):
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert cores.share() == 4
    monkeypatch.setenv(cores.JOBS_AT_ONCE, "3")
    assert cores.share() == 1
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "12")  # of each task already
    assert cores.share() == 4
