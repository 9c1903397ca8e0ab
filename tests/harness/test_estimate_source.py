"""A plan says what each length rests on: it changes as runs finish, and it is seen why."""

from dataclasses import replace

import pytest

from harness import cli
from harness.estimate import Estimates
from harness.profiles import Seconds


@pytest.fixture
def jobs(planned):
    return {job.stem: job for job in planned.jobs}


def test_the_source_follows_what_is_measured(jobs):
    estimates = Estimates(Seconds(pretrain=60, transfer=30))
    byol, other = jobs["byol.scenes.s0"], jobs["pixcon-sr.scenes.s0"]
    assert estimates.source(byol) == "guess"
    assert estimates.source(jobs["random-init.s0"]) == ""
    estimates.add(other, 50.0)
    assert (estimates.source(byol), estimates.seconds(byol)) == ("1 finished run of others", 50.0)
    estimates.add(byol, 40.0)
    estimates.add(byol, 41.0)
    assert estimates.source(byol) == "2 finished runs"


def test_a_guess_that_was_stretched_says_so(jobs):
    estimates = Estimates(Seconds(pretrain=60, transfer=30, tasks={"voc_detection": 20, "another": 10}))
    tuned = jobs["voc_detection.byol.r0"]
    assert estimates.source(tuned) == "guess"
    estimates.add(replace(tuned, task="another"), 15.0)
    assert estimates.seconds(tuned) == 30.0
    assert estimates.source(tuned) == "guess x 1.5, as other tasks took"


def test_a_plan_has_a_column_for_it(place, planned, capsys):
    def lines():
        capsys.readouterr()
        assert cli.main(["plan", "1", "--profile", "toy.yaml"]) == 0
        return capsys.readouterr().out.splitlines()

    before = lines()
    assert [line.split()[-1] for line in before if " byol " in line] == ["guess", "guess"]
    assert cli.main(["run", "1", "--only", "pixcon-sr", "--cluster", "debug", "--profile", "toy.yaml"]) == 0
    after = [line for line in lines() if " byol " in line]
    assert after[0].endswith("1 finished run of others")
    assert after[1].endswith("2 finished runs of others")
    (done, *_) = [line for line in lines() if line.startswith("done")]
    assert "finished" not in done
