"""How a start ended, by all there is to see."""

import pytest

from harness.cluster.failures import Evidence, classify

CASES = [
    ("memory", Evidence(error="memory", state="FAILED")),
    ("memory", Evidence(state="OUT_OF_MEMORY")),
    ("memory", Evidence(exit_code=137, log="slurmstepd: error: Detected 1 oom_kill event in StepId=3.0")),
    (
        "memory",
        Evidence(exit_code=137, log="slurmstepd: error: StepId=3.0 exceeded memory limit (6 > 1), being killed"),
    ),
    ("memory", Evidence(exit_code=137, log="slurmstepd: error: Exceeded job memory limit")),
    ("diverged", Evidence(error="diverged")),
    ("data", Evidence(error="data")),
    ("data", Evidence(error="weights")),
    ("node", Evidence(error="node")),
    ("node", Evidence(state="NODE_FAIL", stopped="SIGTERM")),
    ("node", Evidence(exit_code=135)),
    ("timeout", Evidence(stopped="limit")),
    ("timeout", Evidence(stopped="limit", state="CANCELLED")),
    ("timeout", Evidence(state="TIMEOUT")),
    ("preempted", Evidence(stopped="SIGTERM", state="PREEMPTED")),
    ("preempted", Evidence(state="PREEMPTED", started=False)),
    ("preempted", Evidence(stopped="SIGTERM")),  # the controller has forgotten, and there is no accounting
    ("unknown", Evidence(stopped="SIGTERM", state="CANCELLED by 1000")),
    ("unknown", Evidence(exit_code=137)),
    ("unknown", Evidence(state="FAILED", exit_code=1)),
    ("unknown", Evidence(state="COMPLETED")),
    ("unknown", Evidence(started=False)),
    ("orphan", Evidence(started=False, after=True, state="CANCELLED")),
    ("memory", Evidence(error="code", state="OUT_OF_MEMORY")),  # some process of the job was killed, and another saw it
    ("diverged", Evidence(error="diverged", state="OUT_OF_MEMORY")),
    ("code", Evidence(error="code", state="FAILED")),
    ("code", Evidence(error="config")),
    ("storage", Evidence(error="storage")),
    ("node", Evidence(state="FAILED JobLaunchFailure", started=False, claimed=False, after=True)),
    ("node", Evidence(state="FAILED", status="0:53", started=False, claimed=False)),
    *(("node", Evidence(exit_code=code, claimed=False)) for code in (75, 126, 127)),
    ("node", Evidence(state="FAILED NonZeroExitCode", status="75:0", started=False, claimed=False)),
    ("node", Evidence(exit_code=1, seconds=2, claimed=False)),
    ("unknown", Evidence(exit_code=1, seconds=2000, claimed=False)),
    ("unknown", Evidence(exit_code=1, seconds=2)),  # it had begun
    ("unknown", Evidence(exit_code=3, seconds=2, claimed=False)),  # somebody else's
    ("unknown", Evidence(exit_code=137, seconds=2, claimed=False)),
    ("unknown", Evidence(state="FAILED", exit_code=5, seconds=2, claimed=False, after=True)),
    ("preempted", Evidence(exit_code=143)),  # the controller has forgotten, and there is no last word
    ("unknown", Evidence(state="CANCELLED", exit_code=143)),
    ("unknown", Evidence(state="CANCELLED", exit_code=1, seconds=2, claimed=False)),
]


@pytest.mark.parametrize(("outcome", "seen"), CASES)
def test_an_ending_is_classed_by_what_was_seen_of_it(outcome, seen):
    found, words = classify(seen)
    assert found == outcome
    assert words
