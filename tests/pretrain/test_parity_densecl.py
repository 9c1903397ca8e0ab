"""DenseCL and Table 4's ladder against the official classes: three steps, ShuffleBN over two processes included.

``fixtures/parity_densecl.json``: WXinlong/DenseCL's class and PixCon's with its switches, from all off to all on.
"""

import pytest

LADDER = ["densecl", "densecl-syncbn", "densecl-predictor", "densecl-momentum", "densecl-symmetric"]


@pytest.mark.parametrize("recipe", LADDER)
def test_three_steps_equal_those_of_the_official_class(recipe, official, monkeypatch):
    assert official.differences(recipe, official.cases("parity_densecl")[recipe], monkeypatch) == {}


def test_three_steps_equal_those_of_densecls_own_release(official, monkeypatch):
    assert official.differences("densecl", official.cases("parity_densecl")["official"], monkeypatch) == {}


def test_a_one_sided_pixcon_sim_is_the_class_with_all_switches_but_one(official, monkeypatch):
    expected = official.cases("parity_densecl")["densecl-momentum"]
    assert official.differences("pixcon-sim-one-sided", expected, monkeypatch) == {}


def test_shuffled_keys_are_normalised_in_the_company_of_the_permutation(official, monkeypatch):
    """Another permutation gives other losses, so the fixture does see how keys are shuffled and put back."""
    expected = official.cases("parity_densecl")["densecl"][0]["losses"]["pixel"]
    other = official.walk("densecl", [1], monkeypatch, seed=13)[0].losses["pixel"]
    assert abs(other - expected) > 0.01 * expected


@pytest.mark.parametrize("recipe", LADDER[1:])
def test_the_teachers_batch_norms_count_what_the_official_ones_do(recipe, official, monkeypatch):
    """Buffers belong to the network whose passes they are: the momentum update leaves them alone."""
    expected = official.cases("parity_densecl")[recipe]
    steps = official.walk(recipe, [step["enqueued_view"] for step in expected], monkeypatch)
    for ours, theirs in zip(steps, expected, strict=True):
        assert official.apart(ours.teacher_running_mean, theirs["teacher_running_mean"]) <= 1e-5
