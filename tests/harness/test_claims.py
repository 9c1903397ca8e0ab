"""Claims: one owner at a time, told alive from dead."""

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, replace

import pytest

from harness import claims, endings, hearts
from harness.claims import Owner, acquire, latest
from harness.endings import End


def a_dead_process():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    owner = replace(Owner.here(), pid=process.pid, started=claims._state_and_start(process.pid)[1])
    process.communicate(b"\n")
    return owner


def claim_of(folder, owner, age=0.0, number=1):
    folder.mkdir(exist_ok=True)
    path = folder / f"{number:04d}"
    path.write_text(json.dumps(asdict(owner)))
    os.utime(path, (time.time() - age, time.time() - age))


def test_the_first_claim_owns_and_the_second_is_refused(tmp_path):
    claim = acquire(tmp_path / "attempts")
    assert claim is not None
    assert claim.number == 1
    assert claim.holds()
    assert acquire(tmp_path / "attempts") is None
    assert latest(tmp_path / "attempts").owner == Owner.here()
    claim.rest()


def test_a_dead_owner_is_followed_by_the_next_number(tmp_path):
    claim_of(tmp_path, a_dead_process())
    claim = acquire(tmp_path)
    assert claim is not None
    assert claim.number == 2
    claim.rest()


def test_a_later_process_with_the_same_pid_is_not_the_owner(tmp_path):
    claim_of(tmp_path, replace(Owner.here(), started="1"))
    assert latest(tmp_path).known() is False


def test_a_superseded_owner_knows_it(tmp_path):
    claim = acquire(tmp_path)
    claim_of(tmp_path, Owner.here(), number=2)
    assert not claim.holds()
    claim.rest()


def test_a_released_claim_leaves_no_trace(tmp_path):
    acquire(tmp_path).release()
    assert latest(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_the_heart_beats(tmp_path, monkeypatch):
    monkeypatch.setattr(hearts, "HEARTBEAT_SECONDS", 0.01)
    claim = acquire(tmp_path)
    os.utime(tmp_path / "0001", (0, 0))
    deadline = time.monotonic() + 30
    while latest(tmp_path).heartbeat == 0:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    claim.rest()


def test_of_many_that_claim_at_once_one_wins(tmp_path):
    code = (
        "import sys; from pathlib import Path; from harness.claims import acquire; sys.stdin.readline();"
        "claim = acquire(Path(sys.argv[1])); print(claim and claim.number, flush=True); sys.stdin.readline()"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "attempts")]
    racers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    for racer in racers:
        racer.stdin.write("go\n")
        racer.stdin.flush()
    answers = [racer.stdout.readline().strip() for racer in racers]
    for racer in racers:
        racer.communicate("end\n")
    assert sorted(answers) == ["1", "None", "None", "None"]


def test_a_claim_that_is_there_and_not_yet_seen_is_waited_for(tmp_path, monkeypatch):
    real, seen, waits = claims._highest, iter([0, 0, 0]), []
    acquire(tmp_path).end(End("stopped", 1.0))
    monkeypatch.setattr(claims, "_highest", lambda directory: next(seen, 1) and real(directory))
    monkeypatch.setattr(claims.time, "sleep", waits.append)
    claim = acquire(tmp_path)
    assert claim.number == 2
    assert waits == [claims.LOOK_SECONDS] * len(waits) != []
    claim.rest()


def slurm(owner, **more):
    return replace(owner, host="elsewhere", machine="another boot", **more)


def test_an_earlier_start_of_the_same_slurm_job_is_over_at_once(tmp_path, monkeypatch):
    claim_of(tmp_path, slurm(Owner.here(), slurm="7_3", restart=1))
    for name, value in {"JOB_ID": "9", "ARRAY_JOB_ID": "7", "ARRAY_TASK_ID": "3", "RESTART_COUNT": "2"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    monkeypatch.setenv("SLURM_JOB_NODELIST", "gpu[01-02]")
    claim = acquire(tmp_path)
    assert (claim.number, latest(tmp_path).owner.slurm, latest(tmp_path).owner.nodes) == (2, "7_3", "gpu[01-02]")
    claim.rest()


@pytest.mark.parametrize(("index", "restart"), [("4", "2"), ("3", "1")])
def test_another_job_or_the_same_start_is_not_over(tmp_path, monkeypatch, index, restart):
    claim_of(tmp_path, slurm(Owner.here(), slurm="7_3", restart=1))
    for name, value in {"JOB_ID": "9", "ARRAY_JOB_ID": "7", "ARRAY_TASK_ID": index, "RESTART_COUNT": restart}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    assert acquire(tmp_path) is None


def test_an_attempt_that_has_left_its_last_word_is_over_however_young_its_heartbeat(tmp_path):
    claim = acquire(tmp_path)
    claim.end(End("stopped", 1.5, message="SIGTERM", signal="SIGTERM"))
    assert latest(tmp_path).known() is False
    assert latest(tmp_path).end.signal == "SIGTERM"
    second = acquire(tmp_path)
    assert second.number == 2
    ends = endings.all_of(tmp_path)
    assert (ends[1].outcome, ends[1].seconds, ends[2]) == ("stopped", 1.5, None)
    second.rest()


def test_a_claim_of_before_slurm_was_known_is_read(tmp_path):
    old = {name: value for name, value in asdict(Owner.here()).items() if name not in {"slurm", "restart", "nodes"}}
    (tmp_path / "0001").write_text(json.dumps(old))
    assert latest(tmp_path).owner == Owner.here()
    assert latest(tmp_path).known() is True
