"""Curves, differences and the heat map: their numbers by hand, and what is drawn of them."""

import numpy as np
import pytest
from torch.utils.tensorboard import SummaryWriter

from results import labels, layout
from results.figures import curves, forest, heatmap, page
from results.figures.curves import Series


def series(values, steps=None):
    return Series(np.array(steps or range(1, len(values) + 1), dtype=float), np.array(values, dtype=float))


def write(folder, tag, values, first=1, purge=None):
    with SummaryWriter(str(folder), purge_step=purge) as writer:
        for step, value in enumerate(values, first):
            writer.add_scalar(tag, value, step)


def test_curves_are_read_from_what_trainings_write(tmp_path):
    write(tmp_path / "pretrain", "loss", [4.0, 3.0])
    write(tmp_path / "transfer", "train/loss", [2.0])
    assert curves.read(tmp_path / "pretrain").values.tolist() == [4.0, 3.0]
    assert curves.read(tmp_path / "transfer").steps.tolist() == [1.0]


def test_steps_that_were_trained_again_count_once_as_they_were_last(tmp_path):
    write(tmp_path, "loss", [5.0, 4.0, 9.0])
    write(tmp_path, "loss", [3.5, 3.0], first=3, purge=3)
    found = curves.read(tmp_path)
    assert found.steps.tolist() == [1, 2, 3, 4]
    assert found.values.tolist() == [5.0, 4.0, 3.5, 3.0]


def test_what_was_last_is_told_by_its_time_and_not_by_the_name_of_its_file(tmp_path):
    write(tmp_path, "loss", [5.0, 4.0, 9.0])
    (first,) = tmp_path.iterdir()
    write(tmp_path, "loss", [3.5, 3.0], first=3, purge=3)
    first.rename(tmp_path / "events.out.tfevents.9999999999.here")
    assert curves.read(tmp_path).values.tolist() == [5.0, 4.0, 3.5, 3.0]


def test_a_resumed_training_is_read_without_a_word_of_tensorboards(tmp_path, caplog):
    write(tmp_path, "loss", [5.0, 4.0, 9.0])
    write(tmp_path, "loss", [3.5, 3.0], first=2, purge=2)
    assert curves.read(tmp_path).steps.tolist() == [1.0, 2.0, 3.0]
    assert caplog.text == ""


def test_a_run_without_curves_has_none(tmp_path):
    write(tmp_path / "other", "learning_rate", [0.1])
    assert curves.read(tmp_path / "gone") is None
    assert curves.read(tmp_path / "other") is None


def test_where_there_is_no_tensorboard_the_run_s_own_losses_are_read(tmp_path):
    (tmp_path / "curve.csv").write_text("step,loss\n1,2.5\n3,1.5\n")
    found = curves.read_losses(tmp_path / "curve.csv")
    assert (found.steps.tolist(), found.values.tolist()) == ([1, 3], [2.5, 1.5])
    (tmp_path / "empty.csv").write_text("step,loss\n")
    assert curves.read_losses(tmp_path / "empty.csv") is None
    assert curves.read_losses(tmp_path / "gone.csv") is None


def test_a_running_mean_is_as_wide_as_both_sides_allow():
    assert curves.running_mean(np.array([0.0, 3, 6, 0, 0]), 3).tolist() == [0, 3, 3, 2, 0]
    assert curves.running_mean(np.array([1.0, 2]), 1).tolist() == [1, 2]
    assert curves.window(series([0.0] * 100)) == 5


def test_a_band_holds_mean_and_ends_of_the_runs_at_their_common_steps():
    found = curves.band([series([1.0, 2, 3]), series([3.0, 8], steps=[1, 3])])
    assert found.steps.tolist() == [1, 3]
    assert found.mean.tolist() == [2.0, 5.5]
    assert (found.low.tolist(), found.high.tolist(), found.runs) == ([1, 3], [3, 8], 2)


