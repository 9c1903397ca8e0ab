"""BYOL against the official class: three steps.

``fixtures/parity_byol.json``: PixCon's class, whose loss is ours less the constant 4.
"""


def test_three_steps_equal_those_of_the_official_class(official, monkeypatch):
    expected = official.cases("parity_byol")["byol"]
    assert official.differences("byol", expected, monkeypatch, constant=4.0) == {}
