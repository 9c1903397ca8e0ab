"""Whatever a cluster does, in the end the table is complete and every job was done once."""

import time

import pytest

MAX_ARRAY = 4


@pytest.fixture(scope="module")
def cluster(pocket):
    return pocket(max_array=MAX_ARRAY)


def test_arrays_hold_what_the_controller_allows(table):
    many = table()
    many.finish(many.run("--set", "voc_detection.runs=6"), runs=6)
    sizes = sorted(len(each["tasks"]) for each in many.submissions())
    assert max(sizes) <= MAX_ARRAY
    assert sum(sizes) == 3 + 18


def test_a_requeued_job_goes_on_where_it_was(table, cluster):
    requeued = table()
    requeued.hold("byol")
    run = requeued.run()
    cluster.run("scontrol", "requeue", requeued.held("byol")["slurm"])
    requeued.wait_for_starts("byol", 2)
    requeued.let_go("byol")
    requeued.finish(run)
    assert requeued.starts("byol") == [0, 3]


def test_pre_empted_jobs_go_on_whether_slurm_requeues_or_cancels_them(table, cluster):
    """The cluster is full of more urgent work for a while."""
    both = {"requeue": table(partition="requeue"), "cancel": table(partition="cancel")}
    for each in both.values():
        each.hold("byol")
    runs = {partition: each.run() for partition, each in both.items()}
    first = {partition: each.held("byol") for partition, each in both.items()}
    urgent = cluster.run(
        "sbatch",
        "--parsable",
        "--partition=urgent",
        "--nodes=2",
        "--exclusive",
        "--output=/dev/null",
        "--wrap=sleep 99",
    ).strip()
    cluster.wait_until(lambda: cluster.run("squeue", "--noheader", "--format=%T", f"--jobs={urgent}") == "RUNNING\n")
    cluster.run("scancel", urgent)
    for partition, each in both.items():
        each.wait_for_starts("byol", 2)
        again = each.claim("pretrain", "byol.")
        assert (again["slurm"] == first[partition]["slurm"]) == (partition == "requeue")
        each.let_go("byol")
    for partition, each in both.items():
        assert each.bad_nodes() == set()
        each.finish(runs[partition])
        assert each.starts("byol") == [0, 3]


def test_a_cancelled_task_of_an_array_is_submitted_anew(table, cluster):
    cancelled = table()
    cancelled.hold("pixcon-sr")
    run = cancelled.run()
    first = cancelled.held("pixcon-sr")["slurm"]
    cluster.run("scancel", first)
    cancelled.wait_for_starts("pixcon-sr", 2)
    assert cancelled.claim("pretrain", "pixcon-sr.")["slurm"] != first
    cancelled.let_go("pixcon-sr")
    cancelled.finish(run)
    assert cancelled.starts("pixcon-sr") == [0, 3]


def test_a_job_out_of_memory_gets_more(table):
    hungry = table(resources={"memory": "400M"})
    hungry.eat("byol.r1", 420)
    hungry.hold("byol.r1")  # where there are no control groups its memory is looked at once a second
    run = hungry.run()
    hungry.wait_for_starts("byol.r1", 2)
    hungry.let_go("byol.r1")
    hungry.finish(run)
    assert len(hungry.starts("byol.r1")) == 2
    asked = [each["request"]["memory_mb"] for each in hungry.submissions() if "byol" in each["tasks"][-1]["name"]]
    assert max(asked) == 600


def test_a_controller_that_is_away_for_a_while_is_waited_for(table, cluster):
    waiting = table()
    waiting.hold("byol")
    run = waiting.run()
    waiting.held("byol")
    cluster.stop_controller()
    waiting.let_go("byol")
    cluster.wait_until(lambda: "byol" in waiting.completions())
    time.sleep(3)  # some looks at a queue that does not answer
    assert run.poll() is None
    cluster.start_controller()
    waiting.finish(run)
    assert waiting.starts("byol") == [0]


def test_a_submitter_killed_right_after_sbatch_neither_loses_nor_doubles_a_job(table):
    killed = table()
    once = killed.control / "killed"
    killed.replace(
        "sbatch",
        f"""#!/bin/sh
/usr/bin/sbatch "$@"; code=$?
case "$*" in *--test-only*) exit $code ;; esac
[ -e {once} ] || {{ touch {once}; kill -9 $PPID; }}
exit $code
""",
    )
    assert killed.run().wait(timeout=120) == -9
    assert len(killed.submissions()) == 1
    killed.finish(killed.run())
    assert len(killed.executions()) == sum(len(each["tasks"]) for each in killed.submissions()) == 9


