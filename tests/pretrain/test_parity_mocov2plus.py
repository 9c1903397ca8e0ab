"""MoCo-v2+ against the official class: three steps of the loss summed over both directions.

``fixtures/parity_mocov2plus.json``: PixCon's class.
"""


def test_three_steps_equal_those_of_the_official_class(official, monkeypatch):
    expected = official.cases("parity_mocov2plus")["mocov2plus"]
    assert official.differences("mocov2plus", expected, monkeypatch) == {}