def test_a_panel_for_each_pretraining_and_one_for_each_task():
    runs = {"A": [series([3.0, 2, 1])], "B": [series([1.0, 1, 1])]}
    tasks = {"voc detection": {"A": [series([2.0, 1]), series([4.0, 3])]}}
    with curves.draw(runs, tasks) as drawn:
        shown = [axes for axes in drawn.axes if axes.get_visible()]
        assert [axes.get_title() for axes in shown] == ["A", "B", "voc detection"]
        assert shown[2].lines[0].get_ydata().tolist() == [3, 2]
        assert shown[0].lines[-1].get_color() == shown[2].lines[0].get_color()
        assert page.encoded(drawn, "png")[:4] == b"\x89PNG"


@pytest.mark.parametrize("empty", ["pretraining", "finetuning"])
def test_curves_of_one_kind_alone_are_drawn(empty):
    parts = {"pretraining": {"A": [series([1.0])]}, "finetuning": {"t": {"A": [series([1.0])]}}} | {empty: {}}
    with curves.draw(**parts) as drawn:
        assert len([axes for axes in drawn.axes if axes.get_visible()]) == 1


def test_a_number_s_place_is_between_its_column_s_ends():
    assert heatmap.places(np.array([1.0, 3, 2]), 0.1).tolist() == [0, 1, 0.5]
    assert heatmap.places(np.array([2.0, np.nan]), 0.0).tolist()[0] == 0.5
    noise = heatmap.places(np.array([14.11, 14.15]), 0.4)
    assert abs(noise - 0.5).max() < 0.01


def test_differences_stand_in_the_table_s_order_with_their_intervals():
    one = forest.Entry("a", 1.0, (0.5, 1.5), (0.0, 2.0), apart=True, published=0.8)
    other = forest.Entry("b", -1.0, None, None, apart=False)
    panels = [forest.Panel("AP", (one, other)), forest.Panel("AP50", (other,))]
    with forest.draw(panels, "random init", {"a": "A", "b": "B", "none": "C"}) as drawn:
        first, second = drawn.axes
        spans = [line.get_xdata() for line in first.lines if len(line.get_xdata()) == 2][1:]
        assert [tuple(span) for span in spans] == [(0.0, 2.0), (0.5, 1.5)]
        assert [line.get_ydata()[0] for line in second.lines if line.get_marker() == "o"] == [1]
        assert [label.get_text() for label in first.get_yticklabels()] == ["A", "B"]


def test_a_method_of_a_later_panel_alone_has_its_line():
    early, late = (forest.Entry(name, 1.0, None, None, apart=False) for name in ("a", "b"))
    panels = [forest.Panel("AP", (late,)), forest.Panel("AP50", (early,))]
    with forest.draw(panels, "random init", {"a": "A", "b": "B"}) as drawn:
        found = [[line.get_ydata()[0] for line in axes.lines if line.get_marker() == "o"] for axes in drawn.axes]
        assert found == [[1], [0]]


def test_methods_of_one_label_have_a_line_each():
    rows = layout.load("table7").rows
    labels_of = labels.distinct(rows)
    entries = tuple(forest.Entry(row.recipe, float(place), None, None, False) for place, row in enumerate(rows))
    with forest.draw([forest.Panel("AP", entries)], "SlotCon", labels_of) as drawn:
        axes = drawn.axes[0]
        places = {line.get_xdata()[0]: line.get_ydata()[0] for line in axes.lines if line.get_marker() == "o"}
        assert places == {float(place): place for place in range(len(rows))}
        shown = [label.get_text() for label in axes.get_yticklabels()]
        assert (shown[3], shown[7]) == ("PixCon-SR (COCO)", "PixCon-SR (COCO+)")


def test_no_two_recipes_share_a_label():
    rows = [
        layout.Row(label="A", recipe=name, pretrain_data=data) for name, data in (("x", "D"), ("y", "D"), ("z", ""))
    ]
    assert labels.distinct(rows) == {"x": "A (D) (x)", "y": "A (D) (y)", "z": "A"}
