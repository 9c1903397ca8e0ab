"""The losses of a run, written down so that copies are told."""

import hashlib

from harness.curve import CURVE, Curve


def written(folder, *parts):
    for part in parts:
        curve = Curve(folder)
        for step, loss in part:
            curve.add(step, loss)
    return curve.close()


def test_a_resumed_run_has_the_curve_of_an_undisturbed_one(tmp_path):
    losses = [(step, 1 / step) for step in range(1, 8)]
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    one = written(tmp_path / "one", losses)
    assert one == written(tmp_path / "two", losses[:5], losses[2:])
    text = (tmp_path / "two" / CURVE).read_text()
    assert text.splitlines()[:3] == ["step,loss", "1,1.0", "2,0.5"]
    assert hashlib.sha256(text.encode()).hexdigest() == one


def test_a_line_cut_short_by_a_kill_does_not_count(tmp_path):
    whole = written(tmp_path, [(1, 0.5), (2, 0.25)])
    (tmp_path / CURVE).write_text("1,0.5\n2,0.2")
    assert written(tmp_path, [(2, 0.25)]) == whole
    (tmp_path / CURVE).write_text("1,0.5\n2,")
    assert written(tmp_path, [(2, 0.25)]) == whole


def test_another_loss_is_another_curve_and_no_loss_none(tmp_path):
    assert written(tmp_path, []) == ""
    one = written(tmp_path, [(1, 0.5)])
    assert written(tmp_path, [(1, 0.5000000000000001)]) != one
