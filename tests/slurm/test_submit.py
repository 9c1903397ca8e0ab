"""Submissions: written down, handed over, found again."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from ground.errors import ConfigError, StorageError
from slurm import queue, submit, tokens
from slurm.cluster import Cluster
from slurm.commands import Unavailable
from slurm.requests import Request, Task

CLUSTER = Cluster(description="ours", gpus_per_node=8)
REQUEST = Request(nodes=1, tasks_per_node=1, gpus_per_node=0, cpus_per_task=2, minutes=60)


def send(home, tasks=2, *, cluster=CLUSTER, request=REQUEST, after=(), environment=None):
    return submit.submit(
        home,
        cluster,
        request,
        [Task(f"pretrain/{index}", (f"runs/{index}",)) for index in range(tasks)],
        after,
        function="work:do",
        environment=environment or {},
    )


def look(home):
    return queue.look(CLUSTER, submit.known(home))


def script(home, submission):
    return (tokens.folder_of(home, submission.token) / "batch.sh").read_text()


def test_a_submission_is_known_with_its_id_and_its_tasks(fake, tmp_path):
    sent = send(tmp_path / "home", 3, after=("7", "8_1"))
    assert submit.known(tmp_path / "home") == [sent]
    assert sent.id_of(2) == "100_2"
    assert [job["name"] for job in fake.jobs] == [sent.token] * 3


def test_the_script_says_all_that_was_asked(fake, tmp_path):
    cluster = Cluster(
        description="ours",
        gpu_type="a100",
        setup=("module load cuda",),
        options={"mail-type": "END"},
        warning_seconds=90,
    )
    request = Request(2, 8, 8, 4, 600, 64000, "gpu", "acc", "long", "ib", ("n3", "n7"))
    text = script(tmp_path, send(tmp_path, cluster=cluster, request=request, after=("7_1",), environment={"A": "b c"}))
    assert "export STOP_WARNING_SECONDS=90\n" in text
    for line in (
        "nodes=2", "ntasks-per-node=8", "gpus-per-node=a100:8", "cpus-per-task=4", "time=600", "mem=64000M",
        "partition=gpu", "account=acc", "qos=long", "constraint=ib", "exclude=n3,n7", "dependency=afterok:7_1",
        "array=0-1%2", "signal=USR2@90", "requeue", "open-mode=append", "mail-type=END",
    ):  # fmt: skip
        assert f"#SBATCH --{line}\n" in text
    assert text.index("module load cuda") < text.index("export A='b c'") < text.index("srun --unbuffered")
    assert "wckey" not in text


def test_gpus_can_be_asked_for_as_generic_resources(fake, tmp_path):
    request = Request(1, 8, 8, 4, 600)
    text = script(tmp_path, send(tmp_path, cluster=Cluster(description="ours", gpu_request="gres"), request=request))
    assert "#SBATCH --gres=gpu:8\n" in text
    assert "gpus-per-node" not in text


def test_options_of_the_profile_stand_beside_ours(fake, tmp_path):
    cluster = Cluster(description="ours", options={"exclusive": True, "exclude": "n1", "nice": 5})
    text = script(tmp_path, send(tmp_path, cluster=cluster, request=replace(REQUEST, exclude=("n3",))))
    for line in ("exclusive", "exclude=n1,n3", "nice=5", "requeue"):
        assert f"#SBATCH --{line}\n" in text


def test_what_surrounds_us_does_not_reach_sbatch(fake, tmp_path, monkeypatch):
    monkeypatch.setenv("SBATCH_TIMELIMIT", "1")
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "5")
    monkeypatch.setenv("SLURM_CONF", "/etc/ours.conf")
    fake.steer("sbatch.before", f"env > {tmp_path}/seen")
    send(tmp_path)
    seen = (tmp_path / "seen").read_text()
    assert "SLURM_CONF=/etc/ours.conf" in seen
    assert "SBATCH_TIMELIMIT" not in seen
    assert "SLURM_MEM_PER_NODE" not in seen


def test_a_refusal_shows_the_words_of_sbatch_and_leaves_nothing(fake, tmp_path):
    fake.steer("sbatch.instead", "echo 'sbatch: error: invalid partition specified: nope' >&2; exit 1")
    with pytest.raises(ConfigError, match=r"Slurm says: invalid partition specified: nope\. Mend the cluster profile"):
        send(tmp_path / "home")
    assert list((tmp_path / "home").iterdir()) == []


@pytest.mark.parametrize(
    "words",
    [
        "Batch job submission failed: Unable to contact slurm controller (connect failure)",
        "AssocMaxSubmitJobLimit\nsbatch: error: Job violates accounting/QOS policy (job submit limit, user's size)",
        "Batch job submission failed: Job dependency problem",
    ],
)
def test_what_may_go_well_later_is_no_fault_of_the_profile(words, fake, tmp_path):
    fake.steer("sbatch.instead", f'echo "sbatch: error: {words}" >&2; exit 1')
    with pytest.raises(Unavailable):
        send(tmp_path)
    assert submit.known(tmp_path) == []


def test_more_than_one_job_may_have_is_a_fault_of_the_profile(fake, tmp_path):
    words = "AssocMaxWallDurationPerJobLimit; Job violates accounting/QOS policy (job submit limit, user's size)"
    fake.steer("sbatch.instead", f'echo "sbatch: error: {words}" >&2; exit 1')
    with pytest.raises(ConfigError, match="AssocMaxWallDurationPerJobLimit"):
        send(tmp_path)


def test_after_a_lost_answer_the_job_is_adopted_or_given_up(fake, tmp_path):
    fake.steer("sbatch.after", "echo 'sbatch: error: Socket timed out on send/recv operation' >&2; exit 1")
    with pytest.raises(Unavailable):
        send(tmp_path / "home")
    fake.steer("sbatch.instead", "echo 'sbatch: error: Socket timed out on send/recv operation' >&2; exit 1")
    with pytest.raises(Unavailable):
        send(tmp_path / "home")
    taken, lost = submit.known(tmp_path / "home")
    assert (taken.job_id, lost.job_id) == (None, None)
    soon = submit.settle(tmp_path / "home", [taken, lost], look(tmp_path / "home"))
    assert [each.job_id for each in soon.submissions] == ["100", None]
    late = submit.settle(tmp_path / "home", soon.submissions, look(tmp_path / "home"), now=time.time() + 3600)
    assert [each.token for each in late.dropped] == [lost.token]
    assert [each.job_id for each in submit.known(tmp_path / "home")] == ["100"]


def test_nothing_is_given_up_while_the_controller_is_away(fake, tmp_path):
    fake.steer("sbatch.instead", "echo 'Socket timed out' >&2; exit 1")
    with pytest.raises(Unavailable):
        send(tmp_path / "home")
    fake.steer("squeue.instead", "echo 'squeue: error: Unable to contact slurm controller' >&2; exit 1")
    known = submit.known(tmp_path / "home")
    settled = submit.settle(tmp_path / "home", known, look(tmp_path / "home"), now=time.time() + 3600)
    assert settled.submissions == tuple(known)
    assert settled.dropped == ()


def test_a_store_that_cannot_be_written_is_met_before_sbatch(fake, tmp_path):
    (tmp_path / "home").write_text("a file")
    with pytest.raises(StorageError):
        send(tmp_path / "home")
    assert fake.calls("sbatch") == []


def test_a_disk_that_fills_up_meanwhile_leaves_no_submission(fake, tmp_path, monkeypatch):
    def full(path, value):
        raise StorageError(path, "No space left on device", "Free some space.")

    monkeypatch.setattr(tokens, "write_text", full)
    with pytest.raises(StorageError):
        send(tmp_path / "home")
    assert fake.calls("sbatch") == []
    assert list((tmp_path / "home").iterdir()) == []


def test_a_path_with_a_pattern_is_refused(fake, tmp_path):
    with pytest.raises(ConfigError, match="per cent"):
        send(tmp_path / "100%j")
    assert fake.calls("sbatch") == []


def test_a_machine_without_slurm_is_told_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match=r"sbatch: there is no Slurm on this machine.*--cluster local"):
        send(tmp_path / "home")
    assert not (tmp_path / "home").exists()


EVENTS = ("os.mkdir", "os.rename", "os.link", "os.remove", "open", "subprocess.Popen")


def killed_after(home, steps):
    """Send from a process that is killed at its ``steps``-th act on files or processes; whether it lived to the end."""
    child = os.fork()
    if child == 0:
        left = [steps]

        def count(event, arguments):
            if event in EVENTS and (event == "subprocess.Popen" or str(home) in str(arguments[:2])):
                left[0] -= 1
                if left[0] < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        send(home)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def test_a_submitter_killed_at_any_step_neither_loses_nor_doubles_a_job(fake, tmp_path):
    steps, fates = 0, []
    while True:
        home = tmp_path / f"home{steps}"
        fake.reset()
        lived = killed_after(home, steps)
        known = submit.known(home)
        settled = submit.settle(home, known, look(home), now=time.time() + 3600)
        submitted = [(each.token, each.id_of(index)) for each in settled.submissions for index in range(2)]
        assert submitted == [(job["name"], job["id"]) for job in fake.jobs]
        assert list(submit.known(home)) == list(settled.submissions)
        fates.append((bool(known), bool(fake.jobs)))
        if lived:
            break
        steps += 1
    assert steps > 8
    assert {(False, False), (True, False), (True, True)} == set(fates)


def test_an_sbatch_that_outlives_its_submitter_is_found(fake, tmp_path):
    fake.steer("sbatch.before", "kill -9 $PPID")
    child = os.fork()
    if child == 0:
        send(tmp_path / "home")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    deadline = time.monotonic() + 60
    while not fake.jobs:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    known = submit.known(tmp_path / "home")
    assert submit.settle(tmp_path / "home", known, look(tmp_path / "home")).submissions[0].job_id == "100"


def start(home, submission, *, job="100", index="0", restart="0"):
    """Run a batch script as Slurm does; its exit code."""
    variables = {"SLURM_ARRAY_JOB_ID": job, "SLURM_JOB_ID": "100", "SLURM_ARRAY_TASK_ID": index}
    variables["SLURM_JOB_NODELIST"] = "n[1-2]"
    variables |= {"SLURM_RESTART_COUNT": restart} if restart != "0" else {}
    path = tokens.folder_of(home, submission.token) / "batch.sh"
    return subprocess.run(["bash", path], env={**os.environ, **variables}, check=False).returncode


def test_the_script_writes_how_each_start_ended(fake, tmp_path):
    sent = send(tmp_path)
    fake.steer("srun.instead", "exit 137")
    assert start(tmp_path, sent, index="1") == 137
    fake.steer("srun.instead", "exit 0")
    assert start(tmp_path, sent, index="1", restart="1") == 0
    starts = tokens.ended(tmp_path, sent)[1]
    assert [(each.restart, each.code, each.nodes) for each in starts] == [(0, 137, "n[1-2]"), (1, 0, "n[1-2]")]
    assert all(0 <= each.seconds < 600 for each in starts)


def test_what_an_earlier_version_wrote_of_an_end_is_read(fake, tmp_path):
    sent = send(tmp_path)
    (tokens.folder_of(tmp_path, sent.token) / "ended-0-0").write_text("137\n")
    assert tokens.ended(tmp_path, sent) == {0: [tokens.Ended(0, 137)]}


def test_set_up_lines_that_fail_leave_an_exit_code_too(fake, tmp_path):
    sent = send(tmp_path, cluster=Cluster(description="ours", setup=("set -e", "source /nowhere/activate")))
    code = start(tmp_path, sent)
    assert code != 0
    assert [(index, each.code) for index, (each,) in tokens.ended(tmp_path, sent).items()] == [(0, code)]
    assert fake.calls("srun") == []


def test_a_task_that_starts_writes_the_id_that_was_lost(fake, tmp_path):
    fake.steer("sbatch.after", "echo 'Socket timed out' >&2; exit 1")
    with pytest.raises(Unavailable):
        send(tmp_path / "home")
    fake.steer("srun.instead", "exit 0")
    [lost] = submit.known(tmp_path / "home")
    start(tmp_path / "home", lost)
    assert [each.job_id for each in submit.known(tmp_path / "home")] == ["100"]
    fake.change("100", queued=False)
    settled = submit.settle(tmp_path / "home", [lost], look(tmp_path / "home"), now=time.time() + 3600)
    assert [each.job_id for each in settled.submissions] == ["100"]


@pytest.mark.parametrize("word", ["dropped", "99"])
def test_a_task_whose_token_was_given_up_or_is_another_jobs_does_nothing(word, fake, tmp_path):
    fake.steer("sbatch.after", "echo 'Socket timed out' >&2; exit 1")
    with pytest.raises(Unavailable):
        send(tmp_path / "home")
    [lost] = submit.known(tmp_path / "home")
    tokens.decide(tokens.folder_of(tmp_path / "home", lost.token), word)
    assert start(tmp_path / "home", lost) == 3
    assert fake.calls("srun") == []
    assert tokens.ended(tmp_path / "home", lost) == {}


def test_a_start_that_does_not_see_its_submission_ends_badly_and_says_so_where_it_can(fake, tmp_path):
    sent = send(tmp_path)
    folder = tokens.folder_of(tmp_path, sent.token)
    (folder / "id").unlink()
    (folder / "id").mkdir()  # as little to be read as where the disk fails
    assert start(tmp_path, sent) == 75
    assert [each.code for each in tokens.ended(tmp_path, sent)[0]] == [75]
    folder.rename(tmp_path / "away")
    (tmp_path / "away" / "batch.sh").rename(tmp_path / "batch.sh")
    assert subprocess.run(["bash", tmp_path / "batch.sh"], check=False).returncode == 75
    assert fake.calls("srun") == []


def test_the_first_word_holds(tmp_path):
    assert tokens.decide(tmp_path, "100") == "100"
    assert tokens.decide(tmp_path, tokens.DROPPED) == "100"
    assert [path.name for path in tmp_path.iterdir()] == ["id"]


def test_an_answer_that_comes_after_somebody_gave_the_submission_up_is_no_id(fake, tmp_path, monkeypatch):
    monkeypatch.setattr(tokens, "decide", lambda folder, word: tokens.DROPPED)
    with pytest.raises(Unavailable, match="given up by somebody before sbatch answered"):
        send(tmp_path)