def test_two_harnesses_share_a_table(table):
    shared = table()
    first, second = shared.run(), shared.run()
    shared.finish(first)
    shared.finish(second)
    assert len(shared.executions()) == 9
    assert sum(len(each["tasks"]) for each in shared.submissions()) == 9


def test_a_node_that_dies_takes_nothing_along(table, cluster):
    robbed = table()
    robbed.hold("byol")
    run = robbed.run()
    node = robbed.held("byol")["host"]
    cluster.wait_until(lambda: len(robbed.records()) == 6)  # all that does not wait for it: nothing else is lost
    cluster.kill_node(node)
    robbed.wait_for_starts("byol", 2)
    assert robbed.claim("pretrain", "byol.")["host"] != node
    cluster.wait_until(lambda: node in robbed.bad_nodes())
    robbed.let_go("byol")
    robbed.finish(run)
    assert robbed.starts("byol") == [0, 3]
    cluster.start_node(node)
    cluster.wait_until(lambda: cluster.node_states() == ["idle", "idle"])


def test_a_node_that_does_not_see_the_store_is_left_out(table, cluster):
    blind = table()
    blind.store.mkdir(parents=True, exist_ok=True)
    node = cluster.nodes[0]
    cluster.hide(node, blind.store)
    blind.finish(blind.run())
    assert [node] in [each["request"]["exclude"] for each in blind.submissions()]
    assert node not in {record["host"]["name"] for record in blind.records()}
    cluster.kill_node(node)
    cluster.start_node(node)
    cluster.wait_until(lambda: cluster.node_states() == ["idle", "idle"])


def test_a_node_that_is_cut_off_while_its_jobs_go_on_disturbs_nobody(table, cluster):
    """Slurm takes it for dead and starts its job elsewhere; the one that still runs there sees that it was replaced."""
    doubled = table()
    doubled.hold("byol")
    run = doubled.run()
    node = doubled.held("byol")["host"]
    cluster.wait_until(lambda: len(doubled.records()) == 6)
    cluster.cut_off(node)
    cluster.run("scontrol", "update", f"nodename={node}", "state=down", "reason=it does not answer")
    doubled.wait_for_starts("byol", 2)
    log = doubled.directory("pretrain", "byol.") / "log.txt"
    cluster.wait_until(lambda: "another process has taken the job over" in log.read_text())
    doubled.let_go("byol")
    doubled.finish(run)
    [pretraining] = [each for each in doubled.records() if (each["kind"], each["recipe"]) == ("pretrain", "byol")]
    assert pretraining["host"]["name"] != node
    cluster.kill_node(node)
    cluster.start_node(node)
    cluster.wait_until(lambda: cluster.node_states() == ["idle", "idle"])


def test_what_waits_for_a_failure_leaves_the_queue_and_comes_back_with_the_remedy(table):
    mended = table()
    mended.fail("byol", "code")
    run = mended.run()
    _, errors = run.communicate(timeout=240)
    assert run.returncode == 1, errors
    assert "a bug in byol" in errors
    assert len(mended.records()) == 7  # the failure's too
    mended.cluster.wait_until(lambda: mended.active() == [])
    mended.mend("byol")
    mended.finish(mended.run("--rerun", "retry"))
    assert mended.starts("byol") == [0, 0]


def test_a_harness_that_is_killed_is_replaced_by_the_next(table):
    killed = table()
    killed.hold("byol")
    first = killed.run()
    killed.held("byol")
    first.kill()
    second = killed.run()
    killed.let_go("byol")
    killed.finish(second)
    assert len(killed.executions()) == sum(len(each["tasks"]) for each in killed.submissions()) == 9


def test_an_unknown_partition_is_refused_in_the_words_of_sbatch(table):
    refused = table(partition="nowhere")
    code, _, errors = refused.harness("run", "1", "--cluster", "pocket.yaml")
    assert code == 2
    assert "invalid partition specified: nowhere" in errors
    assert (refused.submissions(), refused.records()) == ([], [])
