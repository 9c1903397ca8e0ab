"""Learning rate and momentum by the numbers of methods.md 1.4, 1.5, appendix C 6-7."""

import math

import pytest

from pretrain.config import Momentum, Optim
from pretrain.training.schedule import learning_rate, teacher_momentum

N, EPOCHS = 231, 800


def rate(step):
    return learning_rate(Optim(), step, N, EPOCHS)


def test_rate_starts_at_a_ten_thousandth_and_ends_its_warmup_on_the_cosine():
    assert rate(0) == pytest.approx(4e-5)
    assert rate(4 * N) == pytest.approx(0.4 * 0.5 * (1 + math.cos(4 * math.pi / 800)))
    assert rate(2 * N) == pytest.approx(0.4 * 0.5 * (1 + math.cos(2 * math.pi / 800)) * (1 - 0.5 * (1 - 1e-4)))


def test_rate_is_constant_within_an_epoch_and_ends_low():
    assert rate(10 * N) == rate(11 * N - 1) != rate(11 * N)
    assert rate(EPOCHS * N - 1) == pytest.approx(1.5e-6, rel=0.05)


def test_momentum_ascends_along_the_cosine():
    steps = EPOCHS * N
    quarters = [teacher_momentum(Momentum(), steps * k // 4, steps) for k in range(5)]
    assert quarters == pytest.approx([0.99, 0.99146, 0.995, 0.99854, 1.0], abs=1e-5)


def test_constant_momentum_stays():
    assert teacher_momentum(Momentum(base=0.999, schedule="constant"), 777, 1000) == 0.999
