"""Learning rate and momentum against the official schedulers, and by the numbers of methods.md appendix C 6-7.

``fixtures/schedules.json``: the released schedulers and momentum rules of SlotCon, PixPro, mmcv and PixCon's mmselfsup,
stepped through whole trainings; and the teachers that a given sequence of students leads to.
"""

import json
import math
from pathlib import Path

import pytest

from pretrain.config import Momentum
from pretrain.optim_config import Lars, Sgd
from pretrain.training.schedule import learning_rate, teacher_momentum

N, EPOCHS = 231, 800
FIXTURE = json.loads((Path(__file__).parent / "fixtures" / "schedules.json").read_text())
CASES = [
    pytest.param(case, id=f"{case['code']}-{case['epochs']}x{case['steps_per_epoch']}") for case in FIXTURE["cases"]
]


def rate(step):
    return learning_rate(Sgd(), step, N, EPOCHS)


@pytest.mark.parametrize("case", CASES)
def test_rates_equal_the_official_ones_at_the_turns(case):
    optim = Sgd(lr=case["lr"]) if case["code"] == "mmselfsup" else Lars(kind="lars", lr=case["lr"])
    ours = [learning_rate(optim, int(step), case["steps_per_epoch"], case["epochs"]) for step in case["learning_rate"]]
    assert ours == pytest.approx(list(case["learning_rate"].values()), rel=1e-9)


@pytest.mark.parametrize("case", CASES)
def test_momentum_equals_the_official_one(case):
    if case["code"] == "mmselfsup":
        ours = [
            teacher_momentum(Momentum(), int(step), case["epochs"] * case["steps_per_epoch"])
            for step in case["momentum"]
        ]
    else:
        before = Momentum(average="before")
        ours = [teacher_momentum(before, int(step) - 1, case["total"]) for step in case["momentum"]]
    assert ours == pytest.approx(list(case["momentum"].values()), rel=1e-12)


def test_official_totals_count_the_images_that_whole_batches_leave_out():
    """A deviation: our K is the number of steps, SlotCon's and PixPro's images / batch × epochs."""
    case = next(case for case in FIXTURE["cases"] if case["code"] == "slotcon" and case["epochs"] == EPOCHS)
    assert (case["total"], EPOCHS * N) == (184823, 184800)
    before = Momentum(average="before")
    for step, official in case["momentum"].items():
        assert teacher_momentum(before, int(step) - 1, EPOCHS * N) == pytest.approx(official, abs=1e-6)


@pytest.mark.parametrize("code", ["slotcon", "pixpro"])
def test_averaging_before_gives_the_official_teachers(code):
    students, official = FIXTURE["ema"]["student"], FIXTURE["ema"][code]
    teacher, seen = students[0], []
    for step in range(8):
        seen.append(teacher)
        momentum = teacher_momentum(Momentum(base=0.9, average="before"), step, 8)
        last, teacher = teacher, momentum * teacher + (1 - momentum) * students[step + 1]
    assert seen == pytest.approx(official, rel=1e-12)
    assert teacher == last, "the average after the last step, which the official code does not have"


def test_rate_by_epoch_starts_at_a_ten_thousandth_and_ends_its_warmup_on_the_cosine():
    assert rate(0) == pytest.approx(4e-5)
    assert rate(4 * N) == pytest.approx(0.4 * 0.5 * (1 + math.cos(4 * math.pi / 800)))
    assert rate(2 * N) == pytest.approx(0.4 * 0.5 * (1 + math.cos(2 * math.pi / 800)) * (1 - 0.5 * (1 - 1e-4)))


def test_rate_by_epoch_is_constant_within_an_epoch_and_ends_low():
    assert rate(10 * N) == rate(11 * N - 1) != rate(11 * N)
    assert rate(EPOCHS * N - 1) == pytest.approx(1.5e-6, rel=0.05)


def test_rate_by_iteration_moves_with_every_step_and_may_do_without_a_warmup():
    cold = Lars(kind="lars", lr=1.0, warmup_epochs=0)
    rates = [learning_rate(cold, step, 5, 2) for step in range(10)]
    assert rates[0] == 1.0
    assert rates == sorted(set(rates), reverse=True)
    assert rates[5] == pytest.approx(0.5, abs=1e-5)


def test_a_warmup_longer_than_the_training_only_rises():
    long = Lars(kind="lars", lr=1.0, warmup_epochs=5)
    assert [learning_rate(long, step, 5, 1) for step in (0, 4)] == pytest.approx([0.01, 0.01 + 0.99 * 4 / 25])


def test_momentum_ascends_along_the_cosine():
    steps = EPOCHS * N
    quarters = [teacher_momentum(Momentum(), steps * k // 4, steps) for k in range(5)]
    assert quarters == pytest.approx([0.99, 0.99146, 0.995, 0.99854, 1.0], abs=1e-5)


def test_constant_momentum_stays():
    assert teacher_momentum(Momentum(base=0.999, schedule="constant"), 777, 1000) == 0.999
