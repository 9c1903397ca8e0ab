"""What Slurm says of a process, and asking it to start a job anew."""

import pytest

from harness import allocation


@pytest.fixture
def scontrol(tmp_path, monkeypatch):
    """A stand-in that writes down what it is asked, and refuses if it is told to."""

    def stand(code):
        tool = tmp_path / "scontrol"
        tool.write_text(
            f'#!/bin/sh\necho "$@" > {tmp_path}/asked\necho "Requested operation not allowed" >&2\nexit {code}\n'
        )
        tool.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    stand.asked = tmp_path / "asked"
    return stand


def test_outside_slurm_there_is_none(monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    assert allocation.here() is None


def test_an_array_task_is_known_by_its_array(monkeypatch):
    for name, value in {"JOB_ID": "9", "ARRAY_JOB_ID": "7", "ARRAY_TASK_ID": "0", "STEP_ID": "0"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    monkeypatch.delenv("SLURM_RESTART_COUNT", raising=False)
    assert (allocation.here().id, allocation.here().restart, allocation.here().launch) == ("7_0", 0, "9.0-0")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "2")
    assert (allocation.here().restart, allocation.here().launch) == (2, "9.0-2")
    monkeypatch.delenv("SLURM_ARRAY_JOB_ID")
    assert allocation.here().id == "9"


def test_slurm_is_asked_for_the_array_task_and_its_refusal_is_told(scontrol, monkeypatch):
    place = allocation.Allocation("7_0", 0, "", "", "9.0-0")
    scontrol(0)
    assert allocation.requeue(place) == ""
    assert scontrol.asked.read_text() == "requeue 7_0\n"
    scontrol(1)
    assert allocation.requeue(place) == "Requested operation not allowed"
    monkeypatch.setenv("PATH", "")
    assert "scontrol" in allocation.requeue(place)
